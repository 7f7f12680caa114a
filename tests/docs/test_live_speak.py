"""The demo Speak, or bring a recording: scores, words and times as Python's, of clips, files and a microphone."""

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import live_pages
import numpy as np
import pytest
import soundfile

import kerasrecipes as kr
from kerasrecipes import audio
from kerasrecipes.decoding.alphabet import Alphabet
from kerasrecipes.decoding.greedy import greedy_decode
from kerasrecipes.decoding.pauses import mark_pauses
from kerasrecipes.engines.onnx_metadata import read_description
from kerasrecipes.hub import manifest, weights
from kerasrecipes.utils.files import sha256_file

CLIPS = sorted((Path(__file__).resolve().parents[1] / "fixtures" / "LibriSpeech" / "dev-mini").rglob("*.mp3"))
CLIP = next(p for p in CLIPS if p.stem == "84-121123-0001")
CLOSE = 1e-3
RECOGNISERS = ("deepspeech2_small", "wav2letter_small")
STREAMING = "deepspeech2_streaming_small"
TRANSCRIBE = """const net = await common.openSession(given[0]), found = await recognizer.transcribe(net, Float32Array.from(given[1]));
return { ...found, logits: found.logits && Array.from(found.logits) }"""


@pytest.fixture(scope="module")
def page(browser, site_url: str) -> Iterator:
    yield from live_pages.open_demo(browser, site_url, "speak")


def alike(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b, autojunk=False).ratio()


def same_words(found: list[dict], right) -> None:
    """The same words at the same times."""
    assert [w["text"] for w in found] == [w.text for w in right]
    for ours, theirs in zip(found, right, strict=True):
        np.testing.assert_allclose(
            [ours["start"], ours["end"], ours["confidence"]], [theirs.start, theirs.end, theirs.confidence], atol=CLOSE
        )


def test_greedy_decoding_is_pythons(page) -> None:
    rng = np.random.default_rng(0)
    alphabet = Alphabet("ab c")
    for frames in (0, 1, 7, 60, 400):
        scores = rng.normal(size=(frames, alphabet.vocab_size)).round(3)
        scores[:, 0] += 0.3
        for first in range(60, frames, 50):  # pauses of 12 to 48 frames, where 15 are 0.6 s
            scores[first : first + int(rng.integers(12, 48)), 0] += 9
        times = {"frame_seconds": 0.04, "offset": 1.2, "duration": 1.2 + 0.04 * frames - 0.01}
        found = live_pages.call(
            page, ["ctc"],
            "return ctc.decodeGreedily(Float32Array.from(given[0]), given[2], { frameSeconds: 0.04, offset: 1.2, duration: given[1] })",
            scores.ravel().tolist(), times["duration"], alphabet.get_config(),
        )  # fmt: skip
        right = greedy_decode(mark_pauses(scores.astype("float32"), alphabet, 0.04), alphabet, **times)
        assert found["text"] == right.text
        same_words(found["words"], right.words)


@pytest.mark.parametrize("name", RECOGNISERS)
def test_scores_and_words_are_pythons(page, name: str) -> None:
    model = kr.load(live_pages.FILES / f"{name}.onnx")
    wave = audio.load_audio(CLIP)
    found = live_pages.call(page, ["common", "recognizer"], TRANSCRIBE, name, wave.tolist())
    scores = np.array(found["logits"]).reshape(-1, model.alphabet.vocab_size)
    right = np.asarray(model.predict_logits({"audio": wave[None], "length": np.array([len(wave)], "int32")}))[0]
    assert len(scores) == len(right) == model.output_length(len(wave))
    np.testing.assert_allclose(scores, right, atol=CLOSE * max(1, np.abs(right).max()))
    transcript = model.transcribe(wave, sample_rate=16000, decoder="greedy")
    assert found["text"] == transcript.text != ""
    same_words(found["words"], transcript.words)


def test_digital_silence_has_no_text(page) -> None:
    found = live_pages.call(page, ["common", "recognizer"], TRANSCRIBE, "deepspeech2_small", [0.0] * 16000)
    assert found["text"] == "" and found["words"] == []


def test_resampling_keeps_a_tone_and_drops_what_is_too_high(page) -> None:
    rate, seconds = 44100, 0.5
    t = np.arange(int(rate * seconds)) / rate
    for hertz, share in ((1000, 1.0), (11000, 0.0)):
        found = live_pages.call(
            page, ["audio"], """const take = audio.makeResampler(44100), parts = [];
            for (let at = 0; at < given[0].length; at += 777) parts.push(...take(Float32Array.from(given[0].slice(at, at + 777))));
            return parts""", np.sin(2 * np.pi * hertz * t).tolist(),
        )  # fmt: skip
        assert abs(len(found) - 16000 * seconds) < 64
        right = share * np.sin(2 * np.pi * hertz * np.arange(len(found)) / 16000)
        np.testing.assert_allclose(np.array(found)[100:-100], right[100:-100], atol=0.02)


def test_a_clip_and_two_recognizers_side_by_side(page) -> None:
    demo = page.locator(".live-demo")
    page.get_by_role("button", name="A heavy step").click()
    page.wait_for_function("document.querySelector('.live-demo').dataset.done === '1'")
    page.get_by_role("checkbox", name="wav2letter_small").check()
    page.wait_for_function("document.querySelector('.live-demo').dataset.done === '2'")
    cards = demo.locator(".speak-card")
    assert [cards.nth(i).get_attribute("data-recipe") for i in range(2)] == list(RECOGNISERS)
    for i, name in enumerate(RECOGNISERS):
        right = kr.load(live_pages.FILES / f"{name}.onnx").transcribe(CLIP, decoder="greedy").text
        # the browser's MP3 reader begins some samples elsewhere
        assert alike(cards.nth(i).get_attribute("data-text"), right) > 0.85
    word = demo.locator(".speak-word").first
    word.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('audio').currentTime > 0")
    page.get_by_role("checkbox", name="wav2letter_small").uncheck()
    page.wait_for_function("document.querySelector('.live-demo').dataset.done === '3'")


def test_a_file_of_another_rate_and_two_channels(page, tmp_path) -> None:
    import soxr

    wave = soxr.resample(audio.load_audio(CLIP), 16000, 44100)
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.stack([wave, wave], 1), 44100)
    done = int(page.locator(".live-demo").get_attribute("data-done") or 0)
    page.locator("input[type=file]").set_input_files(path)
    page.wait_for_function("(n) => +document.querySelector('.live-demo').dataset.done > n", arg=done)
    right = kr.load(live_pages.FILES / "deepspeech2_small.onnx").transcribe(CLIP, decoder="greedy").text
    assert alike(page.locator(".speak-card").first.get_attribute("data-text"), right) > 0.85


def test_no_sound_file_and_no_leave_are_explained(page) -> None:
    page.locator("input[type=file]").set_input_files({"name": "x.wav", "mimeType": "audio/wav", "buffer": b"nothing"})
    page.wait_for_function("document.querySelector('[role=alert]')?.textContent.includes('cannot read the audio')")
    page.failures.clear()  # the browser's own words lie in the console
    page.get_by_role("button", name="Speak", exact=True).click()
    page.wait_for_function("/microphone/.test(document.querySelector('[role=alert]')?.textContent)")
    page.failures.clear()


@pytest.fixture(scope="module")
def streaming(tmp_path_factory) -> tuple[Any, Path]:
    """The streaming recipe in Python and its step graph: released, else one of random weights, narrower."""
    if row := manifest.entries().get(STREAMING):
        return kr.load(STREAMING, engine="onnxruntime"), weights.onnx_path(row, step=True)
    folder = tmp_path_factory.mktemp("streaming")
    model = kr.load(STREAMING, weights=None, compile=False, recurrent_units=24)
    whole = kr.export.export(model, folder)
    return kr.load(whole), whole.with_name(f"{STREAMING}.step.onnx")


@pytest.fixture
def microphone(playwright_of, chromium_path: str, site_url: str, streaming: tuple[Any, Path], tmp_path) -> Iterator:
    """A page whose microphone plays the clip, with the streaming recipe among its files."""
    soundfile.write(tmp_path / "said.wav", audio.load_audio(CLIP), 16000, subtype="PCM_16")
    flags = (
        "--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path / 'said.wav'}",
    )  # fmt: skip
    chromium = playwright_of(chromium_path, flags)
    page = chromium.new_page()
    page.failures = []
    page.set_default_timeout(live_pages.WAIT)
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    step, served = streaming[1], f"{STREAMING}.step.onnx"
    listed = json.loads((live_pages.FILES / "files.json").read_text("utf-8"))
    listed[served] = {"size": step.stat().st_size, "hash": sha256_file(step), "metadata": read_description(step)}
    page.route("**/files/files.json", lambda route: route.fulfill(json=listed))
    page.route(f"**/files/{served}*", lambda route: route.fulfill(body=step.read_bytes()))
    page.goto(f"{site_url}live/speak/")
    live_pages.start(page, "speak")
    yield page
    chromium.close()
    assert not page.failures


def test_the_stream_is_pythons_and_the_microphone_is_heard(microphone, streaming: tuple[Any, Path]) -> None:
    page, model = microphone, streaming[0]
    # cut as no whole chunk is
    wave = audio.load_audio(CLIP)[: 16000 * 3 + 77]
    found = live_pages.call(
        page, ["common", "stream"],
        """const net = await common.openSession(given[0]), wave = Float32Array.from(given[1]);
        const network = new stream.ChunkedNetwork(net), parts = [];
        for (let at = 0; at < wave.length; at += 5001) parts.push(...await network.feed(wave.subarray(at, at + 5001)));
        parts.push(...await network.finish());
        const whole = new stream.Stream(net), said = [];
        for (let at = 0; at < wave.length; at += 5001) said.push((await whole.feed(wave.subarray(at, at + 5001))).text);
        return { scores: parts, said, ...await whole.finish() }""",
        f"{STREAMING}.step", wave.tolist(),
    )  # fmt: skip
    right = model.predict_logits({"audio": wave[None], "length": np.array([len(wave)], "int32")})[0]
    scores = np.array(found["scores"]).reshape(-1, model.alphabet.vocab_size)
    assert scores.shape == right.shape
    np.testing.assert_allclose(scores, right, atol=CLOSE * max(1, np.abs(right).max()))
    stream = model.stream()
    said = [stream.feed(wave[at : at + 5001]) for at in range(0, len(wave), 5001)]
    end = stream.finish()
    # random scores lie so close together that single frames may fall otherwise
    assert alike(" ".join(found["said"]), " ".join(said)) > 0.95 and alike(found["text"], end.text) > 0.95
    if found["text"] == end.text:
        same_words(found["words"], end.words)

    page.get_by_role("button", name="Speak", exact=True).click()
    page.wait_for_selector("button[aria-pressed=true]")
    page.wait_for_timeout(5000)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_function("+document.querySelector('.live-demo').dataset.done === 1")
    text = page.locator(".speak-card").first.get_attribute("data-text")
    # the clip may begin anywhere and begin again: what was heard is far more like its reading than like another clip's
    likeness = {
        clip: alike(text, kr.load("deepspeech2_small", engine="onnxruntime").transcribe(clip, decoder="greedy").text)
        for clip in CLIPS
    }
    own = likeness.pop(CLIP)
    assert likeness and own > 1.5 * max(likeness.values()), (text, own, likeness)
