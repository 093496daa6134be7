# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of what was seen: keypoints in the image, metric landmarks, targets in the world, pins. Each adds its rows."""

from __future__ import annotations

from math import inf

import torch

from ...body.chain import blend_gradient
from ...body.points import TRANS, Points
from ..normal import NormalEquations
from ..observations import View
from ..problem import Chunk, Limb, Problem

_NEAR = 0.1  # m, nothing is imaged nearer than this


def robust(residual: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Geman-McClure on vectors (...,D): the factor (...) on rows and residuals, and the cost (...)."""
    square = (residual**2).sum(-1)
    factor = torch.ones_like(square) if scale == inf else 1.0 / (1.0 + square / scale**2)
    return factor, square * factor


def project(K: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Camera points (F,N,3) m -> pixels (F,N,2) and the derivative (F,N,2,3); K (3,3) or (F,3,3), without skew."""
    z = points[..., 2].clamp(min=_NEAR)
    fx, fy = K[..., 0, 0, None], K[..., 1, 1, None]
    x, y = points[..., 0] / z, points[..., 1] / z
    none = torch.zeros_like(z)
    by_point = torch.stack([torch.stack([fx / z, none, -fx * x / z], -1), torch.stack([none, fy / z, -fy * y / z], -1)], -2)
    return torch.stack([fx * x + K[..., 0, 2, None], fy * y + K[..., 1, 2, None]], -1), by_point


def add_points(system: NormalEquations, problem: Problem, chunk: Chunk, limb: Limb, residual: torch.Tensor,
               by_point: torch.Tensor, weight: torch.Tensor, scale: float, by_focal: torch.Tensor | None = None) -> None:  # fmt: skip
    """Add robust rows of a limb's K points: residual (f,K,D) in deviations, by_point (f,K,D,3) or (D,3), weight (f,K)."""
    factor, rho = robust(residual, scale)
    root = (weight.sqrt() * factor)[..., None]
    by_point = root[..., None] * by_point
    count = chunk.count
    by_shared = None
    if problem.config.fit_shape or by_focal is not None:
        by_betas = by_point @ chunk.by_betas(limb)[:count]
        by_shared = problem.shared_rows(chunk, by_betas, None if by_focal is None else root * by_focal).flatten(1, 2)
    by_state = (by_point @ chunk.by_state(limb)[:count]).flatten(1, 2)
    row = root * residual
    system.add_rows(limb.columns, chunk.start, row.flatten(1), [by_state], by_shared, (weight * rho).sum(-1))
    add_blend_gradient(system, problem, chunk, limb, (row[..., None, :] @ by_point)[..., 0, :])


def add_blend_gradient(system: NormalEquations, problem: Problem, chunk: Chunk, limb: Limb, by_point: torch.Tensor) -> None:
    """What the pose blend shapes add to half the gradient by a limb's points (f,K,3) in the chunk's first f frames."""
    if limb.points.posedirs is not None:
        by_poses, by_betas = blend_gradient(chunk.part(slice(len(by_point))), limb.points, by_point)
        system.add_gradient(chunk.start, by_poses, by_betas if problem.config.fit_shape else None, TRANS)


def keypoints(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """Image keypoints, their error taken in metres at the person's depth, so that one deviation serves near and far people."""
    seen, weights = problem.observations.keypoints_2d, problem.config.weights
    if seen is None or weights.keypoint_m == inf:
        return
    metres = problem.depth[chunk.own] / problem.observations.view.at(chunk.own).focal
    scale = (metres / weights.keypoint_m)[:, None, None]
    for limb in problem.limbs(problem.observations.keypoint_points):
        own = seen[chunk.own, limb.numbers]
        pixels, by_point = project(view.K, view.see(chunk.place(limb)[: chunk.count]))
        by_focal = scale * (pixels - view.K[..., None, :2, 2]) if problem.config.estimate_focal else None
        add_points(system, problem, chunk, limb, scale * (pixels - own[..., :2]), scale[..., None] * (by_point @ view.R[..., None, :, :]),
                   own[..., 2], weights.robust, by_focal)  # fmt: skip


def midlines(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """Points that are seen on lines in the image, how far beside them in metres at the person's depth."""
    seen, weights = problem.observations, problem.config.weights
    if seen.midlines is None or weights.midline_m == inf:
        return
    metres = problem.depth[chunk.own] / seen.view.at(chunk.own).focal
    scale = (metres / weights.midline_m)[:, None, None]
    for limb in problem.limbs(seen.midline_points):
        lines = seen.midlines[chunk.own, limb.numbers]
        known = torch.isfinite(lines).all(-1)
        normal, shift = torch.where(known[..., None], lines, 0.0)[..., None, :].split([2, 1], -1)
        pixels, by_point = project(view.K, view.see(chunk.place(limb)[: chunk.count]))
        by_focal = None
        if problem.config.estimate_focal:
            by_focal = scale * (normal @ (pixels - view.K[..., None, :2, 2])[..., None])[..., 0]
        residual = scale * (normal @ pixels[..., None] - shift)[..., 0]
        by_point = scale[..., None] * (normal @ by_point @ view.R[..., None, :, :])
        add_points(system, problem, chunk, limb, residual, by_point, known.to(residual), weights.robust, by_focal)


def landmarks(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """Metric landmarks relative to the middle of the hips, less certain along the view than across it."""
    seen, weights = problem.observations, problem.config.weights
    if seen.landmarks_3d is None or weights.landmark_m == inf:
        return
    deviation = view.K.new_tensor([weights.landmark_m, weights.landmark_m, weights.landmark_depth_m])
    turn = view.R / deviation[:, None]
    hips = problem.hips
    for limb in problem.limbs(seen.landmark_points):
        apart = (chunk.place(limb) - chunk.place(hips))[: chunk.count]
        residual = apart @ turn.mT - seen.landmarks_3d[chunk.own, limb.numbers] / deviation
        factor, rho = robust(residual, weights.robust)
        weight = seen.landmark_weight[chunk.own, limb.numbers]
        rows, row = (weight.sqrt() * factor)[..., None, None] * turn[..., None, :, :], (weight.sqrt() * factor)[..., None] * residual
        by_state = chunk.by_state(limb)[: chunk.count].clone()
        by_state[..., : len(hips.columns)] -= chunk.by_state(hips)[: chunk.count]  # every limb's columns begin with the root's
        by_state = rows @ by_state
        by_betas = rows @ (chunk.by_betas(limb) - chunk.by_betas(hips))[: chunk.count]
        by_shared = problem.shared_rows(chunk, by_betas).flatten(1, 2) if problem.config.fit_shape else None
        system.add_rows(limb.columns, chunk.start, row.flatten(1), [by_state.flatten(1, 2)], by_shared, (weight * rho).sum(-1))
        add_blend_gradient(system, problem, chunk, limb, (row[..., None, :] @ rows)[..., 0, :])


def targets(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """Points that are known in the world, as from motion capture or another body model."""
    seen, weights = problem.observations, problem.config.weights
    if seen.targets is not None and weights.target_m < inf:
        _world(system, problem, chunk, seen.target_points, seen.targets, seen.target_weight, weights.target_m)


def pins(system: NormalEquations, problem: Problem, chunk: Chunk, view: View) -> None:
    """Points that an animator has put where they are."""
    seen = problem.observations
    if seen.pins is not None:
        known = torch.isfinite(seen.pins).all(-1)
        where = torch.where(known[..., None], seen.pins, 0.0)
        _world(system, problem, chunk, seen.pin_points, where, known.to(where), problem.config.weights.pin_m)


def _world(system: NormalEquations, problem: Problem, chunk: Chunk, points: Points, wanted: torch.Tensor, weight: torch.Tensor,
           deviation: float) -> None:  # fmt: skip
    eye = torch.eye(3).to(wanted) / deviation
    for limb in problem.limbs(points):
        residual = (chunk.place(limb)[: chunk.count] - wanted[chunk.own, limb.numbers]) / deviation
        add_points(system, problem, chunk, limb, residual, eye, weight[chunk.own, limb.numbers], inf)
