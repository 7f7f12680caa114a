"""`kerasrecipes listen`: a microphone, or a file at the pace of its playing, with the text as it grows."""

import queue
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from kerasrecipes.audio import SAMPLE_RATE, load_audio
from kerasrecipes.errors import AudioError
from kerasrecipes.results import Transcript

BLOCK_SECONDS = 0.1


def microphone() -> Iterator[np.ndarray]:
    """Portions from the default microphone, 16 kHz mono, until interrupted.

    Raises:
        AudioError: there is no microphone, or the extra is missing.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the PortAudio library is missing
        raise AudioError(f'The microphone needs pip install "kerasrecipes[mic]" ({error}); or pass a file') from None
    portions: queue.Queue[np.ndarray] = queue.Queue()
    try:
        opened = sounddevice.InputStream(
            SAMPLE_RATE, round(BLOCK_SECONDS * SAMPLE_RATE), channels=1, dtype="float32",
            callback=lambda samples, *_: portions.put(samples[:, 0].copy()),
        )  # fmt: skip
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(f"No microphone can be opened: {error}; pass a file to hear it at its own pace") from None
    with opened:
        while True:
            yield portions.get()


def simulate_realtime(source: Any, pace: float = 1.0) -> Iterator[np.ndarray]:
    """Portions of a file as they would come in while it plays; `pace` 2.0 plays twice as fast, 0 without waiting."""
    wave = load_audio(source)
    step, begin = round(BLOCK_SECONDS * SAMPLE_RATE), time.monotonic()
    for i in range(0, len(wave), step):
        if pace:
            time.sleep(max(0.0, begin + (i + step) / SAMPLE_RATE / pace - time.monotonic()))
        yield wave[i : i + step]


def print_live_transcript(model: Any, portions: Iterator[np.ndarray], out: Any = None) -> Transcript:
    """Write the text as it grows, on one line that is rewritten on a terminal; ends with the portions or Ctrl-C."""
    out = out or sys.stdout
    stream, shown = model.stream(SAMPLE_RATE), ""
    try:
        for portion in portions:
            text = stream.feed(portion)
            if text != shown:
                line = text[-100:] if out.isatty() else text
                out.write(f"\r\x1b[K{line}" if out.isatty() else f"{line}\n")
                out.flush()
                shown = text
    except KeyboardInterrupt:
        pass
    result = stream.finish()
    out.write(f"\r\x1b[K{result.text}\n" if out.isatty() else f"{result.text}\n")
    return result
