# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who: what an animator says where one person was taken for another, or for two. Standard library only.

As text, several with commas between them, each about people as those before it left them:

1+4       Person 4 is Person 1; where both are seen, Person 1 was seen right
2x3@120   Person 2 and Person 3 change places at source frame 120
3@120     Person 3 is somebody else from source frame 120 on, who gets the next number that is free
5-        Person 5 is left out
+640:300@120  somebody whom nobody found is at x 640, y 300 px of source frame 120; he gets the next number that is free
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .messages import SkelError

# Kind -> how it is read, written and told.
_FORMS = {
    "same": (r"(?P<a>\d+)\+(?P<b>\d+)", "{a}+{b}", "{a} and {b} are the same"),
    "change": (r"(?P<a>\d+)x(?P<b>\d+)@(?P<frame>\d+)", "{a}x{b}@{frame}", "{a} and {b} swap at frame {frame}"),
    "other": (r"(?P<a>\d+)@(?P<frame>\d+)", "{a}@{frame}", "{a} is somebody else from frame {frame}"),
    "without": (r"(?P<a>\d+)-", "{a}-", "{a} is left out"),
    "here": (r"\+(?P<x>\d+):(?P<y>\d+)@(?P<frame>\d+)", "+{x}:{y}@{frame}", "Somebody is there at frame {frame}"),
}


@dataclass(frozen=True)
class Correction:
    """One thing that is said: of a kind of _FORMS, about people by their numbers, from 1, at a source frame, there at a place (x, y) px."""

    kind: str
    people: tuple[int, ...] = ()
    frame: int | None = None
    place: tuple[int, int] | None = None

    @property
    def adds_somebody(self) -> bool:
        """Whether there is one person more by it."""
        return self.kind in ("other", "here")

    def __str__(self) -> str:
        """As `read` reads it."""
        return self._put(_FORMS[self.kind][1], self.frame)

    def told(self, frame: object = None) -> str:
        """In words, few enough for a panel: people by their numbers, the source frame called `frame`."""
        return self._put(_FORMS[self.kind][2], self.frame if frame is None else frame)

    def _put(self, form: str, frame: object) -> str:
        return form.format(**dict(zip("ab", self.people)), **dict(zip("xy", self.place or ())), frame=frame)


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
            said = {name: int(part) for name, part in match.groupdict().items()}
            people = tuple(said[name] for name in "ab" if name in said)
            if 0 not in people and len(set(people)) == len(people):
                return Correction(kind, people, said.get("frame"), (said["x"], said["y"]) if "x" in said else None)
    raise SkelError("usage", f"'{item}' is not a correction of who is who.",
                    "Use 1+4 (they are the same), 2x3@120 (they change places at frame 120), 3@120 (is somebody else from there), "
                    "5- (is left out) or +640:300@120 (there is somebody, at this pixel of frame 120).")  # fmt: skip
