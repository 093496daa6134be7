# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that can be done bit by bit, so that an operator can show how far it is and be ended."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, TypeVar

Made = TypeVar("Made")


class Step(NamedTuple):
    """How far a part of the work is, 0 to 1."""

    what: str
    done: float


Steps = Generator[Step, None, Made]
"""The work, which returns what it has made; closed before its end, it leaves nothing behind."""


def finish(steps: Steps[Made]) -> Made:
    """Do all of the work."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
