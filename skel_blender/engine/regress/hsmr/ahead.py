# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on the next items while the last ones are used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
_END = object()
_LOOK_S = 0.1  # how often a thread that waits for room looks whether anybody still wants its items


def ahead(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """The same items in the same order, made by a thread that is up to `depth` of them ahead.

    What making one raises is raised here. When the iteration is left early the thread ends after the item that it is at.
    """
    made: queue.Queue = queue.Queue(depth)
    left = threading.Event()

    def put(item: object) -> bool:
        while not left.is_set():
            try:
                made.put(item, timeout=_LOOK_S)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((_END, None))
        except BaseException as error:  # whatever it is, it is the caller's
            put((_END, error))

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        left.set()
        thread.join()
