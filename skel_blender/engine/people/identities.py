# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who, when a shot has been read to its end: people's readings are cut where the clothes change from one frame to the next, as when
two walk past each other, and pieces that may be one person's are joined, as when somebody was hidden for long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from .clothes import unlike
from .person import Person
from .poses import scale

HIDDEN_S = 2.5  # longest gap between two pieces of one person
_BESIDE_S = 1.0  # on either side of a possible cut, over which clothes are compared
_CHANGE = 40.0  # grey levels between the clothes before and after: a larger change may be another person
_ALIKE = 20.0  # grey levels up to which the clothes of two pieces may be one person's
_LEAST = 5  # frames of which a piece's clothes are known, at least, to compare them
_OVERLAP_S = 0.3  # pieces may overlap by this, as a cut may be late
_UNCUT = 0.97  # cost of joining the two sides of a cut again: any other match is better
_REACH_M, _REACH_M_S = 0.6, 1.5  # how far a person may move during a gap, and what is added per second


@dataclass(eq=False)
class _Piece:
    """A part of a person's readings: his clothes (6,3), None where not known; place and size (x, y, px per m) at its two ends; whether it
    continues the piece before it, from which it was cut."""

    person: Person
    clothes: np.ndarray | None
    begin: np.ndarray
    end: np.ndarray
    continues: bool

    @property
    def first(self) -> int:
        return min(self.person.readings)


def identified(people: list[Person], fps: float) -> list[Person]:
    """The same readings, cut and joined so that each Person is one person."""
    pieces = [piece for person in people for piece in _pieces(person, fps)]
    cost = np.full((len(pieces), len(pieces)), 1.0)
    first, last = (np.array(frames)[:, None] for frames in ([piece.first for piece in pieces], [piece.person.last for piece in pieces]))
    away = first.T - last
    for i, j in np.argwhere((-_OVERLAP_S * fps <= away) & (away <= HIDDEN_S * fps) & (first < first.T)):
        cost[i, j] = min(_cost(pieces[i], pieces[j], fps), 1.0)
    for j, later in enumerate(pieces):
        if later.continues:
            cost[j - 1, j] = _UNCUT
    follows = {int(i): int(j) for i, j in zip(*linear_sum_assignment(cost), strict=True) if cost[i, j] < 1.0}
    return [_joined(pieces, start, follows) for start in range(len(pieces)) if start not in follows.values()]


def parts(person: Person, fps: float) -> list[Person]:
    """A person's readings, cut where his clothes change."""
    return [piece.person for piece in _pieces(person, fps)]


def _joined(pieces: list[_Piece], start: int, follows: dict[int, int]) -> Person:
    person = pieces[start].person
    while (start := follows.get(start, -1)) >= 0:
        later = pieces[start]
        person.absorb(later.person, later.first - 1)
    return person


def _cost(earlier: _Piece, later: _Piece, fps: float) -> float:
    """Under 1 where two pieces may be one person's."""
    if earlier.clothes is None or later.clothes is None or unlike(earlier.clothes, later.clothes) > _ALIKE:
        return 1.0
    moved = float(np.hypot(*(later.begin - earlier.end)[:2])) / earlier.end[2]
    reach = _REACH_M + _REACH_M_S * max(later.first - earlier.person.last, 0) / fps
    size = 2 * abs(float(np.log(later.begin[2] / earlier.end[2])))
    return 0.6 * moved / reach + size + 0.3 * unlike(earlier.clothes, later.clothes) / _ALIKE


def _pieces(person: Person, fps: float) -> list[_Piece]:
    frames = sorted(person.worn)
    bounds = [frames[k] for k in _cuts(np.array([person.worn[n] for n in frames]).reshape(-1, 6, 3), max(_LEAST, round(_BESIDE_S * fps)))]
    starts, ends = [min(person.readings), *bounds], [*(bound - 1 for bound in bounds), person.last]
    pieces: list[_Piece] = []
    for first, last in zip(starts, ends, strict=True):
        part = person.part(first, last) if bounds else person
        worn = np.array(list(part.worn.values()))
        clothes = _usual(worn) if len(worn) >= _LEAST else None
        order = sorted(part.readings)
        pieces.append(_Piece(part, clothes, _place(part, order[:5], 0), _place(part, order[-5:], -1), bool(pieces)))
    return pieces


def _place(person: Person, frames: list[int], which: int) -> np.ndarray:
    px_per_m = np.median([scale(person.pose(n))[0] for n in frames])
    return np.array([*person.pose(frames[which]).next_roi.center, px_per_m])


def _cuts(worn: np.ndarray, beside: int) -> list[int]:
    """Rows k before which clothes (N,6,3) change suddenly; `beside` rows on either side are compared."""
    if len(worn) < 2 * _LEAST:
        return []
    sides = [(_usual(worn[max(0, k - beside) : k]), _usual(worn[k : k + beside])) for k in range(_LEAST, len(worn) - _LEAST + 1)]
    before, after = max(sides, key=lambda side: unlike(*side))
    if unlike(before, after) < _CHANGE:
        return []
    k = _LEAST + next(index for index, side in enumerate(sides) if side[0] is before)
    nearby = slice(max(_LEAST, k - beside), min(len(worn) - _LEAST, k + beside))
    cost = np.cumsum([unlike(row, before) - unlike(row, after) for row in worn[nearby]])  # of a cut behind each of them
    k = nearby.start + int(np.argmin([0.0, *cost]))
    return [*_cuts(worn[:k], beside), k, *(k + later for later in _cuts(worn[k:], beside))]


def _usual(worn: np.ndarray) -> np.ndarray:
    return np.median(worn, axis=0)
