# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a take is probably wrong: stretches of one limb in which the engine expects more to be off than elsewhere. numpy only.

The rig keeps them as a custom property, in frames of the footage, so that they go with a take that is moved in time.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import astuple, dataclass, replace

import numpy as np

from ..take import Person

_KEY = "skel_doubt"  # numbers of each stretch, in the order of Stretch
_SHARE, _STANDS_OUT = 0.1, 1.5  # part of all frames of all limbs that is doubtful at most, and how much more than usual is
_GAP = 5  # frames that are not worth two stretches
_MOST = 8


@dataclass(frozen=True)
class Stretch:
    """Source frames `first` to `last` of a limb, a number of `take.DOUBTED`; on frame `worst` most may be off."""

    limb: int
    first: int
    last: int
    worst: int
    looked: int = 0  # whether an animator has ticked it off


def stretches(error: np.ndarray, frames: np.ndarray) -> list[Stretch]:
    """The few worst of the expected errors (T,5) m at frames (T,), the worst first: those with most error beyond that of nine tenths of
    all frames and limbs, and beyond what stands out from the median."""
    least = max(np.quantile(error, 1.0 - _SHARE), _STANDS_OUT * np.median(error))
    found = []
    for limb, column in enumerate(error.T):
        rows = np.nonzero(column > least)[0]
        for part in np.split(rows, np.nonzero(np.diff(rows) > _GAP)[0] + 1) if len(rows) else ():
            worst = part[column[part].argmax()]
            stretch = Stretch(limb, int(frames[part[0]]), int(frames[part[-1]]), int(frames[worst]))
            found.append((float((column[part] - least).sum()), stretch))
    return [stretch for _, stretch in sorted(found, key=lambda pair: -pair[0])[:_MOST]]


def keep(rig: MutableMapping, person: Person, again: bool = False) -> None:
    """Write down on a person's rig where to look, or that nobody knows. If it is he `again`, fitted anew around corrections, what overlaps
    with a stretch of the same limb that was ticked off is ticked off."""
    before = of(rig) or [] if again else []
    rig.pop(_KEY, None)
    if person.expected_error is not None:
        _write(rig, [_ticked(one, before) for one in stretches(person.expected_error, person.frames)])


def of(rig: Mapping) -> list[Stretch] | None:
    """What `keep` wrote down, the worst first; None where nobody knows."""
    if _KEY not in rig:
        return None
    numbers = rig[_KEY].split() if isinstance(rig[_KEY], str) else list(rig[_KEY])
    width = len(Stretch.__dataclass_fields__)
    return [Stretch(*map(int, numbers[start : start + width])) for start in range(0, len(numbers), width)]


def tick(rig: MutableMapping, number: int) -> None:
    """Tick a stretch off, or take the tick back."""
    found = of(rig)
    found[number] = replace(found[number], looked=int(not found[number].looked))
    _write(rig, found)


def _write(rig: MutableMapping, found: list[Stretch]) -> None:
    rig[_KEY] = " ".join(str(number) for stretch in found for number in astuple(stretch))  # which Blender's Bake Action does not key


def _ticked(stretch: Stretch, before: list[Stretch]) -> Stretch:
    met = any(old.looked and old.limb == stretch.limb and old.first <= stretch.last and stretch.first <= old.last for old in before)
    return replace(stretch, looked=int(met))
