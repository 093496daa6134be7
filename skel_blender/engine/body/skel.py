# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the official SKEL model, skel_male.pkl and skel_female.pkl of version 1.1.1, which its users download under its own licence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...anatomy import LIMITS_ANATOMICAL, PARENTS, SMPL_FEATURE_JOINTS, J
from ...messages import SkelError
from ...take import TRIANGLE
from ..unpickle import need, read_arrays
from .boneframes import BoneFrames
from .landmarks import SURFACE, blazepose_markers, sole_points
from .mesh import FIRST_CHILD, SCALE_PAIRS, Mesh, ScaledBones
from .model import BodyModel
from .points import vertex_points
from .skeleton import BETAS

VERSION = "1.1.1"
SKIN_VERTS = 6890  # of the SMPL topology, whose vertex numbers landmarks.py and SCALE_PAIRS know
_WHAT = "a SKEL model"
_ORTHOGONAL = 1e-3  # how far a frame may be from a rotation
_FIXED_FRAMES = (0, 5, 10, 13, 18, 23)  # pelvis, toes, head and hands keep their frame whatever the shape


def read_skel(path: Path | str, sex: str = "male") -> BodyModel:
    """A SKEL model file in float64; `sex` names it where the file does not. Raises SkelError with one sentence for any other file."""
    data = read_arrays(path, _WHAT)
    _check_kind(data, path)

    def entry(key: str, *shape: int | None) -> np.ndarray:
        return need(data, key, shape, path, _WHAT)

    def real(key: str, *shape: int | None) -> torch.Tensor:
        return torch.as_tensor(entry(key, *shape).astype(np.float64))

    bones = len(entry("skel_template_v", None, 3))
    if not bones:
        raise _unfit(path, "has no bone meshes: its entry 'skel_template_v' is empty")
    shapedirs = real("shapedirs", SKIN_VERTS, 3, None)
    if shapedirs.shape[2] < BETAS:
        raise _unfit(path, f"has {shapedirs.shape[2]} shape directions, where {BETAS} or more are expected")
    skin = Mesh(real("skin_template_v", SKIN_VERTS, 3), shapedirs[:, :, :BETAS].contiguous(), real("skin_weights", SKIN_VERTS, J),
                real("posedirs", SKIN_VERTS, 3, 9 * len(SMPL_FEATURE_JOINTS)))  # fmt: skip
    regressor = real("J_regressor_osim", J, SKIN_VERTS)
    J_template, J_shapedirs = regressor @ skin.template, torch.einsum("jv,vik->jik", regressor, skin.shapedirs)
    apose = real("apose_rel_transfo", J, 4, 4)
    frames = _bone_frames(J_template, J_shapedirs, real("per_joint_rot", J, 3, 3), apose)
    rigid = real("skel_weights_rigid", bones, J)
    faces = _indices(path, "skin_template_f", entry("skin_template_f", None, 3), SKIN_VERTS)
    body = BodyModel(
        name=f"SKEL {_sex(data, path, sex)}",
        J_template=J_template,
        J_shapedirs=J_shapedirs,
        rest_frames=frames.frames_and_turns(torch.zeros(1, BETAS, dtype=torch.float64))[0][0],
        limits=torch.tensor(LIMITS_ANATOMICAL, dtype=torch.float64),
        markers=blazepose_markers(skin, J_template, J_shapedirs),
        soles=sole_points(skin, J_template),
        skin=skin,
        bones=_bones(skin, real("skel_template_v", bones, 3), rigid, real("skel_weights", bones, J), apose),
        bone_frames=frames,
        faces=np.column_stack([faces, np.full(len(faces), TRIANGLE, np.int32)]),
        uv=np.zeros((len(faces), 4, 2), np.float32),
        skel_faces=_indices(path, "skel_template_f", entry("skel_template_f", None, 3), bones),
        skel_joint=rigid.argmax(1).numpy().astype(np.uint8),
        surface=vertex_points(skin, list(SURFACE.values()), tuple(SURFACE)),
        source=Path(path),
    )
    _check_bones(body)
    return body


def _check_kind(data: Any, path: Path | str) -> None:
    """Refuse a file of another kind, version or skeleton before anything of it is used."""
    if not isinstance(data, dict):
        raise _unfit(path, f"holds a {type(data).__name__}, where a dict of arrays is expected")
    if "version" not in data or "skin_template_v" not in data:
        raise _unfit(path, "is not a SKEL model, as it has no entry 'version' or no entry 'skin_template_v'")
    version = str(np.asarray(data["version"]).item() if np.size(data["version"]) == 1 else data["version"])
    if version != VERSION:
        raise _unfit(path, f"is a SKEL model of version {version}, where version {VERSION} is expected")
    tree = need(data, "osim_kintree_table", (2, J), path, _WHAT)
    if tuple(tree[0, 1:]) != PARENTS[1:] or tuple(tree[1]) != tuple(range(J)):
        raise _unfit(path, "has a skeleton with other parents than SKEL's in the entry 'osim_kintree_table'")


def _check_bones(body: BodyModel) -> None:
    """Refuse bones from which no frame or size follows: a file of zeros would pose everything to nothing."""
    frames, resting = body.rest_frames, body.bones_at_rest(torch.zeros(1, BETAS, dtype=torch.float64))
    off = (frames @ frames.mT - torch.eye(3, dtype=torch.float64)).abs().max()
    if not (off < _ORTHOGONAL and torch.isfinite(resting).all()):  # not a number is not less either
        raise _unfit(body.source, "has bones without a length, or with axes that are not a rotation")


def _bone_frames(J_template: torch.Tensor, J_shapedirs: torch.Tensor, rest: torch.Tensor, apose: torch.Tensor) -> BoneFrames:
    """How M_j follows betas; kinematics of Keller et al. 2023, section 3.2, in the numbers of the released model."""
    to_parent = [max(parent, 0) for parent in PARENTS]
    offset, offset_by_betas = J_template - J_template[to_parent], J_shapedirs - J_shapedirs[to_parent]
    child = list(FIRST_CHILD)
    tip, tip_by_betas, axis = offset[child], offset_by_betas[child], apose[child, :3, 3]
    for joint, parts in {16: [17, 18], 21: [22, 23]}.items():  # the ulna points from the elbow to the hand
        tip[joint], tip_by_betas[joint], axis[joint] = offset[parts].sum(0), offset_by_betas[parts].sum(0), apose[parts, :3, 3].sum(0)
    tip[12], tip_by_betas[12] = offset[12], offset_by_betas[12]  # the released thorax follows the vertebrae below it
    start = torch.nn.functional.normalize((rest @ axis[..., None])[..., 0], dim=-1)
    fixed = list(_FIXED_FRAMES)
    start[fixed] = tip[fixed] = torch.tensor([0.0, 1.0, 0.0], dtype=start.dtype)
    tip_by_betas[fixed] = 0.0
    rotation = apose[:, :3, :3]
    return BoneFrames(start, tip, tip_by_betas, rest @ rotation.mT, rotation.contiguous())


def _bones(skin: Mesh, template: torch.Tensor, rigid: torch.Tensor, weights: torch.Tensor, apose: torch.Tensor) -> ScaledBones:
    offsets = apose[:, :3, 3]
    lengths = offsets.norm(dim=-1)
    lengths[0] = 1.0  # the root hangs on nothing
    pairs = torch.tensor([[a, b] for a, b, _ in SCALE_PAIRS])
    return ScaledBones(template, rigid, weights, lengths, offsets[11, 1].abs(), skin.template[pairs], skin.shapedirs[pairs])


def _indices(path: Path | str, key: str, faces: np.ndarray, end: int) -> np.ndarray:
    if faces.size and not (faces.min() >= 0 and faces.max() < end):
        raise _unfit(path, f"has faces in the entry '{key}' that name vertices beyond its {end}")
    return faces.astype(np.int32)


def _sex(data: dict[str, Any], path: Path | str, sex: str) -> str:
    named = str(data.get("gender", "")).lower()
    stem = Path(path).stem.lower()
    return next((word for word in ("female", "male") if named == word), next((word for word in ("female", "male") if word in stem), sex))


def _unfit(path: Path | str, why: str) -> SkelError:
    return SkelError("bad_model", f"{path} {why}.", "Choose skel_male.pkl or skel_female.pkl of SKEL's model download.")
