# SPDX-License-Identifier: GPL-3.0-or-later
"""The objective of the paper's SKELify, exactly as HSMR's release has it (Xia et al. 2025), as one more least-squares problem.

One frame an item, nothing shared: an item's camera translation takes the place of `trans`, as the model's own translation is zero.
The release minimises the mean over a batch with one L-BFGS; here every item has its own damping, so no result depends on batch mates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...anatomy import LIMIT_TABLES, Q
from ..body import BodyModel, Points
from ..body.chain import Posed, blend_gradient, blend_jacobians, point_jacobians, point_shape_jacobians, pose_chain, pose_points
from ..body.points import TRANS
from .keypoint_sets import keypoint_points
from .normal import NormalEquations, S
from .solver import Bounds, Damping, Solution, solve
from .terms.priors import limit_residuals
from .terms.sight import project

FOCAL = 5000.0 / 256.0  # of a patch whose side is one
_GEMAN = 100.0
_SHOULDERS_HIPS = ((5, 12), (2, 9))  # what an item's size is read from, in the order of the 44
_TORSO = (1, 2, 5, 8, 9, 12, 27, 28, 33, 34, 39, 40, 41)
_LEFT_OUT = (37, 38)
_TOLERANCE, _MOST = 1e-9, 1e8


@dataclass(frozen=True)
class Phase:
    """A phase of the schedule: weights as the release writes them (each is squared), and what is free."""

    depth: float = 0.0
    reprojection: float = 1.0
    shape: float = 0.0
    angle: float = 0.0
    torso_only: bool = False
    orientation_only: bool = False


PHASES = {
    "camera-init": Phase(depth=100.0, reprojection=1.78, torso_only=True, orientation_only=True),
    "overall-1": Phase(shape=100.0, angle=404.0 * 1.7),
    "overall-2": Phase(shape=50.0, angle=404.0 * 1.7),
    "overall-3": Phase(shape=10.0, angle=57.4 * 1.7),
    "overall-4": Phase(shape=5.0, angle=4.78 * 1.7),
    "refiner": Phase(shape=5.0, angle=4.78 * 0.17),
}


@dataclass(frozen=True)
class Schedule:
    """Phases in a row, each with its most steps, refused ones counted, and the damping: first, least, and what a metre of the camera's
    way costs beside a radian. The start without a network is far off, so its first steps are short ones."""

    phases: tuple[str, ...]
    steps: tuple[int, ...]
    damping: tuple[float, float, float]


SCHEDULES = {
    "full": Schedule(tuple(PHASES)[:5], (20, 20, 20, 20, 60), (10.0, 1e-3, 0.1)),
    "refiner": Schedule(("refiner",), (14,), (0.1, 0.08, 0.25)),
}


@dataclass(frozen=True)
class PaperProblem:
    """B items: 44 keypoints kp2d (B,44,3) in units of the patch, origin at its centre, confidence last."""

    body: BodyModel
    points: Points
    kp2d: torch.Tensor
    phase: Phase
    z_guess: torch.Tensor  # (B,) m, only for the camera's phase
    blended: torch.Tensor | None = None  # (B,44,3,46) the pose blend shapes' part of the keypoints' derivatives, where the phase starts

    def assemble(self, state: torch.Tensor, betas: torch.Tensor) -> NormalEquations:
        """Normal equations at states (B,49) = (cam_t, poses) and betas (B,10); cost (B,), whose mean is the objective."""
        owner = torch.arange(len(state), device=state.device)
        system = NormalEquations.zeros(owner, len(state), betas.shape[1], state)
        if self.phase.angle:
            weight = self.phase.angle / (Q - 3) ** 0.5
            for residual, sign in limit_residuals(state[:, TRANS:], state.new_tensor(LIMIT_TABLES["hsmr"])):
                row = weight * residual
                system.diagonal[:, TRANS:] += row**2
                system.gradient[:, TRANS:] += sign * row * row
                system.cost += (row**2).sum(-1)
        if self.phase.depth:
            row = self.phase.depth * (state[:, 2] - self.z_guess)
            system.diagonal[:, 2] += self.phase.depth**2
            system.gradient[:, 2] += self.phase.depth * row
            system.cost += row**2
        torch.diagonal(system.shared, dim1=-2, dim2=-1).add_(self.phase.shape**2)
        system.shared_gradient += self.phase.shape**2 * betas
        system.cost += self.phase.shape**2 * (betas**2).sum(-1)
        self._reprojection(system, owner, state, betas)
        return system

    def _reprojection(self, system: NormalEquations, owner: torch.Tensor, state: torch.Tensor, betas: torch.Tensor) -> None:
        shape = self.body.shape(betas)
        posed = pose_chain(shape, owner, state[:, TRANS:], state[:, :TRANS])
        where, pairs = pose_points(shape, owner, posed, self.points)
        imaged, by_point = project(_patch_camera(where), where)
        size = _lengths(self.kp2d[..., :2]).mean(-1) + 1e-6
        scale = self.phase.reprojection * self.kp2d[..., 2:] * self._used(where)[:, None]
        off = (imaged - self.kp2d[..., :2]) / size[:, None, None]
        factor = 1.0 / (1.0 + (off / _GEMAN) ** 2)
        by_point = (scale * factor / size[:, None, None])[..., None] * by_point
        by_state = point_jacobians(posed, self.points, pairs, list(range(S)))
        if self.blended is not None:
            by_state[..., TRANS:] += self.blended
        by_state = _in_image(by_point, by_state)
        by_betas = _in_image(by_point, point_shape_jacobians(posed, shape, self.points, pairs))
        cost = (scale**2 * off**2 * factor).sum((1, 2))
        row = scale * factor * off
        system.add_rows(list(range(S)), 0, row.flatten(1), [by_state], by_betas, cost)
        if self.blended is not None:
            self._correct(system, posed, (row[..., None, :] @ by_point)[..., 0, :])

    def _correct(self, system: NormalEquations, posed: Posed, by_point: torch.Tensor) -> None:
        """Make the gradient exact: the blend shapes' derivatives are those of the start, and by betas they are left out."""
        by_poses, by_betas = blend_gradient(posed, self.points, by_point)
        system.add_gradient(0, by_poses - torch.einsum("nkid,nki->nd", self.blended, by_point), by_betas, TRANS)

    def _used(self, like: torch.Tensor) -> torch.Tensor:
        """(44,) 1 for the joints of the phase, 0 for the others."""
        used = like.new_zeros(len(self.points))
        used[list(_TORSO) if self.phase.torso_only else list(range(len(used)))] = 1.0
        used[list(_LEFT_OUT)] = 0.0
        return used

    def bounds(self, state: torch.Tensor, betas: torch.Tensor) -> Bounds:
        """Nothing is bounded in the paper; the camera's phase leaves the body alone."""
        endless = torch.full_like(state[0], torch.inf)
        frozen = torch.zeros_like(state, dtype=torch.bool)
        frozen[:, TRANS + 3 :] = self.phase.orientation_only
        shared = torch.full_like(betas, self.phase.orientation_only, dtype=torch.bool)
        return Bounds(-endless, endless, torch.full_like(betas[0], torch.inf), frozen, shared)


def paper_problem(body: BodyModel, kp2d: torch.Tensor, poses: torch.Tensor, betas: torch.Tensor, cam_t: torch.Tensor, phase: str,
                  points: Points | None = None) -> PaperProblem:  # fmt: skip
    """The phase's problem as it is when it starts at poses (B,46), betas (B,10), cam_t (B,3); kp2d (B,44,3).

    The depth that the camera's phase pulls to comes from the size of the trunk; as in the release, a length in the image counts
    confidence as a third coordinate.
    `points` are the 44 keypoints on the body (`keypoint_sets`). Raises ValueError for a phase that is not one of PHASES.
    """
    if phase not in PHASES:
        raise ValueError(f"there is no phase '{phase}', only {', '.join(PHASES)}")
    points = keypoint_points(body, "hsmr44") if points is None else points
    kp2d, poses, betas, cam_t = (part.to(body.J_template) for part in (kp2d, poses, betas, cam_t))
    shape, owner = body.shape(betas), torch.arange(len(poses), device=poses.device)
    posed = pose_chain(shape, owner, poses, cam_t)
    guess = FOCAL * _lengths(pose_points(shape, owner, posed, points)[0]).mean(-1) / _lengths(kp2d).mean(-1)
    return PaperProblem(body, points, kp2d, PHASES[phase], guess, None if points.posedirs is None else blend_jacobians(posed, points))


def paper_objective(body: BodyModel, kp2d: torch.Tensor, poses: torch.Tensor, betas: torch.Tensor, cam_t: torch.Tensor, phase: str,
                    points: Points | None = None) -> torch.Tensor:  # fmt: skip
    """The released objective of a phase at its start, a scalar: the mean over the batch. Shapes as for `paper_problem`."""
    problem = paper_problem(body, kp2d, poses, betas, cam_t, phase, points)
    return problem.assemble(torch.cat([cam_t, poses], 1).to(body.J_template), betas.to(body.J_template)).cost.mean()


def paper_gradient(problem: PaperProblem, poses: torch.Tensor, betas: torch.Tensor, cam_t: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Gradients of the objective by poses (B,46), betas (B,10) and cam_t (B,3)."""
    system = problem.assemble(torch.cat([cam_t, poses], 1), betas)
    by_state, by_betas = 2 * system.gradient / len(poses), 2 * system.shared_gradient / len(poses)
    return by_state[:, TRANS:], by_betas, by_state[:, :TRANS]


def paper_fit(body: BodyModel, kp2d: torch.Tensor, poses: torch.Tensor, betas: torch.Tensor, cam_t: torch.Tensor, schedule: str,
              points: Points | None = None) -> Solution:  # fmt: skip
    """Minimise the paper's objective by the schedule 'full' or 'refiner', every item for itself; state = (cam_t, poses).

    The release's refiner ends long before the minimum, and does well to: image points alone leave depth open, and beyond some step
    the objective falls only as their noise is fitted. The floor of the damping does the same here, item by item.
    Shapes as for `paper_problem`. Raises ValueError for a schedule that is not one of SCHEDULES.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"there is no schedule '{schedule}', only {', '.join(SCHEDULES)}")
    kp2d, poses, betas, cam_t = (part.to(body.J_template) for part in (kp2d, poses, betas, cam_t))
    points = keypoint_points(body, "hsmr44") if points is None else points
    state, plan = torch.cat([cam_t, poses], 1), SCHEDULES[schedule]
    first, least, metre = plan.damping
    damp = Damping(first, least, _MOST, torch.cat([state.new_full((TRANS,), metre), state.new_ones(Q + betas.shape[1])]))
    for name, steps in zip(plan.phases, plan.steps):
        problem = paper_problem(body, kp2d, state[:, TRANS:], betas, state[:, :TRANS], name, points)
        found = solve(problem.assemble, problem.bounds(state, betas), state, betas, steps, _TOLERANCE, damp=damp, trials=steps)
        state, betas = found.state, found.shared
    return found


def _lengths(points: torch.Tensor) -> torch.Tensor:
    """(B,2) between shoulder and hip of either side, of points (B,44,D)."""
    return torch.stack([(points[:, a] - points[:, b]).norm(dim=-1) for a, b in _SHOULDERS_HIPS], -1)


def _in_image(by_point: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """(B,2 K,C) of changes (B,K,3,C) of points, by_point (B,K,2,3) without the elements that a pinhole camera leaves zero."""
    x, y, z = change.unbind(2)
    (fx, _, zx), (_, fy, zy) = (row[..., None].unbind(2) for row in by_point.unbind(2))
    return torch.stack([fx * x + zx * z, fy * y + zy * z], 2).flatten(1, 2)


def _patch_camera(like: torch.Tensor) -> torch.Tensor:
    return torch.diag(like.new_tensor([FOCAL, FOCAL, 1.0]))
