"""Damaged networks and damaged files of the reader: the page says what is wrong and goes on with the next good one."""

import random
import re
import struct
from collections.abc import Callable
from pathlib import Path

import live_pages
import pytest

DEMOS = {
    "speak": ("speak", r"(deepspeech2_small|wav2letter_small)\.onnx"),
    "digit": ("digit", r"convnetjs_mnist\.activations\.onnx"),
    "cifar": ("digit", r"convnetjs_cifar10\.activations\.onnx"),
    "look": ("look", r"squeezenet\.(activations\.onnx|net)"),
    "segment": ("segment", r"dilated_camvid_small\.onnx"),
    "train": ("train", r"mnist_digits\.bin\.gz"),
    "wavenet": ("wavenet", r"wavenet_small\.net"),
}
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "noise": lambda content: random.Random(0).randbytes(len(content)),
    "empty": lambda content: b"",
}
CLIP = Path(__file__).resolve().parents[1] / "fixtures" / "LibriSpeech" / "dev-mini" / "84" / "121123" / "84-121123-0001.mp3"


@pytest.mark.parametrize(("demo", "damage"), [*((demo, "noise") for demo in DEMOS), ("digit", "cut"), ("wavenet", "empty")])
def test_a_damaged_network_is_an_error_and_the_next_try_works(browser, site_url, demo, damage):
    folder, names = DEMOS[demo]
    page = live_pages.opened(browser, f"{site_url}live/{folder}/")
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    pattern = re.compile(rf".*/{names}(\?.*)?$")
    num_damaged = []

    def answer(route):
        num_damaged.append(route.request.url)
        route.fulfill(status=200, body=DAMAGE[damage](route.fetch().body()), content_type="application/octet-stream")

    page.route(pattern, answer)
    box = page.locator(f'.live[data-demo="{demo}"]')
    box.locator(".live-start").first.click()
    message = box.locator(".live-error")
    message.wait_for()
    assert num_damaged and len(message.inner_text()) > 20 and "undefined" not in message.inner_text()
    page.unroute(pattern)
    box.get_by_role("button", name="A heavy step" if demo == "speak" else "Try again").click()
    page.wait_for_selector(f'.live[data-demo="{demo}"][data-ready]')
    page.wait_for_function(f"!document.querySelector('.live[data-demo={demo}] .live-error')")
    assert not errors
    page.close()


def wav(seconds: float, declared: int) -> bytes:
    samples = bytes(2 * int(16000 * seconds))
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", declared, b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16, b"data", declared)
    return head + samples


def check_messages(page, box, folder, contents, label=None):
    """Give a demo damaged files by their names, and check that it explains each. `label`: of the file input, by default the first."""
    file_input = box.get_by_label(label) if label else box.locator("input[type=file]").first
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        file_input.set_input_files(folder / name)
        box.locator(".live-error").wait_for()
        assert len(box.locator(".live-error").inner_text()) > 20
        page.evaluate("document.querySelectorAll('.live-error').forEach((e) => e.remove())")


SOUNDS = {
    "text.mp3": b"this is no sound",
    "empty.wav": b"",
    "noise.ogg": random.Random(1).randbytes(5000),
    "header.wav": wav(0, 2**32 - 1),
    "head.mp3": CLIP.read_bytes()[:40],
}


def test_damaged_recordings_are_errors_and_a_good_one_is_transcribed(browser, site_url, tmp_path):
    page = live_pages.opened(browser, f"{site_url}live/speak/", "speak")
    box = page.locator('.live[data-demo="speak"]')
    check_messages(page, box, tmp_path, SOUNDS)
    box.locator("input[type=file]").first.set_input_files(CLIP)
    card = page.wait_for_selector(".speak-card[data-text]")
    assert len(card.get_attribute("data-text")) > 40
    assert not box.locator(".live-error").count()
    page.close()


IMAGES = {
    "text.png": b"no image",
    "empty.jpg": b"",
    "head.png": b"\x89PNG\r\n\x1a\n" + bytes(30),
    "noise.webp": random.Random(2).randbytes(900),
}


@pytest.mark.parametrize(("folder", "demo"), [("look", "look"), ("segment", "segment"), ("digit", "cifar")])
def test_damaged_images_are_errors(browser, site_url, tmp_path, folder, demo):
    page = live_pages.opened(browser, f"{site_url}live/{folder}/", demo)
    box = page.locator(f'.live[data-demo="{demo}"]')
    check_messages(page, box, tmp_path, IMAGES)
    page.close()


NETWORKS = {
    "no JSON": "{",
    "no network": "{}",
    "a layer without a type": '{"layers": [{}]}',
    "a size beyond all memory": '{"layers": [{"layer_type": "input", "out_depth": 1, "out_sx": 1000000000, "out_sy": 1000000000}]}',
    "deep nesting": "[" * 100_000,
}


def test_damaged_network_texts_are_errors(browser, site_url, tmp_path):
    page = live_pages.opened(browser, f"{site_url}live/train/", "train")
    box = page.locator('.live[data-demo="train"]')
    check_messages(page, box, tmp_path, {f"{i}.json": text.encode() for i, text in enumerate(NETWORKS.values())}, "ConvNetJS JSON")
    page.close()
