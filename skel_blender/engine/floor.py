# SPDX-License-Identifier: GPL-3.0-or-later
"""The floor that people walk on, from what each of them tells, and how the camera stands over it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.optimize import least_squares

# Deviations of what tells where up is: a camera is held about level at chest height, a standing body is upright, trunks roughly so,
# and feet share one plane, up to the error of their depth, which is a part of it for those who are far off.
_ROLL, _PITCH, _BODY, _TRUNK = math.radians(8), math.radians(15), math.radians(5), math.radians(30)
_HEIGHT_M, _HEIGHT_SPREAD_M, _DEPTH_M, _DEPTH = 1.5, 1.0, 0.4, 0.06
# A camera that goes keeps its height over a floor that is about level, but for a hand's sway.
_SLOPE, _SWAY_M = math.radians(1.5), 0.02
_WAYS = 16  # weaker sightings that each way, and the ground, counts as: only what is far off is an outlier, as a crane's way
_BODIES, _TRUNKS = 6, 1  # sightings that all frames' bodies and trunks are worth: who leans, as in a sit-up, leans all the time
# Somebody whose feet would be on the floor if he were this much nearer or farther, and so smaller or larger, stands on it.
_SAME_FLOOR = (0.75, 1.35)
_RESIZED = (0.88, 1.14)  # but is not made smaller or larger than this
# Most people stand on one floor, as far as their sizes are what they are taken for, and so their levels below a camera that is not lower
# than so: weaker sightings that this counts as for each.
_SIZE, _LOW_M, _LEVELS = 0.07, 0.3, 12
_SUPPORT = 0.2  # a level that fewer feet than this part of the most tell of is no floor
# Who rests at heights that differ by more than this, and by more of the camera's height over them than depths' errors do, is on stairs. And
# if trunks lean from a plane's normal by more than this, the plane is a slope through such: up is then read from trunks and bodies alone.
_CLIMB_M, _CLIMB_DEPTH, _RESTS = 0.3, 0.13, 20
_AGAINST = math.radians(20)
_STRAIGHT, _STRAIGHTS = math.radians(15), 6  # what trunks are worth then
_CELL_M = 0.5  # feet nearer to each other than this are one sighting
_GRAZING = 0.05  # least cosine of a ray on the floor
_PITCHES = (-0.6, -0.3, 0.0, 0.3)  # rad, where the search starts
# Several starts end at equal cost, and rounding chooses among them: with SciPy's usual stops the floor would differ by micrometres.
_ENDS = {"ftol": 1e-13, "xtol": 1e-13, "gtol": 1e-13}


@dataclass(frozen=True)
class Floor:
    """A plane in a level camera's y-up axes: points X with up . X = height (m)."""

    up: np.ndarray
    height: float
    levels: tuple[float, ...]  # the height that each person alone seems to stand on
    sized: tuple[bool, ...] = ()  # who is not made smaller or larger; nobody where empty
    climbs: tuple[bool, ...] = ()  # who is on stairs or a slope, and on the floor at his lowest; nobody where empty

    def nearer(self, person: int) -> float:
        """By what factor to scale a person's distance so that his feet meet the floor; 1 if his size is known or he stands elsewhere."""
        if any(flags and flags[person] for flags in (self.sized, self.climbs)):
            return 1.0
        ratio = self.height / self.levels[person] if self.levels[person] * self.height > 0 else np.inf
        return float(np.clip(ratio, *_RESIZED)) if _SAME_FLOOR[0] < ratio < _SAME_FLOOR[1] else 1.0


@dataclass(frozen=True)
class Sightings:
    """What one person tells about the floor, in a level camera's y-up axes; each part may be empty.

    feet (N,3) m are resting sole points, frame by frame, bodies (M,3) unit axes of the body standing upright, trunks (L,3) of any trunk.
    eyes (N,3) m: where the camera was that saw the feet; None: in the origin. sized: whether his size, and so his distance, is known.
    under (U,3) m: his lowest sole where the trunk tells, or what is below him if it never does, where the floor is if no feet are seen to
    rest; empty: nobody knows. on_hands: whether the feet are hands, all of them.
    """

    feet: np.ndarray
    bodies: np.ndarray
    trunks: np.ndarray
    eyes: np.ndarray | None = None
    sized: bool = False
    under: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    on_hands: bool = False


def find_floor(people: list[Sightings], path: np.ndarray | None = None, ground: np.ndarray | None = None) -> Floor:
    """The floor by robust least squares on the camera's roll and pitch and a height per person, who may stand on something, or climb.

    path (T,3) m: the camera's places, of one that goes, in the same axes; ground (3,): the up of the ground that it shows. A path tells
    of up only beside somebody upright: alone, one that rises would be taken for level.
    """
    if not any(len(person.bodies) or len(person.trunks) for person in people):
        path = None
    up, heights = _plane(people, path, ground)
    if path is None and _is_slope(people, up):
        resting_nowhere = [replace(person, feet=person.feet[:0], eyes=None) for person in people]
        straight = _plane(resting_nowhere, None, None, (_STRAIGHT, _STRAIGHTS))[0]
        up = straight if any(_climbs(person, straight) for person in people) else up
    climbs = tuple(_climbs(person, up) for person in people)
    for k, person in enumerate(people):
        if climbs[k]:
            heights[k] = float(np.percentile(person.feet @ up, 5))
        elif len(person.under) and not len(person.feet):  # where he must be, though nobody sees it
            heights[k] = float(np.median(person.under @ up))
    return Floor(up, _ground(people, heights), tuple(heights), tuple(person.sized for person in people), climbs)


def _plane(people: list[Sightings], path: np.ndarray | None, ground: np.ndarray | None, trunk: tuple[float, int] = (_TRUNK, _TRUNKS)
           ) -> tuple[np.ndarray, list[float]]:  # fmt: skip
    """Up (3,) and each person's height; trunks tell of up to within an angle, and all of a person's are worth so many sightings.

    A foot's error lies along its ray, so it is measured along the ray too: a plane through the camera, which would explain any
    depths, costs most. Frames in a row tell the same story: all feet within one cell count as one sighting, all bodies as a few.
    """
    feet = np.concatenate([person.feet for person in people])
    whose = np.repeat(np.arange(len(people)), [len(person.feet) for person in people])
    rays = np.concatenate([_rays(person) for person in people])
    away = np.linalg.norm(rays, axis=1, keepdims=True)
    rays, weight = rays / away, 1.0 / (np.maximum(_DEPTH_M, _DEPTH * away[:, 0]) * np.sqrt(_crowd(feet)))
    bodies, bodies_weight = _share([person.bodies for person in people], _BODY, _BODIES)
    trunks, trunks_weight = _share([person.trunks for person in people], *trunk)
    ways, ways_weight = _ways(path)
    grounds = np.zeros((0, 3)) if ground is None else np.tile(ground, (_WAYS, 1))

    def stood_on(up: np.ndarray, heights: np.ndarray) -> list[np.ndarray]:
        grazing = np.maximum(np.abs(rays @ up), _GRAZING)
        return [(heights + _HEIGHT_M) / _HEIGHT_SPREAD_M, weight * (feet @ up - heights[whose]) / grazing]

    def residuals(unknown: np.ndarray, fading: bool) -> np.ndarray:
        up, level, heights = _up(*unknown[:2]), unknown[2], unknown[3:]
        apart = (heights[stands] - level) / (_SIZE * max(abs(level), _LOW_M))
        same = np.repeat(apart / np.sqrt(1.0 + apart**2) if fading else apart, _LEVELS)
        return np.concatenate([
            unknown[:2] / (_ROLL, _PITCH), *stood_on(up, heights), same, (bodies_weight * (up - bodies)).reshape(-1),
            (trunks_weight * (up - trunks)).reshape(-1), ways_weight * (ways @ up),
            (up - grounds).reshape(-1) / (_SLOPE * math.sqrt(_WAYS)),
        ])  # fmt: skip

    standing = [k for k, person in enumerate(people) if len(person.feet)]
    stands = standing if len(standing) > 1 else []
    lowest = [float(np.median(person.feet[:, 1])) if len(person.feet) else -_HEIGHT_M for person in people]
    fits = [least_squares(residuals, [0.0, pitch, -_HEIGHT_M, *lowest], loss="cauchy", args=(False,), **_ENDS) for pitch in _PITCHES]
    near = min(fits, key=lambda fit: fit.cost).x
    # who stands elsewhere drew all others a little to where he is: now he does not count
    roll, pitch, _, *heights = least_squares(residuals, near, loss="cauchy", args=(True,), **_ENDS).x if stands else near
    up = _up(roll, pitch)
    # a level that all would share tells where up is; where somebody stands, his own feet tell
    return up, least_squares(lambda heights: np.concatenate(stood_on(up, heights)), heights, loss="cauchy", **_ENDS).x.tolist()


def _rays(person: Sightings) -> np.ndarray:
    """(N,3) m, from the camera that saw them to a person's feet."""
    return person.feet - (0.0 if person.eyes is None else person.eyes)


def _is_slope(people: list[Sightings], up: np.ndarray) -> bool:
    """Whether all trunks together lean far from a plane's normal."""
    trunk = np.concatenate([person.trunks for person in people]).sum(0)
    return bool(trunk @ up < math.cos(_AGAINST) * np.linalg.norm(trunk))


def _climbs(person: Sightings, up: np.ndarray) -> bool:
    """Whether a person's feet rest, one after the other, at heights that no error of their depth explains."""
    if len(person.feet) < _RESTS:
        return False
    heights = uniform_filter1d(person.feet @ up, len(person.feet) // 10, mode="nearest")  # what a moment has alone is an error
    rise = float(np.ptp(np.percentile(heights, [5, 95])))
    away = _rays(person)
    drop = max(float(np.median(np.abs(away @ up))), _GRAZING * float(np.median(np.linalg.norm(away, axis=1))))
    return rise > max(_CLIMB_M, _CLIMB_DEPTH * drop)


def _ground(people: list[Sightings], heights: list[float]) -> float:
    """The level of the first (most prominent) person, or of the first one who stands so much lower that his size can't be the reason;
    of those whose size is known, if there are any."""
    enough = _SUPPORT * max(len(person.feet) for person in people)
    everybody = [(height, person.sized, len(person.feet) >= enough) for height, person in zip(heights, people)]
    below = [one for one in everybody if one[0] < 0.0] or everybody  # nobody walks on what is above the camera while others are below
    standing = [(height, sized) for height, sized, stands in below if stands] or [(height, sized) for height, sized, _ in below]
    levels = [height for height, sized in standing if sized] or [height for height, _ in standing]
    return next((level for level in levels if level < levels[0] * _SAME_FLOOR[1]), levels[0])


def _share(axes: list[np.ndarray], deviation: float, worth: int) -> tuple[np.ndarray, np.ndarray]:
    """All axes (N,3) and their weights (N,1): a person's many frames are worth a few sightings."""
    weights = [np.full((len(a), 1), math.sqrt(worth / max(worth, len(a))) / deviation) for a in axes]
    return np.concatenate(axes), np.concatenate(weights)


def _ways(path: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Unit axes (n,3) along which a camera goes most, and their weights (n,); none of one that stays."""
    if path is None:
        return np.zeros((0, 3)), np.zeros(0)
    _, extent, axes = np.linalg.svd(path - path.mean(axis=0), full_matrices=False)
    extent = np.maximum(extent[:2] / math.sqrt(len(path)), 1e-6)
    weight = 1.0 / np.hypot(_SLOPE, _SWAY_M / extent)
    return np.repeat(axes[:2], _WAYS, axis=0), np.repeat(weight, _WAYS) / math.sqrt(_WAYS)


def _crowd(feet: np.ndarray) -> np.ndarray:
    """(N,) how many of the points (N,3) share a point's cell."""
    if not len(feet):
        return np.ones(0)
    _, cell, count = np.unique(np.floor(feet / _CELL_M), axis=0, return_inverse=True, return_counts=True)
    return count[cell.reshape(-1)]


def _up(roll: float, pitch: float) -> np.ndarray:
    """The up direction of a camera rolled and pitched."""
    return np.array([math.sin(roll), math.cos(roll) * math.cos(pitch), math.cos(roll) * math.sin(pitch)])


def level_world(floor: Floor, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R (3,3), t (3,): X_world = R X + t puts the floor at y = 0 and `origin`'s foot point at x = z = 0; the camera still
    looks toward -z."""
    up = floor.up
    back = np.array([0.0, 0.0, 1.0]) - up[2] * up
    back /= np.linalg.norm(back)
    R = np.stack([np.cross(up, back), up, back])
    moved = R @ origin
    return R, -np.array([moved[0], floor.height, moved[2]])
