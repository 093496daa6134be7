# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who: what an animator says where one person was taken for another, or for two. Standard library only.

As text, several with commas between them, each about people as those before it left them:

1+4       Person 4 is Person 1; where both are seen, Person 1 was seen right
2x3@120   Person 2 and Person 3 change places at source frame 120
3@120     Person 3 is somebody else from source frame 120 on, who gets the next number that is free
5-        Person 5 is left out
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .messages import SkelError

# Kind -> how it is read, written and told.
_FORMS = {
    "same": (r"(\d+)\+(\d+)()", "{}+{}{}", "{} and {} are the same"),
    "change": (r"(\d+)x(\d+)@(\d+)", "{}x{}@{}", "{} and {} swap at frame {}"),
    "other": (r"(\d+)()@(\d+)", "{}{}@{}", "{}{} is another from frame {}"),
    "without": (r"(\d+)-()()", "{}-{}{}", "{} is left out"),
}


@dataclass(frozen=True)
class Correction:
    """One thing that is said: of a kind of _FORMS, about people by their numbers, from 1, at a source frame."""

    kind: str
    people: tuple[int, ...]
    frame: int | None = None

    def __str__(self) -> str:
        """As `read` reads it."""
        return self._put(_FORMS[self.kind][1], self.frame)

    def told(self, frame: object = None) -> str:
        """In words, few enough for a panel: people by their numbers, the source frame called `frame`."""
        return self._put(_FORMS[self.kind][2], self.frame if frame is None else frame)

    def _put(self, form: str, frame: object) -> str:
        first, *second = self.people
        return form.format(first, *(second or [""]), "" if frame is None else frame)


def read(text: str) -> tuple[Correction, ...]:
    """What is said. Raises SkelError for what says nothing."""
    return tuple(_one(item.strip()) for item in text.split(",")) if text.strip() else ()


def write(said: Iterable[Correction]) -> str:
    """What `read` reads."""
    return ",".join(map(str, said))


def name(number: int) -> str:
    """What the person of a number, from 1, is called."""
    return f"Person {number}"


def number(name: str) -> int | None:
    """The number of who is called so; None if nobody is who was found in footage."""
    match = re.fullmatch(r"Person ([1-9]\d*)", name, re.ASCII)
    return int(match[1]) if match else None


def _one(item: str) -> Correction:
    for kind, (pattern, *_) in _FORMS.items():
        match = re.fullmatch(pattern, item, re.ASCII)
        if match is not None:
            *people, frame = (int(part) if part else None for part in match.groups())
            people = tuple(number for number in people if number is not None)
            if 0 not in people and len(set(people)) == len(people):
                return Correction(kind, people, frame)
    raise SkelError("usage", f"'{item}' does not say who is who.", "Give such as 1+4 (they are the same), "
                    "2x3@120 (they change places at frame 120), 3@120 (is somebody else from there) or 5- (is left out).")  # fmt: skip
