# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of progress on a terminal; on anything else a line now and then. Standard library only."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from typing import IO

from .messages import Event, Log, Progress

QUIET_S = 10.0  # between two lines about the same stage where lines stay, as in a log file


class Status:
    """Shows where a run is. Lines for good, such as warnings, go above the line that changes.

    What nobody can read, as nothing is there to write to, a pipe is closed or a disk is full, costs no run.
    """

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream
        self._terminal = stream is not None and stream.isatty()
        self._stage, self._last = "", 0.0

    def event(self, event: Event) -> None:
        """What the engine says."""
        if isinstance(event, Progress):
            self.show(progress_text(event), event.stage)
        elif isinstance(event, Log):
            self.line(f"Warning: {event.text}" if event.level == "warning" else event.text)

    def installing(self, text: str) -> None:
        """What an installation says."""
        self.show(f"Setting up, once: {text}", text)

    def show(self, text: str, stage: str = "") -> None:
        """The line that changes; where lines stay, only for a new stage or after QUIET_S."""
        if self._terminal:
            width = _width()
            self._write(f"\r{text[:width]:{width}}")  # blanks over what was there: not every Windows console knows escape codes
        elif stage != self._stage or time.monotonic() - self._last > QUIET_S:
            self._write(text + "\n")
            self._stage, self._last = stage, time.monotonic()

    def line(self, text: str) -> None:
        """A line for good."""
        self.clear()
        self._write(text.rstrip() + "\n")

    def clear(self) -> None:
        """Take the changing line away."""
        if self._terminal:
            self._write(f"\r{'':{_width()}}\r")

    def _write(self, text: str) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.write(text)
                self._stream.flush()


def _width() -> int:
    return max(20, shutil.get_terminal_size().columns - 1)


def progress_text(event: Progress) -> str:
    """'fitting  30/120 (25 %), about 2 min left'; a stage without a known length shows only its name."""
    text = event.stage
    if event.total > 0:
        text += f"  {event.done}/{event.total} ({100 * event.done // event.total} %)"
    if event.eta_s >= 0:
        text += f", about {duration_text(event.eta_s)} left"
    return text


def duration_text(seconds: float) -> str:
    """A time that a person can use: '40 s', '3 min', '2 h 5 min'."""
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
