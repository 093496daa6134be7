# SPDX-License-Identifier: GPL-3.0-or-later
"""One person alone in a level camera: the first stages of a fit, from a regressor's guess or the relaxed stance, and whether a body
explains what was seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from ...kinematics import pelvis_angles
from ..blazepose import LIMBS
from ..body import BodyModel
from ..body.anthropometry import of_stature, sized, stature
from ..camera import R_CAM_LEVEL
from ..regress.guess import Guess, Guesser
from .confidence import expected_error, reprojection_error
from .config import Config
from .evidence import as_tall
from .observations import Observations
from .outline import outlined
from .problem import depth_of, make_problem
from .scene.sightings import posed
from .skelify import PRIOR_TERMS, SIGHT_TERMS, bounds, skelify
from .start import first_state

# What a regressor's sigma is taken for: it saw the same landmarks that the fit sees, so its word counts less than it is sure of.
GUESS_SPREAD = 1.0
_EXPLAINED_M = 0.036  # a fit that misses its median limb by more than this, at the person's depth, is none
# Somebody in a level camera: the body, the evidence, state (T,49) and betas (1,10).
Alone = tuple[BodyModel, Observations, torch.Tensor, torch.Tensor]


def fit_alone(body: BodyModel, seen: Observations, guess: Guesser | None, metres: float | None, stages: tuple[Config, ...],
              on_step: Callable[[], None]) -> Alone:  # fmt: skip
    """The first stages, of one person in a level camera, who may be known to be so tall (m). What a guess says is kept in the
    evidence that is returned; these stages do not hear it."""
    if guess is None:
        told, state, betas = seen, first_state(body, seen), body.J_template.new_zeros(1, body.J_shapedirs.shape[-1])
    else:
        told, state, betas = told_by(body, seen, guess(body))
    if metres:
        usual, body = body, sized(body, metres)
        state, betas = _resized(usual, body, state, betas, metres)
        seen, told = (as_tall(evidence, usual, body, metres) for evidence in (seen, told))
    for stage in stages:
        found = skelify(body, outlined(body, seen, state, betas), (state[:, 3:], betas, state[:, :3]), stage, on_step)
        state, betas = found.state, found.betas
    return body, told, state, betas


def _resized(
    usual: BodyModel, body: BodyModel, state: torch.Tensor, betas: torch.Tensor, metres: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """State and betas of the usual body before a camera in the origin, of the person's body made so tall, where it looks the same."""
    tall = of_stature(body, betas, metres)
    nearer = float(metres / stature(usual, betas)[0])
    there = moved(usual, state, betas, torch.eye(3).to(state), state.new_zeros(3), nearer)
    shift = usual.shape(betas).joints[0, 0] - body.shape(tall).joints[0, 0]
    return torch.cat([there[:, :3] + shift, there[:, 3:]], 1), tall


def told_by(body: BodyModel, seen: Observations, guess: Guess) -> tuple[Observations, torch.Tensor, torch.Tensor]:
    """A guess as what a fit is drawn to, and as the state (T,49) and betas (1,10) that it starts from."""
    like = seen.keypoints_2d
    poses, trans, betas, sigma = (torch.as_tensor(part).to(like) for part in (guess.poses, guess.trans, guess.betas, guess.sigma))
    state = torch.cat([trans, poses], 1)
    if seen.view.R.dim() > 2:  # a guess knows nothing of the frames before
        level = torch.as_tensor(R_CAM_LEVEL).to(like)
        state = moved(body, state, betas[None], seen.view.R.mT @ level, like.new_zeros(3))
    return drawn_to(body, seen, state, betas[None], sigma * GUESS_SPREAD), state, betas[None]


def drawn_to(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor, sigma: torch.Tensor | float) -> Observations:
    """Evidence of a person who is drawn to a motion, state (T,49) and betas (1,10), as far as that is sure: sigma (T,46) rad, or one.

    The pelvis is drawn as a whole: its angles are the world's, of which no regressor knows.
    """
    sigma = torch.as_tensor(sigma).to(state).expand_as(state[:, 3:]).clone()
    of_pelvis, sigma[:, :3] = sigma[:, 0].clone(), torch.inf
    turns = posed(body, state, betas)[1].rotations[:, 0]
    return replace(seen, prior_poses=state[:, 3:], prior_sigma=sigma, prior_turns=turns, prior_turns_sigma=of_pelvis)


def explains(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor) -> bool:
    """Is the median limb where it was seen, to within a few centimetres?"""
    metres = depth_of(seen.view, state) / seen.view.focal
    return bool(np.nanmedian((missed(body, seen, state, betas) * metres).cpu().numpy()) < _EXPLAINED_M)


def missed(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor) -> torch.Tensor:
    """(T,) px by which the median limb of one person is missed; NaN where none was seen."""
    problem = make_problem(body, seen, Config(), state, SIGHT_TERMS, PRIOR_TERMS)
    return reprojection_error(problem, state, betas, LIMBS)


def doubted(body: BodyModel, seen: Observations, config: Config, state: torch.Tensor, betas: torch.Tensor) -> torch.Tensor:
    """(T,5) m, the `expected_error` of one person where a fit ended."""
    problem = make_problem(body, seen.checked(), config, state, SIGHT_TERMS, PRIOR_TERMS)
    return expected_error(problem, bounds(problem, state, betas), state, betas)


def moved(body: BodyModel, state: torch.Tensor, betas: torch.Tensor, R: torch.Tensor, t: torch.Tensor, nearer: float | torch.Tensor = 1.0,
          eye: torch.Tensor | float = 0.0) -> torch.Tensor:  # fmt: skip
    """The same motion, its distance from the camera in `eye`, (3,) or (T,3), times `nearer`, one or (T,1), after the world turned by R,
    (3,3) or (T,3,3), and shifted by t (3,)."""
    shape, chains = posed(body, state, betas)
    frame, pelvis = shape.frames[0, 0], chains.positions[:, 0]
    there = state.clone()
    there[:, :3] = (R @ (eye + nearer * (pelvis - eye))[..., None])[..., 0] + t - (pelvis - state[:, :3])
    there[:, 3:6] = torch.as_tensor(pelvis_angles((frame.T @ R @ chains.rotations[:, 0] @ frame).cpu().numpy())).to(there)
    return there
