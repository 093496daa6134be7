# SPDX-License-Identifier: GPL-3.0-or-later
"""What all footage has in common: frames by number, streamed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

from ...messages import Log, SkelError
from .cuts import AHEAD, BEFORE, Frame, with_cuts

Range = tuple[int | None, int | None]


class Source:
    """Footage to iterate over: yields (frame number, RGB uint8 (H,W,3)); can be iterated again from the start.

    `fps` Fraction, at which it was filmed; `size` (w, h) px as shown, turned upright and with square pixels; `first`, `last`
    frame numbers asked for, both included; `count` frames, an estimate from the header until an iteration has ended;
    `frame_numbers` of the latest iteration's frames; `cuts` the numbers of those with which another
    shot begins, each there before the frame is, none unless it `may_be_cut`; `focal_hints` px by frame number, of images that
    were read and tell it by EXIF; `path` of the file or the first image.
    """

    fps: Fraction
    size: tuple[int, int]
    may_be_cut = True

    def __init__(self, path: Path, count: int, frames: Range, on_log: Callable[[Log], None]) -> None:
        self.path, self._log = path, on_log
        self.first, self.last = _checked_range(path, frames, count)
        self.count = self.last - self.first + 1
        self.frame_numbers: list[int] = []
        self.cuts: list[int] = []
        self.focal_hints: dict[int, float] = {}

    @property
    def files(self) -> list[Path]:
        """All files that the frames come from."""
        return [self.path]

    def __iter__(self) -> Iterator[Frame]:
        numbers: list[int] = []
        self.frame_numbers, self.cuts = numbers, []
        for number, picture in self._in_shots() if self.may_be_cut else self._pictures(self.first, self.last):
            numbers.append(number)
            yield number, picture
        if not numbers:
            raise SkelError("no_frames", f"Nothing in {self.path.name} can be decoded.", "Give a clip that plays in a video player.")
        if len(numbers) < self.count:
            text = f"{self.path.name}: only {len(numbers)} of {self.count} frames could be decoded; the rest is left out."
            self._log(Log("warning", text))
        self.count = len(numbers)

    def frames(self, first: int, last: int) -> Iterator[Frame]:
        """The frames first to last once more, both included, as far as they are in this footage; nothing else here changes by it."""
        return self._pictures(max(first, self.first), min(last, self.last))

    def _in_shots(self) -> Iterator[Frame]:
        """The frames asked for, while the numbers with which shots begin are added to `cuts`. Frames beyond the ends are read too,
        so that cuts next to them are found."""
        around = self._pictures(max(0, self.first - BEFORE), self.last + AHEAD)
        return with_cuts(around, self.cuts, self.first, self.last)

    def _pictures(self, first: int, last: int) -> Iterator[Frame]:
        """The frames first to last of the whole footage, as far as it has them."""
        raise NotImplementedError


def _checked_range(path: Path, frames: Range, count: int) -> tuple[int, int]:
    first, last = frames[0] or 0, count - 1 if frames[1] is None else frames[1]
    if not 0 <= first <= last < count:
        raise SkelError("frame_range", f"Frames {first} to {last} are not all in {path.name}, which has frames 0 to {count - 1}.",
                        "Give a range inside the clip.")
    return first, last


def typed(name: str) -> str:
    """A file's name as it is typed in a command on any system."""
    return name if re.fullmatch(r"[\w.+-]+", name) else f'"{name}"'
