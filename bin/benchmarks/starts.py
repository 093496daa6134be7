# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways from a track to poses that are compared: two-bone inverse kinematics, SKELify from the stance, the lifting network, and both.

And how far a solver goes from a start: iterations to a tolerance, and the cost it ends at, of one objective for all starts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from bin.benchmarks.two_bone import two_bone
from skel_blender.anatomy import JOINT_INDEX
from skel_blender.engine.body import BodyModel
from skel_blender.engine.body.chain import pose_chain
from skel_blender.engine.camera import R_CAM_LEVEL
from skel_blender.engine.fit import Config, Observations, View, people
from skel_blender.engine.fit.alone import told_by
from skel_blender.engine.fit.evidence import gather
from skel_blender.engine.fit.normal import NormalEquations
from skel_blender.engine.fit.problem import make_problem
from skel_blender.engine.fit.skelify import PRIOR_TERMS, SIGHT_TERMS, bounds, skelify
from skel_blender.engine.fit.solver import solve
from skel_blender.engine.fit.start import first_state
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress.guess import Guess
from skel_blender.engine.regress.lift import Lift

METHODS = ("landmarks, two-bone IK", "SKELify from the stance", "network alone", "network, then SKELify")
STARTS = ("stance, loose stage first", "stance", "network, loose stage first", "network")
HIPS = (JOINT_INDEX["femur_l"], JOINT_INDEX["femur_r"])
_LONGEST = 300  # iterations


@dataclass(frozen=True)
class Found:
    """One person's motion: poses (T,46) rad, betas (10,), trans (T,3) m; a model point X is at R X + t in camera axes."""

    poses: np.ndarray
    betas: np.ndarray
    trans: np.ndarray
    R: np.ndarray
    t: np.ndarray

    def joints(self, body: BodyModel) -> tuple[np.ndarray, np.ndarray]:
        """Camera axes: joint centres (T,24,3) m and the pelvis' rotation (T,3,3) from the T pose that faces along the model's z."""
        like = body.J_template
        shape, owner = body.shape(torch.as_tensor(self.betas).to(like)[None]), torch.zeros(len(self.poses), dtype=torch.long)
        posed = pose_chain(shape, owner, torch.as_tensor(self.poses).to(like), torch.as_tensor(self.trans).to(like))
        return posed.positions.numpy() @ self.R.T + self.t, self.R @ posed.rotations[:, 0].numpy()


def level_view(K: np.ndarray, body: BodyModel) -> View:
    """The camera that first poses are told in."""
    like = body.J_template
    return View(torch.as_tensor(K).to(like), torch.as_tensor(R_CAM_LEVEL).to(like), like.new_zeros(3))


def answers(track: Track, body: BodyModel, K: np.ndarray, fps: float, lift: Lift | None) -> dict[str, Found | None]:
    """What each of METHODS makes of a track, those with the network only if there is one; None where a fit gives up."""
    view, still = level_view(K, body), np.zeros(3)
    seen = gather(track, body, view, fps)
    begun = first_state(body, seen).numpy()
    poses = two_bone((seen.landmarks_3d @ view.R).numpy(), body)
    found: dict[str, Found | None] = {METHODS[0]: Found(poses, np.zeros(10), begun[:, :3], R_CAM_LEVEL, still),
                                      METHODS[1]: fitted(track, body, K, fps, None)}  # fmt: skip
    if lift is not None:
        guess = lift(track, body, K, fps)
        found[METHODS[2]] = Found(guess.poses, guess.betas, guess.trans, R_CAM_LEVEL, still)
        found[METHODS[3]] = fitted(track, body, K, fps, guess)
    return found


def fitted(track: Track, body: BodyModel, K: np.ndarray, fps: float, guess: Guess | None) -> Found | None:
    """The pipeline's fit from a guess, or from the stance."""
    fits, view = people.fit_people([track], body, K, fps, guesses=None if guess is None else [lambda _: guess])
    if fits[0] is None:
        return None
    return Found(fits[0].state[:, 3:], fits[0].betas, fits[0].state[:, :3], view.R.cpu().numpy(), view.t.cpu().numpy())


@dataclass(frozen=True)
class Way:
    """How a solver went: iterations in a first, loose stage and in the one that counts; the cost where that began and after each."""

    loose: int
    iterations: int
    costs: tuple[float, ...]

    @property
    def cost(self) -> float:
        """At the end."""
        return self.costs[-1]

    @property
    def all(self) -> int:
        """Iterations of both stages."""
        return self.loose + self.iterations

    def until(self, cost: float) -> int:
        """Iterations of both stages until the cost was as low; all of them if it never was."""
        return self.loose + next((number for number, reached in enumerate(self.costs) if reached <= cost), self.iterations)


def ways(track: Track, body: BodyModel, K: np.ndarray, fps: float, guess: Guess, drawn: bool) -> dict[str, Way]:
    """SKELify's iterations from both starts to the default tolerance, and where they end, in one objective.

    `drawn`: the objective pulls to the guess, as behind the network; else to the stance. The objective's weights depend on the distance
    from the camera: that of the landmarks, for all starts.
    """
    view = level_view(K, body)
    seen = gather(track, body, view, fps)
    begun = first_state(body, seen)
    told, state, betas = told_by(body, seen, guess)
    objective = told if drawn else seen
    none = torch.zeros_like(betas)
    return {start: _way(body, objective, *((begun, none) if start.startswith("stance") else (state, betas)), begun,
                        people.STAGES[0] if start.endswith("first") else None) for start in STARTS}  # fmt: skip


def _way(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor, depth: torch.Tensor, loose: Config | None) -> Way:
    before = 0
    if loose is not None:
        found = skelify(body, seen, (state[:, 3:], betas, state[:, :3]), loose)
        state, betas, before = found.state, found.betas, int(found.iterations[0])
    config = replace(people.STAGES[1], iterations=_LONGEST)
    problem = make_problem(body, seen.checked(), config, depth, SIGHT_TERMS, PRIOR_TERMS)
    lowest: list[float] = []
    costs: list[float] = []

    def assemble(state: torch.Tensor, shared: torch.Tensor) -> NormalEquations:
        system = problem.assemble(state, shared)
        lowest.append(min([float(system.cost[0]), *lowest[-1:]]))
        costs.extend(lowest[:1] if not costs else [])
        return system

    end = solve(assemble, bounds(problem, state, betas), state, betas, config.iterations, config.tolerance,
                on_step=lambda: costs.append(lowest[-1]))  # fmt: skip
    return Way(before, int(end.iterations[0]), tuple(costs))


def turned_by(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(T,) degrees between rotations (T,3,3)."""
    trace = np.einsum("tij,tij->t", a, b)
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))
