"""Process many files: one result row for each, written exactly once, by workers on this machine or on a Ray cluster.

>>> from kerasrecipes import batch
>>> batch.run("wav2letter_small", ["talks/"], "results", workers="auto")
>>> for row in batch.read("results"): print(row["path"], row["text"], row["error"])
"""

from kerasrecipes.batch.runner import RunProgress, read, run

__all__ = ["RunProgress", "read", "run"]
