# SPDX-License-Identifier: GPL-3.0-or-later
"""A body model: rest skeleton, skin, bones and points, shaped by ten coefficients and posed by 46 angles.

One class for both kinds of body: the official SKEL files (skel.py) and the open body (openbody.py). They differ in data only: a SKEL
body's joint frames follow its shape, its skin answers to the pose, its bones are scaled. Model frame: x left, y up, z forward; metres
and radians. Shape once per person (`shape`), pose every frame (`forward`, or `chain` for a solver).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...anatomy import PARENTS, J, Q
from ...take import TRIANGLE, RestBody
from ..memo import memoised_property
from .articulate import articulate, articulate_joints
from .blend import blend
from .boneframes import BoneFrames
from .mesh import FEATURE_ROWS, Mesh, ScaledBones
from .points import Points, regressed_points, vertex_points
from .skeleton import BETAS, Shape, Skeleton


@dataclass(frozen=True)
class BodyOutput:
    """A posed batch; (...) is the common leading shape of poses, betas and trans. What was not asked for is None."""

    joints: torch.Tensor  # (...,24,3) m
    joints_ori: torch.Tensor  # (...,24,3,3) rotation of each bone's own frame to the model frame
    skin_verts: torch.Tensor | None  # (...,V,3) m
    skel_verts: torch.Tensor | None  # (...,Vk,3) m


@dataclass(frozen=True, eq=False)
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
    surface: Points  # head top, toes and heels, which keypoint sets speak of beside the markers
    source: Path | None = None  # the file that it was read from; None for the open body

    parents = PARENTS

    @property
    def triangles(self) -> np.ndarray:
        """(F',3) the skin's faces, quads as two."""
        return np.concatenate([self.faces[:, :3], self.faces[self.faces[:, 3] != TRIANGLE][:, [0, 2, 3]]])

    def to(self, *where: torch.device | torch.dtype | str) -> BodyModel:
        """The same body with its tensors on a device or in a precision."""
        return _moved(self, where)

    def scaled(self, size: float) -> BodyModel:
        """The same body, `size` times as large as a whole."""
        lengths = ("template", "shapedirs", "posedirs")
        parts = {name: _times(size, getattr(self, name), lengths) for name in ("markers", "soles", "surface", "skin")}
        bones = _times(size, self.bones, lengths if isinstance(self.bones, Mesh) else ("template", "lengths", "thorax_rise"))
        return replace(self, J_template=size * self.J_template, J_shapedirs=size * self.J_shapedirs, bones=bones, **parts)

    def shape(self, betas: torch.Tensor) -> Shape:
        """Rest skeletons of betas (N,10) standard deviations, with their derivatives."""
        if self.bone_frames is None:
            frames, turns = self.rest_frames.expand(len(betas), J, 3, 3), None
        else:
            frames, turns = self.bone_frames.frames_and_turns(betas)
        return Shape(betas, self._joints_at_rest(betas).movedim(-1, 0).contiguous(), self.J_shapedirs, frames, turns)

    def joints(self, poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor) -> torch.Tensor:
        """(...,24,3) m posed joint centres, without the skin; arguments as for `forward`."""
        lead, poses, betas, trans = _flat(poses, betas, trans)
        joints = articulate_joints(self._skeleton, poses, betas, trans)
        return joints if len(lead) == 1 else joints.view(*lead, J, 3)

    def forward(self, poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor, skin: bool = True, skel: bool = False) -> BodyOutput:
        """Pose and shape: poses (...,46) rad, betas (...,10), trans (...,3) m, leading shapes broadcast; betas (10,) shape everybody.

        Equations of Keller et al. 2023, section 3, in the numbers of the released model. Differentiable once by all three.
        """
        lead, poses, betas, trans = _flat(poses, betas, trans)
        joints, rotations, local, frames = articulate(self._skeleton, poses, betas, trans)
        rest = self._joints_at_rest(betas)
        bones = self._bones_of(frames)
        skin_verts = skel_verts = None
        if skin or skel:
            shifts = joints.movedim(0, -1) - (rotations * rest[:, None]).sum(2)
            transforms = torch.cat([rotations, shifts[:, :, None]], 2)
        if skin:
            skin_verts = blend(transforms, self.skin.corrected(betas, local), self.skin.joint_weights())
            skin_verts = skin_verts.view(*lead, *skin_verts.shape[1:])
        if skel:
            resting = self._bones_at_rest(rest, betas, bones)
            skel_verts = blend(transforms, resting.mT, self.bones.joint_weights())
            skel_verts = skel_verts.view(*lead, *skel_verts.shape[1:])
        turned = (rotations[:, :, :, None] * bones[:, None]).sum(2).movedim(-1, 0).reshape(*lead, J, 3, 3)
        return BodyOutput(joints.view(*lead, J, 3), turned, skin_verts, skel_verts)

    def regressed_points(self, matrix: Any, names: tuple[str, ...]) -> Points:
        """Linear functions of the posed skin: matrix (K,V), numpy, torch or scipy sparse. Exact, pose blend shapes included."""
        return regressed_points(self.skin, matrix, names)

    def vertex_points(self, vertices: list[int], names: tuple[str, ...]) -> Points:
        """Skin vertices as points."""
        return vertex_points(self.skin, vertices, names)

    def rest_body(self, betas: np.ndarray) -> RestBody:
        """The Take's rest body of one shape, betas (10,), in the T pose: what Blender needs of it, in numpy.

        Weights keep every joint that moves a vertex, pose blend shapes those that a joint feeds.
        """
        one = torch.as_tensor(np.asarray(betas)).to(self.J_template)[None]
        shape, posedirs = self.shape(one), self.skin.posedirs
        index, value = _sparse(self.skin.weights.cpu().double().numpy())
        verts, joints, frames, bones = (
            part[0].detach().cpu().double().numpy()
            for part in (self.skin.at_rest(one), shape.joints, shape.frames, self.bones_at_rest(one))
        )
        return RestBody(
            skin_verts=verts, skin_faces=self.faces.copy(), skin_uv=self.uv.copy(), weight_index=index, weight_value=value,
            joints=joints, frames=frames, bone_verts=bones, bone_faces=self.skel_faces.copy(), bone_joint=self.skel_joint.copy(),
            limits=self.limits.cpu().double().numpy().copy(),
            posedirs=None if posedirs is None else posedirs[..., list(FEATURE_ROWS)].float().cpu().numpy(),
        )  # fmt: skip

    def bones_at_rest(self, betas: torch.Tensor) -> torch.Tensor:
        """(N,Vk,3) m bone vertices in the T pose of betas (N,10)."""
        return self._bones_at_rest(self._joints_at_rest(betas), betas, self._bones_of(self.shape(betas).frames.movedim(0, -1)))

    def _bones_of(self, frames: torch.Tensor) -> torch.Tensor:
        """(24,3,3,N) frames of the bones, of those of the joints."""
        if self.bone_frames is None:
            return frames
        return (frames[:, :, :, None] * self.bone_frames.apose[:, None, :, :, None]).sum(2)

    def _bones_at_rest(self, rest: torch.Tensor, betas: torch.Tensor, bones: torch.Tensor) -> torch.Tensor:
        if isinstance(self.bones, Mesh):
            return self.bones.at_rest(betas)
        return self.bones.at_rest(rest.movedim(-1, 0), betas, bones.movedim(-1, 0))

    def _joints_at_rest(self, betas: torch.Tensor) -> torch.Tensor:
        """(24,3,N) m."""
        template, directions = self.J_template.reshape(-1, 1), self.J_shapedirs.reshape(3 * J, -1)
        return torch.addmm(template, directions, betas.t()).view(J, 3, len(betas))

    @memoised_property
    def _skeleton(self) -> Skeleton:
        return Skeleton.of(self.J_template, self.J_shapedirs, self.rest_frames, self.bone_frames)


def _flat(poses: torch.Tensor, betas: torch.Tensor, trans: torch.Tensor) -> tuple[torch.Size, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The common leading shape, and poses (B,46), betas (N,10) with N 1 or B, trans (B,3)."""
    ends = tuple(one.shape[-1] for one in (poses, betas, trans))
    if ends != (Q, BETAS, 3):
        raise ValueError(f"poses must end in {Q}, betas in {BETAS} and trans in 3, not in {ends}")
    if poses.shape[:-1] == betas.shape[:-1] == trans.shape[:-1] and poses.dim() == 2:
        return poses.shape[:-1], poses, betas, trans
    lead = torch.broadcast_shapes(poses.shape[:-1], betas.shape[:-1], trans.shape[:-1])
    shared = betas.numel() == betas.shape[-1]
    betas = betas.reshape(1, -1) if shared else betas.expand(*lead, betas.shape[-1]).reshape(-1, betas.shape[-1])
    return lead, poses.expand(*lead, Q).reshape(-1, Q), betas, trans.expand(*lead, 3).reshape(-1, 3)


def _sparse(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (V,24) as (V,K) uint8 joints and (V,K) values, largest first; K is the most that any vertex has, so nothing is lost."""
    most = int((weights != 0).sum(1).max())
    index = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :most]
    value = np.take_along_axis(weights, index, 1)
    return np.where(value != 0, index, 0).astype(np.uint8), value


def _times(size: float, part: Any, names: tuple[str, ...]) -> Any:
    """A part of a body whose fields of these names are `size` times as large."""
    return replace(part, **{name: size * getattr(part, name) for name in names if getattr(part, name) is not None})


def _moved(value: Any, where: tuple) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(*where) if value.is_floating_point() else value.to(*(w for w in where if not isinstance(w, torch.dtype)))
    if is_dataclass(value):
        return replace(value, **{f.name: _moved(getattr(value, f.name), where) for f in fields(value)})
    return value
