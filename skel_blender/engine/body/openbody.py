# SPDX-License-Identifier: GPL-3.0-or-later
"""The open body, read from the package's own data (see data/NOTICE.md)."""

from __future__ import annotations

from importlib import resources

import numpy as np
import torch

from ...anatomy import LIMITS_ANATOMICAL, J
from ...take import TRIANGLE
from .mesh import Mesh
from .model import BodyModel
from .points import Points

_NO_FOURTH = 65535  # marks a triangle in the packed faces


def read_open(sex: str) -> BodyModel:
    """The open body of a sex, 'male' or 'female', in float64."""
    with resources.files(__package__).joinpath("data", f"open_{sex}.npz").open("rb") as stream, np.load(stream) as file:
        data = {key: file[key] for key in file.files}
    faces = data["faces"].astype(np.int32)
    faces[faces == _NO_FOURTH] = TRIANGLE

    def tensor(key: str) -> torch.Tensor:
        return torch.as_tensor(data[key].astype(np.float64))

    def points(key: str) -> Points:
        joint = torch.as_tensor(data[f"{key}_joint"].astype(np.int64))
        names = tuple(str(name) for name in data[f"{key}_names"])
        return Points.rigid(names, joint, tensor(f"{key}_template"), tensor(f"{key}_shapedirs"))

    weights = np.zeros((len(data["v_template"]), J))
    values = data["weight_value"].astype(np.float64)
    np.add.at(weights, (np.arange(len(weights))[:, None], data["weight_index"]), values / values.sum(axis=1, keepdims=True))
    shapedirs = tensor("shapedirs_q") * tensor("shapedirs_scale")
    return BodyModel(
        name=f"open {sex}",
        J_template=tensor("J_template"),
        J_shapedirs=tensor("J_shapedirs"),
        rest_frames=_rotations(tensor("rest_frames")),
        limits=torch.tensor(LIMITS_ANATOMICAL, dtype=torch.float64),
        markers=points("marker"),
        soles=points("sole"),
        skin=Mesh(tensor("v_template"), shapedirs, torch.as_tensor(weights)),
        bones=_bones(data),
        bone_frames=None,
        faces=faces,
        uv=data["uv"].astype(np.float32),
        skel_faces=data["skel_faces"].astype(np.int32),
        skel_joint=data["skel_joint"].astype(np.uint8),
        surface=points("surface"),
    )


def _rotations(stored: torch.Tensor) -> torch.Tensor:
    """The rotations nearest to matrices that were rounded to float32."""
    left, _, right = torch.linalg.svd(stored)
    return left @ right


def _bones(data: dict[str, np.ndarray]) -> Mesh:
    """Bones that ride one joint each; a part's affine shape directions become directions of its vertices."""
    verts = data["skel_v_template"].astype(np.float64)
    affine = data["skel_part_affine"].astype(np.float64)[data["skel_part"]]  # (Vk,10,3,4)
    moved = np.einsum("vkij,vj->vik", affine[..., :3], verts) + affine[..., 3].transpose(0, 2, 1)
    weights = np.zeros((len(verts), J))
    weights[np.arange(len(verts)), data["skel_joint"]] = 1.0
    return Mesh(torch.as_tensor(verts), torch.as_tensor(moved), torch.as_tensor(weights))
