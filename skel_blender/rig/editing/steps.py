# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that can be done bit by bit, so that an operator can show how far it is and be ended."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, TypeVar

Made = TypeVar("Made")


class Step(NamedTuple):
    """How far a part of the work is, 0 to 1. With `blocks` what comes next takes long in one go, so that this is to be seen before."""

    what: str
    done: float
    blocks: bool = False


Steps = Generator[Step, None, Made]
"""The work, which returns what it has made; closed before its end, it leaves nothing behind."""


def within(steps: Steps[Made], begin: float, end: float) -> Steps[Made]:
    """The same work as the part of a longer one from `begin` to `end`, 0 to 1."""
    try:
        while True:
            step = next(steps)
            yield step._replace(done=begin + (end - begin) * step.done)
    except StopIteration as over:
        return over.value
    finally:
        steps.close()


def finish(steps: Steps[Made]) -> Made:
    """Do all of the work."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
