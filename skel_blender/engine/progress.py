# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of a run, with the time that it still takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..messages import Event, Progress

_EVERY_S = 0.1  # between two events, at least


class Clock:
    """Turns the steps of a run's stages into Progress events, for `emit`."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit, self._start, self._stage, self._done, self._last = emit, time.monotonic(), "", 0, 0.0

    def tell(self, stage: str, done: int, total: int, later_s: float = 0.0) -> None:
        """`done` of a stage's `total` steps are made; `later_s`: about how long the stages after it will take."""
        now = time.monotonic()
        if stage != self._stage or done < self._done:  # a stage that begins again, as for somebody who is pointed at
            self._stage, self._start, self._last = stage, now, 0.0
        self._done = done
        if now - self._last < _EVERY_S and done < total:
            return
        self._last = now
        left = (now - self._start) / done * (total - done) + later_s if done else -1.0
        self._emit(Progress(stage, done, total, round(left, 1)))
