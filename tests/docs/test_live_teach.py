"""Teach a machine: commands of synthetic voices and images of a camera are learned in the page, and its files do the same in Python."""

import io
import json
import zipfile
from pathlib import Path

import live_pages
import numpy as np
import pytest
from look_pages import fits
from teach_pages import (
    COMMANDS,
    LIVE,
    OTHER_SYNTHESIZER,
    RATE,
    UNSEEN,
    download,
    recognize,
    record,
    say,
    train,
    wait_for_examples,
    wav_file,
)

from kerasrecipes.audio import load_audio


@pytest.fixture(scope="module")
def page(browser, site_url):
    yield from live_pages.open_demo(browser, site_url, "teach")


def test_eight_commands_are_known_from_unseen_voices(page, tmp_path) -> None:
    import onnxruntime

    from kerasrecipes.data import load_datasets

    cards = page.locator(".teach-card")
    while cards.count() < len(COMMANDS) + 1:  # the last card is other speech
        page.get_by_role("button", name="Add a command").click()
    for c, name in enumerate(COMMANDS):
        cards.nth(c).locator("input[type=text]").fill(name)
        cards.nth(c).locator("input[type=file]").set_input_files([wav_file(record(c))])
        page.wait_for_function("!document.querySelector('.teach-card .live-button').disabled")
    wait_for_examples(page)
    assert [cards.nth(c).get_attribute("data-clips") for c in range(len(COMMANDS))] == ["6"] * len(COMMANDS)
    train(page)
    page.wait_for_function("/got 8 of these 8 right/.test(document.querySelector('.teach-note').textContent)")
    answers = {v: [recognize(page, [wav_file(say(v, c))]) for c in range(len(COMMANDS))] for v in (*UNSEEN, *OTHER_SYNTHESIZER)}
    right = {voice: sum(a == b for a, b in zip(heard, COMMANDS, strict=True)) for voice, heard in answers.items()}
    assert sum(right[v] for v in UNSEEN) >= 0.95 * len(COMMANDS) * len(UNSEEN), answers
    assert all(right[v] >= 5 for v in OTHER_SYNTHESIZER), answers
    wrong = [(a, b) for v in answers for a, b in zip(answers[v], COMMANDS, strict=True) if a not in ("", b)]
    assert len(wrong) <= 2, wrong

    # another sentence is no command, and silence is no utterance
    sentence = load_audio(live_pages.FILES / "clip-652.mp3")
    assert recognize(page, [wav_file(np.concatenate([np.zeros(RATE), sentence[: 2 * RATE], np.zeros(RATE)]))]) == ""

    with zipfile.ZipFile(io.BytesIO(download(page, "Download the clips"))) as archive:
        archive.extractall(tmp_path)
    clips = load_datasets([f"manifest:{tmp_path / 'clips.tsv'}"])
    assert len(clips) == 6 * len(COMMANDS) and [u.text for u in clips][::6] == list(COMMANDS)
    session = onnxruntime.InferenceSession(download(page, "Download the model"))
    taught = json.loads(session.get_modelmeta().custom_metadata_map["taught"])
    assert taught["classes"] == [*COMMANDS, "other speech"] and taught["trunk"] == "wav2letter_small" and "CC BY" in taught["trunk_license"]
    for utterance in list(clips)[::4]:
        wave = load_audio(utterance.path)
        [probabilities] = session.run(["probabilities"], {"audio": wave[None], "length": np.array([len(wave)], "int32")})
        assert taught["classes"][probabilities[0].argmax()] == utterance.text and probabilities.max() >= taught["threshold"]


def test_errors_say_what_to_do(page) -> None:
    page.locator(".teach-card").first.locator("input[type=text]").fill(COMMANDS[1])
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("/name of its own/.test(document.querySelector('.live-error')?.textContent)")
    page.locator(".teach-card").first.locator("input[type=file]").set_input_files([wav_file(np.zeros(RATE, "float32"))])
    page.wait_for_function("/No speech was found/.test(document.querySelector('.live-error')?.textContent)")
    page.locator(".teach-card").first.get_by_role("button", name="Record 20 s").click()
    page.wait_for_function("/microphone/.test(document.querySelector('.live-error')?.textContent)")
    page.failures.clear()  # the browser's own words lie in the console


@pytest.fixture
def fake(playwright_of, chromium_path: str, site_url: str, tmp_path):
    """A page whose microphone plays said.wav and whose camera shows seen.mjpeg; a new recording reads the files anew."""
    flags = (
        "--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path / 'said.wav'}", f"--use-file-for-fake-video-capture={tmp_path / 'seen.mjpeg'}",
    )  # fmt: skip
    chromium = playwright_of(chromium_path, flags)
    page = live_pages.opened(chromium, f"{site_url}live/teach/", "teach")
    yield page
    chromium.close()
    assert not page.failures


def record_live(page, card: int, ready: str) -> None:
    """Record with a microphone or camera until the page says `ready` of the card, a condition on its element."""
    box = page.locator(".teach-card").nth(card)
    box.get_by_role("button", name="Record 20 s").click()
    box.get_by_role("button", name="Stop").wait_for()
    page.wait_for_function(f"(card) => {ready}", arg=box.element_handle())
    if box.get_by_role("button", name="Stop").count():
        box.get_by_role("button", name="Stop").click()
    page.wait_for_function("!document.querySelectorAll('.teach-card .live-button:disabled').length")
    wait_for_examples(page)


def test_a_microphone_records_and_hears(fake, tmp_path) -> None:
    cards = fake.locator(".teach-card")
    for card, command in ((0, 0), (1, 4)):
        (tmp_path / "said.wav").write_bytes(wav_file(record(command))["buffer"])
        cards.nth(card).locator("input[type=text]").fill(COMMANDS[command])
        record_live(fake, card, "/Stop \\(([0-9]|1[0-2]) s/.test(card.textContent)")  # 8 s or more
        assert int(cards.nth(card).get_attribute("data-clips")) >= 4
    train(fake)
    for command in (0, 4):
        (tmp_path / "said.wav").write_bytes(wav_file(record(command))["buffer"])
        fake.get_by_role("button", name="Try it with the microphone").click()
        fake.wait_for_function(f"document.querySelector('.teach-workshop').dataset.answer === {json.dumps(COMMANDS[command])}")
        fake.get_by_role("button", name="Stop").click()


def write_video(path: Path, sample: str) -> None:
    """Frames of a sample image that moves a little."""
    from PIL import Image

    image = Image.open(LIVE / "samples" / f"{sample}.png").convert("RGB").resize((720, 540))
    with path.open("wb") as file:
        for i in range(12):
            image.crop((4 * i, 2 * i, 640 + 4 * i, 480 + 2 * i)).save(file, "JPEG", quality=90)


def test_a_camera_records_and_sees(fake, tmp_path) -> None:
    write_video(tmp_path / "seen.mjpeg", "coffee")
    fake.get_by_role("radio", name="Things, by camera").check()
    cards = fake.locator(".teach-card")
    for card, sample in enumerate(("coffee", "rocket")):
        write_video(tmp_path / "seen.mjpeg", sample)
        cards.nth(card).locator("input[type=text]").fill(sample)
        record_live(fake, card, "+card.dataset.clips + +card.dataset.pending >= 6")
    train(fake)
    for sample in ("rocket", "coffee"):
        write_video(tmp_path / "seen.mjpeg", sample)
        fake.get_by_role("button", name="Try it with the camera").click()
        fake.wait_for_function(f"document.querySelector('.teach-workshop').dataset.answer === {json.dumps(sample)}")
        fake.get_by_role("button", name="Stop").click()
    with zipfile.ZipFile(io.BytesIO(download(fake, "Download the images"))) as archive:
        archive.extractall(tmp_path)
    model = tmp_path / "classes.onnx"
    model.write_bytes(download(fake, "Download the model"))

    import kerasrecipes as kr
    from kerasrecipes.data.images import image_folder

    classes = ("coffee", "rocket")
    paths, labels = image_folder(tmp_path / "classes", "train", classes)
    taught = kr.load(model)
    assert [str(c) for c in taught.classify(paths)] == [classes[k] for k in labels]
    assert len(paths) >= 12


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_works_by_keyboard(browser, site_url, scheme) -> None:
    page = live_pages.opened(browser, f"{site_url}live/teach/", "teach", color_scheme=scheme, viewport={"width": 390, "height": 800})
    for kind in ("image", "sound"):
        page.locator(".teach-kinds input:checked").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(f".live-demo[data-kind={kind}] .teach-card")
        fits(page)
    page.locator(".teach-kinds input:checked").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "name of the class"
    assert not page.failures
    page.close()
