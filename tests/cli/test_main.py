"""The command line: help of every command, exit codes, lazy imports and the progress display."""

import io
import os
import subprocess
import sys

import click
import pytest

from kerasrecipes.cli import options, progress
from kerasrecipes.cli.main import COMMANDS, cli, main
from kerasrecipes.cli.sections import LazyGroup
from kerasrecipes.errors import DataError

CONTEXT = click.Context(cli)


def all_commands(group=cli, path=()):
    """Return (path, command) of every command and subcommand."""
    found = []
    for name in group.list_commands(CONTEXT):
        command = group.get_command(CONTEXT, name)
        nested = all_commands(command, (*path, name)) if isinstance(command, LazyGroup) else []
        found += [((*path, name), command), *nested]
    return found


@pytest.mark.parametrize(
    ("path", "command"), all_commands(), ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_explains_itself(path, command, capsys):
    assert main([*path, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"Usage: kerasrecipes {' '.join(path)}" in text and command.help.split("\n")[0].rstrip() in text
    for parameter in command.params:
        record = parameter.get_help_record(CONTEXT)
        assert record and record[1] and record[0] in text, parameter.name
        if title := getattr(parameter.type, "title", ""):
            assert f"{title}:" in text and all(" ".join(row[1].split()) in text for row in parameter.type.help_rows())


def test_the_help_lists_every_command_in_its_section(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for section, commands in COMMANDS.items():
        part = text.partition(f"\n{section}:\n")[2].partition("\n\n")[0]
        assert all(f"\n  {name} " in f"\n{part}" for name in commands), section


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-command"], "No such command"),
        (["transcribe"], "Missing argument"),
        (["transcribe", "x.wav", "--beam-size", "many"], "not a valid integer"),
        (["transcribe", "x.wav", "--decoder", "best"], "is not one of"),
        (["evaluate", "deepspeech2_small"], "Missing option '--data'"),
        (["data", "shard", "librispeech:x"], "Missing option '--output'"),
        (["vocode", "wavenet_small", "x.wav"], "Missing option '--output'"),
        (["train", "deepspeech2_small", "--peak", "1"], "No such option"),
    ],
)
def test_wrong_usage_exits_with_2(arguments, message, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err and not captured.out and "Traceback" not in captured.err


def test_an_interrupt_exits_with_130(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("kerasrecipes.hub.catalog.list_recipes", interrupt)
    assert main(["list"]) == 130
    assert capsys.readouterr().err == "interrupted. Nothing was saved. To start again: kerasrecipes list\n"


def test_a_closed_pipe_is_no_error():
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-u", "-m", "kerasrecipes", "list"], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert process.returncode == 0 and process.stderr == ""


def test_list_and_help_import_neither_keras_nor_numpy():
    code = (
        "import sys; from kerasrecipes.cli.main import main; assert main(sys.argv[1:]) == 0; "
        "assert not {'keras', 'numpy', 'rich'} & set(sys.modules), sorted(sys.modules)"
    )
    for arguments in (["list"], ["--help"]):
        subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)


def test_predict_passes_options_to_the_command_of_the_task(capsys, tmp_path):
    (tmp_path / "x.png").write_text("no image")
    assert main(["predict", "convnetjs_mnist", str(tmp_path / "x.png"), "--top", "few"]) == 2
    assert "Usage: kerasrecipes classify" in capsys.readouterr().err
    assert main(["predict", "deepspeech2_small", "--help"]) == 0
    assert "Usage: kerasrecipes transcribe" in capsys.readouterr().out
    assert main(["predict", "deepspech2", "x.wav"]) == 1 and "Did you mean" in capsys.readouterr().err


def test_options_are_written_as_they_are_typed():
    typed = {
        "language_model": "lm",
        "beam_size": 20,
        "pause_seconds": 0.8,
        "shift_average_seconds": 0.005,
        "hotwords": ("kea=9", "tui"),
        "noise": 20.0,
    }
    assert options.as_command_line(typed) == [
        "--language-model lm", "--beam-size 20", "--pause 0.8", "--shift-average 0.005", "--hotword kea=9", "--hotword tui",
        "--noise 20",
    ]  # fmt: skip
    arguments = options.transcribe_arguments(
        {"hotwords": ("kea=9", "tui"), "rescore": "char_rnn_small"}, load_models=False
    )
    assert arguments == {"hotwords": {"kea": 9.0, "tui": None}, "rescorer": "char_rnn_small"}


def test_phrases_are_the_lines_of_a_file(tmp_path):
    path = tmp_path / "phrases.txt"
    path.write_text("lights on\n\n lights off\r\n", "utf-8")
    assert options.transcribe_arguments({"phrases": str(path)}) == {"phrases": ["lights on", " lights off"]}
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="phrases.txt"):
        options.transcribe_arguments({"phrases": str(path)})


def test_progress_is_shown_on_terminals_only(monkeypatch, capsys):
    with progress.ProgressBar("transcribing", "files") as bar:
        bar(1, 2)
    assert capsys.readouterr() == ("", "")
    with progress.ProgressBar("writing", "shards", log_seconds=0) as bar:
        bar(1, 4, "1 error")
    captured = capsys.readouterr()
    assert captured.err.startswith("writing 1 of 4 shards, 1 error, ") and not captured.out

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.ProgressBar("vocoding", "s", digits=2) as bar:
        bar(0.5, 2)
    assert "vocoding 0.50 of 2.00 s" in terminal.getvalue()
