# SPDX-License-Identifier: GPL-3.0-or-later
"""How each part of the target is turned when it does what SKEL does: in rest-relative space, the spine shared out. World axes, m."""

from __future__ import annotations

import numpy as np

from .. import rotations
from . import slots
from .align import Alignment, Rest, twist_part
from .sample import Motion
from .skeleton import Skeleton
from .slots import BY_NAME, Mapping


def turns(motion: Motion, rest: Rest, skeleton: Skeleton, mapping: Mapping, alignment: Alignment) -> dict[str, np.ndarray]:
    """Slot -> (T,3,3) the world rotation from the target's rest pose, for the slots that have a bone; the root's is not among them."""
    source = {slot: motion.turn(BY_NAME[slot].joint) for slot in mapping if mapping[slot] and BY_NAME[slot].joint}
    source |= _spine(motion, skeleton, mapping)
    source |= _neck(motion, mapping)
    for side in slots.SIDES:
        source |= _arm(motion, rest, skeleton, mapping, alignment, side)
    return {slot: turn @ alignment.offsets[slot] for slot, turn in source.items()}


def _spine(motion: Motion, skeleton: Skeleton, mapping: Mapping) -> dict[str, np.ndarray]:
    """Each bone turns as SKEL's trunk does at the bone's middle; the last one, which carries the arms, as the thorax."""
    chosen = slots.chain(mapping, slots.SPINE)
    if not chosen:
        return {}
    bones = [mapping[slot] for slot in chosen]
    points = [skeleton.head(bone) for bone in bones]
    after = mapping.get("neck_1") or mapping.get("head")
    points.append(skeleton.head(after) if after else skeleton.tail(bones[-1]))
    ends = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    middles = (ends[1:] + ends[:-1]) / 2
    parts = middles / middles[-1] if middles[-1] > 0.0 else np.linspace(0.0, 1.0, len(chosen) + 1)[1:]
    first, middle, last = (motion.turn(joint) for joint in ("pelvis", "lumbar_body", "thorax"))
    return {slot: rotations.share(first, middle, 2 * part) if part < 0.5 else rotations.share(middle, last, 2 * part - 1)
            for slot, part in zip(chosen, parts)}  # fmt: skip


def _neck(motion: Motion, mapping: Mapping) -> dict[str, np.ndarray]:
    chosen = slots.chain(mapping, slots.NECK)
    return {slot: rotations.share(motion.turn("thorax"), motion.turn("head"), k / (len(chosen) + 1)) for k, slot in enumerate(chosen, 1)}


def _arm(motion: Motion, rest: Rest, skeleton: Skeleton, mapping: Mapping, alignment: Alignment, side: str) -> dict[str, np.ndarray]:
    """Shoulder, forearm and its twist. Without twist bones the forearm turns with the palm, as the radius does; with them, they do."""
    result = {}
    shoulder, upper, fore, _ = (mapping.get(f"{name}_{side}") for name in slots.ARM)
    if shoulder:
        result[f"shoulder_{side}"] = _shoulder(motion, rest, skeleton, shoulder, upper, alignment, side)
    ulna, radius = motion.turn(f"ulna_{side}"), motion.turn(f"radius_{side}")
    if fore:
        twists = slots.chain(mapping, slots.twists(side))
        parts = {slot: twist_part(skeleton, mapping, slot, side) for slot in twists} | {f"forearm_{side}": 0.0 if twists else 1.0}
        before = rest.joints[f"hand_{side}"] - rest.joints[f"ulna_{side}"]
        now = motion.place(f"hand_{side}") - motion.place(f"ulna_{side}")
        for slot, part in parts.items():
            turn = rotations.share(ulna, radius, part)
            result[slot] = rotations.between(turn @ before, now) @ turn  # the radius does not turn about the forearm's line
    return result


def _shoulder(
    motion: Motion, rest: Rest, skeleton: Skeleton, shoulder: str, upper: str | None, alignment: Alignment, side: str
) -> np.ndarray:
    """(T,3,3): a collar bone follows the shoulder joint, seen from where the target's collar bone begins, carried over to SKEL."""
    joints, thorax = rest.joints, motion.turn("thorax")
    middle = (joints["humerus_l"] + joints["humerus_r"]) / 2
    part = 0.15
    if upper:
        left = alignment.offsets[f"shoulder_{side}"].T @ alignment.left
        reach = (skeleton.head(upper) - alignment.hips) @ left
        part = float(np.clip((skeleton.head(shoulder) - alignment.hips) @ left / reach, 0.0, 0.6)) if abs(reach) > 1e-6 else part
    start = middle + part * (joints[f"humerus_{side}"] - middle)
    before = joints[f"humerus_{side}"] - start
    now = motion.place(f"humerus_{side}") - motion.place("thorax") - rotations.apply(thorax, start - joints["thorax"])
    return thorax @ rotations.between(before, rotations.apply(rotations.transpose(thorax), now))
