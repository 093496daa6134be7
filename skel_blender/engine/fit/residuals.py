# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of the objective, each a function that adds its rows to the normal equations."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..body import BodyModel
from ..body.chain import point_jacobians, pose_chain, pose_points
from .evidence import HIPS, Evidence, Weights, prior_spread, relaxed_pose
from .normal import NormalEquations, S

_LONGEST_STEP_S = 1 / 12  # slower footage is smoothed as if it ran at this rate, or nothing would link its frames
_CHUNK = 1000  # frames whose Jacobians are in memory at a time
_NEAR = 0.1  # m, nothing is imaged nearer than this


@dataclass(frozen=True)
class Problem:
    """One person's fit: evidence, body, weights, and the contacts (T,6) weights 0..1 once a floor (y = 0) is known."""

    body: BodyModel
    evidence: Evidence
    weights: Weights
    depth: torch.Tensor  # (T,) m, about how far the person is: turns pixels into metres
    contacts: torch.Tensor | None = None

    def part(self, frames: slice) -> Problem:
        """What the image and the landmarks tell about some of the frames."""
        seen = self.evidence
        cut = {name: getattr(seen, name)[frames] for name in ("keypoints", "keypoint_weight", "landmarks", "landmark_weight")}
        return replace(self, evidence=replace(seen, **cut), depth=self.depth[frames], contacts=None)


def assemble(problem: Problem, state: torch.Tensor, betas: torch.Tensor) -> NormalEquations:
    """Normal equations at state (T,49) = (trans, poses) and betas (10,)."""
    system = NormalEquations.zeros(len(state), len(betas), state)
    for start in range(0, len(state), _CHUNK):
        frames = slice(start, start + _CHUNK)
        _sight(system, problem.part(frames), frames, state[frames], betas)
    _prior(system, problem, state, betas)
    _smoothness(system, problem, state)
    if problem.contacts is not None:
        _contacts(system, problem, state, betas)
    return system


def _sight(system: NormalEquations, part: Problem, frames: slice, state: torch.Tensor, betas: torch.Tensor) -> None:
    """Image landmarks and metric landmarks of some frames."""
    markers = part.body.markers
    posed = pose_chain(part.body, betas, state[:, 3:], state[:, :3])
    where = pose_points(part.body, betas, posed, markers)
    jacobians = point_jacobians(part.body, posed, markers, where)
    _keypoints(system, part, frames, where, *jacobians)
    _landmarks(system, part, frames, where, *jacobians)


def _robust(residual: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Geman-McClure on vectors (...,D): the factor (...,1) on rows and residuals, and the cost (...,1)."""
    square = (residual**2).sum(-1, keepdim=True)
    factor = 1.0 / (1.0 + square / scale**2)
    return factor, square * factor


def project(view_K: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Camera points (...,3) -> pixels (...,2) and the derivative (...,2,3)."""
    z = points[..., 2].clamp(min=_NEAR)
    fx, fy = view_K[0, 0], view_K[1, 1]
    x, y = points[..., 0] / z, points[..., 1] / z
    none = torch.zeros_like(z)
    by_point = torch.stack([torch.stack([fx / z, none, -fx * x / z], -1), torch.stack([none, fy / z, -fy * y / z], -1)], -2)
    return torch.stack([fx * x + view_K[0, 2], fy * y + view_K[1, 2]], -1), by_point


def _add(system: NormalEquations, frames: slice, residual: torch.Tensor, by_state: torch.Tensor, by_betas: torch.Tensor,
         weight: torch.Tensor, scale: float) -> None:  # fmt: skip
    """Add robust rows: residual (T,M,D) in deviations, derivatives (T,M,D,·), weight (T,M)."""
    factor, rho = _robust(residual, scale)
    root = weight.sqrt()[..., None] * factor
    count = len(residual)
    system.add_rows(
        (root * residual).reshape(count, -1),
        (root[..., None] * by_state).reshape(count, -1, by_state.shape[-1]),
        (root[..., None] * by_betas).reshape(count, -1, by_betas.shape[-1]),
        weight[..., None] * rho,
        frames,
    )


def _keypoints(system: NormalEquations, problem: Problem, frames: slice, where: torch.Tensor, by_state: torch.Tensor,
               by_betas: torch.Tensor) -> None:  # fmt: skip
    view, weights = problem.evidence.view, problem.weights
    pixels, by_point = project(view.K, where @ view.R.T + view.t)
    scale = (problem.depth / (0.5 * (view.K[0, 0] + view.K[1, 1])) / weights.keypoint_m)[:, None, None]
    by_point = scale[..., None] * (by_point @ view.R)
    residual = scale * (pixels - problem.evidence.keypoints)
    _add(system, frames, residual, by_point @ by_state, by_point @ by_betas, problem.evidence.keypoint_weight, weights.robust)


def _landmarks(system: NormalEquations, problem: Problem, frames: slice, where: torch.Tensor, by_state: torch.Tensor,
               by_betas: torch.Tensor) -> None:  # fmt: skip
    weights, R = problem.weights, problem.evidence.view.R
    deviation = where.new_tensor([weights.landmark_m, weights.landmark_m, weights.landmark_depth_m])
    turn = R / deviation[:, None]

    def centred(values: torch.Tensor) -> torch.Tensor:
        return values - values[:, list(HIPS)].mean(1, keepdim=True)

    residual = centred(where) @ turn.T - problem.evidence.landmarks / deviation
    _add(system, frames, residual, turn @ centred(by_state), turn @ centred(by_betas), problem.evidence.landmark_weight, weights.robust)


def _prior(system: NormalEquations, problem: Problem, state: torch.Tensor, betas: torch.Tensor) -> None:
    """A pull to the relaxed stance, weak where the evidence speaks, and to the mean shape."""
    weight = problem.weights.prior / torch.as_tensor(prior_spread()).to(state)
    residual = weight * (state[:, 3:] - torch.as_tensor(relaxed_pose()).to(state))
    torch.diagonal(system.here, dim1=1, dim2=2)[:, 3:] += weight**2
    system.gradient[:, 3:] += weight * residual
    shape = len(state) * problem.weights.shape**2  # every frame brings its share of evidence, so the prior grows with the clip
    torch.diagonal(system.shared)[:] += shape
    system.shared_gradient += shape * betas
    system.cost += (residual**2).sum() + shape * (betas**2).sum()


def _smoothness(system: NormalEquations, problem: Problem, state: torch.Tensor) -> None:
    weights = problem.weights
    dt = min(problem.evidence.dt, _LONGEST_STEP_S)

    def per_coordinate(travel: float, angle: float) -> torch.Tensor:
        return 1.0 / state.new_tensor([travel] * 3 + [angle] * (S - 3))

    system.add_differences(state, (-1.0, 1.0), per_coordinate(weights.travel_rate * dt, weights.angle_rate * dt))
    leap = state.new_tensor([torch.inf] * 3 + [weights.angle_leap] * (S - 3))
    steps = state.diff(dim=0)
    system.add_differences(state, (-1.0, 1.0), (steps.abs() > leap) / weights.angle_leap_spread, steps.sign() * leap.clamp(max=1e3))
    acceleration = per_coordinate(weights.travel_acceleration * dt * dt, weights.angle_acceleration * dt * dt)
    system.add_differences(state, (1.0, -2.0, 1.0), acceleration)


def _contacts(system: NormalEquations, problem: Problem, state: torch.Tensor, betas: torch.Tensor) -> None:
    """Points in contact lie on the floor (y = 0) and stay where they are; no point goes below it."""
    weights, contacts = problem.weights, problem.contacts
    posed = pose_chain(problem.body, betas, state[:, 3:], state[:, :3])
    where = pose_points(problem.body, betas, posed, problem.body.soles)
    by_state, by_betas = point_jacobians(problem.body, posed, problem.body.soles, where)
    height = where[..., 1]
    below = (height < 0).to(height) / weights.below_floor_m
    scale = torch.maximum(contacts / weights.contact_height_m, below)
    row = scale * height
    system.add_rows(row, scale[..., None] * by_state[:, :, 1], scale[..., None] * by_betas[:, :, 1], row**2)
    if len(where) > 1:
        stay = (contacts[1:] * contacts[:-1] / weights.contact_slide_m)[..., None]
        flat = len(where) - 1, -1
        system.add_pairs(
            (stay * (where[1:] - where[:-1])).reshape(*flat),
            (-stay[..., None] * by_state[:-1]).reshape(*flat, S),
            (stay[..., None] * by_state[1:]).reshape(*flat, S),
            (stay[..., None] * (by_betas[1:] - by_betas[:-1])).reshape(*flat, by_betas.shape[-1]),
        )
