"""Prefetching of batches while the devices compute."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

PREFETCH_DEPTH = 2


class BatchPrefetcher:
    """`prefetcher(i, count)` returns `make(i)` and starts to make the following batches, up to number `count - 1`.

    Args:
        make: Function from a number to a batch. Its results may change only when `clear` is called.
        depth: Number of batches to make ahead. Default 2.
    """

    def __init__(self, make: Callable[[int], Any], depth: int = PREFETCH_DEPTH):
        self.make, self.depth = make, depth
        self.pool = ThreadPoolExecutor(1)
        self.waiting: dict[int, Future] = {}

    def __call__(self, index: int, count: int) -> Any:
        for i in range(index, min(index + 1 + self.depth, count)):
            if i not in self.waiting:
                self.waiting[i] = self.pool.submit(self.make, i)
        return self.waiting.pop(index).result()

    def clear(self) -> None:
        """Drop all batches, and wait for the one that is being made."""
        for future in self.waiting.values():
            if not future.cancel():
                future.exception()
        self.waiting.clear()
