"""Comparison of runs: the numbers of their logs, settings that differ, curves, and the command."""

import csv
import json

import numpy as np
import pytest

from kerasrecipes.cli.main import main
from kerasrecipes.errors import DataError
from kerasrecipes.training.run_comparison import compare_runs, read_run

SETTINGS = {"recipe": "deepspeech2_small", "seed": 1, "learning_rate": 0.001, "config": {"dropout": 0.1, "units": 4}}


def write_csv(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_run(folder, losses, wers, amount="audio_hours", **changes):
    folder.mkdir(parents=True)
    row = {"step": 0, "epoch": 0, "batch": 0, amount: 0.0, "wall_hours": 0.0}
    rows = [row | {"step": 20 * i, amount: 0.5 * i, "wall_hours": 0.1 * i} for i in range(1, len(losses) + 1)]
    write_csv(folder / "log.csv", [r | {"loss": v, "learning_rate": 1e-3, "throughput": 9.0} for r, v in zip(rows, losses, strict=True)])
    if wers:
        write_csv(folder / "validation.csv", [r | {"wer": v, "cer": v / 2} for r, v in zip(rows, wers, strict=False)])
    (folder / "run.json").write_text(json.dumps({"config": SETTINGS | changes}))
    return folder


@pytest.fixture
def runs(tmp_path):
    first = write_run(tmp_path / "small", [3.0, 2.0, 1.5], [0.9, 0.5, 0.6])
    return [first, write_run(tmp_path / "large", [3.5, 1.0], [0.8, 0.4], seed=2, config={"dropout": 0.3, "units": 4})]


def test_the_table_has_best_metrics_and_settings_that_differ(runs):
    rows = {name: cells for name, *cells in compare_runs(runs).rows()}
    assert rows == {
        "": ["small", "large"], "step": ["60", "40"], "wall hours": ["0.3", "0.2"], "audio hours": ["1.5", "1"],
        "last training loss": ["1.5", "1"], "best wer": ["0.5 at 1", "0.4 at 1"], "best cer": ["0.25 at 1", "0.2 at 1"],
        "seed": ["1", "2"], "config.dropout": ["0.1", "0.3"],
    }  # fmt: skip
    lines = str(compare_runs(runs)).splitlines()
    assert lines[0].index("large") == lines[1].index("40") == lines[2].index("0.2") == lines[5].index("0.4 at")


def test_curves_are_the_logs(runs):
    losses, wer, cer = compare_runs(runs).plot().axes
    np.testing.assert_allclose(losses.lines[0].get_xydata(), [[0.5, 3.0], [1.0, 2.0], [1.5, 1.5]])
    np.testing.assert_allclose(wer.lines[1].get_xydata(), [[0.5, 80], [1.0, 40]])  # percent
    assert [t.get_text() for t in losses.get_legend().get_texts()] == ["small", "large"] and cer.get_xlabel() == "hours of training audio"


def test_files_of_csv_logger_and_larger_is_better(tmp_path):
    rows = [{"epoch": i, "loss": 1 / (i + 1), "val_loss": v, "val_accuracy": a} for i, (v, a) in enumerate([(2, 0.5), (3, 0.7)])]
    write_csv(tmp_path / "a.csv", rows)
    write_csv(tmp_path / "b.csv", rows[:1])
    table = {name: cells for name, *cells in compare_runs([tmp_path / "a.csv", tmp_path / "b.csv"]).rows()}
    assert table == {
        "": ["a", "b"], "epochs": ["2", "1"], "last training loss": ["0.5", "1"],
        "best val_loss": ["2 at 1", "2 at 1"], "best val_accuracy": ["0.7 at 2", "0.5 at 1"],
    }  # fmt: skip


def test_a_metric_without_finite_values_has_no_best(tmp_path):
    run = read_run(write_run(tmp_path / "a", [1.0, 2.0], [float("nan"), float("inf")]))
    assert run.best("wer") is None and run.best("bps") is None
    run = read_run(write_run(tmp_path / "b", [1.0, 2.0], [float("nan"), 0.5]))
    assert run.best("wer") == (0.5, 1.0)


def test_runs_of_one_name_keep_their_paths(tmp_path):
    folders = [write_run(tmp_path / name / "run", [1.0], []) for name in "ab"]
    assert [run.name for run in compare_runs(folders).runs] == list(map(str, folders))


def test_what_is_no_run_is_refused(runs, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    texts = write_run(tmp_path / "texts", [1.0], [], amount="million_characters")
    broken = write_run(tmp_path / "broken", [1.0], [])
    (broken / "run.json").write_text("{")
    for paths, message in (
        ([tmp_path / "empty"], "no folder of a training run"), ([tmp_path / "x.csv"], "CSVLogger"), ([tmp_path / "gone"], "gone"),
        ([runs[0], texts], "not measure their progress in the same unit"), ([broken], "run.json"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=message):
            compare_runs(paths)


def test_the_command_prints_the_table_and_writes_the_curves(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *map(str, runs)]) == 0
    output = capsys.readouterr()
    assert "best wer" in output.out and "comparison.png" in output.err
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert main(["compare", str(tmp_path)]) == 1 and "no folder of a training run" in capsys.readouterr().err


def test_html_escapes_names(tmp_path):
    folder = write_run(tmp_path / "<script>alert(1)<", [1.0], [])
    page = compare_runs([folder])._repr_html_()
    assert "<script" not in page and "&lt;script&gt;" in page and "data:image/png" in page
