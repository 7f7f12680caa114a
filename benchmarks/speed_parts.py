"""The parts of the speed table. An entry of `make_parts` adds a part to `make bench` and a section to the page Speed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speed_texts import CLIPS, CRITERIA, GENERATION, MEMORY, READING, STARTUP, TRAINING

BACKENDS = {"TensorFlow": "tensorflow", "JAX": "jax", "torch": "torch"}
CRITERION_SIZES = {"150 frames, 40 labels": (8, 150, 40), "700 frames, 200 labels": (8, 700, 200)}
MEMORY_MINUTES = (1, 30, 180)
CLIP_COUNTS = {10: 3, 100: 3, 1000: 2, 10_000: 1}  # number of clips -> repeats
DEMO = str(Path(__file__).resolve().parents[1] / "kerasrecipes" / "assets" / "demo.mp3")
# programs that load a recognizer and read the recording sys.argv[1] once
FIRST_WORDS = "import sys, kerasrecipes as kr; kr.load('wav2letter_small', engine=sys.argv[2]).transcribe(sys.argv[1], decoder='greedy')"
WHISPER_FIRST_WORDS = """
import sys, faster_whisper
model = faster_whisper.WhisperModel(sys.argv[2], device="cpu", compute_type="int8", cpu_threads=1)
list(model.transcribe(sys.argv[1], language="en", beam_size=1)[0])
"""
POCKETSPHINX_FIRST_WORDS = """
import sys, pocketsphinx, soundfile
decoder, (wave, _) = pocketsphinx.Decoder(loglevel="FATAL"), soundfile.read(sys.argv[1], dtype="int16")
decoder.start_utt()
decoder.process_raw(wave.tobytes(), full_utt=True)
decoder.end_utt()
decoder.hyp()
"""


@dataclass(frozen=True)
class Row:
    """A row of the table: work in a child process, which rows with the same environment share.

    Args:
        group: Rows of a group are compared with its first row, the reference.
        name: What is measured.
        make: "module:function" of this folder, which prepares the work (see child_process.py).
        arguments: Keyword arguments of the function.
        environment: Environment variables of the process.
        x: Position on the horizontal axis of the part's chart. Default: none.
        repeats: Repeats in place of the part's. Default: 0, the part's.
        is_slow: Leave the row out of `--quick`. Default: False.
    """

    group: str
    name: str
    make: str
    arguments: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    x: float | None = None
    repeats: int = 0
    is_slow: bool = False


@dataclass(frozen=True)
class Part:
    """A part of the table.

    Args:
        title: Title of the section.
        cost: What the ratios compare, for instance "CPU time of a training step".
        rows: Rows, group after group. The first row of a group is its reference.
        limits: What limits the speed, for the page Speed.
        repeats: Repeats of every row. Default: 3.
        quick: Arguments of `--quick` in place of the rows' own.
        x_title: Title of the horizontal axis, where the chart is a curve.
    """

    title: str
    cost: str
    rows: tuple[Row, ...]
    limits: str
    repeats: int = 3
    quick: Mapping[str, Any] = field(default_factory=dict)
    x_title: str = ""


def on_backends(group: str, name: str, make: str, arguments: Mapping[str, Any]) -> tuple[Row, ...]:
    """Return a row for each of Keras's backends."""
    return tuple(Row(group, f"{name}, {title}", make, arguments, {"KERAS_BACKEND": key}) for title, key in BACKENDS.items())


def reading_rows(whisper: str) -> tuple[Row, ...]:
    rows: list[Row] = []
    for group, seconds, repeats in (("4 clips, 15 s of speech", 0, 3), ("one recording of 30 s", 30, 2)):

        def read(name: str, reader: str, group: str = group, seconds: float = seconds, repeats: int = repeats, **options: Any) -> Row:
            arguments = {"reader": reader, "options": options, "seconds": seconds}
            return Row(group, name, "reading:make_reading", arguments, repeats=repeats)

        def package(name: str, recipe: str, engine: str, read: Any = read, **options: Any) -> Row:
            return read(f"{recipe}, {name}", "kerasrecipes", recipe=recipe, engine=engine, **options)

        rows += [
            package("onnxruntime", "wav2letter_small", "onnxruntime", decoder="greedy"),
            package("onnxruntime, language model", "wav2letter_small", "onnxruntime"),
            package("onnxruntime", "deepspeech2_small", "onnxruntime", decoder="greedy"),
            package("OpenVINO", "wav2letter_small", "openvino", decoder="greedy"),
        ]
        options = {"recipe": "wav2letter_small", "engine": "keras", "decoder": "greedy"}
        arguments = {"reader": "kerasrecipes", "options": options, "seconds": seconds}
        rows += on_backends(group, "wav2letter_small, Keras", "reading:make_reading", arguments)
        rows += [
            read("faster-whisper tiny.en, greedy", "whisper", model=whisper, beam_size=1),
            read("faster-whisper tiny.en, its default (beam 5)", "whisper", model=whisper),
            read("PocketSphinx", "pocketsphinx"),
        ]
    return tuple(rows)


def training_rows() -> tuple[Row, ...]:
    group, make = "wav2letter_small, 60 s of audio a step", "training:make_steps"
    plain = Row(group, "a plain torch loop", make, {"name": "plain torch", "steps": 2}, {"KERAS_BACKEND": "torch"})
    others = [on_backends(group, name, make, {"name": name, "steps": 2}) for name in ("trainer", "fit")]
    return (plain, *others[0], *others[1])


def criterion_rows() -> tuple[Row, ...]:
    rows: list[Row] = []
    for group, size in CRITERION_SIZES.items():
        make, torch = "criteria:make_loss_runs", {"KERAS_BACKEND": "torch"}
        rows.append(Row(group, "torch's own CTC", make, {"loss": "torch ctc", "size": size, "runs": 10}, torch))
        rows += on_backends(group, "CTC", make, {"loss": "ctc", "size": size, "runs": 10})
        rows += on_backends(group, "ASG", make, {"loss": "asg", "size": size, "runs": 10})
        rows.append(Row(group, "ASG of the authors (C++)", make, {"loss": "original asg", "size": size, "runs": 10}, torch))
    return tuple(rows)


def generation_rows() -> tuple[Row, ...]:
    group, make = "WaveNet with 2 x 10 layers", "generation:make_generation"
    single = on_backends(group, "one sound", make, {"count": 1})
    several = on_backends(group, "8 sounds at once", make, {"count": 8})
    naive = Row(group, "without the cache, TensorFlow", "generation:make_naive_generation", {"samples": 5}, {"KERAS_BACKEND": "tensorflow"})
    return (*single, *several, naive)


def startup_rows(whisper: str) -> tuple[Row, ...]:
    group, make = "a new process", "startup:make_start"
    commands = {
        "Python": ["-c", "pass"],
        "import kerasrecipes": ["-c", "import kerasrecipes"],
        "kerasrecipes list": ["-m", "kerasrecipes", "list"],
        "first words, onnxruntime": ["-c", FIRST_WORDS, DEMO, "onnxruntime"],
    }
    rows = [Row(group, name, make, {"arguments": arguments}) for name, arguments in commands.items()]
    rows += on_backends(group, "first words, Keras", make, {"arguments": ["-c", FIRST_WORDS, DEMO, "keras"]})
    peers = {
        "first words, faster-whisper tiny.en": (["-c", WHISPER_FIRST_WORDS, DEMO, whisper], "faster_whisper", "teacher"),
        "first words, PocketSphinx": (["-c", POCKETSPHINX_FIRST_WORDS, DEMO], "pocketsphinx", "phones"),
    }
    for name, (program, package, extra) in peers.items():
        rows.append(Row(group, name, make, {"arguments": program, "package": package, "extra": extra}))
    return tuple(rows)


def memory_rows() -> tuple[Row, ...]:
    return tuple(
        Row(
            engine, f"{minutes} minutes", "memory:make_peak", {"engine": engine, "minutes": minutes},
            x=minutes, repeats=repeats, is_slow=minutes > 30,
        )
        for engine, repeats in (("onnxruntime", 2), ("keras", 1))
        for minutes in MEMORY_MINUTES
    )  # fmt: skip


def clip_rows() -> tuple[Row, ...]:
    ways = {"one list in Python": "list", "the command with a worker": "command"}
    return tuple(
        Row(
            f"{count:,} clips of a second", name, "many_files:make_clip_run", {"count": count, "way": way},
            x=count, repeats=repeats, is_slow=count > 100,
        )
        for count, repeats in CLIP_COUNTS.items()
        for name, way in ways.items()
    )  # fmt: skip


def make_parts(whisper: str = "tiny.en") -> dict[str, Part]:
    """Return the parts of the table.

    Args:
        whisper: Whisper model for faster-whisper, a name that it downloads or a folder. Default: "tiny.en".
    """
    return {
        "reading": Part("Reading speech", "CPU time for a second of audio, from the file to words", reading_rows(whisper), READING),
        "training": Part("Training", "CPU time for a second of training audio", training_rows(), TRAINING, quick={"steps": 1}),
        "criteria": Part("Criteria", "CPU time of loss and gradient for a batch of 8", criterion_rows(), CRITERIA, quick={"runs": 2}),
        "generation": Part("Generating waveforms", "CPU time for a sample", generation_rows(), GENERATION, quick={"samples": 1}),
        "startup": Part("Start", "CPU time of a new process", startup_rows(whisper), STARTUP),
        "memory": Part("Memory of long files", "peak memory of the process", memory_rows(), MEMORY, x_title="minutes of audio"),
        "clips": Part("Many clips", "CPU time for a clip, with the start of all processes", clip_rows(), CLIPS, x_title="clips"),
    }
