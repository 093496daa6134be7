# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared: N pictures of one person each, and what a file tells of every one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skel_blender.messages import SkelError

# Sets of points that a file may tell, root first: the points are moved so that this one is at 0.
ROOTS = {"hsmr44": 39, "smpl24": 0, "skel24": 0}
COUNTS = {"hsmr44": 44, "smpl24": 24, "skel24": 24}
# The 14 of HSMR's 44 keypoints that Human3.6M and 3DPW are scored by: ankles, knees, hips, wrists, elbows, shoulders, neck, head.
H36M_14 = (*range(25, 38), 43)
Points = dict[str, np.ndarray]  # name of a set, or 'vertices' -> (n,K,3) m
Rows = slice | np.ndarray  # from one to another, or (n,) row numbers
Maker = Callable[[Rows, set[str]], Points]  # of the rows and sets that are wanted


@dataclass(frozen=True)
class Samples:
    """N people in pictures. What a file does not tell is None or not among the sets; a point that it does not know is NaN."""

    name: str  # the file
    count: int
    names: np.ndarray | None = None  # (N,) which picture
    given: dict[str, np.ndarray] = field(default_factory=dict)  # sets of points that the file holds
    sets: tuple[str, ...] = ()  # what `make` gives, from a body model
    make: Maker | None = None
    keypoints_2d: np.ndarray | None = None  # (N,44,3) px, px, confidence
    patch_2d: np.ndarray | None = None  # (N,44,2) in the patch: 0 at its middle, 1 its side
    cam_t: np.ndarray | None = None  # (N,3) m, the patch's camera, which projects the 44 points
    boxes: np.ndarray | None = None  # (N,4) px: middle, width, height
    poses: np.ndarray | None = None  # (N,46) rad, SKEL's
    rotations: np.ndarray | None = None  # (N,23,3,3), SMPL's
    numbered: bool = False  # the names are frame numbers of a clip
    runs_on: np.ndarray | None = None  # (N-2,) bool: three rows that are neighbours in one film

    def has(self, name: str) -> bool:
        """Whether `at` gives this set of points."""
        return name in self.given or name in self.sets

    def at(self, rows: Rows, wanted: set[str]) -> Points:
        """The wanted points of some rows; what the file holds goes before what a body model gives."""
        points = {name: self.given[name][rows].astype(float) for name in wanted if name in self.given}
        missing = (wanted - set(points)) & set(self.sets)
        return points | (self.make(rows, missing) if self.make is not None and missing else {})

    def has_skin(self, name: str) -> bool:
        """Whether `skin` can be told relative to this set's root."""
        return {"vertices", name} <= set(self.given) or {"vertices", name} <= set(self.sets)

    def skin(self, rows: Rows, name: str) -> np.ndarray:
        """(n,V,3) m: the skin of some rows relative to the root of a set of points that is told in the same place."""
        wanted = {"vertices", name}
        here = wanted <= set(self.given)
        points = self.at(rows, wanted) if here or self.make is None else self.make(rows, wanted)
        return points["vertices"] - points[name][:, [ROOTS[name]]]

    def select(self, text: str) -> Samples:
        """The rows whose picture's name contains a text. Raises SkelError if there are none."""
        if self.names is None:
            raise SkelError("bad_labels", f"{self.name} does not name its pictures.", "Leave --select out.")
        kept = np.flatnonzero([text in str(name) for name in self.names])
        if not len(kept):
            raise SkelError("bad_labels", f"No picture's name in {self.name} contains '{text}'.", f"Names look like {self.names[0]}.")
        fields = ("names", "keypoints_2d", "patch_2d", "cam_t", "boxes", "poses", "rotations")
        changed: dict[str, Any] = {key: values[kept] for key in fields if (values := getattr(self, key)) is not None}
        make = self.make
        chosen = None if make is None else lambda rows, wanted: make(kept[rows], wanted)
        return replace(self, count=len(kept), given={key: values[kept] for key, values in self.given.items()}, make=chosen,
                       runs_on=running(changed["names"]), **changed)  # fmt: skip


def running(names: np.ndarray) -> np.ndarray:
    """(N-2,) bool: whether three rows' pictures differ in the last number of their names only, which goes up by even steps."""
    stems, numbers = [], []
    for name in names:
        head, number = _last_number(str(name))
        stems.append(head)
        numbers.append(number)
    stem, number = np.array(stems), np.array(numbers, dtype=np.int64)
    if len(names) < 3:
        return np.zeros(max(0, len(names) - 2), dtype=bool)
    step, same = np.diff(number), (stem[1:] == stem[:-1]) & (number[1:] >= 0)
    return same[1:] & same[:-1] & (step[1:] == step[:-1]) & (step[1:] > 0)


def _last_number(name: str) -> tuple[str, int]:
    """The name without its last number, and that; -1 for a name without one."""
    end = len(name)
    while end and not name[end - 1].isdigit():
        end -= 1
    start = end
    while start and name[start - 1].isdigit() and end - start < 18:
        start -= 1
    return (name[:start] + "#" + name[end:], int(name[start:end])) if start < end else (name, -1)


def check_pair(found: Samples, truth: Samples) -> None:
    """Raise SkelError with one sentence where two files do not speak of the same pictures in the same order."""
    if found.count != truth.count:
        raise SkelError("bad_predictions", f"{found.name} has {found.count} rows, {truth.name} has {truth.count}.",
                        "Predict every row of the ground truth once, or pick a part of it with --select.")  # fmt: skip
    if found.names is None or truth.names is None or found.numbered != truth.numbered:
        return
    differ = np.flatnonzero(found.names.astype(str) != truth.names.astype(str))
    if len(differ):
        row = int(differ[0])
        same = sorted(map(str, found.names)) == sorted(map(str, truth.names))
        why = "the same pictures in another order" if same else "other pictures"
        raise SkelError("bad_predictions", f"{found.name} has {why}: its row {row} is {found.names[row]}, that of {truth.name} is "
                        f"{truth.names[row]}.", "Keep the ground truth's order.")  # fmt: skip
