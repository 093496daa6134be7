# SPDX-License-Identifier: GPL-3.0-or-later
"""Rest poses that differ: how to turn each of the target's bones so that it stands as SKEL does at rest.

All in world axes, metres. A part's offset O takes the target's rest to SKEL's T pose: the whole body faces as SKEL's does, arms and legs
point where SKEL's point (T against A pose), feet keep flat and only head where SKEL's do, trunk and head keep their own curve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...messages import SkelError
from .. import rotations
from . import names, slots
from .skeleton import Skeleton
from .slots import Mapping

_STEEP = np.cos(np.radians(30.0))
_LIMBS = {"upper_arm": "forearm", "forearm": "hand", "thigh": "shin", "shin": "foot"}
_HEEL = 0.3  # of the way from ankle to ball, behind the ankle
_UP, _LEVEL = np.array([0.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0])


@dataclass(frozen=True)
class Rest:
    """SKEL's T pose where the source rig stands, world: joint centres by name, and what a hand or toes point along."""

    joints: dict[str, np.ndarray]  # (3,) m
    along: dict[str, np.ndarray]  # (3,) unit, of 'hand_r' and so on, and of the toes
    turned: np.ndarray  # (3,3) the rig's own rotation
    origin: np.ndarray  # (3,) m, the rig's origin, at the height of its floor


@dataclass(frozen=True)
class Foot:
    """A target's foot at rest, standing flat: points of the sole relative to the ankle, m, world axes."""

    sole: np.ndarray  # (3,3) heel, ball and tip of the toes; with toes, the ball is their joint
    heights: np.ndarray  # (3,) of these over the floor


@dataclass(frozen=True)
class Alignment:
    """What a target's rest pose is to the source's."""

    offsets: dict[str, np.ndarray]  # slot -> (3,3)
    ratio: float  # length of the target's legs to the source's
    hips: np.ndarray  # (3,) middle between the target's hip joints at rest
    ankle: float  # m, height of the target's ankles over its soles
    source_ankle: float  # m
    feet: dict[str, Foot]
    left: np.ndarray  # (3,) to the left of the source at rest


def align(skeleton: Skeleton, mapping: Mapping, rest: Rest) -> Alignment:
    """Compare the rest poses. The mapping has all needed slots."""

    def head(slot: str) -> np.ndarray:
        return skeleton.head(mapping[slot])

    across = head("thigh_l") - head("thigh_r")
    hips, ankles = (head("thigh_l") + head("thigh_r")) / 2, (head("foot_l") + head("foot_r")) / 2
    up = rotations.unit(hips - ankles)
    up = _UP if up @ _UP > _STEEP else up
    turn = rest.turned @ rotations.frame(_UP, np.array([1.0, 0.0, 0.0])) @ rotations.frame(up, across).T
    offsets = {slot: turn for slot in mapping if mapping[slot]}
    ratio = _leg_length(head) / _source_leg(rest)
    balls = {side: _ball(skeleton, mapping, rest, side, turn, ratio) for side in slots.SIDES}
    for side in slots.SIDES:
        _arm(offsets, skeleton, mapping, rest, side, turn)
        _leg(offsets, skeleton, mapping, rest, side, turn, balls[side])
    source_ankle = float(np.mean([rest.joints[f"talus_{s}"][2] for s in "lr"]) - rest.origin[2])
    feet = {side: _foot(skeleton, mapping, side, turn, balls[side]) for side in slots.SIDES}
    return Alignment(offsets, ratio, hips, float(ankles[2] - skeleton.floor), source_ankle, feet, rest.turned @ [1.0, 0.0, 0.0])


def _leg_length(head: Callable[[str], np.ndarray]) -> float:
    lengths = [np.linalg.norm(head(f"shin_{s}") - head(f"thigh_{s}")) + np.linalg.norm(head(f"foot_{s}") - head(f"shin_{s}")) for s in "lr"]
    if min(lengths) <= 0.0:
        raise SkelError("no_legs", "A leg of the target has no length.", "Check the bones of thigh, shin and foot.")
    return float(np.mean(lengths))


def _source_leg(rest: Rest) -> float:
    j = rest.joints
    return float(np.mean([np.linalg.norm(j[f"tibia_{s}"] - j[f"femur_{s}"]) + np.linalg.norm(j[f"talus_{s}"] - j[f"tibia_{s}"])
                          for s in "lr"]))  # fmt: skip


def _arm(offsets: dict, skeleton: Skeleton, mapping: Mapping, rest: Rest, side: str, turn: np.ndarray) -> None:
    """Upper arm, forearm and hand one after the other, each with what the one before was turned by."""
    j = rest.joints
    aims = {"upper_arm": j[f"ulna_{side}"] - j[f"humerus_{side}"], "forearm": j[f"hand_{side}"] - j[f"ulna_{side}"],
            "hand": rest.along[f"hand_{side}"]}  # fmt: skip
    for name, aim in aims.items():
        slot = f"{name}_{side}"
        if not mapping.get(slot):
            continue
        along = _direction(skeleton, mapping, name, side)
        if name == "hand" and _angle(turn @ along, aim) > 60.0:  # a tail that says nothing
            along = turn.T @ aim
        turn = offsets[slot] = rotations.between(turn @ along, aim) @ turn
    _turn_palm(offsets, skeleton, mapping, rest, side)


def _turn_palm(offsets: dict, skeleton: Skeleton, mapping: Mapping, rest: Rest, side: str) -> None:
    """Turn the palm as SKEL's is, to the floor in the T pose, where fingers tell how it lies; the forearm shares in it as in a twist."""
    fore, hand = f"forearm_{side}", f"hand_{side}"
    twists = slots.chain(mapping, slots.twists(side))
    if not mapping.get(fore):
        return
    straight, along = offsets[fore], rotations.unit(rest.joints[hand] - rest.joints[f"ulna_{side}"])
    knuckles = names.knuckles(skeleton, side)
    angle = 0.0
    if mapping.get(hand) and knuckles:
        across = offsets[hand] @ (skeleton.head(knuckles[1]) - skeleton.head(knuckles[0]))
        back = rest.turned @ np.array([0.0, 1.0, 0.0])
        axis = rotations.unit(rest.along[hand])
        flat = [rotations.unit(vector - axis * (axis @ vector)) for vector in (across, back)]
        angle = float(np.arctan2(np.cross(*flat) @ axis, flat[0] @ flat[1]))
        offsets[hand] = rotations.turn(angle * axis) @ offsets[hand]
    parts = {twist: twist_part(skeleton, mapping, twist, side) for twist in twists} | {fore: 0.0 if twists else 1.0}
    offsets |= {slot: rotations.turn(part * angle * along) @ straight for slot, part in parts.items()}


def twist_part(skeleton: Skeleton, mapping: Mapping, twist: str, side: str) -> float:
    """How much of a forearm's twist one of its twist bones takes: as far as it sits from elbow to wrist, half if that says nothing."""
    start = skeleton.head(mapping[f"forearm_{side}"])
    hand = mapping.get(f"hand_{side}")
    along = (skeleton.head(hand) if hand else skeleton.tail(mapping[f"forearm_{side}"])) - start
    part = float((skeleton.head(mapping[twist]) - start) @ along / max(along @ along, 1e-9))
    return min(part, 1.0) if part > 0.05 else 0.5


def _ball(skeleton: Skeleton, mapping: Mapping, rest: Rest, side: str, turn: np.ndarray, ratio: float) -> np.ndarray:
    """(3,) m where a foot rolls: at its toes, or at its bone's tail if that lies ahead, else as far ahead as SKEL's toes."""
    ankle, j = skeleton.head(mapping[f"foot_{side}"]), rest.joints
    if mapping.get(f"toe_{side}"):
        return skeleton.head(mapping[f"toe_{side}"])
    tail = skeleton.tail(mapping[f"foot_{side}"])
    aim, ahead = (vector * _LEVEL for vector in (ratio * (j[f"toes_{side}"] - j[f"talus_{side}"]), turn @ (tail - ankle)))
    return tail if ahead @ aim > 0.5 * aim @ aim and _angle(ahead, aim) < 60.0 else ankle + turn.T @ aim


def _leg(offsets: dict, skeleton: Skeleton, mapping: Mapping, rest: Rest, side: str, turn: np.ndarray, ball: np.ndarray) -> None:
    j, own = rest.joints, turn
    for name, aim in (("thigh", j[f"tibia_{side}"] - j[f"femur_{side}"]), ("shin", j[f"talus_{side}"] - j[f"tibia_{side}"])):
        turn = offsets[f"{name}_{side}"] = rotations.between(turn @ _direction(skeleton, mapping, name, side), aim) @ turn
    heading = own @ (ball - skeleton.head(mapping[f"foot_{side}"])) * _LEVEL
    aim = (j[f"toes_{side}"] - j[f"talus_{side}"]) * _LEVEL
    level = rotations.between(heading, aim) @ own if _angle(heading, aim) < 60.0 else own
    offsets[f"foot_{side}"] = offsets[f"toe_{side}"] = level


def _angle(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(rotations.unit(one) @ rotations.unit(other), -1.0, 1.0))))


def _direction(skeleton: Skeleton, mapping: Mapping, name: str, side: str) -> np.ndarray:
    """(3,) where a limb's bone points: to the next part, a hand to its knuckles, whatever its tail says."""
    bone = mapping[f"{name}_{side}"]
    after = mapping.get(f"{_LIMBS.get(name)}_{side}")
    if after:
        return skeleton.head(after) - skeleton.head(bone)
    if name == "hand":
        knuckles = [skeleton.heads[child] for child in skeleton.children[skeleton.index[bone]]]
        reach = [np.linalg.norm(knuckle - skeleton.head(bone)) for knuckle in knuckles]
        far = [knuckle for knuckle, length in zip(knuckles, reach) if length > 0.6 * max(reach) > 0.0]
        if far:
            return np.mean(far, axis=0) - skeleton.head(bone)
    return skeleton.tail(bone) - skeleton.head(bone)


def _foot(skeleton: Skeleton, mapping: Mapping, side: str, turn: np.ndarray, ball: np.ndarray) -> Foot:
    """Heel and tip of the toes on the floor, and the ball: with toes their joint, about which the foot rolls while they lie flat."""
    bone, toe = mapping[f"foot_{side}"], mapping.get(f"toe_{side}")
    ankle = skeleton.head(bone)
    forward = turn.T @ (turn @ (ball - ankle) * _LEVEL)
    heading = rotations.unit(forward)
    tip = skeleton.tail(toe) if toe and (skeleton.tail(toe) - ball) @ heading > 0.0 else ball + 0.4 * forward
    sole = np.stack([ankle - _HEEL * forward, ball, tip])
    up = turn.T @ _UP
    ground = skeleton.floor if up @ _UP > _STEEP else float((sole @ up).min())
    heights = np.array([0.0, ball @ up - ground if toe else 0.0, 0.0])
    sole -= (sole @ up - ground - heights)[:, None] * up
    return Foot(sole - ankle, heights)
