"""The display of a training: a bar on terminals, and a line a minute elsewhere."""

import io
import sys

from kerasrecipes.training import training_progress
from kerasrecipes.training.training_progress import TrainingProgress


def test_a_log_gets_a_line_a_minute(monkeypatch, capsys):
    times = iter([0.0, 30.0, 61.0, 90.0, 130.0])
    monkeypatch.setattr(training_progress.time, "monotonic", lambda: next(times))
    with TrainingProgress(total=1000, done=100) as progress:
        for step in (101, 102, 103, 110):
            progress.update(step, f"epoch 1  loss {step / 100:.3f}")
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err.splitlines() == [
        "step 102 of 1000  epoch 1  loss 1.020  456 min left", "step 110 of 1000  epoch 1  loss 1.100  193 min left",
    ]  # fmt: skip


def test_other_processes_print_nothing(capsys):
    with TrainingProgress(total=10, done=0, disable=True, log_seconds=0.0) as progress:
        progress.update(1, "epoch 1")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with TrainingProgress(total=10, done=0) as progress:
        progress.update(5, "epoch 1  loss 0.500")
    assert "epoch 1  loss 0.500" in terminal.getvalue() and "step 5" not in terminal.getvalue()
