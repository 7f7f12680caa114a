"""What a new user meets: examples, suggestions, one way to name a model, and answers without a backend."""

import re
import subprocess
import sys

import click
import numpy as np
import pytest
from paths import ROOT

from kerasrecipes.cli import demo, examples, listing, options, progress
from kerasrecipes.cli.main import cli, command_path, main
from kerasrecipes.cli.sections import Command, LazyGroup, move_recipe_first, names_model
from kerasrecipes.errors import DataError
from kerasrecipes.hub import manifest, metric_names
from kerasrecipes.release import model_card

CONTEXT = click.Context(cli, info_name="kerasrecipes", show_default=True)
CLIP = ROOT / "kerasrecipes" / "assets" / "demo.mp3"


def all_commands(group=cli, path=()):
    for name in group.list_commands(CONTEXT):
        command = group.get_command(CONTEXT, name)
        yield (*path, name), command
        if isinstance(command, LazyGroup):
            yield from all_commands(command, (*path, name))


COMMANDS = dict(all_commands())


@pytest.fixture
def run(capsys):
    def call(*arguments):
        status = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.mark.parametrize("path", COMMANDS, ids="-".join)
def test_every_command_has_examples_that_parse(path, run):
    rows = examples.EXAMPLES.get(" ".join(path))
    assert rows, "add examples in kerasrecipes/cli/examples.py"
    text = run(*path, "--help")[1]
    assert rows and all(f"  kerasrecipes {line}  # {note}" in text for line, note in rows)
    for line, _ in rows:
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)]
        group = cli
        while isinstance(group, LazyGroup):
            group = group.get_command(CONTEXT, words.pop(0))
        group.make_context("x", words)


def test_there_are_no_examples_of_other_commands():
    assert set(examples.EXAMPLES) == {" ".join(path) for path in COMMANDS}
    assert set(examples.INTERRUPTS) <= set(examples.EXAMPLES)


@pytest.mark.parametrize("path", COMMANDS, ids="-".join)
def test_every_option_tells_its_default(path):
    for option in COMMANDS[path].params:
        if not isinstance(option, click.Option) or option.required or option.is_flag or option.name in ("help", "model_name"):
            continue
        told = option.get_help_record(CONTEXT)[1]
        assert "default" in told.lower(), option.name


@pytest.mark.parametrize(("words", "closest"), [
    (["trancribe", "x"], "Did you mean transcribe"), (["evalute"], "Did you mean evaluate"), (["data", "sumary"], "Did you mean summary"),
    (["transcribe", "x", "--beamsize", "3"], "--beam-size"), (["train", "x", "--learning_rate", "1"], "--learning-rate"),
])  # fmt: skip
def test_misspelled_words_get_the_closest(words, closest, run):
    status, _, error = run(*words)
    assert status == 2 and closest in error


def test_unknown_words_get_no_suggestion(run):
    assert "Did you mean" not in run("xyzzy")[2]


def test_a_model_is_named_alike_everywhere():
    takers = {path: command.model for path, command in COMMANDS.items() if isinstance(command, Command) and command.model}
    for path, model in takers.items():
        has_argument = isinstance(COMMANDS[path].params[0], click.Argument)
        has_option = any("--recipe" in parameter.opts for parameter in COMMANDS[path].params)
        assert has_option and (has_argument or model == "option"), path
    named = [path for path, c in COMMANDS.items() if any(p.name in ("name", "recipe") for p in c.params)]
    assert set(named) - set(takers) == {("data", "download"), ("study",), ("import",)}  # a set, a study, a network for a file


@pytest.mark.parametrize(("words", "parsed"), [
    (["transcribe", "palaz_raw_small", "a.wav"], {"recipe": "palaz_raw_small", "files": ("a.wav",)}),
    (["transcribe", "a.wav", "--recipe", "palaz_raw_small"], {"recipe": "palaz_raw_small", "files": ("a.wav",)}),
    (["transcribe", "exported/mine.onnx", "a.wav"], {"recipe": "exported/mine.onnx", "files": ("a.wav",)}),
    (["transcribe", "a.wav", "b.wav"], {"recipe": "wav2letter_small", "files": ("a.wav", "b.wav")}),
    (["transcribe", "./palaz_raw_small", "a.wav"], {"recipe": "wav2letter_small", "files": ("./palaz_raw_small", "a.wav")}),
    (["align", "wav2letter_small_asg", "a.wav", "a.txt"], {"recipe": "wav2letter_small_asg", "audio": "a.wav"}),
    (["classify", "zfnet_small", "a.png"], {"recipe": "zfnet_small", "files": ("a.png",)}),
    (["evaluate", "--recipe", "squeezenet", "--data", "folder:x"], {"name": "squeezenet"}),
    (["evaluate", "--data", "folder:x", "--recipe=squeezenet"], {"name": "squeezenet"}),
    (["generate", "--recipe", "char_rnn_small", "once"], {"recipe": "char_rnn_small", "prompts": ("once",)}),
    (["generate", "char_rnn_small", "once"], {"recipe": "char_rnn_small", "prompts": ("once",)}),
])  # fmt: skip
def test_the_first_argument_and_the_option_are_one(words, parsed):
    context = COMMANDS[tuple(words[:1])].make_context("x", words[1:])
    assert {key: context.params[key] for key in parsed} == parsed


def test_words_that_name_models(tmp_path):
    assert move_recipe_first(["a", "--", "--recipe", "b"]) == ["a", "--", "--recipe", "b"]
    assert names_model("hf://org/name@0") and names_model("bvlc_caffenet") and names_model("x.keras")
    assert not names_model("talk.flac") and not names_model(str(tmp_path)) and not names_model("--recipe")
    (tmp_path / "averaged.keras").touch()
    assert names_model(str(tmp_path))


WITHOUT_BACKEND = """
import sys
from kerasrecipes.cli.main import main
for words, status in {commands!r}:
    assert main(words) == status, (words, status)
    loaded = {{"tensorflow", "jax", "torch", "keras"}} & set(sys.modules)
    assert not loaded, (words, loaded)
"""


def test_answers_that_need_no_backend(tmp_path):
    missing = str(tmp_path / "none")
    (tmp_path / "t.txt").write_text("a")
    commands = [
        (["show", "wav2letter_small"], 0), (["show", "deepspeech2"], 0), (["list"], 0), (["study"], 0), (["study", "--help"], 0),
        (["study", "none"], 1), (["doctor"], 0), (["transcribe", f"{missing}.wav", "--engine", "keras"], 1),
        (["align", f"{missing}.wav", str(tmp_path / "t.txt"), "--engine", "keras"], 1), (["listen", f"{missing}.wav"], 1),
        (["classify", f"{missing}.png", "--engine", "keras"], 1), (["segment", f"{missing}.png", "--engine", "keras"], 1),
        (["evaluate", "wav2letter_small", "--data", f"librispeech:{missing}"], 1),
        (["evaluate", "squeezenet", "--data", f"folder:{missing}"], 1), (["evaluate", f"{missing}.keras", "--data", "folder:/"], 1),
        (["evaluate", "wav2letter_smal", "--data", "folder:/"], 1), (["train", "wav2letter_small", "--data", f"manifest:{missing}"], 1),
        (["train", "wav2letter_small", "--config", missing], 1), (["visualize", "squeezenet", f"{missing}.jpg", "--unit", "fire5:1"], 1),
        (["vocode", "wavenet_small", f"{missing}.wav", "--output", "x.wav"], 1),
        (["vocode", "wavenet_small", str(tmp_path / "t.txt"), "--output", "x.txt"], 1),
        (["generate", "wavenet_small"], 1), (["generate", "squeezenet"], 1), (["tune-decoder", "squeezenet", "--data", "librispeech:x"], 1),
        (["copy-synthesis", "wavenet_small", "--data", f"manifest:{missing}", "--output", "x"], 1),
        (["report", "squeezenet", "--images", missing, "--units", "fire5:1"], 1), (["export", "none"], 1), (["filters", "squeezenet"], 1),
        (["predict", "none", "x"], 1), (["data", "summary", f"librispeech:{missing}"], 1),
    ]  # fmt: skip
    code = WITHOUT_BACKEND.format(commands=commands)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "Traceback" not in result.stderr and result.stderr.lower().count("there is no") > 12


def test_the_list_is_a_table(run):
    status, text, _ = run("list")
    (line,) = [line for line in text.splitlines() if line.startswith("  wav2letter_small ")]
    assert status == 0 and line.split()[1:5] == ["speech-recognition", "5.42", "M", "10.1"] and line.endswith(" yes")
    assert f"word errors {metric_names.format_value('wer', best_wer())}" in line
    assert "caffenet" in text.partition("Without released weights")[2].partition("Published")[0]
    assert run("list", "palaz*", "--names")[1].split() == ["palaz_mfcc_small", "palaz_raw", "palaz_raw_small", "palaz_raw_small_frames"]
    assert run("list", "*camvid*", "--names")[1].split() == ["dilated_camvid_small", "dilation8_camvid", "dilation8_camvid_authors"]
    assert run("list", "nothing*")[0] == 1


def best_wer():
    """Word error rate of the network alone."""
    rows = [m for m in manifest.get_entry("wav2letter_small").metrics if "averaged with" not in m["decoder"]]
    return min(m["value"] for m in rows if m["metric"] == "wer" and m["dataset"].startswith("dev-mini-report:"))


def test_the_list_says_what_is_not_here(run, monkeypatch, tmp_path):
    (tmp_path / "squeezenet.onnx").touch()
    (tmp_path / "wav2letter_small.weights.h5").touch()
    monkeypatch.setattr(manifest, "weights_folder", lambda: tmp_path)
    here, _, elsewhere = run("list", "--pretrained")[1].partition("Weights with a checkout, or hosted:")
    assert re.search(r"\n  squeezenet .* ONNX only\n", here) and re.search(r"\n  wav2letter_small .* yes\n", here)
    assert re.search(r"\n  zfnet_small .* with a checkout\n", elsewhere) and "zfnet_small" not in here


def test_recorded_facts_are_those_of_the_networks():
    """The file is written by tools/write_recipe_facts.py."""
    from kerasrecipes.registry import all_recipes

    recorded = model_card.recorded_facts()
    own = {name for name, recipe in all_recipes().items() if str(recipe.builder).startswith("kerasrecipes.")}
    assert set(recorded) == own, "run tools/write_recipe_facts.py"
    for name in ("convnetjs_mnist", "palaz_raw_small", "wav2letter_small"):
        assert recorded[name] == model_card.compute_model_facts(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", model_card.recorded_facts())
def test_all_recorded_facts_are_those_of_the_networks(name):
    assert model_card.recorded_facts()[name] == model_card.compute_model_facts(name)


@pytest.mark.parametrize(("line", "hint"), [
    ("train x --data manifest:a.tsv", "The checkpoint is saved. To go on: kerasrecipes train x --data manifest:a.tsv --resume"),
    ("train x --resume", "The checkpoint is saved. To go on: kerasrecipes train x --resume"),
    ("transcribe talks --output o --workers 2", "Finished rows are saved. To go on: kerasrecipes transcribe talks --output o --workers 2"),
    ("data label a --output b", "Labeled clips are saved. To go on: kerasrecipes data label a --output b"),
    ("evaluate x", "Nothing was saved. To start again: kerasrecipes evaluate x"),
])  # fmt: skip
def test_an_interrupt_says_how_to_go_on(line, hint):
    assert examples.interrupt_hint(command_path(line.split()), f"kerasrecipes {line}") == hint


def test_a_log_gets_a_line_a_minute_while_nothing_is_reported(monkeypatch, capsys):
    with progress.ProgressBar("evaluating", "clips", log_seconds=0.05) as bar:
        assert not bar.ended.wait(0.3)
        silent = capsys.readouterr().err.splitlines()
        bar(0, 10)
        bar(5, 10)
        assert not bar.ended.wait(0.2)
    assert 2 <= len(silent) <= 6 and all(re.fullmatch(r"evaluating, \d+ s so far", line) for line in silent)
    later = capsys.readouterr().err.splitlines()
    assert later and re.fullmatch(r"evaluating 5 of 10 clips, \d+ s left", later[-1])


def test_styles_are_for_terminals(capsys, monkeypatch):
    progress.print_line("plain", style=progress.bold)
    assert capsys.readouterr().out == "plain\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    progress.print_line("a\x1b[2J", style=progress.bold)
    assert capsys.readouterr().out == "\x1b[1ma\\u001b[2J\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    progress.print_line("plain", style=progress.bold)
    assert capsys.readouterr().out == "plain\n"


def test_help_is_bold_on_terminals_only(monkeypatch):
    help_text = COMMANDS["show",].get_help(click.Context(COMMANDS["show",], info_name="show", parent=CONTEXT))
    assert "\x1b[1mExamples\x1b[0m:" in help_text and "\x1b[2m# paper" in help_text
    monkeypatch.setenv("NO_COLOR", "1")
    plain = COMMANDS["show",].get_help(click.Context(COMMANDS["show",], info_name="show", parent=CONTEXT))
    assert plain == click.unstyle(help_text) and "\nExamples:\n" in plain


def test_every_metric_has_a_noun(run):
    metrics = {m["metric"] for row in manifest.entries().values() for m in row.metrics}
    assert metrics <= set(metric_names.METRIC_NOUNS)
    assert metric_names.metric_noun("wer_added by PocketSphinx") == "word errors added by PocketSphinx"
    assert metric_names.format_measurement("wer", 0.4012, 0.35, 0.45) == "40.1 % (35.0 to 45.0)"
    assert metric_names.format_measurement("error", 0.1, float("nan"), float("nan")) == "10.00 %"
    text = run("show", "wav2letter_small")[1]
    assert re.search(r"\bword errors \d\d\.\d %", text) and not re.search(r"\bwer \d", text)


def test_the_best_measurement_is_of_the_common_set():
    rows = [
        {"metric": "wer", "dataset": "easy", "value": 0.1}, {"metric": "wer", "dataset": "dev-mini-report: x", "value": 0.4},
        {"metric": "wer", "dataset": "dev-mini-report with pink noise", "value": 0.2}, {"metric": "cer", "dataset": "easy", "value": 0.0},
    ]  # fmt: skip
    assert metric_names.find_best("speech-recognition", rows)["value"] == 0.4
    assert metric_names.find_best("segmentation", [{"metric": "miou", "dataset": "a", "value": v} for v in (0.1, 0.5)])["value"] == 0.5
    assert metric_names.find_best("segmentation", []) is None


def test_the_demo_shows_every_task(run):
    status, text, _ = run("demo")
    assert status == 0 and demo.SPOKEN in text and "Egyptian cat" in text and "road" in text
    assert len(re.findall(r"\d+\.\d s, ", text)) == 5 and text.count("kerasrecipes ") == 3
    assert "\N{LATIN LETTER SMALL CAPITAL I}" in text  # the International Phonetic Alphabet


def test_the_demo_says_what_librispeech_says():
    lines = (ROOT / "tests" / "fixtures" / "LibriSpeech").rglob("1919-142785.trans.txt")
    transcripts = dict(line.split(" ", 1) for path in lines for line in path.read_text().splitlines())
    assert transcripts["1919-142785-0015"].lower() == demo.SPOKEN


def test_data_sets_are_checked_by_their_path(tmp_path):
    options.check_data([f"librispeech:{tmp_path}", "shards:s3://bucket/x", "manifest:sets/*.tsv"])
    with pytest.raises(DataError, match="There is no file or folder"):
        options.check_data([f"librispeech:{tmp_path / 'none'}"])
    with pytest.raises(DataError, match="names no"):
        options.check_data(["nothing:here"])


def test_the_table_of_recipes_has_no_other_width():
    row = listing.describe_recipe("squeezenet")
    assert row == ("squeezenet", "image-classification", "1.25 M", "1.4 MB", "by its authors")
    assert np.all([len(cell) < 40 for cell in row])
