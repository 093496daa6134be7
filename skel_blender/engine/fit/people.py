# SPDX-License-Identifier: GPL-3.0-or-later
"""Everybody in a clip over one floor.

First each person alone in a level camera; then the floor from all feet that rest; then again, with the floor, contacts and limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import numpy as np
import torch

from ...take import CONTACT_NAMES
from ..body import BodyModel
from ..camera import R_CAM_LEVEL, CameraMotion
from ..floor import find_floor, level_world
from ..people.tracks import Track
from ..regress.guess import Guesser
from .alone import Alone, doubted, explains, fit_alone, missed, moved
from .config import Config, Weights
from .contacts import HANDS, ON_FLOOR_M, airborne, contacts, hanging, holding, raised, slipping, unseen
from .evidence import gather
from .mass import centre_of_mass
from .observations import Observations, View
from .outline import outlined
from .problem import depth_of
from .quiet import straightened, waits
from .scene.lens import SURE, lens_evidence, longer_view, refocused, told_focal
from .scene.sightings import hips_and_neck, over_feet, places, posed, sightings, standing_bodies
from .scene.travel import Steps, path_size
from .skelify import Result, skelify

# A loose fit that finds the basin, the fit, and two with the floor. On the way to their place limbs may go through each other.
_LOOSE = Weights(keypoint_m=0.05, midline_m=0.05, robust=10.0, clearance_m=inf)
STAGES = Config(_LOOSE, 12), Config(Weights(clearance_m=inf), 15), Config(iterations=12), Config(iterations=8)
_FLOOR_SLACK_M = (0.3, 0.0)  # depth is not yet settled at first; none where only hands tell of the floor
_AGAINST, _STANDING_S = np.radians(20), 0.3  # from the ground's normal, of bodies that stand for as long in all
_SOLES = len(CONTACT_NAMES)
_ALONE = sum(stage.iterations for stage in STAGES[:2])
STEPS = sum(stage.iterations for stage in STAGES)  # progress: steps per person at most


@dataclass
class Fit:
    """One fitted person: state (T,49) = (trans, poses) in the world, betas (10,), contacts (T,6), reprojection error (T,) px,
    confidence (T,) 0..1, expected error (T,5) m; the body that was fitted."""

    state: np.ndarray
    betas: np.ndarray
    contacts: np.ndarray
    reprojection_error: np.ndarray
    confidence: np.ndarray
    expected_error: np.ndarray
    body: BodyModel


def fit_people(tracks: list[Track], body: BodyModel, K: np.ndarray, fps: float, on_step: Callable[[int], None] = lambda done: None,
               stages: tuple[Config, ...] | None = None, guesses: list[Guesser] | None = None,
               motion: CameraMotion | None = None, statures: tuple[float | None, ...] = (), bodies: tuple[BodyModel | None, ...] = (),
               on_lens: Callable[[float, float], None] | None = None) -> tuple[list[Fit | None], View]:  # fmt: skip
    """Fit every track by four stages (STAGES). Returns the fits and the camera in the world (model axes, floor at y = 0); where that moves
    (`motion`), in each of the motion's frames.

    A fit starts from the track's guess, if there are `guesses`; it then needs no loose fit to find the basin. Alone it is drawn to the
    relaxed stance all the same, as a camera's tilt is read from bodies that stand straight; on the floor it is drawn to the guess, as far
    as the regressor is sure. How tall each is may be known (`statures`, m); distances and the floor follow. Who has one of `bodies` is
    fitted with that instead of `body`. How far a camera went that leaves its place is told by the feet of those who
    were fitted as if it had not, but for its turns. A track that no body explains (a reflection, a statue, a tangle of two people) gets
    None. `on_step(done)` hears of every step, of STEPS * len(tracks) at most. With `on_lens` the lens is a guess: where people before a
    camera that is about still tell another, that is taken, and `on_lens` hears the logarithm of its focal length over the guess, and what
    that may be off.
    """
    like, stages = body.J_template, stages or STAGES
    view = View(torch.as_tensor(K).to(like), torch.as_tensor(R_CAM_LEVEL).to(like), like.new_zeros(3))

    def fit_one(k: int) -> Alone:
        own, metres = (bodies[k] if bodies else None) or body, statures[k] if statures else None
        there = view if motion is None else _following(view, motion, tracks[k].frames)
        seen, count = gather(tracks[k], own, there, fps), _counter(on_step, k * _ALONE)
        return fit_alone(own, seen, None if guesses is None else guesses[k], metres, stages[:2] if guesses is None else stages[1:2], count)

    alone = [fit_one(k) for k in range(len(tracks))]
    believed = [explains(*person) for person in alone]
    if not any(believed):
        return [None] * len(tracks), view
    if on_lens is not None:
        alone, view, motion = _through_told_lens(alone, believed, tracks, view, motion, on_lens)
    path, up, lost = None, None, False
    if motion is not None:
        motion = _on_ground(motion, alone, believed, tracks, fps)
        size = _path_size(alone, believed, tracks, motion, fps)
        lost = motion.places is not None and size == 0.0
        alone = [_seen_by(_following(view, motion, track.frames, size), *person) for person, track in zip(alone, tracks)]
        view = _following(view, motion, motion.first + np.arange(len(motion.zoom)), size)
        path = view.eye.cpu().numpy() if motion.places is not None else None
        up = None if motion.ground is None else _in_model(motion.ground)[:3]
    told = [sightings(*alone[k], tracks[k].observed) for k, good in enumerate(believed) if good]
    floor = find_floor(told, path, up)
    first = alone[believed.index(True)][2]
    R, t = (torch.as_tensor(part).to(like) for part in level_world(floor, first[0, :3].cpu().numpy()))
    view = _over_floor(view, R, t)
    fits: list[Fit | None] = []
    for k, (own, seen, state, betas) in enumerate(alone):
        if not believed[k]:
            fits.append(None)
            continue
        count = _counter(on_step, len(tracks) * _ALONE + k * (STEPS - _ALONE))
        number = sum(believed[:k])
        there = moved(own, state, betas, R, t, floor.nearer(number), seen.view.eye)
        turns = None if seen.prior_turns is None else R @ seen.prior_turns
        seen = replace(seen, view=_over_floor(seen.view, R, t), prior_turns=turns)
        slacks = (0.0, 0.0) if floor.climbs[number] or told[number].on_hands else _FLOOR_SLACK_M
        fits.append(_on_floor(own, seen, there, betas, stages[2:], slacks, lost, count))
    on_step(STEPS * len(tracks))
    return fits, view


def _following(view: View, motion: CameraMotion, frames: np.ndarray, size: float = 0.0) -> View:
    """The camera in the frames (T,), each with its own lens and turn, and its own place where the path's unit is `size` m."""
    K, turns, places = (torch.as_tensor(part).to(view.R) for part in (motion.lenses(frames), motion.turned(frames), motion.placed(frames)))
    return View(K, turns @ view.R, -size * (turns @ places[..., None])[..., 0])


def _on_ground(motion: CameraMotion, alone: list[Alone], believed: list[bool], tracks: list[Track], fps: float) -> CameraMotion:
    """The motion without its ground, if those who stand lean from its normal by more than from any floor: it is a wall, or stairs."""
    if motion.ground is None:
        return motion
    standing = np.concatenate([standing_bodies(*alone[k], tracks[k].observed) for k, good in enumerate(believed) if good])
    mean = standing.mean(0) if len(standing) > _STANDING_S * fps else np.zeros(3)
    leans = mean @ _in_model(motion.ground)[:3] < np.cos(_AGAINST) * np.linalg.norm(mean)
    return replace(motion, ground=None) if leans else motion


def _path_size(alone: list[Alone], believed: list[bool], tracks: list[Track],
               motion: CameraMotion, fps: float) -> float:  # fmt: skip
    """Metres to the unit of the camera's path, of people fitted as if it stayed in its place."""
    people = []
    for (body, seen, state, betas), good, track in zip(alone, believed, tracks):
        if good:
            sure = ~unseen(seen, _SOLES) & track.observed[:, None]
            people.append(Steps(places(body, state, betas, body.soles), sure, motion.placed(track.frames) @ R_CAM_LEVEL))
    return path_size(people, fps, None if motion.ground is None else _in_model(motion.ground))


def _in_model(ground: np.ndarray) -> np.ndarray:
    """A camera motion's ground (4,) in the level camera's y-up axes."""
    return np.append(ground[:3] @ R_CAM_LEVEL, ground[3])


def _seen_by(view: View, body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor) -> Alone:
    """Somebody beside a camera in another place as he was beside the one that he was fitted to."""
    return body, replace(seen, view=view), torch.cat([state[:, :3] + (view.eye - seen.view.eye), state[:, 3:]], 1), betas


def _through_told_lens(alone: list[Alone], believed: list[bool], tracks: list[Track], view: View, motion: CameraMotion | None,
                       on_lens: Callable[[float, float], None]) -> tuple[list[Alone], View, CameraMotion | None]:  # fmt: skip
    """Everybody, the view and its motion as seen through the lens that people tell, if they tell one."""
    if motion is not None and not motion.nearly_still:
        return alone, view, motion
    longer, spread = told_focal([lens_evidence(*alone[k], tracks[k].observed) for k, good in enumerate(believed) if good])
    if spread >= SURE:
        return alone, view, motion
    on_lens(longer, spread)
    view, motion = longer_view(view, longer), motion and motion.refocused(longer)
    seen_by = [view if motion is None else _following(view, motion, track.frames) for track in tracks]
    return [_refocused(there, longer, *person) for there, person in zip(seen_by, alone)], view, motion


def _refocused(view: View, longer: float, body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor) -> Alone:
    """Somebody in a view through a lens e^longer times as long, who looks the same."""
    seen, turns, farther = refocused(view, longer, seen, posed(body, state, betas)[1].positions[:, 0])
    return body, seen, moved(body, state, betas, turns, state.new_zeros(3), farther), betas


def _over_floor(view: View, R: torch.Tensor, t: torch.Tensor) -> View:
    """The camera after the world turned by R and shifted by t."""
    return View(view.K, view.R @ R.T, view.t - view.R @ R.T @ t)


def _on_floor(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor, stages: tuple[Config, ...],
              slacks: tuple[float, ...], lost: bool, on_step: Callable[[], None]) -> Fit:  # fmt: skip
    """The last stages: feet and hands that rest lie on the floor and stay. The lowest point of a sole that is as near it as a stage's slack
    (m) counts as on it. Where the camera's way is `lost`, the floor is not in one place, and people may be below it."""
    found: Result | None = None
    centre = centre_of_mass(body)
    supports = body.soles.joined(body.markers.select(list(HANDS)))
    for stage, slack in zip(stages, slacks):
        above = places(body, state, betas, supports)[..., 1]
        above[:, :_SOLES] -= np.clip(above[:, :_SOLES].min(axis=1, keepdims=True), -slack, slack)
        depth = depth_of(seen.view, state).cpu().numpy()
        hips, neck = hips_and_neck(body, state, betas)
        holds = holding(seen, depth, hips)
        hangs = hanging(seen, depth, holds, above[:, _SOLES:], neck[:, 1])
        stands = over_feet(body, state, betas) & ~hangs
        touching, higher = contacts(seen, depth, above), np.zeros(above.shape, dtype=bool)
        touching[hangs, :_SOLES] = False
        higher[:, :_SOLES] = raised(seen, depth, above[:, :_SOLES], stands & ~touching.any(axis=1))
        higher[:, _SOLES:] = holds & ~touching[:, _SOLES:]
        free = torch.as_tensor(unseen(seen, touching.shape[1]) | lost).to(state.device)
        flies = torch.as_tensor(airborne(seen, depth, above, places(body, state, betas, centre)[:, 0])).to(state.device)
        held = {"contacts": torch.as_tensor(touching | higher).to(state), "raised": torch.as_tensor(higher).to(state.device)}
        if found is None:  # once: legs that become straight move the pelvis
            seen = straightened(seen, waits((touching | higher)[:, :_SOLES], stands, state[:, :3].cpu().numpy(), seen.fps))
        resting = replace(outlined(body, seen, state, betas), contact_points=supports, free_of_floor=free, airborne=flies, **held)
        found = skelify(body, resting, (state[:, 3:], betas, state[:, :3]), stage, on_step)
        state, betas = found.state, found.betas
    # a point that the fit could not bring to the floor does not rest on it, nor one of a foot that sank into it; nor at all what moves
    soles, touching = places(body, state, betas, body.soles), touching[:, :_SOLES]
    heights = soles[..., 1]
    sunk = np.repeat(heights.reshape(-1, 2, 3).min(axis=2) < -ON_FLOOR_M, 3, axis=1)
    rests = (higher[:, :_SOLES] | touching & (np.abs(heights) < ON_FLOOR_M) & ~sunk) & ~slipping(soles, seen.fps)
    told = missed(body, seen, state, betas), found.confidence, doubted(body, resting, stages[-1], state, betas)
    return Fit(*(part.cpu().numpy() for part in (state, betas[0])), rests, *(part.cpu().numpy() for part in told), body)


def _counter(on_step: Callable[[int], None], start: int) -> Callable[[], None]:
    done = start

    def count() -> None:
        nonlocal done
        done += 1
        on_step(done)

    return count
