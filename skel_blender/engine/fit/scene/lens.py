# SPDX-License-Identifier: GPL-3.0-or-later
"""The focal length of an unknown lens, estimated from people in front of a still camera: they are upright, and walk on one floor.

How large somebody is seen tells his distance over the focal length, and how he is turned beside the ray to him. With the right focal length
the bodies that stand at all places have one up, and it is that of the floor through the feet. A camera that looks down sees it: people
lean outward at both sides of the picture, and are lower in it the nearer they are. A level one tells little, and who stays in one place
nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ...body import BodyModel
from ...camera import R_CAM_LEVEL, toward
from ..contacts import contacts, spells
from ..observations import Observations, View
from ..problem import depth_of
from .sightings import legs_shown, places, stance_of
from .upright import LensEvidence, Refocused, misfit

SURE = 0.20  # an estimate of the focal length's logarithm with a larger standard deviation is not used
_USUAL = 0.35  # that of the prior over what people film with: phones, webcams, camcorders, 25 to 100 degrees
_BIAS = 0.10  # and of errors that more people do not average out: an off-centre principal point, a distorting lens, an uneven floor
_TRIED = np.linspace(-1.0, 1.0, 41)  # logarithms of the focal length over the assumed one
_SHORTEST_S = 0.25  # of a foot's rest
_EVERY_S = 0.7  # of a standing body, frames within this time make one measurement
_PLACE_M, _MOST = 0.5, 3  # at most so many measurements per place: whoever stays there repeats his errors too
_TRUNK = 0.45  # rad, greatest angle between trunk and legs of somebody who stands or walks
_POINTS = (0, 1, 3, 4)  # heels and balls among the soles' points
_LEANEST = 1e-9


def told_focal(people: list[LensEvidence]) -> tuple[float, float]:
    """Posterior mean and standard deviation of log(focal length / assumed one), from everybody's evidence and the prior of usual lenses."""
    cost = np.array([misfit(Refocused.of(people, longer)) for longer in _TRIED]) + 0.5 * (_TRIED / _USUAL) ** 2
    share = np.exp(cost.min() - cost)
    share /= share.sum()
    mean = float(share @ _TRIED)
    return mean, float(np.sqrt(share @ (_TRIED - mean) ** 2 + _BIAS**2))


def lens_evidence(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor, observed: np.ndarray) -> LensEvidence:
    """The evidence of a person fitted alone in front of a camera that hardly moves: state (T,49), betas (1,10), observed (T,) bool."""
    R = R_CAM_LEVEL
    stance = stance_of(body, state, betas, _TRUNK)
    hips, whole, stands = stance.hips @ R.T, stance.whole @ R.T, stance.stands & observed & legs_shown(seen)
    up = _unit(whole[stands].mean(0) if stands.any() else np.array([0.0, -1.0, 0.0]))
    soles = places(body, state, betas, body.soles) @ R.T
    heights = soles @ up
    resting = contacts(seen, depth_of(seen.view, state).cpu().numpy(), heights - heights.min(axis=1, keepdims=True))
    rests = [(point, own) for point in _POINTS for own in _by_place(hips, spells(resting[:, point], max(3.0, _SHORTEST_S * seen.fps)))]
    when, every = np.flatnonzero(stands), max(1, round(_EVERY_S * seen.fps))
    stood = _by_place(hips, [when[k : k + every] for k in range(0, len(when), every)])
    return LensEvidence(
        _means(hips, [own for _, own in rests]), _means(soles - hips[:, None], [(own, point) for point, own in rests]),
        _means(hips, stood), _unit(_means(whole, stood)),
    )  # fmt: skip


def longer_view(view: View, longer: float) -> View:
    """A view through a lens e^longer times as long."""
    K = view.K.clone()
    K[..., [0, 1], [0, 1]] *= np.exp(longer)
    return View(K, view.R, view.t)


def refocused(view: View, longer: float, seen: Observations, hips: torch.Tensor) -> tuple[Observations, torch.Tensor, torch.Tensor]:
    """Evidence as a `view` through a lens e^longer times as long has it, both cameras in the origin, for somebody with hips (T,3) m; by
    which turns (T,3,3) of the world and which factors (T,1) on his distance he looks the same."""
    before = seen.view.see(hips[:, None])[:, 0]
    after = before * before.new_tensor([1.0, 1.0, np.exp(longer)])
    turns = toward(after) @ toward(before).mT
    in_world = view.R.mT @ turns @ seen.view.R
    changed = {"view": view, "landmarks_3d": seen.landmarks_3d @ turns.mT}
    if seen.prior_turns is not None:
        changed["prior_turns"] = in_world @ seen.prior_turns
    return replace(seen, **changed), in_world, (after.norm(dim=-1) / before.norm(dim=-1))[:, None]


def _by_place(hips: np.ndarray, parts: list[np.ndarray]) -> list[np.ndarray]:
    """Merges parts of the frames (T,) in which the hips (T,3) are at about one place, until at most _MOST are of that place."""
    where = _means(hips, parts)
    place, first = np.zeros(len(parts), int), np.zeros((0, 3))
    for k, at in enumerate(where):
        near = np.flatnonzero(np.linalg.norm(first - at, axis=1) < _PLACE_M)
        place[k] = near[0] if len(near) else len(first)
        first = first if len(near) else np.vstack([first, at])
    groups = [np.flatnonzero(place == k) for k in range(len(first))]
    return [np.concatenate([parts[k] for k in few]) for group in groups for few in np.array_split(group, min(len(group), _MOST))]


def _means(values: np.ndarray, parts: list) -> np.ndarray:
    """(n,3) the means of parts of values (T,3) or (T,P,3)."""
    return np.array([values[part].mean(axis=0) for part in parts]).reshape(-1, 3)


def _unit(axes: np.ndarray) -> np.ndarray:
    return axes / np.maximum(np.linalg.norm(axes, axis=-1, keepdims=True), _LEANEST)
