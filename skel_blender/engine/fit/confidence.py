# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a fitted frame may be trusted, and how well it meets the image."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from scipy.linalg import lapack

from ...take import DOUBTED
from ..blazepose import HIPS
from ..body.chain import Posed, point_jacobians, pose_chain, pose_points
from ..body.skeleton import Shape
from ..body.stance import prior_spread
from .normal import S
from .problem import Problem
from .solver import Bounds, pushed_out
from .step import held, lapack_band
from .terms.sight import project, robust

LANDMARKS_OF = {"trunk": (11, 12), "arm_r": (14, 16), "arm_l": (13, 15), "leg_r": (26, 28), "leg_l": (25, 27)}  # BlazePose's of DOUBTED
_JOINTS = [number for limb in DOUBTED for number in LANDMARKS_OF[limb]]
_DRAWS, _AT_ONCE = 64, 8  # all at once would take half as much memory again as the fit of a long track
# Factors on deviations that `bin/benchmark doubt` likes: errors of neighbouring landmarks and frames are alike, not independent, so
# the posterior is wider than Laplace says; a regressor's angles err against each other.
_POSTERIOR, _GUESS = 2.5, 0.3
_FAR = 10.0  # deviations from a target: a fit that is so far from it hardly agrees


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
        parts.append((seen.target_weight, robust(off, _FAR)[0] ** 2))
    return parts


def reprojection_error(problem: Problem, state: torch.Tensor, shared: torch.Tensor, keypoints: list[int]) -> torch.Tensor:
    """(F,) px, the median over the chosen keypoints that were seen; NaN where none was."""
    seen, body, view = problem.observations, problem.body, problem.view(shared)
    shape = body.shape(shared[:, : body.J_shapedirs.shape[-1]])
    points = seen.keypoint_points.select(keypoints)
    where, _ = pose_points(shape, problem.owner, pose_chain(shape, problem.owner, state[:, 3:], state[:, :3]), points)
    pixels, _ = project(view.K, view.see(where))
    error = (pixels - seen.keypoints_2d[:, keypoints, :2]).norm(dim=-1)
    return torch.nanmedian(torch.where(seen.keypoints_2d[:, keypoints, 2] > 0, error, torch.nan), dim=1).values


def expected_error(problem: Problem, limits: Bounds, state: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
    """(F,5) m, about how far the joints of each of DOUBTED are off, relative to the hips: by how much they are missed in the image, by how
    much the posterior leaves open, and by how much the regressor did. Frames that are fixed are right. NaN: the posterior has no width."""
    shape = problem.body.shape(shared[:, : problem.body.J_shapedirs.shape[-1]])
    posed = pose_chain(shape, problem.owner, state[:, 3:], state[:, :3])
    points = problem.body.markers.select([*HIPS, *_JOINTS])
    by_state = point_jacobians(posed, points, pose_points(shape, problem.owner, posed, points)[1], list(range(S)))
    by_state = (by_state[:, 2:] - by_state[:, :2].mean(1, keepdim=True)).unflatten(1, (len(DOUBTED), 2))  # (F,5,2,3,S)
    drawn = (torch.einsum("flpis,fsn->flpin", by_state, steps) for steps in _draws(problem, limits, state, shared))
    left_open = sum(moves.square().sum((-1, -2)) for moves in drawn) / _DRAWS
    square = (_POSTERIOR**2 * left_open + _missed(problem, shape, posed, shared)).mean(-1)
    if problem.observations.prior_sigma is not None:
        told = problem.observations.prior_sigma
        spread = torch.where(torch.isfinite(told), told, torch.as_tensor(prior_spread()).to(told))[:, 3:]  # the pelvis is told as a whole
        square = square + _GUESS**2 * (by_state[..., 6:] * spread[:, None, None, None]).square().sum((-1, -2)).mean(-1)
    error = square.sqrt()
    return error if problem.observations.fixed is None else torch.where(problem.observations.fixed[:, None], 0.0, error)


def _draws(problem: Problem, limits: Bounds, state: torch.Tensor, shared: torch.Tensor) -> Iterator[torch.Tensor]:
    """_DRAWS steps away from the optimum, (F,S,_AT_ONCE) of them at a time, drawn from Laplace's approximation of the posterior; the same
    for the same problem."""
    system = problem.assemble(state, shared)
    frozen = limits.frozen | pushed_out(limits, state, system)
    band = lapack_band(system, held(system.diagonal, frozen), spent=True)
    del system
    factor, bad = lapack.dpbtrf(band, lower=1, overwrite_ab=1)
    random = torch.Generator().manual_seed(0)
    for _ in range(0, _DRAWS, _AT_ONCE):
        noise = torch.randn(_AT_ONCE, state.numel(), dtype=torch.float64, generator=random).numpy().T  # in Fortran's order
        drawn, _ = lapack.dtbtrs(factor, noise, uplo="L", trans="T", overwrite_b=1)
        yield torch.full_like(state[..., None], torch.nan) if bad else torch.as_tensor(drawn).to(state).reshape(*state.shape, _AT_ONCE)


def _missed(problem: Problem, shape: Shape, posed: Posed, shared: torch.Tensor) -> torch.Tensor:
    """(F,5,2) m2 at the person's depth by which the landmarks of DOUBTED are missed in the image, 0 where they were not seen."""
    seen, view = problem.observations, problem.view(shared)
    where, _ = pose_points(shape, problem.owner, posed, seen.keypoint_points.select(_JOINTS))
    own = seen.keypoints_2d[:, _JOINTS]
    off = (project(view.K, view.see(where))[0] - own[..., :2]) * (problem.depth / view.focal)[:, None, None]
    return torch.where(own[..., 2] > 0, off.square().sum(-1), 0.0).unflatten(1, (len(DOUBTED), 2))
