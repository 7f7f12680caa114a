"""Commands for the microphone: listen, which transcribes it, and record, which makes clips of phrases."""

import queue
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasrecipes.cli import options
from kerasrecipes.cli.progress import print_line, print_next, print_status
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import AudioError, KerasRecipesError
from kerasrecipes.utils.escaping import escape_controls

BLOCK_SECONDS = 0.1
LINE_LENGTH = 100  # characters of the growing text that a terminal shows
CLEAR_LINE = "\r\x1b[K"


@command("listen", model="option")
@argument("file", required=False, help="Audio file to transcribe in place of the microphone.")
@options.recipe(options.DEFAULT_STREAMING_RECIPE)
@options.engine
@option(
    "--playback-speed", type=float, default=1.0,
    help="Speed at which the file is played; 0 processes it as fast as possible.",
)  # fmt: skip
@option("--phrases", metavar="FILE", help="Text file with one phrase a line: write these phrases and nothing else (default: all words).")
@option(
    "--rejection-cost", type=float, metavar="NATS",
    help="What a letter outside the phrases costs; more writes phrases sooner (default: 2).",
)  # fmt: skip
def run_listen(file, recipe, engine, playback_speed, phrases, rejection_cost) -> None:
    """Transcribe the microphone, or a file as it plays. Ctrl-C ends."""
    options.check_task(recipe, ("speech-recognition",), "cannot listen")
    if file:
        options.check_files([file], AudioError)
    decoding = {"phrases": options.read_phrases(phrases)} if phrases else {}
    if rejection_cost is not None:
        decoding["rejection_cost"] = rejection_cost
    model = options.load_model(recipe, engine)
    print_status(f"{model.name}: text follows the audio by {1000 * model.stream().latency:.0f} ms, Ctrl-C ends")
    blocks = simulate_realtime(file, playback_speed) if file else microphone()
    print_live_transcript(model, blocks, **decoding)


@command("record")
@argument("table", type=Path, help="Table to write, .tsv. The clips are written beside it. An earlier one is continued.")
@option("--phrases", required=True, metavar="FILE", help="Text file with one phrase a line.")
@option("--repeats", type=int, default=3, metavar="N", help="Number of clips of each phrase.")
@option("--speaker", default="speaker", metavar="NAME", help="Name of the speaker in the table.")
def run_record(table, phrases, repeats, speaker) -> None:
    """Prompt phrases and record them by the microphone, as clips to train on. Ctrl-C ends."""
    from kerasrecipes.data_prep.recording import record_phrases

    options.check_files([phrases])
    if table.suffix.lower() != ".tsv":
        raise KerasRecipesError(f"{table} must end with .tsv")
    print_status("Each phrase is recorded when you say it, up to a short pause")
    path = record_phrases(
        microphone(), options.read_phrases(phrases), table, repeats=repeats, speaker=speaker, report=print_status
    )
    print_line(path)
    print_next(f"kerasrecipes teach --data {shlex.quote(f'manifest:{path}')} --output {shlex.quote(f'{path.stem}_model')}")


def microphone() -> Iterator[Any]:
    """Yield blocks of samples from the default microphone, 16 kHz mono, until Ctrl-C.

    Raises:
        AudioError: There is no microphone, or sounddevice is not installed.
    """
    from kerasrecipes.audio import SAMPLE_RATE

    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the PortAudio library is missing
        raise AudioError(f'The microphone needs pip install "kerasrecipes[mic]" ({error}); or pass a file') from None
    blocks: queue.Queue[Any] = queue.Queue()
    try:
        stream = sounddevice.InputStream(
            SAMPLE_RATE, round(BLOCK_SECONDS * SAMPLE_RATE), channels=1, dtype="float32",
            callback=lambda samples, *_: blocks.put(samples[:, 0].copy()),
        )  # fmt: skip
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(f"No microphone can be opened: {error}; pass a file to transcribe it as it plays") from None
    with stream:
        while True:
            yield blocks.get()


def simulate_realtime(source: Any, playback_speed: float = 1.0) -> Iterator[Any]:
    """Yield blocks of a file's samples at the times at which they would be played. Speed 0 does not wait."""
    from kerasrecipes.audio import SAMPLE_RATE, load_audio

    wave = load_audio(source)
    step, start = round(BLOCK_SECONDS * SAMPLE_RATE), time.monotonic()
    for i in range(0, len(wave), step):
        if playback_speed:
            time.sleep(max(0.0, start + (i + step) / SAMPLE_RATE / playback_speed - time.monotonic()))
        yield wave[i : i + step]


def print_live_transcript(model: Any, blocks: Iterator[Any], file: Any = None, **decoding: Any) -> Any:
    """Print the text as it grows and return the transcript.

    Args:
        model: Streaming recognizer.
        blocks: Samples at 16 kHz, until they end or Ctrl-C.
        file: Where to print (default: standard output). A terminal shows one line that is rewritten.
        **decoding: Options of `model.stream`.
    """
    from kerasrecipes.audio import SAMPLE_RATE

    file = file or sys.stdout
    stream, text = model.stream(SAMPLE_RATE, **decoding), ""
    start, end = (CLEAR_LINE, "") if file.isatty() else ("", "\n")
    try:
        for block in blocks:
            if (new_text := escape_controls(stream.feed(block))) != text:
                text = new_text
                file.write(f"{start}{text[-LINE_LENGTH:] if start else text}{end}")
                file.flush()
    except KeyboardInterrupt:
        pass
    transcript = stream.finish()
    file.write(f"{start}{escape_controls(transcript)}\n")
    return transcript
