# SPDX-License-Identifier: GPL-3.0-or-later
"""Where BlazePose's 33 landmarks and the soles lie on a body of the SMPL topology, which SKEL's skin has; and how a trunk is turned.

Face, fingers and feet are the vertices that smplx publishes (MIT part: smplx/vertex_ids.py, 'smplh'); limbs are SKEL's joint centres.
Where no vertex is published, a landmark is a fixed mixture of those that are, with the reason beside it.
"""

from __future__ import annotations

import numpy as np
import torch

from ...anatomy import JOINT_INDEX
from ...messages import SkelError
from ...take import CONTACT_NAMES
from ..blazepose import HIPS, SHOULDERS
from .mesh import Mesh
from .points import Points, regressed_points

VERTEX = {
    "nose": 332, "eye_l": 2800, "eye_r": 6260, "ear_l": 583, "ear_r": 4071,
    "thumb_l": 2746, "index_l": 2319, "pinky_l": 2673, "thumb_r": 6191, "index_r": 5782, "pinky_r": 6133,
    "big_toe_l": 3216, "small_toe_l": 3226, "heel_l": 3387, "big_toe_r": 6617, "small_toe_r": 6624, "heel_r": 6787,
}  # fmt: skip

SURFACE = {"head_top": 411} | {name: VERTEX[name] for name in ("big_toe_l", "big_toe_r", "small_toe_l", "small_toe_r", "heel_l", "heel_r")}

_CORNER = 0.25  # of the distance between the eyes: how far an eye's corners lie from its middle
_LIMBS = {"shoulder": "humerus", "elbow": "ulna", "wrist": "hand", "hip": "femur", "knee": "tibia", "ankle": "talus"}
_HAND = {"pinky": 0.6, "index": 0.6, "thumb": 0.85}  # knuckles, as parts of the way from the wrist to the tip
# of the foot's length: how far the heel's pad reaches forward, the ball's back from the toes' joint, the toes' back from their tips
_HEEL, _BALL, _TOE = 0.25, 0.15, 0.15
_SOLE_DEPTH = 0.005  # m, what counts as touching


def _mixtures() -> dict[str, dict[str, float]]:
    """Landmark -> what it is mixed of: names of VERTEX or of joints, weights summing to 1. In MediaPipe's order."""
    sides = (("left", "l", "r"), ("right", "r", "l"))
    result: dict[str, dict[str, float]] = {"nose": {"nose": 1.0}}
    for side, here, there in sides:
        for corner, outward in (("_inner", -_CORNER), ("", 0.0), ("_outer", _CORNER)):
            result[f"{side}_eye{corner}"] = {f"eye_{here}": 1.0 + outward, f"eye_{there}": -outward}
    result |= {f"{side}_ear": {f"ear_{here}": 1.0} for side, here, _ in sides}
    for side, here, there in sides:
        # below the nose, as far again as two thirds of the eyes' height above it, drawn back between the ears, 0.4 eye distances aside
        down, back, aside = 1.65, 0.3, 0.4
        eyes = (1.0 - down - back) / 2
        result[f"mouth_{side}"] = {"nose": down, f"eye_{here}": eyes + aside, f"eye_{there}": eyes - aside,
                                   "ear_l": back / 2, "ear_r": back / 2}  # fmt: skip
    arms, legs = list(_LIMBS.items())[:3], list(_LIMBS.items())[3:]
    for limb, joint in arms:
        result |= {f"{side}_{limb}": {f"{joint}_{here}": 1.0} for side, here, _ in sides}
    for finger, part in _HAND.items():
        result |= {f"{side}_{finger}": {f"{finger}_{here}": part, f"hand_{here}": 1.0 - part} for side, here, _ in sides}
    for limb, joint in legs:
        result |= {f"{side}_{limb}": {f"{joint}_{here}": 1.0} for side, here, _ in sides}
    result |= {f"{side}_heel": {f"heel_{here}": 1.0} for side, here, _ in sides}
    result |= {f"{side}_foot_index": {f"big_toe_{here}": 0.7, f"small_toe_{here}": 0.3} for side, here, _ in sides}
    return result


MIXTURES = _mixtures()


def blazepose_markers(skin: Mesh, J_template: torch.Tensor, J_shapedirs: torch.Tensor) -> Points:
    """BlazePose's 33 landmarks on a skin of the SMPL topology, in MediaPipe's order."""
    matrix = np.zeros((len(MIXTURES), len(skin.template)))
    riding: list[tuple[int, int, float]] = []
    for row, mixture in enumerate(MIXTURES.values()):
        for part, weight in mixture.items():
            if part in VERTEX:
                matrix[row, VERTEX[part]] += weight
            else:
                riding.append((row, JOINT_INDEX[part], weight))
    on_skin = regressed_points(skin, matrix, tuple(MIXTURES))
    row, joint, weight = (torch.tensor(values, device=J_template.device) for values in zip(*riding))
    weight = weight.to(J_template)
    posedirs = None if on_skin.posedirs is None else on_skin.posedirs.new_zeros(len(row), *on_skin.posedirs.shape[1:])
    template, shapedirs = weight[:, None] * J_template[joint], weight[:, None, None] * J_shapedirs[joint]
    parts = [torch.cat(pair) for pair in ((on_skin.point, row), (on_skin.joint, joint), (on_skin.weight, weight),
                                          (on_skin.template, template), (on_skin.shapedirs, shapedirs))]  # fmt: skip
    order = torch.argsort(parts[0], stable=True)
    sorted_parts = [part[order] for part in parts]
    return Points(on_skin.names, *sorted_parts, None if posedirs is None else torch.cat([on_skin.posedirs, posedirs])[order])


def sole_points(skin: Mesh, J_template: torch.Tensor) -> Points:
    """The six contact points of take.CONTACT_NAMES: means of the lowest skin vertices under heel, ball and toes of the template.

    Raises SkelError for a skin without feet.
    """
    template, weights = skin.template.cpu().numpy(), skin.weights.cpu().numpy()
    matrix = np.zeros((len(CONTACT_NAMES), len(template)))
    for row, name in enumerate(CONTACT_NAMES):
        zone, side = name.split("_")
        foot = [JOINT_INDEX[f"{joint}_{side}"] for joint in ("talus", "calcn", "toes")]
        owned = np.flatnonzero(weights[:, foot].sum(1) > 0.5)
        if not len(owned):
            raise SkelError("bad_model", "The model's skin has no feet.", "Choose a file of SKEL's model download.")
        along = template[owned, 2]
        back, front, length = along.min(), along.max(), np.ptp(along)
        crease = float(J_template[JOINT_INDEX[f"toes_{side}"], 2])
        first, last = {
            "heel": (back, back + _HEEL * length),
            "ball": (crease - _BALL * length, crease),
            "toe": (front - _TOE * length, front),
        }[zone]
        inside = owned[(along >= first) & (along <= last)]
        if len(inside) == 0:
            inside = owned[[np.argmin(np.abs(along - (first + last) / 2))]]
        height = template[inside, 1]
        lowest = inside[height <= height.min() + _SOLE_DEPTH]
        matrix[row, lowest] = 1.0 / len(lowest)
    return regressed_points(skin, matrix, CONTACT_NAMES)


def trunk_axes(landmarks: torch.Tensor) -> torch.Tensor:
    """(...,3,3) left, up and forward of the trunk of BlazePose's landmarks (...,33,3) in right-handed axes, as columns: its turn from the
    T pose where they are the model's."""
    hips, shoulders = landmarks[..., HIPS, :], landmarks[..., SHOULDERS, :]
    up = torch.nn.functional.normalize(shoulders.mean(-2) - hips.mean(-2), dim=-1)
    left = (hips[..., 0, :] - hips[..., 1, :]) + 0.5 * (shoulders[..., 0, :] - shoulders[..., 1, :])
    left = torch.nn.functional.normalize(left - (left * up).sum(-1, keepdim=True) * up, dim=-1)
    return torch.stack([left, up, torch.linalg.cross(left, up)], -1)
