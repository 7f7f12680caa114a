"""File names, labels and answers of servers cannot speak to the terminal, split rows, or write markup into subtitles."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from kerasrecipes.cli import listen, options, transcribe
from kerasrecipes.cli.main import main
from kerasrecipes.errors import KerasRecipesError, WeightsUnavailable
from kerasrecipes.hub import download
from kerasrecipes.results import Classification, Transcript, Word
from kerasrecipes.utils.escaping import escape_controls
from kerasrecipes.utils.listing import SkippedFiles

HOSTILE = "a\x1b[2J\x1b]0;title\x07\n\tb\r\x9b31m\u202ec"
ESCAPED = "a\\u001b[2J\\u001b]0;title\\u0007\\u000a\\u0009b\\u000d\\u009b31m\\u202ec"

PLAIN = "C:\\new\\table caf\xe9 \u03b1 \U0001f468\u200d\U0001f469 \xa0 \u0259"


def is_plain(text):
    return escape_controls(text, keep="\n\t") == text


@pytest.mark.parametrize(("text", "escaped"), [
    (HOSTILE, ESCAPED), ("\u2066\u2069\u2028\u200f\x7f\x00", "\\u2066\\u2069\\u2028\\u200f\\u007f\\u0000"),
    (PLAIN, PLAIN),
    ("", ""), (7, "7"),
])  # fmt: skip
def test_control_characters_are_escaped_and_nothing_else(text, escaped):
    assert escape_controls(text) == escaped
    assert is_plain(escape_controls(text)) and json.loads(f'"{ESCAPED}"') == HOSTILE


class Classifier:
    recipe = SimpleNamespace(name="stub", task="image-classification")

    def classify(self, paths):
        return [Classification((HOSTILE, "y"), (0.75, 0.25)) for _ in paths]


class Recognizer:
    recipe = SimpleNamespace(name="stub", task="speech-recognition")

    def transcribe(self, paths, progress=None, **options):
        return [Transcript(HOSTILE, (Word(HOSTILE, 0.0, 1.0, 0.5),)) for _ in paths]

    def stream(self, sample_rate):
        return SimpleNamespace(feed=lambda block: HOSTILE, finish=lambda: Transcript(HOSTILE))


@pytest.fixture
def paths(tmp_path):
    """Two images, also used as audio by a recognizer that does not read them. The first has a hostile name."""
    paths = [str(tmp_path / f"{stem}.png") for stem in (HOSTILE, "plain")]
    for path in paths:
        Image.fromarray(np.zeros((8, 8), "uint8")).save(path, format="png")
    return paths


@pytest.mark.parametrize("file_format", ["text", "json"])
def test_classify_prints_one_row_for_each_file(paths, monkeypatch, capsys, file_format):
    monkeypatch.setattr(options, "load_model", lambda *a: Classifier())
    assert main(["classify", *paths, "--format", file_format]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2 and all(map(is_plain, rows))
    if file_format == "json":
        assert [json.loads(row)["path"] for row in rows] == paths
        assert json.loads(rows[0])["name"] == HOSTILE
    else:
        name, classes = rows[0].split("\t")
        assert name.endswith(f"{ESCAPED}.png") and classes == f"{ESCAPED} 75.0 %, y 25.0 %"


@pytest.mark.parametrize("file_format", ["text", "json", "words", "srt", "vtt"])
def test_transcribe_prints_no_control_character(paths, monkeypatch, capsys, file_format):
    monkeypatch.setattr(options, "load_model", lambda *a: Recognizer())
    monkeypatch.setattr(transcribe, "transcribe_in_steps", lambda model, paths, arguments: zip(paths, model.transcribe(paths), strict=True))
    assert main(["transcribe", *paths, "--format", file_format]) == 0
    text = capsys.readouterr().out
    assert is_plain(text) and "\\u001b[2J" in text
    if file_format in ("text", "json"):
        assert len(text.splitlines()) == 2


def test_a_stream_prints_one_line(capsys):
    listen.print_live_transcript(Recognizer(), iter([np.zeros(8)]))
    assert capsys.readouterr().out.splitlines() == [ESCAPED, ESCAPED]


@pytest.mark.parametrize("words", [["classify", f"{HOSTILE}.png"], ["transcribe", f"{HOSTILE}.wav"], ["show", HOSTILE]])
def test_errors_name_files_and_recipes_without_control_characters(monkeypatch, capsys, words):
    monkeypatch.setattr(options, "load_model", lambda *a: Classifier() if words[0] == "classify" else Recognizer())
    monkeypatch.setattr(Recognizer, "transcribe", lambda self, paths, **o: [KerasRecipesError(f"{p} is bad") for p in paths])
    assert main(words) in (1, 2)
    captured = capsys.readouterr()
    assert "b\\u000d\\u009b31m" in captured.err + captured.out or "\\r\\x9b31m" in captured.err
    assert is_plain(captured.out + captured.err)


def test_answers_of_a_hub_are_one_plain_line():
    from huggingface_hub import errors, get_session

    request = get_session().build_request("GET", "http://127.0.0.1:9/file")
    response = type("Response", (), {"status_code": 500, "headers": {}, "request": request})()
    with pytest.raises(WeightsUnavailable) as error, download.translate_errors("org/name", "0" * 40, "file"):
        raise errors.HfHubHTTPError(f"500 {HOSTILE}", response=response)
    assert is_plain(str(error.value)) and "\n" not in str(error.value) and "\\u001b[2J" in str(error.value)


def test_skipped_files_are_named_without_control_characters():
    skipped = SkippedFiles()
    skipped.add("is empty", HOSTILE)
    assert ESCAPED in str(skipped) and is_plain(str(skipped))


# ---------------------------------------------------------------- subtitles

MARKUP = ("<v bob>", "&", "-->", "x\n\n2\n00:00:00,000 --> 00:00:09,000\nforged", "&amp;")


def subtitles():
    return Transcript("", tuple(Word(text, i, i + 0.5, 1.0) for i, text in enumerate(MARKUP)))


def test_webvtt_escapes_its_markup():
    blocks = subtitles().to_vtt().split("\n\n")
    assert blocks[0] == "WEBVTT" and all(block.count("-->") == 1 for block in blocks[1:])
    texts = [block.strip("\n").split("\n")[1:] for block in blocks[1:]]
    assert all(len(lines) == 1 for lines in texts)
    assert " ".join(lines[0] for lines in texts) == (
        "&lt;v bob&gt; &amp; --&gt; x 2 00:00:00,000 --&gt; 00:00:09,000 forged &amp;amp;"
    )


def test_srt_has_no_forged_times_and_blank_lines():
    blocks = subtitles().to_srt().split("\n\n")
    assert all(block.count("-->") == 1 and block.strip("\n").count("\n") == 2 for block in blocks)
    assert [block.split("\n")[0] for block in blocks] == [str(i) for i in range(1, len(blocks) + 1)]
