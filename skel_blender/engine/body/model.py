# SPDX-License-Identifier: GPL-3.0-or-later
"""A body model: rest skeleton, skin, bones and points, shaped by ten coefficients and posed by 46 angles.

One class for both kinds of body: the official SKEL files (skel.py) and the open body (openbody.py). They differ in data only: a SKEL
body's joint frames follow its shape, its skin answers to the pose, its bones are scaled. Model frame: x left, y up, z forward; metres
and radians. Shape once per person (`shape`), pose every frame (`forward`, or `chain` for a solver).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch

from ...anatomy import PARENTS, J, Q
from ...take import RestBody
from .articulate import articulate
from .blend import blend
from .boneframes import BoneFrames
from .mesh import Mesh, ScaledBones
from .points import Points
from .regressed import regressed_points
from .resting import rest_body
from .shape import Shape


@dataclass(frozen=True)
class BodyOutput:
    """A posed batch; (...) is the common leading shape of poses, betas and trans. What was not asked for is None."""

    joints: torch.Tensor  # (...,24,3) m
    joints_ori: torch.Tensor  # (...,24,3,3) rotation of each bone's own frame to the model frame
    skin_verts: torch.Tensor | None  # (...,V,3) m
    skel_verts: torch.Tensor | None  # (...,Vk,3) m


@dataclass(frozen=True)
class BodyModel:
    """A body; see the module's text. Tensors are in the precision and on the device that it was loaded in or moved to."""

    name: str
    J_template: torch.Tensor  # (24,3) m
    J_shapedirs: torch.Tensor  # (24,3,10)
    rest_frames: torch.Tensor  # (24,3,3) M_j of zero betas
    limits: torch.Tensor  # (46,2) rad
    markers: Points  # the 33 BlazePose landmarks
    soles: Points  # the six contact points, take.CONTACT_NAMES
    skin: Mesh
    bones: Mesh | ScaledBones
    bone_frames: BoneFrames | None  # None: frames do not follow the shape
    faces: np.ndarray  # (F,4) int32, fourth index take.TRIANGLE for a triangle
    uv: np.ndarray  # (F,4,2) float32, per corner
    skel_faces: np.ndarray  # (Fk,3) int32
    skel_joint: np.ndarray  # (Vk,) the joint whose bone a vertex belongs to

    parents = PARENTS

    def to(self, *where: torch.device | torch.dtype | str) -> BodyModel:
        """The same body with its tensors on a device or in a precision."""
        return _moved(self, where)

    def shape(self, betas: torch.Tensor) -> Shape:
        """Rest skeletons of betas (N,10) standard deviations, with their derivatives."""
        if self.bone_frames is None:
            frames, turns = self.rest_frames.expand(len(betas), J, 3, 3), None
        else:
            frames, turns = self.bone_frames.frames_and_turns(betas)
        return Shape(betas, self._joints_at_rest(betas), self.J_shapedirs, frames, turns)

    def joints(self, poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor) -> torch.Tensor:
        """(...,24,3) m posed joint centres, without the skin; arguments as for `forward`."""
        lead, poses, betas, trans = _flat(poses, betas, trans)
        _, positions, _ = articulate(poses, self._joints_at_rest(betas), self._frames(betas), trans)
        return positions.transpose(0, 1).reshape(*lead, J, 3)

    def forward(
        self, poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor, skin: bool = True, skel: bool = False
    ) -> BodyOutput:
        """Pose and shape: poses (...,46) rad, betas (...,10), trans (...,3) m, leading shapes broadcast; betas (10,) shape everybody.

        Equations of Keller et al. 2023, section 3, in the numbers of the released model. Differentiable once by all three.
        """
        lead, poses, betas, trans = _flat(poses, betas, trans)
        rest, frames = self._joints_at_rest(betas), self._frames(betas)
        rotations, positions, local = articulate(poses, rest, frames, trans)
        bones = frames if self.bone_frames is None else frames @ self.bone_frames.apose
        turned = torch.matmul(rotations.transpose(0, 1), bones)
        skin_verts = skel_verts = None
        if skin or skel:
            shifts = positions - torch.matmul(rotations, rest.transpose(0, 1)[..., None])[..., 0]
            transforms = torch.cat([rotations, shifts[..., None]], -1).transpose(0, 1)
        if skin:
            skin_verts = blend(transforms, self.skin.corrected(betas, local), self.skin.joint_weights()).view(*lead, -1, 3)
        if skel:
            resting = self._bones_at_rest(rest, betas, bones)
            skel_verts = blend(transforms, resting.mT, self.bones.weights.t().contiguous()).view(*lead, -1, 3)
        joints = positions.transpose(0, 1).reshape(*lead, J, 3)
        return BodyOutput(joints, turned.view(*lead, J, 3, 3), skin_verts, skel_verts)

    def regressed_points(self, matrix: Any, names: tuple[str, ...]) -> Points:
        """Linear functions of the posed skin: matrix (K,V), numpy, torch or scipy sparse. Exact, pose blend shapes included."""
        return regressed_points(self.skin, matrix, names)

    def vertex_points(self, vertices: list[int], names: tuple[str, ...]) -> Points:
        """Skin vertices as points."""
        rows = np.zeros((len(vertices), len(self.skin.template)))
        rows[np.arange(len(vertices)), list(vertices)] = 1.0
        return regressed_points(self.skin, rows, names)

    def rest_body(self, betas: np.ndarray) -> RestBody:
        """The Take's rest body of one shape, betas (10,)."""
        return rest_body(self, betas)

    def bones_at_rest(self, betas: torch.Tensor) -> torch.Tensor:
        """(N,Vk,3) m bone vertices in the T pose of betas (N,10)."""
        frames = self._frames(betas)
        bones = frames if self.bone_frames is None else frames @ self.bone_frames.apose
        return self._bones_at_rest(self._joints_at_rest(betas), betas, bones)

    def _bones_at_rest(self, rest: torch.Tensor, betas: torch.Tensor, bones: torch.Tensor) -> torch.Tensor:
        return self.bones.at_rest(betas) if isinstance(self.bones, Mesh) else self.bones.at_rest(rest, betas, bones)

    def _joints_at_rest(self, betas: torch.Tensor) -> torch.Tensor:
        directions = self.J_shapedirs.reshape(3 * J, -1).t()
        return torch.addmm(self.J_template.reshape(-1), betas, directions).view(-1, J, 3)

    def _frames(self, betas: torch.Tensor) -> torch.Tensor:
        return self.rest_frames[None] if self.bone_frames is None else self.bone_frames.frames(betas)


def _flat(
    poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor
) -> tuple[torch.Size, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The common leading shape, and poses (B,46), betas (N,10) with N 1 or B, trans (B,3)."""
    lead = torch.broadcast_shapes(poses.shape[:-1], betas.shape[:-1], trans.shape[:-1])
    if poses.shape[-1] != Q or trans.shape[-1] != 3:
        raise ValueError(f"poses must end in {Q} and trans in 3, not {tuple(poses.shape)} and {tuple(trans.shape)}")
    shared = betas.numel() == betas.shape[-1]
    betas = betas.reshape(1, -1) if shared else betas.expand(*lead, betas.shape[-1]).reshape(-1, betas.shape[-1])
    return lead, poses.expand(*lead, Q).reshape(-1, Q), betas, trans.expand(*lead, 3).reshape(-1, 3)


def _moved(value: Any, where: tuple) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(*where) if value.is_floating_point() else value.to(*(w for w in where if not isinstance(w, torch.dtype)))
    if is_dataclass(value):
        return replace(value, **{f.name: _moved(getattr(value, f.name), where) for f in fields(value)})
    return value
