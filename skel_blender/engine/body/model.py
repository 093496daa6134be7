# SPDX-License-Identifier: GPL-3.0-or-later
"""A body model: rest skeleton, skin, bones and landmark points, all linear in ten shape coefficients.

The open body is read from the package's own data (see data/NOTICE.md). Model frame: x left, y up, z forward, metres.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from importlib import resources

import numpy as np
import torch

from ...anatomy import LIMITS_ANATOMICAL
from ...messages import SkelError
from ...take import TRIANGLE, RestBody

BODY_NAMES = ("male", "female")
_NO_FOURTH = 65535  # marks a triangle in the packed faces


@dataclass(frozen=True)
class Points:
    """Points that ride one joint each: `joint` (M,), rest position `template` (M,3) m, `shapedirs` (M,3,10)."""

    names: tuple[str, ...]
    joint: torch.Tensor
    template: torch.Tensor
    shapedirs: torch.Tensor

    def to(self, device: torch.device) -> Points:
        """The same points on a device."""
        return Points(self.names, self.joint.to(device), self.template.to(device), self.shapedirs.to(device))


@dataclass(frozen=True)
class BodyModel:
    """Everything that posing needs; the skin and bone meshes stay numpy, as only the Take wants them."""

    name: str
    J_template: torch.Tensor  # (24,3)
    J_shapedirs: torch.Tensor  # (24,3,10)
    rest_frames: torch.Tensor  # (24,3,3) R_model_joint
    limits: torch.Tensor  # (46,2) rad
    markers: Points  # the 33 BlazePose landmarks
    soles: Points  # the six contact points, take.CONTACT_NAMES
    mesh: dict[str, np.ndarray]

    def to(self, device: torch.device) -> BodyModel:
        """The same body with its tensors on a device."""
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if isinstance(getattr(self, f.name), torch.Tensor)}
        return replace(self, markers=self.markers.to(device), soles=self.soles.to(device), **moved)

    def rest_body(self, betas: np.ndarray) -> RestBody:
        """The Take's rest body of one shape, betas (10,)."""
        mesh = self.mesh
        shapedirs = mesh["shapedirs_q"].astype(np.float64) * mesh["shapedirs_scale"]
        bones = mesh["skel_v_template"].astype(np.float64)
        affine = np.einsum("pkij,k->pij", mesh["skel_part_affine"].astype(np.float64), betas)[mesh["skel_part"]]
        faces = mesh["faces"].astype(np.int32)
        faces[faces == _NO_FOURTH] = TRIANGLE
        weights = mesh["weight_value"].astype(np.float64)
        joints = (self.J_template.cpu() + self.J_shapedirs.cpu() @ torch.as_tensor(betas)).numpy()
        return RestBody(
            skin_verts=mesh["v_template"] + shapedirs @ betas,
            skin_faces=faces,
            skin_uv=mesh["uv"].astype(np.float32),
            weight_index=mesh["weight_index"].astype(np.uint8),
            weight_value=weights / weights.sum(axis=1, keepdims=True),
            joints=joints,
            frames=self.rest_frames.cpu().numpy().copy(),
            bone_verts=bones + np.einsum("vij,vj->vi", affine[:, :, :3], bones) + affine[:, :, 3],
            bone_faces=mesh["skel_faces"].astype(np.int32),
            bone_joint=mesh["skel_joint"].astype(np.uint8),
            limits=self.limits.cpu().numpy().copy(),
        )


def load_body(name: str) -> BodyModel:
    """The open body 'male' or 'female'. Raises SkelError for another name."""
    if name not in BODY_NAMES:
        raise SkelError("no_body", f"There is no body '{name}'.", f"Choose one of: {', '.join(BODY_NAMES)}.")
    with resources.files(__package__).joinpath("data", f"open_{name}.npz").open("rb") as stream, np.load(stream) as file:
        mesh = {key: file[key] for key in file.files}
    if "skel_v_scale" in mesh:
        mesh["skel_v_template"] = mesh["skel_v_template"].astype(np.float64) * mesh["skel_v_scale"]

    def tensor(key: str) -> torch.Tensor:
        return torch.as_tensor(mesh[key].astype(np.float64))

    def points(key: str) -> Points:
        joint = torch.as_tensor(mesh[f"{key}_joint"].astype(np.int64))
        names = tuple(str(name) for name in mesh[f"{key}_names"])
        return Points(names, joint, tensor(f"{key}_template"), tensor(f"{key}_shapedirs"))

    return BodyModel(
        name=f"open {name}",
        J_template=tensor("J_template"),
        J_shapedirs=tensor("J_shapedirs"),
        rest_frames=tensor("rest_frames"),
        limits=torch.tensor(LIMITS_ANATOMICAL, dtype=torch.float64),
        markers=points("marker"),
        soles=points("sole"),
        mesh=mesh,
    )
