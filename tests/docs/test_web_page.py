"""Pages of `kerasrecipes export NAME --web FOLDER`: words and times as Python's, of files and a microphone, with and without phrases."""

import io
import threading
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import live_pages
import numpy as np
import pytest
import soundfile
from PIL import Image

import kerasrecipes as kr
from kerasrecipes import audio
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.criteria import CRITERIA
from kerasrecipes.decoding.greedy import greedy_decode
from kerasrecipes.decoding.options import DecodingOptions
from kerasrecipes.decoding.pauses import mark_pauses
from kerasrecipes.decoding.phoneme_set import PhonemeSet
from kerasrecipes.decoding.phrase_search import decode_phrases
from kerasrecipes.decoding.viterbi import viterbi_decode
from kerasrecipes.export import export_web_page, web_source
from kerasrecipes.inference.stream_decoders import make_stream_decoder

CLIP = Path(__file__).resolve().parents[1] / "fixtures" / "LibriSpeech" / "dev-mini" / "84" / "121123" / "84-121123-0001.mp3"
WHOLE, STREAMING, PHONEMES = "wav2letter_small", "deepspeech2_streaming_small", "palaz_raw_small"
CLASSIFIERS = ("squeezenet", "convnetjs_mnist")
PHRASES = ["but in less", "five minutes", "the staircase", "lights on", "stop"]
CLOSE = 1e-3
READ_RECORDING = "async () => [...new Uint8Array(await (await fetch(document.querySelector('audio').src)).arrayBuffer())]"
WORDS = """Array.from(document.querySelectorAll('.speak-word'), (w) => [w.querySelector('span').textContent, w.title])"""


class Server(SimpleHTTPRequestHandler):
    """What `python -m http.server` runs, which notes addresses that it does not have."""

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def send_error(self, code: int, *rest: Any) -> None:
        self.server.failures.append((code, self.path))  # type: ignore[attr-defined]
        super().send_error(code, *rest)


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """Where the folders whole/, streaming/, phonemes/ and those of the classifiers are served."""
    root = tmp_path_factory.mktemp("pages")
    export_web_page(WHOLE, root / "whole", phrases=PHRASES)
    export_web_page(STREAMING, root / "streaming", phrases=PHRASES)
    export_web_page(PHONEMES, root / "phonemes")
    for name in CLASSIFIERS:
        export_web_page(name, root / name)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, directory=str(root))) as server:
        server.failures = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
    assert not server.failures  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """The clip as a WAV file of 16 kHz, whose samples no decoder changes."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, audio.load_audio(CLIP), 16000, subtype="PCM_16")
    return path


def opened(browser: Any, url: str, **options: Any) -> Any:
    """A page that is ready. Errors and the addresses that it asked for lie in `failures` and `addresses`."""
    page = browser.new_page(**options)
    page.failures, page.addresses = [], []
    page.set_default_timeout(live_pages.WAIT)
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    page.on("console", lambda message: page.failures.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: page.addresses.append(request.url))
    page.goto(url)
    page.wait_for_selector("#page[data-ready]")
    return page


def wait_for_result(page: Any, act: Any) -> None:
    """Do something after which the page has another result."""
    before = int(page.locator("#page").get_attribute("data-done") or 0)
    act()
    page.wait_for_function("(n) => +document.getElementById('page').dataset.done > n", arg=before)
    assert not page.locator("[role=alert]").count()


def wait_for_words(page: Any, act: Any) -> list[list[str]]:
    """Do something after which words are written again, and return [text, times] of each."""
    wait_for_result(page, act)
    return page.evaluate(WORDS)


def format_words(transcript: Any) -> list[list[str]]:
    return [[w.text, f"{w.start:.2f} to {w.end:.2f} s, confidence {w.confidence:.2f}"] for w in transcript.words]


@pytest.mark.parametrize(("folder", "name"), [("whole", WHOLE), ("streaming", STREAMING)])
def test_words_and_times_of_a_file_are_pythons(browser, address: str, clip: Path, folder: str, name: str) -> None:
    model = kr.load(name, engine="onnxruntime")
    page = opened(browser, f"{address}{folder}/")
    box = page.get_by_role("checkbox", name="Write these 5 phrases and nothing else")
    phrases = wait_for_words(page, lambda: page.locator("input[type=file]").set_input_files(clip))
    every_word = wait_for_words(page, box.uncheck)
    again = wait_for_words(page, box.check)
    assert [t for t, _ in every_word] == [w.text for w in model.transcribe(clip, decoder="greedy").words] != []
    assert every_word == format_words(model.transcribe(clip, decoder="greedy"))
    assert phrases == again == format_words(model.transcribe(clip, phrases=PHRASES)) != []
    assert all(url.startswith((address, "blob:", "data:")) for url in page.addresses)
    assert any(url.endswith(".onnx") or ".onnx?" in url for url in page.addresses)
    assert not page.failures
    page.close()


def test_phonemes_of_a_file_are_pythons(browser, address: str, clip: Path) -> None:
    page = opened(browser, f"{address}phonemes/")
    words = wait_for_words(page, lambda: page.locator("input[type=file]").set_input_files(clip))
    assert words == format_words(kr.load(PHONEMES, engine="onnxruntime").transcribe(clip, decoder="crf")) != []
    assert not page.get_by_role("checkbox").count() and not page.failures
    page.close()


@pytest.fixture
def speaking_browser(playwright_of, chromium_path: str, clip: Path) -> Iterator:
    """A Chromium whose microphone plays the clip again and again."""
    flags = ("--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    chromium = playwright_of(chromium_path, (*flags, f"--use-file-for-fake-audio-capture={clip}"))
    yield chromium
    chromium.close()


@pytest.mark.parametrize(("folder", "name"), [("whole", WHOLE), ("streaming", STREAMING)])
def test_words_of_the_microphone_are_pythons(speaking_browser, address: str, folder: str, name: str) -> None:
    model = kr.load(name, engine="onnxruntime")
    page = opened(speaking_browser, f"{address}{folder}/", bypass_csp=True)  # to read the recording

    def speak() -> None:
        page.get_by_role("button", name="Speak", exact=True).click()
        page.wait_for_selector("button[aria-pressed=true]")
        page.wait_for_timeout(8000)
        page.get_by_role("button", name="Stop", exact=True).click()

    phrases = wait_for_words(page, speak)
    every_word = wait_for_words(page, page.get_by_role("checkbox").uncheck)
    recording = io.BytesIO(bytes(page.evaluate(READ_RECORDING)))
    assert [text for text, _ in phrases] == [w.text for w in model.transcribe(recording, phrases=PHRASES).words]
    assert len(phrases) >= 2  # the clip is longer than its first phrase
    recording.seek(0)
    # the page had samples in float32, the recording has 16 bits
    expected = model.transcribe(recording, decoder="greedy").text
    assert SequenceMatcher(None, " ".join(t for t, _ in every_word), expected, autojunk=False).ratio() > 0.95
    if folder == "streaming":
        assert page.locator("#page").get_attribute("data-live") == " ".join(text for text, _ in phrases)
    page.close()


def run_in_page(page: Any, body: str, *values: Any) -> Any:
    """The result of JavaScript that has the module `decoders`."""
    script = f"async (given) => {{ const decoders = await import(new URL('decoders.js', location.href)); {body} }}"
    return page.evaluate(script, list(values))


def check_words(words: list[dict], expected: Any) -> None:
    assert [w["text"] for w in words] == [w.text for w in expected.words]
    times = [[w[key] for key in ("start", "end", "confidence")] for w in words]
    np.testing.assert_allclose(times, [[w.start, w.end, w.confidence] for w in expected.words], atol=1e-6)


def random_logits(rng: Any, frames: int, size: int, pause_column: int) -> np.ndarray:
    """Random logits with pauses of 5 to 60 frames."""
    logits = 2 * rng.normal(size=(frames, size)).astype("float32")
    for first in range(30, frames, 40):
        logits[first : first + int(rng.integers(5, 60)), pause_column] += 9
    return logits


def test_every_decoder_is_pythons(browser, address: str) -> None:
    page = opened(browser, f"{address}whole/")
    rng = np.random.default_rng(0)
    letters, repeats, phonemes = Alphabet("ab c"), Alphabet("ab c", num_repetition_symbols=2), PhonemeSet()
    decode = """return decoders.decodeLogits(Float32Array.from(given[0]), given[1], given[2], given[3]).words"""
    num_words = dict.fromkeys(("greedy", "phrases", "asg", "frames", "crf"), 0)
    for frame_seconds in (0.016, 0.04, 0.048, 0.08):  # 0.6 s and 1 s are 37.5 and 12.5 frames: halves go to even numbers
        frames = int(rng.integers(150, 300))
        times = {"frame_seconds": frame_seconds, "duration": frames * frame_seconds - 0.01}
        page_times = {"frameSeconds": frame_seconds, "duration": times["duration"]}

        def compare(name: str, logits: Any, metadata: dict, expected: Any, phrases: Any = None, page_times: Any = page_times) -> None:
            check_words(run_in_page(page, decode, logits.ravel().tolist(), metadata, phrases, page_times), expected)
            num_words[name] += len(expected.words)

        logits = random_logits(rng, frames, letters.vocab_size, 0)
        metadata = {"criterion": "ctc", "alphabet": letters.get_config(), "task": "speech-recognition"}
        marked = mark_pauses(logits, letters, frame_seconds)
        compare("greedy", logits, metadata, greedy_decode(marked, letters, **times))
        for cost in (0.5, 2.0, float("inf")):
            texts = ["ab", "a c", "cab", "bb a", "c"]
            closed_list = web_source.describe_phrases(FakeRecognizer(letters), texts, cost)
            compare("phrases", logits, metadata, decode_phrases(logits, letters, texts, cost, **times), closed_list)

        logits = random_logits(rng, frames, repeats.vocab_size, 1)
        transitions = rng.normal(size=(repeats.vocab_size,) * 2).astype("float32")
        marked = mark_pauses(logits, repeats, frame_seconds, transitions=transitions)
        metadata = {"criterion": "asg", "alphabet": repeats.get_config(), "task": "speech-recognition", "transitions": transitions.tolist()}
        compare("asg", logits, metadata, viterbi_decode(marked, transitions, repeats, **times))

        logits = random_logits(rng, frames, phonemes.vocab_size, 3)
        transitions = (rng.normal(size=(phonemes.vocab_size,) * 2) + 4 * np.eye(phonemes.vocab_size)).astype("float32")
        for criterion in ("frames", "crf"):
            metadata = {"criterion": criterion, "alphabet": phonemes.get_config(), "task": "phoneme-recognition"}
            metadata["transitions"] = transitions.tolist()
            compare(criterion, logits, metadata, CRITERIA[criterion](transitions).decode(logits, phonemes, **times))
    assert min(num_words.values()) > 20, num_words
    assert not page.failures
    page.close()


class FakeRecognizer:
    """A CTC recognizer as decoders need it."""

    name, stride, sample_rate, decoder_settings = "fake", 640, 16000, None

    def __init__(self, alphabet: Alphabet):
        self.alphabet, self.criterion = alphabet, CRITERIA["ctc"]()
        self.recipe = type("Recipe", (), {"task": "speech-recognition"})


def test_a_stream_of_phrases_is_pythons(browser, address: str) -> None:
    page = opened(browser, f"{address}whole/")
    rng, model = np.random.default_rng(1), FakeRecognizer(Alphabet("ab c"))
    texts = ["ab", "a c", "cab"]
    logits = random_logits(rng, 400, model.alphabet.vocab_size, 0)
    metadata = {"alphabet": model.alphabet.get_config(), "stride": model.stride, "sample_rate": model.sample_rate}
    for phrases in (texts, []):
        decoder, expected = make_stream_decoder(model, DecodingOptions(phrases=tuple(phrases))), []
        for at in range(0, 400, 37):
            decoder.append(logits[at : at + 37])
            expected.append(decoder.read(0.04 * (at + 37)))
        closed_list = web_source.describe_phrases(model, phrases, 2.0)
        answers = run_in_page(
            page, """const decoder = decoders.makeStreamDecoder(given[1], given[2]);
            return given[0].map((part, i) => { decoder.append(Float32Array.from(part)); return decoder.read(0.04 * 37 * (i + 1)); })""",
            [logits[at : at + 37].ravel().tolist() for at in range(0, 400, 37)], metadata, closed_list,
        )  # fmt: skip
        assert len(expected[-1].words) > 3
        for answer, transcript in zip(answers, expected, strict=True):
            assert answer["text"] == transcript.text
            check_words(answer["words"], transcript)
    page.close()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classes_of_an_image_and_of_the_camera_are_pythons(speaking_browser, address: str, name: str, tmp_path: Path) -> None:
    size = (31, 37) if name == "convnetjs_mnist" else (300, 410)
    y, x = np.mgrid[: size[0], : size[1]] / 8
    pixels = np.stack([128 + 120 * np.sin(x + phase) * np.cos(y - phase) for phase in range(3)], axis=-1).astype("uint8")
    Image.fromarray(pixels).save(tmp_path / "image.png")
    page, model = opened(speaking_browser, f"{address}{name}/"), kr.load(name, engine="onnxruntime")
    wait_for_result(page, lambda: page.locator("input[type=file]").set_input_files(tmp_path / "image.png"))
    expected = model.classify(tmp_path / "image.png")
    percentages = [float(text.rstrip("% ")) for text in page.locator(".bar-value").all_text_contents()]
    np.testing.assert_allclose(percentages, 100 * np.sort(expected.probabilities)[::-1][:5], atol=0.1)
    best = model.classes[int(np.argmax(expected.probabilities))]
    assert page.locator("#page").get_attribute("data-best") == best == page.locator("p[role=status]").text_content()
    wait_for_result(page, page.get_by_role("button", name="Camera", exact=True).click)
    page.get_by_role("button", name="Stop", exact=True).click()
    assert page.get_by_role("button", name="Camera", exact=True).is_visible() and not page.failures
    assert all(url.startswith((address, "blob:", "data:")) for url in page.addresses)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_by_keyboard(browser, address: str, clip: Path, scheme: str) -> None:
    page = opened(browser, f"{address}whole/", viewport={"width": 390, "height": 800}, color_scheme=scheme)
    wait_for_words(page, lambda: page.locator("input[type=file]").set_input_files(clip))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(background.split("(")[1].split(",")[0]) < 128) == (scheme == "dark")
    page.locator(".speak-word").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('audio').currentTime > 0")
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.locator(".speak-phrases li").all_text_contents() == PHRASES
    page.close()


def test_problems_say_what_to_do(browser, address: str, tmp_path: Path) -> None:
    page = opened(browser, f"{address}whole/")
    page.get_by_role("button", name="Speak", exact=True).click()
    page.wait_for_selector("[role=alert]")
    assert "choose an audio file instead" in page.locator("[role=alert]").text_content()
    page.close()
    page = browser.new_page()
    export_web_page(WHOLE, tmp_path / "page")
    page.goto((tmp_path / "page" / "index.html").as_uri())  # a double click: browsers load no modules from files
    assert "python -m http.server" in page.locator(".live-error").text_content()
    page.close()
