# SPDX-License-Identifier: GPL-3.0-or-later
"""Postures that motion capture lacks: on the floor, upside down, curled up. Put together at random of trunks, legs and arms."""

from __future__ import annotations

import math

import torch

from skel_blender.anatomy import DOF_INDEX, DOFS, Q

# Degrees: mean and deviation of each kind's angles; a side's angles are the right one's. pelvis_tilt: 90 lies on the back.
_WAYS_UP = (
    {"pelvis_tilt": (-15, 30), "pelvis_list": (0, 12)},
    {"pelvis_tilt": (20, 25), "pelvis_list": (0, 12)},
    {"pelvis_tilt": (90, 25), "pelvis_list": (0, 20)},
    {"pelvis_tilt": (-90, 25), "pelvis_list": (0, 20)},
    {"pelvis_tilt": (180, 35), "pelvis_list": (0, 25)},
    {"pelvis_tilt": (0, 30), "pelvis_list": (90, 25)},
)
_TRUNKS = (
    {"lumbar_extension": (0, 8), "thorax_extension": (0, 8)},
    {"lumbar_extension": (-32, 14), "thorax_extension": (-26, 12)},
    {"lumbar_extension": (18, 10), "thorax_extension": (15, 10)},
    {"lumbar_bending": (0, 18), "thorax_bending": (0, 18), "lumbar_twist": (0, 14), "thorax_twist": (0, 20)},
)
_LEGS = (
    {"hip_flexion": (0, 15), "knee_angle": (8, 8)},
    {"hip_flexion": (115, 20), "knee_angle": (130, 20), "ankle_angle": (20, 12)},
    {"hip_flexion": (110, 25), "knee_angle": (110, 30), "ankle_angle": (-15, 20)},
    {"hip_flexion": (90, 25), "knee_angle": (8, 10)},
    {"hip_flexion": (65, 30), "knee_angle": (85, 25)},
    {"hip_flexion": (15, 30), "knee_angle": (105, 30), "ankle_angle": (-25, 20)},
    {"hip_flexion": (-25, 12), "knee_angle": (50, 35)},
    {"hip_flexion": (40, 40), "hip_adduction": (-40, 15), "hip_rotation": (0, 25), "knee_angle": (40, 40)},
)
_ARMS = (
    {"shoulder_x": (70, 18), "elbow_flexion": (25, 25)},
    {"shoulder_x": (-75, 25), "elbow_flexion": (20, 25)},
    {"shoulder_z": (85, 25), "elbow_flexion": (20, 25)},
    {"shoulder_x": (0, 30), "shoulder_z": (0, 30), "elbow_flexion": (30, 30)},
    {"shoulder_x": (45, 25), "shoulder_z": (65, 25), "elbow_flexion": (90, 35)},
    {"shoulder_x": (-30, 25), "elbow_flexion": (125, 20)},
    {"shoulder_x": (60, 20), "shoulder_z": (-45, 25), "elbow_flexion": (20, 20)},
)
_USUAL = {"hip_adduction": 10.0, "hip_rotation": 12.0, "ankle_angle": 12.0, "shoulder_x": 10.0, "shoulder_y": 25.0, "shoulder_z": 12.0}
_ALIKE, _APART = 0.7, 0.4  # share of people whose sides are of one kind; how much of a deviation is each side's own


def postures(count: int, random: torch.Generator) -> torch.Tensor:
    """(count,46) rad, perhaps beyond the limits. The pelvis is turned as one lies, stands or hangs in the world."""
    pose = torch.zeros(count, Q)
    for kinds in (_WAYS_UP, _TRUNKS):
        _put(pose, kinds, torch.randint(len(kinds), (count,), generator=random), torch.randn(count, Q, generator=random), "")
    for kinds in (_LEGS, _ARMS):
        right, other = (torch.randint(len(kinds), (count,), generator=random) for _ in range(2))
        left = torch.where(torch.rand(count, generator=random) < _ALIKE, right, other)
        common = torch.randn(count, Q, generator=random)
        for side, kind in (("r", right), ("l", left)):
            own = torch.randn(count, Q, generator=random)
            _put(pose, kinds, kind, (1 - _APART**2) ** 0.5 * common + _APART * own, side)
    return torch.deg2rad(pose)


def moving(count: int, frames: int, random: torch.Generator) -> torch.Tensor:
    """(count,frames,46) rad: from a posture some of the way toward another, about as fast as people go."""
    start, end = postures(count, random), postures(count, random)
    end[:, :3] = start[:, :3] + math.radians(20) * torch.randn(count, 3, generator=random)
    way = 0.6 * torch.rand(count, 1, 1, generator=random) * (torch.rand(count, 1, 1, generator=random) < 0.7)
    when = torch.linspace(0, 1, frames)[None, :, None]
    middle, steep = torch.rand(count, 1, 1, generator=random), 3 + 5 * torch.rand(count, 1, 1, generator=random)
    return start[:, None] + way * torch.sigmoid(steep * (when - middle)) * (end - start)[:, None]


def _put(pose: torch.Tensor, kinds: tuple[dict[str, tuple[float, float]], ...], kind: torch.Tensor, unit: torch.Tensor, side: str) -> None:
    """Write the angles of kinds (n,) into poses (n,46), degrees, with unit noise (n,46)."""
    names = {name for one in kinds for name in one} | {name for name in _USUAL if side and _of(kinds, name)}
    for name in sorted(names):
        table = torch.tensor([one.get(name, (0.0, _USUAL.get(name, 4.0))) for one in kinds])[kind]
        right = DOF_INDEX[_full(name, "r") if side else name]
        values = table[:, 0] + table[:, 1] * unit[:, right]
        dof = DOFS[right]
        if side == "l":
            pose[:, dof.mirror] = dof.mirror_sign * values
        else:
            pose[:, right] = values


def _of(kinds: tuple[dict[str, tuple[float, float]], ...], name: str) -> bool:
    """Whether an angle is of the limb that these kinds are of."""
    return name.startswith("shoulder") == any(other.startswith("shoulder") for one in kinds for other in one)


def _full(name: str, side: str) -> str:
    """A DoF's name with its side: shoulders have it in the middle."""
    stem, _, axis = name.partition("_")
    return f"{stem}_{side}_{axis}" if stem == "shoulder" else f"{name}_{side}"
