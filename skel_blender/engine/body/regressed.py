# SPDX-License-Identifier: GPL-3.0-or-later
"""Linear functions of the posed skin as points: the moments of their vertices about each joint (see points.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .mesh import Mesh
from .points import Points


def regressed_points(skin: Mesh, matrix: Any, names: tuple[str, ...]) -> Points:
    """K points, each a weighted sum of skin vertices: matrix (K,V), numpy, torch or scipy sparse. Exact.

    Raises ValueError if the matrix does not fit the names or the skin.
    """
    dense = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    rows = torch.as_tensor(np.asarray(dense) if not isinstance(dense, torch.Tensor) else dense).to(skin.template)
    if rows.shape != (len(names), len(skin.template)):
        raise ValueError(f"{len(names)} points on {len(skin.template)} vertices need a matrix of that shape, not {tuple(rows.shape)}")
    used = torch.nonzero((rows != 0).any(0))[:, 0]
    rows, weights = rows[:, used], skin.weights[used]
    pairs = torch.nonzero((rows != 0).to(rows) @ (weights != 0).to(rows))
    point, joint = pairs.unbind(1)
    moments = {"template": skin.template[used], "shapedirs": skin.shapedirs[used].flatten(1)}
    if skin.posedirs is not None:
        moments["posedirs"] = skin.posedirs[used].flatten(1)
    sums = {name: rows.new_zeros(len(pairs), values.shape[1]) for name, values in moments.items()}
    total = rows.new_zeros(len(pairs))
    for j in torch.unique(joint):
        mine = joint == j
        share = rows[point[mine]] * weights[:, j]
        total[mine] = share.sum(1)
        for name, values in moments.items():
            sums[name][mine] = share @ values
    posedirs = sums["posedirs"].unflatten(1, (3, -1)) if skin.posedirs is not None else None
    return Points(tuple(names), point, joint, total, sums["template"], sums["shapedirs"].unflatten(1, (3, -1)), posedirs)
