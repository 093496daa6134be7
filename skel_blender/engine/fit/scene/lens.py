# SPDX-License-Identifier: GPL-3.0-or-later
"""What people tell of a lens that nobody knows, before a camera that stands still: they are upright, and walk on one floor.

How large somebody is seen tells his distance over the focal length, and how he is turned beside the ray to him. With the right focal length
the bodies that stand at all places have one up, and it is that of the floor through the feet. A camera that looks down sees it: people
lean outward at both sides of the picture, and are lower in it the nearer they are. A level one tells little, and who stays in one place
nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ....anatomy import DOF_INDEX, JOINT_INDEX
from ...body import BodyModel
from ...camera import toward
from ..contacts import contacts
from ..observations import Observations, View
from ..problem import depth_of
from .sightings import places, posed
from .upright import Cast, Folk, misfit

SURE = 0.20  # greatest deviation of the logarithm of a focal length that is believed
_USUAL = 0.35  # the same among what people film with: phones, webcams, camcorders, 25 to 100 degrees
_BIAS = 0.10  # and what more people do not mend: a middle that is not the picture's, a bent lens, a floor that is not flat
_TRIED = np.linspace(-1.0, 1.0, 41)  # logarithms of the focal length over the assumed one
_SHORTEST_S = 0.25  # of a foot's rest
_EVERY_S = 0.7  # what a body says more often is one word
_KNEE, _TRUNK, _STANDS = 0.5, 0.45, 0.5  # rad, rad, cosine to the image's up: of who stands or walks
_POINTS = (0, 1, 3, 4)  # heels and balls among the soles' points
_LEANEST = 1e-9


def told_focal(folk: list[Folk]) -> tuple[float, float]:
    """Mean and deviation of the logarithm of the focal length over the assumed one, by all people and by what is usual."""
    cost = np.array([misfit(Cast.of(folk, longer)) for longer in _TRIED]) + 0.5 * (_TRIED / _USUAL) ** 2
    share = np.exp(cost.min() - cost)
    share /= share.sum()
    mean = float(share @ _TRIED)
    return mean, float(np.sqrt(share @ (_TRIED - mean) ** 2 + _BIAS**2))


def witness(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor, observed: np.ndarray) -> Folk:
    """What a person tells who was fitted alone before a camera that stands still: state (T,49), betas (1,10), observed (T,) bool."""
    R = seen.view.R.cpu().numpy()
    positions = posed(body, state, betas)[1].positions.cpu().numpy() @ R.T
    hips, neck = positions[:, JOINT_INDEX["pelvis"]], positions[:, JOINT_INDEX["thorax"]]
    ankles = positions[:, [JOINT_INDEX["talus_r"], JOINT_INDEX["talus_l"]]].mean(1)
    trunk, legs, whole = (_unit(axis) for axis in (neck - hips, hips - ankles, neck - ankles))
    knees = state[:, [3 + DOF_INDEX["knee_angle_r"], 3 + DOF_INDEX["knee_angle_l"]]].amax(1).cpu().numpy()
    stands = (knees < _KNEE) & ((trunk * legs).sum(1) > np.cos(_TRUNK)) & (whole[:, 1] < -_STANDS) & observed
    up = _unit(whole[stands].mean(0) if stands.any() else np.array([0.0, -1.0, 0.0]))
    soles = places(body, state, betas, body.soles) @ R.T
    heights = soles @ up
    resting = contacts(seen, depth_of(seen.view, state).cpu().numpy(), heights - heights.min(axis=1, keepdims=True))
    spells = [(point, own) for point in _POINTS for own in _spells(resting[:, point], max(3.0, _SHORTEST_S * seen.fps))]
    when, every = np.flatnonzero(stands), max(1, round(_EVERY_S * seen.fps))
    words = [when[k : k + every] for k in range(0, len(when), every)]
    return Folk(
        _means(hips, [own for _, own in spells]), _means(soles - hips[:, None], [(own, point) for point, own in spells]),
        _means(hips, words), _unit(_means(whole, words)),
    )  # fmt: skip


def refocused(longer: float, seen: Observations, hips: torch.Tensor) -> tuple[Observations, torch.Tensor, torch.Tensor]:
    """Evidence as a lens e^longer times as long has it, before a camera in the origin, for somebody with hips (T,3) m; by which turns
    (T,3,3) of the world and which factors (T,1) on his distance he looks the same."""
    view = seen.view
    K = view.K.clone()
    K[[0, 1], [0, 1]] *= np.exp(longer)
    before = hips @ view.R.mT
    after = before * before.new_tensor([1.0, 1.0, np.exp(longer)])
    turns = toward(after) @ toward(before).mT
    in_world = view.R.mT @ turns @ view.R
    changed = {"view": View(K, view.R, view.t), "landmarks_3d": seen.landmarks_3d @ turns.mT}
    if seen.prior_turns is not None:
        changed["prior_turns"] = in_world @ seen.prior_turns
    return replace(seen, **changed), in_world, (after.norm(dim=-1) / before.norm(dim=-1))[:, None]


def _spells(flags: np.ndarray, shortest: float) -> list[slice]:
    """Runs of frames that are at least so long."""
    edges = np.flatnonzero(np.diff(flags.astype(int), prepend=0, append=0))
    return [slice(start, end) for start, end in zip(edges[::2], edges[1::2]) if end - start >= shortest]


def _means(values: np.ndarray, parts: list) -> np.ndarray:
    """(n,3) the means of parts of values (T,3) or (T,P,3)."""
    return np.array([values[part].mean(axis=0) for part in parts]).reshape(-1, 3)


def _unit(axes: np.ndarray) -> np.ndarray:
    return axes / np.maximum(np.linalg.norm(axes, axis=-1, keepdims=True), _LEANEST)
