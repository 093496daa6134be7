# SPDX-License-Identifier: GPL-3.0-or-later
"""SKELify on points that are known in space: keypoints that several cameras saw, or joint centres of motion capture.

Three rounds of one fit of the whole motion, each from where the last one ended: without points that leap; without those that are far from
the body that this gives; and with feet held that rest on the floor.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from ...kinematics import pelvis_angles
from ..blazepose import HIPS, SHOULDERS
from ..body import BodyModel
from ..body.landmarks import trunk_axes
from ..body.stance import relaxed_pose
from ..branches import continuous
from ..fit import Config, Observations, Weights, skelify
from ..fit.scene.sightings import places as places_of
from .fit_motion import contacts, floor_height
from .point_names import TRUNK, Known

# What a person's size is read from.
_LIMBS = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("shoulder", "hip"))
_WEIGHTS = Weights(target_m=0.01)  # what several good cameras are certain of
_WRONG_M = 0.15  # farther from the body than any joint of a body with other proportions: two people mixed up, or a side
_SUDDEN_S = 0.17  # a point that is as far from its own median over so long does not count until a body says that it is right
_FLOOR_PERCENTILE = 30.0  # of a foot's height while it is slow: cameras see toes dip that do not
_ITERATIONS = (60, 30, 30)
ROUNDS = len(_ITERATIONS)


@dataclass(frozen=True)
class Fitted:
    """A motion y up over the floor y = 0."""

    poses: np.ndarray  # (T,46) rad
    betas: np.ndarray  # (10,)
    trans: np.ndarray  # (T,3) m
    soles: np.ndarray  # (T,6,3) m, the points of take.CONTACT_NAMES
    contacts: np.ndarray  # (T,6) bool
    distance: np.ndarray  # (T,K) m, of the points from where they were seen; NaN where they were not, or were wrong
    wrong: np.ndarray  # (T,K) bool, points that were left out


def fit_keypoints(body: BodyModel, places: np.ndarray, known: Known, fps: float, on_round: Callable[[], None] = lambda: None) -> Fitted:
    """Fit a body, about as large as the person, to points (T,K,3) m, y up, NaN where unseen, inside its joint limits. `on_round` hears of
    each of ROUNDS rounds."""
    points, like = known.points(body), body.J_template
    weight = torch.tensor([spot.weight for spot in known.spots]).to(like).expand(places.shape[:2])
    wrong = _sudden(places, fps)
    seen = Observations(fps=fps, lengths=(len(places),), targets=torch.as_tensor(places).to(like), target_points=points,
                        target_weight=torch.where(torch.as_tensor(wrong), 0.0, weight))  # fmt: skip
    now = _start(body, np.where(wrong[..., None], np.nan, places), known)
    for number, iterations in enumerate(_ITERATIONS):
        found = skelify(body, seen, now, Config(weights=_WEIGHTS, iterations=iterations))
        now = found.poses, found.betas, found.trans
        if number == 0:
            wrong = np.linalg.norm(places_of(body, found.state, found.betas, points) - places, axis=-1) > _WRONG_M
            seen = replace(seen, target_weight=torch.where(torch.as_tensor(wrong), 0.0, weight))
        elif number == 1:
            soles = places_of(body, found.state, found.betas, body.soles)
            floor = floor_height(soles, fps, _FLOOR_PERCENTILE)
            down = torch.tensor([0.0, floor, 0.0]).to(like)
            seen = replace(seen, targets=seen.targets - down, contacts=torch.as_tensor(contacts(soles, fps, floor)).to(like))
            now = found.poses, found.betas, found.trans - down
        on_round()
    poses = continuous(found.poses.numpy(), body.limits.numpy())
    off = np.linalg.norm(places_of(body, found.state, found.betas, points) - seen.targets.numpy(), axis=-1)
    soles = places_of(body, found.state, found.betas, body.soles)
    off[wrong] = np.nan
    return Fitted(poses, found.betas[0].numpy(), found.trans.numpy(), soles, seen.contacts.numpy() > 0, off, wrong)


def trunk_up(places: np.ndarray, known: Known) -> np.ndarray:
    """(3,) which way people stand in the axes of points (T,K,3): from the ankles, or else the hips, to the shoulders, in the median; zero
    where no frame tells."""
    told = {spot.landmark for spot in known.spots}
    feet = [name for name in ("left_ankle", "right_ankle") if name in told] or TRUNK[2:]
    high, low = (np.mean([places[:, known.row(name)] for name in names], axis=0) for names in (TRUNK[:2], feet))
    along = (high - low)[np.isfinite(high - low).all(-1)]
    return np.median(along, axis=0) if len(along) else np.zeros(3)


def size_of(body: BodyModel, places: np.ndarray, known: Known) -> float:
    """How large the person is beside the mean body, by the limbs and the trunk of points (T,K,3), each in the median over the frames."""
    at_rest = known.points(body).at_rest(torch.zeros_like(body.J_shapedirs[:1, 0]))[0].cpu().numpy()
    row = {spot.landmark: number for number, spot in enumerate(known.spots)}
    lengths = []
    for a, b in ((row.get(f"{side}_{a}"), row.get(f"{side}_{b}")) for a, b in _LIMBS for side in ("left", "right")):
        told = np.linalg.norm(places[:, a] - places[:, b], axis=-1) if a is not None and b is not None else np.empty(0)
        if np.isfinite(told).any():
            lengths.append((np.median(told[np.isfinite(told)]), np.linalg.norm(at_rest[a] - at_rest[b])))
    told, usual = np.sum(lengths, axis=0)
    return float(told / usual)


def _sudden(places: np.ndarray, fps: float) -> np.ndarray:
    """(T,K) bool, points (T,K,3) that are for some frames where they are neither before nor after."""
    half = max(2, round(0.5 * _SUDDEN_S * fps))
    around = np.pad(places, ((half, half), (0, 0), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(around, 2 * half + 1, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # windows of gaps alone, whose point is one, too
        usual = np.nanmedian(windows, axis=-1)
    return np.linalg.norm(places - usual, axis=-1) > _WRONG_M


def _start(body: BodyModel, places: np.ndarray, known: Known) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Poses, betas and trans: the trunk as hips and shoulders have it, the limbs relaxed; NaN in frames that do not show these."""
    like = body.J_template
    landmarks = torch.full((len(places), 33, 3), torch.nan).to(like)
    for numbers, names in ((SHOULDERS, TRUNK[:2]), (HIPS, TRUNK[2:])):
        landmarks[:, numbers] = torch.as_tensor(places[:, [known.row(name) for name in names]]).to(like)
    turned = trunk_axes(landmarks)
    seen = torch.isfinite(turned).all(-1).all(-1).numpy()
    poses = np.tile(relaxed_pose(), (len(places), 1))
    poses[~seen] = np.nan
    frame = body.rest_frames[0]
    poses[seen, :3] = np.unwrap(pelvis_angles((frame.T @ turned[seen] @ frame).cpu().numpy()), axis=0)
    usual = torch.zeros_like(body.J_shapedirs[:1, 0])
    hips = body.markers.at_rest(usual)[0][HIPS].mean(0) - body.J_template[0]
    pelvis = landmarks[:, HIPS].mean(1) - turned @ hips
    return torch.as_tensor(poses).to(like), usual, pelvis - body.J_template[0]
