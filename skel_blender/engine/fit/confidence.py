# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a fitted frame may be trusted, and how well it meets the image."""

from __future__ import annotations

import torch

from ..body.chain import pose_chain, pose_points
from .problem import Problem
from .terms.sight import project, robust


def confidence(problem: Problem, state: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
    """(F,) 0..1: the share of a frame's evidence that the fit agrees with, less where there is much less of it than usual.

    A frame whose keypoints are all wrong, or of which one is left, is bridged by its neighbours: it gets nearly zero.
    """
    parts = _agreements(problem, state, shared)
    if not parts:
        return torch.ones_like(state[:, 0])
    agreed = sum((weight * factor).sum(-1) for weight, factor in parts)
    heard = sum(weight.sum(-1) for weight, _ in parts)
    usual = torch.stack([heard[problem.owner == person].median() for person in range(problem.people)])[problem.owner]
    return (agreed / heard.clamp(min=1e-9)) * (heard / (0.5 * usual).clamp(min=1e-9)).clamp(max=1.0)


def _agreements(problem: Problem, state: torch.Tensor, shared: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Of each kind of evidence: weights (F,K), and 1 where it agrees with the fit, falling to 0 where it does not."""
    seen, weights, body = problem.observations, problem.config.weights, problem.body
    shape = body.shape(shared[:, : body.J_shapedirs.shape[-1]])
    posed = pose_chain(shape, problem.owner, state[:, 3:], state[:, :3])
    parts = []
    if seen.keypoints_2d is not None:
        view = problem.view(shared)
        where, _ = pose_points(shape, problem.owner, posed, seen.keypoint_points)
        pixels, _ = project(view.K, view.see(where))
        metres = problem.depth / view.focal
        off = (pixels - seen.keypoints_2d[..., :2]) * (metres / weights.keypoint_m)[:, None, None]
        parts.append((seen.keypoints_2d[..., 2], robust(off, weights.robust)[0] ** 2))
    if seen.targets is not None:
        where, _ = pose_points(shape, problem.owner, posed, seen.target_points)
        off = (where - seen.targets) / weights.target_m
        parts.append((seen.target_weight, robust(off, min(weights.target_robust, 10.0))[0] ** 2))
    return parts


def reprojection_error(problem: Problem, state: torch.Tensor, shared: torch.Tensor, keypoints: tuple[int, ...]) -> torch.Tensor:
    """(F,) px, the median over the chosen keypoints that were seen; NaN where none was."""
    seen, body, view = problem.observations, problem.body, problem.view(shared)
    shape = body.shape(shared[:, : body.J_shapedirs.shape[-1]])
    chosen = list(keypoints)
    points = seen.keypoint_points.select(chosen)
    where, _ = pose_points(shape, problem.owner, pose_chain(shape, problem.owner, state[:, 3:], state[:, :3]), points)
    pixels, _ = project(view.K, view.see(where))
    error = (pixels - seen.keypoints_2d[:, chosen, :2]).norm(dim=-1)
    return torch.nanmedian(torch.where(seen.keypoints_2d[:, chosen, 2] > 0, error, torch.nan), dim=1).values
