# SPDX-License-Identifier: GPL-3.0-or-later
"""From the readings of a person by frame to a clean track without holes, and who is worth keeping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..blazepose import ACROSS, HIPS, LIMBS
from ..interpolation import interpolated
from .exchanges import without_exchanges
from .identities import identified
from .landmarker import Pose
from .mirror import averaged
from .person import Person
from .poses import extent, scale
from .sides import steadiest

SHORTEST_S, SHORTEST_FRAMES = 0.4, 6  # whoever is seen for less is no track
APPARITION_S, APPARITION_M = 1.5, 0.4  # see _apparition: longest time, and longest way
MOMENT_S = 0.15  # a stretch between two leaps that is shorter is a guess
INSIDE = 0.75  # of the limb joints that a person usually shows, the least share in the image where his track begins and ends
LEAP_M, LEAP_M_S = 0.6, 2.0  # mean change of the limb joints, in the image plus in 3D, that is no motion, and what is added per second


@dataclass(frozen=True)
class Track:
    """One person from the first to the last frame, without holes.

    frames (T,) int, consecutive; keypoints_2d (T,33,3): x, y px, confidence 0..1; landmarks_3d (T,33,3): metres, camera
    axes (x right, y down, z away), relative to mid-hip; observed (T,) bool: False where the person was not seen and the
    values are interpolated (confidence 0). number is the person's, from 1; 0 where nobody is numbered. outline (T,11,4): px, see
    `outline.across`, of the parts of blazepose.ACROSS; None where nobody looked for it.
    """

    frames: np.ndarray
    keypoints_2d: np.ndarray
    landmarks_3d: np.ndarray
    observed: np.ndarray
    number: int = 0
    outline: np.ndarray | None = None

    @property
    def visibility(self) -> np.ndarray:
        """(T,) 0..1, how well the limbs are seen."""
        return self.keypoints_2d[:, LIMBS, 2].mean(axis=1) * self.observed


def finished(people: list[Person], fps: float, first: int, last: int, size: tuple[int, int]) -> list[Track]:
    """Tracks of the people worth keeping in a clip of frames `first` to `last` and of `size` px, the most prominent first."""
    return sorted(worth_keeping(identified(people, fps), fps, first, last, size), key=lambda track: -prominence(track))


def worth_keeping(people: list[Person], fps: float, first: int, last: int, size: tuple[int, int]) -> list[Track]:
    """The tracks of those who are real, and seen for more than a moment, of a clip of frames `first` to `last` and of `size` px."""
    real = [p for p in people if len(p.readings) >= fewest(fps, last - first + 1) and p.is_real()]
    tracks = [track_of(p, fps, size) for p in real if not _apparition(p.readings, fps, first, last)]
    return [track for track in tracks if len(track.frames)]


def fewest(fps: float, frames: int) -> float:
    """In how many frames, of a shot of so many, a person must be seen to be kept."""
    return min(max(SHORTEST_S * fps, SHORTEST_FRAMES), frames)


def track_of(person: Person, fps: float, size: tuple[int, int]) -> Track:
    """A person's track in images of `size` px, cleaned of what can't be true; without frames if he is nowhere inside them."""
    return cut_to_image(_cleaned(person, fps), size)


def cut_to_image(track: Track, size: tuple[int, int]) -> Track:
    """The track while the person is in the image, not before and after; a landmark outside the image is a guess of confidence 0."""
    keypoints = track.keypoints_2d.copy()
    inside = ((keypoints[..., :2] >= 0) & (keypoints[..., :2] < size)).all(-1)
    keypoints[~inside, 2] = 0
    shown = inside[:, LIMBS].mean(axis=1)
    usual = np.median(shown[track.observed])
    present = np.flatnonzero(track.observed & (shown > 0) & (shown >= INSIDE * usual))
    kept = slice(present[0], present[-1] + 1) if len(present) else slice(0)
    outline = None if track.outline is None else track.outline[kept]
    return Track(track.frames[kept], keypoints[kept], track.landmarks_3d[kept], track.observed[kept], track.number, outline)


def _apparition(readings: dict[int, list[Pose]], fps: float, first: int, last: int) -> bool:
    """Whether somebody comes from nowhere, stays in place and is gone again before long, as a chair leg that looks like one does."""
    if min(readings) <= first or max(readings) >= last or max(readings) - min(readings) > APPARITION_S * fps:
        return False
    hips = np.array([readings[n][0].keypoints_2d[HIPS, :2].mean(0) for n in sorted(readings)])
    px_per_m = float(np.median([scale(poses[0])[0] for poses in readings.values()]))
    return bool(np.hypot(*np.ptp(hips, axis=0)) < APPARITION_M * px_per_m)


def prominence(track: Track) -> float:
    """Sum over frames of the person's size in px times the confidence."""
    return float(sum(extent(k) * k[LIMBS, 2].mean() for k in track.keypoints_2d[track.observed]))


def _cleaned(person: Person, fps: float) -> Track:
    """The track of a person's readings: one reading of each frame, averaged with the mirror's, with sides put right, without leaps and
    crumbs, and without holes."""
    readings = person.readings
    seen = np.array(sorted(readings))
    keypoints, landmarks, outline = steadiest(seen, [readings[n] for n in seen])
    px_per_m = float(np.median([scale(readings[n][0])[0] for n in seen]))
    mirrored = [person.mirrored[n].result() if n in person.mirrored else None for n in seen]
    keypoints, landmarks = averaged(keypoints, landmarks, mirrored, px_per_m)
    points = without_exchanges(seen, np.concatenate([keypoints, landmarks, outline], -1), px_per_m, fps)
    keypoints, landmarks, outline = points[..., :3], points[..., 3:6], points[..., 6:]
    steady = _steady(seen, keypoints, landmarks, px_per_m, fps)
    kept = np.flatnonzero(steady)
    kept = kept[_without_crumbs(seen[kept], fps)]
    return without_holes(seen[kept], keypoints[kept], landmarks[kept], outline[kept][:, list(ACROSS)])


def without_holes(seen: np.ndarray, keypoints: np.ndarray, landmarks: np.ndarray, outline: np.ndarray | None) -> Track:
    """The track of somebody who was seen at the frames `seen` (S,), in order: keypoints (S,33,3), landmarks (S,33,3) and outline (S,11,4),
    see Track."""
    frames = np.arange(seen[0], seen[-1] + 1)
    observed = np.isin(frames, seen)
    keypoints, landmarks = (interpolated(frames, seen, values).astype(np.float32) for values in (keypoints, landmarks))
    keypoints[~observed, :, 2] = 0
    if outline is not None:
        measured = np.full((len(frames), *outline.shape[1:]), np.nan, np.float32)
        measured[observed], outline = outline, measured
    return Track(frames, keypoints, landmarks, observed, outline=outline)


def joined(*parts: Track | None) -> Track | None:
    """One person's parts as one track, None of none; where parts overlap the first one counts."""
    there = [part for part in parts if part is not None]
    if not there:
        return None
    measured = all(part.outline is not None for part in there)
    names = ("frames", "keypoints_2d", "landmarks_3d", *(["outline"] if measured else []))
    frames, *values = (np.concatenate([getattr(part, name)[part.observed] for part in there]) for name in names)
    frames, rows = np.unique(frames, return_index=True)  # the first of each frame
    keypoints, landmarks, *outline = (value[rows] for value in values)
    return without_holes(frames, keypoints, landmarks, outline[0] if measured else None)


def _steady(frames: np.ndarray, keypoints: np.ndarray, landmarks: np.ndarray, px_per_m: float, fps: float) -> np.ndarray:
    """(S,) False for the poses of frames (S,) between two leaps, or between a leap and an end, that last only a moment.

    Such are guesses at somebody who is all but hidden: as he comes in, goes out or passes behind something.
    """
    flat = np.linalg.norm(np.diff(keypoints[:, LIMBS, :2], axis=0), axis=2).mean(1) / px_per_m
    deep = np.linalg.norm(np.diff(landmarks[:, LIMBS], axis=0), axis=2).mean(1)
    leaps = flat + deep > LEAP_M + LEAP_M_S * np.diff(frames) / fps
    parts = np.concatenate([[0], np.cumsum(leaps)])
    lengths = np.bincount(parts)
    long = lengths >= min(MOMENT_S * fps, lengths.max())
    return long[parts]


def _without_crumbs(frames: np.ndarray, fps: float) -> slice:
    """Of the poses of frames (S,), in order, those between its ends' crumbs: a few frames beyond a hole that is longer than they last.

    Such are guesses at somebody who has gone, as behind the hand that stops the camera.
    """
    holes = np.flatnonzero(np.diff(frames) > 1)
    begins, ends = np.array([0, *(holes + 1)]), np.array([*holes, len(frames) - 1])
    first, last, brief = 0, len(begins) - 1, SHORTEST_S * fps
    while first < last and _is_crumb(frames[ends[first]] - frames[begins[first]], frames[begins[first + 1]] - frames[ends[first]], brief):
        first += 1
    while first < last and _is_crumb(frames[ends[last]] - frames[begins[last]], frames[begins[last]] - frames[ends[last - 1]], brief):
        last -= 1
    return slice(begins[first], ends[last] + 1)


def _is_crumb(lasts: int, hole: int, brief: float) -> bool:
    return lasts + 1 < min(hole - 1, brief)
