# SPDX-License-Identifier: GPL-3.0-or-later
"""The shots of a clip that is cut: each has a camera, a floor and people of its own; one after the other they make one Take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..kinematics import R_ZUP_YUP
from ..messages import Log
from ..take import Camera
from .background import Background
from .camera import CameraMotion
from .fit.observations import View
from .fit.people import Fit
from .footage.video import Source
from .people.tracks import Track

_NAMED = 8  # cuts that a log lists


@dataclass(frozen=True)
class Shot:
    """Frames (T,) without a cut, the tracks of people in them, the lens K (3,3) px, whether that is known or assumed, and the camera's
    motion; None: it does not move."""

    frames: np.ndarray
    tracks: list[Track]
    K: np.ndarray
    lens_known: bool = False
    motion: CameraMotion | None = None

    def lenses(self, track: Track) -> np.ndarray:
        """(n,3,3) px, K of a track's frames."""
        return np.tile(self.K, (len(track.frames), 1, 1)) if self.motion is None else self.motion.lenses(track.frames)


@dataclass(frozen=True)
class Fitted:
    """A shot with everybody's fit, None where no body explains a track, and the camera over the floor of this shot."""

    shot: Shot
    fits: list[Fit | None]
    view: View

    @property
    def found(self) -> list[tuple[Track, Fit]]:
        """The tracks that were fitted, with their fits."""
        return [(track, fit) for track, fit in zip(self.shot.tracks, self.fits, strict=True) if fit is not None]

    def camera(self) -> Camera:
        """Lens, zoom and place in each of the shot's frames."""
        motion, count = self.shot.motion, len(self.shot.frames)
        world_to_cam = np.tile(np.eye(4), (count, 1, 1))
        world_to_cam[:, :3, :3] = self.view.R.cpu().numpy() @ R_ZUP_YUP.T
        world_to_cam[:, :3, 3] = self.view.t.cpu().numpy()
        if motion is None:
            return Camera(self.view.K.cpu().numpy(), world_to_cam, np.ones(count))
        return Camera(motion.K, world_to_cam, motion.zoom)


class Backgrounds:
    """The background of each shot, by its first frame, followed while the footage is read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.by_first: dict[int, Background] = {}

    def see(self, number: int, image: np.ndarray, people: list[np.ndarray]) -> None:
        """As Background.see, for the shot that the frame is in."""
        if not self.by_first or number in self._source.cuts:
            self.end()
            self.by_first[number] = Background(self._source.size)
        self.by_first[max(self.by_first)].see(number, image, people)

    def end(self) -> None:
        """No frame of the latest shot follows."""
        if self.by_first:
            self.by_first[max(self.by_first)].end()


def shots(source: Source, tracks: list[Track], lens: Callable[[int], tuple[np.ndarray, bool]]) -> list[Shot]:
    """The shots of footage that has been read, with the tracks of each. lens(first frame of a shot): its K (3,3) px, and whether it is
    known."""
    frames = np.array(source.frame_numbers)
    bounds = np.searchsorted(frames, [frames[0], *source.cuts, frames[-1] + 1])
    stretches = [frames[begin:end] for begin, end in pairwise(bounds)]
    return [Shot(part, [track for track in tracks if part[0] <= track.frames[0] <= part[-1]], *lens(int(part[0]))) for part in stretches]


def side_by_side(fitted: list[Fitted], frames: np.ndarray) -> Camera:
    """The camera of a Take of the frames (T,). In a shot without people it stays as it was at the end of the one before."""
    cameras = [part.camera() for part in fitted]
    rows = np.searchsorted(np.concatenate([part.shot.frames for part in fitted]), frames, side="right") - 1
    rows, K = np.maximum(rows, 0), cameras[0].K
    zoom = np.concatenate([camera.zoom * (camera.K[0, 0] / K[0, 0]) for camera in cameras])[rows]
    return Camera(K, np.concatenate([camera.world_to_cam for camera in cameras])[rows], zoom if np.ptp(zoom) else None)


def cut_at(cuts: list[int], frames: int) -> Log:
    """What the user is told of cuts in footage of so many frames."""
    each = "has people, a camera and a floor of its own; --cuts=off (in Blender: Options) treats all as one shot."
    if len(cuts) == frames - 1:
        return Log("info", f"The images are photos, not frames of a film. Each {each}")
    at, more = ", ".join(map(str, cuts[:_NAMED])), f" and {len(cuts) - _NAMED} more" if len(cuts) > _NAMED else ""
    text = f"The footage is cut; new shots begin at frame{'s' * (len(cuts) > 1)} {at}{more}."
    return Log("info", f"{text} Each {each}")
