"""The next batches, made while the devices compute."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

PREFETCH_DEPTH = 2


class BatchPrefetcher:
    """`ahead(i, count)` is `make(i)`, and has begun to make those behind it, as far as number `count - 1`.

    Args:
        make: from a number to a batch; depends on nothing else until `clear` is called.
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
        """Forget what is made, and wait for what is being made."""
        for future in self.waiting.values():
            if not future.cancel():
                future.exception()
        self.waiting.clear()
