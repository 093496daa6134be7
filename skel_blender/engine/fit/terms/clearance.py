# SPDX-License-Identifier: GPL-3.0-or-later
"""The term of clearance: arms and hands do not go through legs, trunk and head, nor one leg through the other.

One view hardly tells whether a hand is before a thigh or in it. A point that is nearer to a limb's axis than its skin is pushed out, so it
moves mostly along the view, where least else holds it. Points lie in the middle of what they stand for: what touches is left alone.
"""

from __future__ import annotations

from math import inf

import torch

from ....anatomy import DOFS, Q
from ...body.chain import point_shape_jacobians, pose_points
from ...body.points import TRANS
from ..capsules import Capsules
from ..normal import NormalEquations, S
from ..observations import View
from ..problem import Chunk, Problem

_LEAST_M = 1e-3  # a point on an axis has no way out
_ROOT = TRANS + 3  # where the whole body is changes nothing
_DOF_JOINTS = [dof.joint for dof in DOFS]
_BALL_M2 = 1e-9  # the squared length of a ball's axis


def clearance(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """No point is inside a capsule. Only frames and pairs where one is cost time."""
    deviation = problem.config.weights.clearance_m
    if view is None or deviation == inf:
        return
    pairs, own = problem.capsules, slice(0, chunk.count)
    where = pose_points(chunk.shape, chunk.owner[own], chunk.part(own), pairs.points)[0]
    radii = (pairs.radius[..., None] + pairs.radius_by_betas @ chunk.shape.betas.T)[..., chunk.owner[own]].mT
    deep, along, pulls = _depths(where, pairs, radii)
    frames, active = torch.nonzero((deep > 0).any(1))[:, 0], torch.nonzero((deep > 0).any(0))[:, 0]
    if not len(frames):
        return
    at = (frames[:, None], active)
    scale = (deep[at] > 0).to(where) / deviation
    pulls = [scale[..., None] * pull[at] for pull in pulls]
    where, posed, numbers = where[frames], chunk.part(frames), pairs.numbers[:, active]
    levers = posed.slides - torch.linalg.cross(posed.axes, posed.positions[:, _DOF_JOINTS])
    by_state, by_shared = where.new_zeros(*scale.shape, Q), None
    for number, pull in zip(numbers, pulls):  # a turn about an axis moves x by axis x (x - origin) + slide
        turned = torch.linalg.cross(where[:, number], pull) @ posed.axes.mT + pull @ levers.mT
        by_state += turned * pairs.moved[pairs.points.joint[number]]
    if problem.config.fit_shape:
        by_betas = point_shape_jacobians(posed, chunk.shape, pairs.points, where)
        ends = torch.stack([1 - along[at], along[at]])[..., None] * scale[..., None]
        of_radii = (ends * pairs.radius_by_betas[:, None, active]).sum(0)
        rows = sum((pull[:, :, None] @ by_betas[:, number])[:, :, 0] for number, pull in zip(numbers, pulls))
        by_shared = problem.shared_rows(chunk, of_radii + rows)
    row = scale * deep[at]
    system.add_frames(list(range(_ROOT, S)), chunk.start + frames, row, by_state[..., _ROOT - TRANS :], by_shared, (row**2).sum(-1))


def _depths(where: torch.Tensor, pairs: Capsules, radii: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """How deep (f,P) m points are in capsules of radii (2,f,P), how far along these 0..1, and the derivatives (f,P,3) of the depth by the
    point and by the capsule's ends."""
    mover, start, end = (where[:, number] for number in pairs.numbers)
    axis, arm = end - start, mover - start
    length2 = (axis**2).sum(-1).clamp(min=_BALL_M2)
    along = ((arm * axis).sum(-1) / length2).clamp(0.0, 1.0)
    off = arm - along[..., None] * axis
    distance = off.norm(dim=-1).clamp(min=_LEAST_M)
    out, wider, share = off / distance[..., None], radii[1] - radii[0], along[..., None]
    slope = (wider * ((along > 0) & (along < 1)) / length2)[..., None]  # the radius changes as the nearest point of the axis does
    by_ends = ((1 - share) * out + slope * ((2 * share - 1) * axis - arm), share * out + slope * (arm - 2 * share * axis))
    return radii[0] + along * wider - distance, along, [slope * axis - out, *by_ends]
