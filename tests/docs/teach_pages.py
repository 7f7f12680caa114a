"""What the tests of the page Teach a machine share: synthetic voices as recordings, and the steps of the page."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from kerasrecipes.audio import load_audio

LIVE = Path(__file__).resolve().parents[2] / "docs" / "live"
VOICES = Path(__file__).resolve().parents[1] / "fixtures" / "commands"
COMMANDS = ("lights on", "lights off", "volume up", "volume down", "play music", "stop music", "turn left", "go home")
SLOT = 20_000  # samples: each voice says the commands in slots of 1.25 s
TRAINING, UNSEEN = ("hibari_101", "hibari_104", "hibari_107"), ("hibari_109", "hibari_113", "hibari_116", "hibari_118")
OTHER_SYNTHESIZER = ("flite_rms", "flite_slt")
RATE = 16_000
# JavaScript: bytes as text
ENCODE = """(bytes) => { let text = '';
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192)); return btoa(text); }"""


def say(voice: str, command: int) -> np.ndarray:
    return load_audio(VOICES / f"{voice}.ogg")[command * SLOT : (command + 1) * SLOT]


def record(command: int, repetitions: int = 6) -> np.ndarray:
    """A recording of a command by the training voices, louder and softer, with faint noise."""
    rng = np.random.default_rng(command)
    parts = [say(TRAINING[i % len(TRAINING)], command) * 10 ** (rng.uniform(-6, 3) / 20) for i in range(repetitions)]
    wave = np.concatenate(parts)
    return (wave + rng.normal(0, 0.001, len(wave))).astype("float32")


def wav_file(wave: np.ndarray) -> dict:
    content = io.BytesIO()
    soundfile.write(content, wave, RATE, format="WAV", subtype="PCM_16")
    return {"name": "recording.wav", "mimeType": "audio/wav", "buffer": content.getvalue()}


def wait_for_examples(page: Any) -> None:
    page.wait_for_function("[...document.querySelectorAll('.teach-card')].every((c) => c.dataset.pending === '0')")


def train(page: Any) -> None:
    page.evaluate("delete document.querySelector('.teach-workshop').dataset.trained")
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_selector(".teach-workshop[data-trained]")
    page.wait_for_selector(".teach-result:not([hidden])")
    page.wait_for_function("!document.querySelector('.teach-card .live-button').disabled")


def recognize(page: Any, files: list[dict], number: int = 1) -> str:
    """The answer to the last of the utterances or images in files."""
    workshop = page.locator(".teach-workshop")
    before = int(workshop.get_attribute("data-heard") or 0)
    page.locator(".teach-result input[type=file]").set_input_files(files)
    page.wait_for_function("(n) => +document.querySelector('.teach-workshop').dataset.heard >= n", arg=before + number)
    page.wait_for_function("!document.querySelector('.teach-card .live-button').disabled")
    return workshop.get_attribute("data-answer")


def download(page: Any, button: str) -> bytes:
    with page.expect_download() as event:
        page.get_by_role("button", name=button).click()
    return Path(event.value.path()).read_bytes()
