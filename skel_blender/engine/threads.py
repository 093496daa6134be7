# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads for work on footage: the libraries that do it release the interpreter's lock, so each thread may have a core of its own."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
Each = Callable[..., Iterable]  # `map`, which calls one after another when results are read, or a pool's, which begins at once

_END = object()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that are gone with the context; what they have not begun then is left undone."""
    executor = ThreadPoolExecutor(threads)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def ahead(items: Iterable[T], count: int) -> Iterator[T]:
    """The same items in the same order, up to `count` of them made by another thread before they are asked for. Close it to stop that."""
    iterator = iter(items)
    with pool(1) as thread:
        coming = deque(thread.submit(next, iterator, _END) for _ in range(count))
        while (item := coming.popleft().result()) is not _END:
            coming.append(thread.submit(next, iterator, _END))
            yield item


class Behind:
    """Calls that another thread makes in their order, up to `count` behind the caller. Use as a context: it ends when all are made."""

    def __init__(self, call: Callable[..., object], count: int) -> None:
        self._call, self._count = call, count
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future] = deque()

    def __call__(self, *arguments: object) -> None:
        """Raises what an earlier call has raised."""
        self._waiting.append(self._thread.submit(self._call, *arguments))
        while len(self._waiting) > self._count:
            self._waiting.popleft().result()

    def __enter__(self) -> Behind:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._thread.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for call in self._waiting:
                call.result()
