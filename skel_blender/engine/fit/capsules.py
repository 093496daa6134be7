# SPDX-License-Identifier: GPL-3.0-or-later
"""A body's limbs as capsules about the middle of their skin, and which points may not come into which of them.

Places and radii are linear in betas: what follows from the T pose's skin is kept as its value at zero betas and its derivatives, (11,...).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...anatomy import JOINT_INDEX
from ..body import BodyModel, Points
from ..body.points import moves

_SLICE_M = 0.03  # half of the slice of skin that the middle and the width of a capsule's end are read from
_AROUND = 8  # vertices that there are at least in a slice
_OWN = 0.5  # weight from which a vertex belongs to a part
_THICK_M = 0.25  # a vertex that is farther from a limb's axis tells nothing of it
_TIPS = 0.1  # the last part of a hand's vertices, outward and on the thumb's side
_TRUNK = ("pelvis", "lumbar_body", "thorax", "femur_r", "femur_l", "scapula_r", "scapula_l")
_LONG = {"r": "right", "l": "left"}
# How far beyond the skin a point of legs stays, as it has flesh of its own, and how far arms may sink in, which press on soft parts: hardly
# anybody is beyond in motion capture.
_MARGIN_M = {"elbow": -0.02, "forearm": -0.01, "knee": 0.04, "calf": 0.04, "ankle": 0.03, "toes": 0.03}


@dataclass(frozen=True)
class Capsules:
    """P pairs of a point and a capsule; radii are how far from its axis the point has to stay."""

    points: Points
    numbers: torch.Tensor  # (3,P) of the point, and of the capsule's start and end, among `points`
    moved: torch.Tensor  # (24,46) of 0 and 1: does a DoF move what rides a joint
    radius: torch.Tensor  # (2,P) m, at the start and at the end
    radius_by_betas: torch.Tensor  # (2,P,10)


def capsules(body: BodyModel) -> Capsules:
    """Elbows, forearms and hands against trunk, head and legs; knees, shanks and feet against the other leg."""
    made = _Maker(body)
    trunk = [made.capsule(_TRUNK, ("pelvis", "thorax"), ("pelvis", "thorax"), (-0.1, 0.7), side) for side in "rl"]
    legs = {side: made.leg(side) for side in "rl"}
    around = [*trunk, made.head(), *legs["r"], *legs["l"]]
    pairs = []
    for side, other in ("rl", "lr"):
        pairs += [(point, capsule) for point in made.of_arm(side) for capsule in around]
        pairs += [(point, capsule) for point in made.of_leg(side) for capsule in legs[other]]
    return made.result(pairs)


class _Maker:
    """Collects points and, where they are ends of capsules, radii."""

    def __init__(self, body: BodyModel) -> None:
        self._weights, self._markers = body.skin.weights, body.markers
        self._skin = torch.cat([body.skin.template[None], body.skin.shapedirs.permute(2, 0, 1)])
        self._joints = torch.cat([body.J_template[None], body.J_shapedirs.permute(2, 0, 1)])
        none = torch.zeros_like(body.J_shapedirs[:1, 0])
        mean = body.markers.at_rest(none)
        self._seen = torch.cat([mean, body.markers.at_rest(torch.eye(none.shape[1]).to(none)) - mean])
        self._names: list[str] = []
        self._rides: list[int] = []
        self._places: list[torch.Tensor] = []  # (11,3)
        self._radii: list[torch.Tensor] = []  # (11,)

    def of_arm(self, side: str) -> list[int]:
        """Numbers of the points of one arm."""
        elbow, wrist = self._joint(f"ulna_{side}"), self._joint(f"hand_{side}")
        hand = torch.nonzero(self._weights[:, JOINT_INDEX[f"hand_{side}"]] > _OWN)[:, 0]
        fingers = hand[_order(self._skin[0, hand, 0].abs(), 1 - _TIPS, 1.0)]
        places = {
            "wrist": wrist, "index": self._marker(f"{_LONG[side]}_index"), "pinky": self._marker(f"{_LONG[side]}_pinky"),
            "thumb tip": self._skin[:, hand[_order(self._skin[0, hand, 2], 1 - _TIPS, 1.0)]].mean(1),
            "index tip": self._skin[:, fingers[_order(self._skin[0, fingers, 2], 0.5, 1.0)]].mean(1),
            "pinky tip": self._skin[:, fingers[_order(self._skin[0, fingers, 2], 0.0, 0.5)]].mean(1),
        }  # fmt: skip
        return [self._add("elbow", f"humerus_{side}", elbow), self._add("forearm", f"radius_{side}", 0.5 * (elbow + wrist)),
                *(self._add(name, f"hand_{side}", place) for name, place in places.items())]  # fmt: skip

    def of_leg(self, side: str) -> list[int]:
        """Numbers of the points of one leg."""
        knee, ankle, toes = (self._joint(f"{joint}_{side}") for joint in ("tibia", "talus", "toes"))
        shank = {"knee": knee, "calf": 0.5 * (knee + ankle), "ankle": ankle}
        return [*(self._add(name, f"tibia_{side}", place) for name, place in shank.items()), self._add("toes", f"calcn_{side}", toes)]

    def leg(self, side: str) -> list[tuple[int, int]]:
        """Thigh and shank."""
        hip, knee, ankle = f"femur_{side}", f"tibia_{side}", f"talus_{side}"
        return [self.capsule((hip, knee), (hip, knee), (hip, hip), (0.25, 1.0)),
                self.capsule((knee,), (knee, ankle), (knee, knee), (0.25, 0.95))]  # fmt: skip

    def head(self) -> tuple[int, int]:
        """A ball as wide as the ears are apart."""
        left, right = self._marker("left_ear"), self._marker("right_ear")
        number = self._add("head", "head", 0.5 * (left + right), 0.5 * (left - right)[:, 0])
        return number, number

    def capsule(self, own: tuple[str, ...], axis: tuple[str, str], rides: tuple[str, str], parts: tuple[float, float],
                half: str = "") -> tuple[int, int]:  # fmt: skip
        """One that stands upright in the T pose, its ends at `parts` of the way between two joints; of what is wider than deep the right
        or the left `half`, which goes as far out."""
        mine = torch.nonzero(self._weights[:, [JOINT_INDEX[joint] for joint in own]].sum(1) > _OWN)[:, 0]
        first, last = (self._joint(joint) for joint in axis)
        ends = []
        for joint, part in zip(rides, parts):
            middle = first + part * (last - first)
            near = mine[((self._skin[0, mine] - middle[0])[:, [0, 2]].abs() < _THICK_M).all(1)]
            height = (self._skin[0, near, 1] - middle[0, 1]).abs()
            inside = near[height <= height.sort().values[:_AROUND].max().clamp(min=_SLICE_M)]
            (right, left), (back, front) = (self._span(inside, axis) for axis in (0, 2))
            wide, deep = 0.5 * (left - right), 0.5 * (front - back)
            aside = {"": 0.0 * wide, "l": wide - deep, "r": deep - wide}[half]
            centre = torch.stack([0.5 * (left + right) + aside, middle[:, 1], 0.5 * (front + back)], -1)
            ends.append(self._add("end", joint, centre, deep if half else 0.5 * (wide + deep)))
        return ends[0], ends[1]

    def result(self, pairs: list[tuple[int, tuple[int, int]]]) -> Capsules:
        place, radius = torch.stack(self._places, 1), torch.stack(self._radii, 1)
        rides = torch.tensor(self._rides, device=place.device)
        points = Points.rigid(tuple(self._names), rides, place[0], place[1:].permute(1, 2, 0))
        numbers = torch.tensor([(point, *ends) for point, ends in pairs], device=place.device).T
        ends, margin = radius[:, numbers[1:]], place.new_tensor([_MARGIN_M.get(name, 0.0) for name in self._names])
        return Capsules(points, numbers, moves().to(place), ends[0] + margin[numbers[0]], ends[1:].permute(1, 2, 0))

    def _add(self, name: str, joint: str, place: torch.Tensor, radius: torch.Tensor | None = None) -> int:
        self._names.append(name)
        self._rides.append(JOINT_INDEX[joint])
        self._places.append(place)
        self._radii.append(torch.zeros_like(place[:, 0]) if radius is None else radius)
        return len(self._names) - 1

    def _joint(self, name: str) -> torch.Tensor:
        return self._joints[:, JOINT_INDEX[name]]

    def _marker(self, name: str) -> torch.Tensor:
        return self._seen[:, self._markers.names.index(name)]

    def _span(self, vertices: torch.Tensor, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(11,) each: the least and the greatest of the vertices along an axis."""
        along = self._skin[:, vertices, axis]
        return along[:, along[0].argmin()], along[:, along[0].argmax()]


def _order(values: torch.Tensor, first: float, last: float) -> torch.Tensor:
    """Which of the values (V,) come between these parts of all of them, in order; at least one."""
    start = round(first * (len(values) - 1))
    return values.argsort()[start : max(round(last * (len(values) - 1)), start) + 1]
