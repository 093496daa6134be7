# SPDX-License-Identifier: GPL-3.0-or-later
"""SKELify over whole tracks: every frame of a person together, everybody over one floor.

First each person alone in a level camera; then the floor from all feet that rest; then again, with the floor, contacts and limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..body import BodyModel
from ..body.chain import pose_chain, pose_points
from ..camera import R_CAM_LEVEL, find_floor, level_world
from ..regress.start import first_state, pelvis_angles
from ..tracks import Track
from .contacts import contacts
from .evidence import LIMB_LANDMARKS, Evidence, View, Weights, gather
from .residuals import Problem, project
from .sightings import depth_of, sightings, sole_points
from .solver import solve

_STAGES = (Weights(keypoint_m=0.05, robust=10.0), Weights())
_ITERATIONS = (12, 15, 12, 8)
_FLOOR_SLACK_M = (0.3, 0.0)  # the lowest point of a sole that is this near the floor counts as on it: depth is not yet settled at first
_ON_FLOOR_M = 0.03
STEPS = sum(_ITERATIONS)  # progress: steps per person at most
_EXPLAINED = 0.03  # a fit that misses by more than this part of the person's extent is none


@dataclass
class Fit:
    """One fitted person: state (T,49) = (trans, poses) in the world, betas (10,), contacts (T,6), reprojection error (T,) px."""

    state: np.ndarray
    betas: np.ndarray
    contacts: np.ndarray
    reprojection_error: np.ndarray


def skelify(tracks: list[Track], body: BodyModel, K: np.ndarray, fps: float,
            on_step: Callable[[int], None] = lambda done: None) -> tuple[list[Fit | None], View]:  # fmt: skip
    """Fit every track. Returns the fits and the camera in the world (model axes, floor at y = 0).

    A track that no body explains (a reflection, a statue, a tangle of two people) gets None. `on_step(done)` hears of every step, of
    STEPS * len(tracks) at most.
    """
    like = body.J_template
    view = View(torch.as_tensor(K).to(like), torch.as_tensor(R_CAM_LEVEL).to(like), like.new_zeros(3))
    alone = []
    for k, track in enumerate(tracks):
        evidence = gather(track, body, view, fps)
        state, betas = first_state(body, evidence), like.new_zeros(body.J_shapedirs.shape[-1])
        count = _counter(on_step, k * sum(_ITERATIONS[:2]))
        for stage, iterations in zip(_STAGES, _ITERATIONS):
            problem = Problem(body, evidence, stage, depth_of(view, state))
            state, betas, _ = solve(problem, state, betas, iterations, on_step=count)
        alone.append((evidence, state, betas))
    believed = [_explains(body, *person) for person in alone]
    if not any(believed):
        return [None] * len(tracks), view
    floor = find_floor([sightings(body, *alone[k], tracks[k].observed) for k, good in enumerate(believed) if good])
    first = alone[believed.index(True)][1]
    R, t = (torch.as_tensor(part).to(like) for part in level_world(floor, first[0, :3].cpu().numpy()))
    view = View(view.K, view.R @ R.T, -(view.R @ R.T @ t))
    fits: list[Fit | None] = []
    for k, (evidence, state, betas) in enumerate(alone):
        if not believed[k]:
            fits.append(None)
            continue
        start = len(tracks) * sum(_ITERATIONS[:2]) + k * sum(_ITERATIONS[2:])
        moved = _moved(body, state, betas, R, t, floor.nearer(sum(believed[:k])))
        fits.append(_on_floor(body, replace(evidence, view=view), moved, betas, _counter(on_step, start)))
    on_step(STEPS * len(tracks))
    return fits, view


def _explains(body: BodyModel, evidence: Evidence, state: torch.Tensor, betas: torch.Tensor) -> bool:
    """Is the median limb within a small part of the person's size in the image of where it was seen?"""
    limbs = evidence.keypoints[:, list(LIMB_LANDMARKS)]
    size = (limbs.amax(1) - limbs.amin(1)).amax(-1).cpu().numpy()
    return bool(np.nanmedian(reprojection_error(body, evidence, state, betas) / size) < _EXPLAINED)


def _on_floor(body: BodyModel, evidence: Evidence, state: torch.Tensor, betas: torch.Tensor,
              on_step: Callable[[], None]) -> Fit:  # fmt: skip
    """The last stage: feet that rest lie on the floor and stay."""
    for iterations, slack in zip(_ITERATIONS[2:], _FLOOR_SLACK_M):
        soles = sole_points(body, state, betas)
        above = soles[..., 1] - np.clip(soles[..., 1].min(axis=1, keepdims=True), -slack, slack)
        touching = contacts(evidence, depth_of(evidence.view, state).cpu().numpy(), above)
        problem = Problem(body, evidence, _STAGES[-1], depth_of(evidence.view, state), torch.as_tensor(touching).to(state))
        state, betas, _ = solve(problem, state, betas, iterations, on_step=on_step)
    # a point that the fit could not bring to the floor does not rest on it, nor one of a foot that sank into it
    heights = sole_points(body, state, betas)[..., 1]
    sunk = np.repeat(heights.reshape(-1, 2, 3).min(axis=2) < -_ON_FLOOR_M, 3, axis=1)
    touching &= (np.abs(heights) < _ON_FLOOR_M) & ~sunk
    return Fit(state.cpu().numpy(), betas.cpu().numpy(), touching, reprojection_error(body, evidence, state, betas))


def reprojection_error(body: BodyModel, evidence: Evidence, state: torch.Tensor, betas: torch.Tensor) -> np.ndarray:
    """(T,) px, the median over the twelve limb joints that were seen; NaN where none was."""
    posed = pose_chain(body, betas, state[:, 3:], state[:, :3])
    where = pose_points(body, betas, posed, body.markers)
    pixels, _ = project(evidence.view.K, where @ evidence.view.R.T + evidence.view.t)
    limbs = list(LIMB_LANDMARKS)
    error = (pixels - evidence.keypoints).norm(dim=-1)[:, limbs]
    error = torch.where(evidence.keypoint_weight[:, limbs] > 0, error, torch.nan)
    return torch.nanmedian(error, dim=1).values.cpu().numpy()


def _counter(on_step: Callable[[int], None], start: int) -> Callable[[], None]:
    done = start

    def count() -> None:
        nonlocal done
        done += 1
        on_step(done)

    return count


def _moved(body: BodyModel, state: torch.Tensor, betas: torch.Tensor, R: torch.Tensor, t: torch.Tensor, nearer: float) -> torch.Tensor:
    """The same motion, its distance from the camera (the origin) times `nearer`, after the world turned by R and shifted by t."""
    posed = pose_chain(body, betas, state[:, 3:], state[:, :3])
    frame = body.rest_frames[0]
    pelvis = posed.positions[:, 0]
    moved = state.clone()
    moved[:, :3] = nearer * pelvis @ R.T + t - (pelvis - state[:, :3])
    moved[:, 3:6] = torch.as_tensor(pelvis_angles((frame.T @ R @ posed.rotations[:, 0] @ frame).cpu().numpy())).to(moved)
    return moved
