# SPDX-License-Identifier: GPL-3.0-or-later
"""The Take's rest body: what Blender needs of a shaped body, in numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ...take import RestBody
from .mesh import FEATURE_ROWS

if TYPE_CHECKING:
    from .model import BodyModel


def rest_body(body: BodyModel, betas: np.ndarray) -> RestBody:
    """One shape, betas (10,), in the T pose. Weights keep every joint that moves a vertex, pose blend shapes those that a joint feeds."""
    shape = torch.as_tensor(np.asarray(betas)).to(body.J_template)[None]
    index, value = sparse_weights(body.skin.weights.cpu().double().numpy())
    rest = body.shape(shape)
    return RestBody(
        skin_verts=_numpy(body.skin.at_rest(shape)),
        skin_faces=body.faces.copy(),
        skin_uv=body.uv.copy(),
        weight_index=index,
        weight_value=value,
        joints=_numpy(rest.joints),
        frames=_numpy(rest.frames),
        bone_verts=_numpy(body.bones_at_rest(shape)),
        bone_faces=body.skel_faces.copy(),
        bone_joint=body.skel_joint.copy(),
        limits=body.limits.cpu().double().numpy().copy(),
        posedirs=None if body.skin.posedirs is None else body.skin.posedirs[..., list(FEATURE_ROWS)].float().cpu().numpy(),
    )


def sparse_weights(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (V,24) as (V,K) uint8 joints and (V,K) values, largest first; K is the most that any vertex has, so nothing is lost."""
    most = int((weights != 0).sum(1).max())
    index = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :most]
    value = np.take_along_axis(weights, index, 1)
    return np.where(value != 0, index, 0).astype(np.uint8), value


def _numpy(one: torch.Tensor) -> np.ndarray:
    return one[0].detach().cpu().double().numpy()
