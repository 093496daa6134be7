# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows the background of a clip, frame by frame, and estimates how the camera turned and zoomed, or the path that it took."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..camera import CameraMotion, intrinsics
from .bundle import Cameras
from .corners import SIDE, Matches, beside, between_bars, find_corners, match, moved, reduced
from .keyframes import Keyframe, Keyframes, RoughCamera, chained
from .links import Link, gather, link
from .motion import Findings, about_middle, confirmed, moves, solve, turned_off
from .trails import Trails, moving

if TYPE_CHECKING:
    from .camera_path import CameraPath

_STRONG = 0.5  # share of the most corners that a keyframe has ever shared with another frame, with which it still serves
_LEAST_CORNERS = 25  # of a keyframe
_TRIED = 3  # keyframes to look for at a time
_NEAR_PX, _TURNS = 1.5, 0.9  # turns that take such a part of the corners so near to where they are, are all that the camera does
_AGAIN = 10  # frames between looks for another keyframe than the one in use


@dataclass(frozen=True)
class _Frame:
    """A frame's number, its grey image (h,w), and the mask (h,w) of its background."""

    number: int
    grey: np.ndarray
    mask: np.ndarray


class Background:
    """Corners of the background of a clip whose frames come in order, and what they tell of the camera.

    size (w,h) px of the frames. After `motion`, `findings` says how far to trust it. Every frame is linked to the one before and to a
    keyframe, an earlier frame that shows the same place: so nothing adds up over many frames, and who pans back arrives where he was.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.findings = Findings()
        scale = min(1.0, SIDE / max(size))
        self._size, self._reduced = np.array(size), tuple(max(1, round(side * scale)) for side in size)
        self._lens = intrinsics(self._reduced)  # assumed: it tells where to look for a keyframe
        self._keyframes = Keyframes(self._lens)
        self._active: Keyframe | None = None
        self._H = np.eye(3)  # from the active keyframe to the latest frame
        self._latest: _Frame | None = None
        self._corners = np.zeros((0, 2), np.float32)  # of the latest frame
        self._links: list[Link] = []
        self._trails = Trails()
        self._rough: list[RoughCamera] = []  # of all frames
        self._first = 0
        self._area = 0  # px of the picture, without black bars: the most so far, as in the dark it may seem smaller

    def see(self, number: int, image: np.ndarray, people: list[np.ndarray]) -> None:
        """Take the next frame, RGB (H,W,3), and the keypoints_2d (33,2 or 3) px of those who are in it."""
        grey = reduced(image, self._reduced)
        shown = [points[:, :2] * (self._reduced / self._size) for points in people]
        picture, mask = between_bars(image, grey.shape), np.zeros_like(grey)
        mask[picture] = beside(shown, grey.shape)[picture]
        self._area = max(self._area, mask[picture].size)
        frame = _Frame(number, grey, mask)
        if self._latest is None:
            self._first = number
        else:
            step = match(self._latest.grey, grey, self._corners, frame.mask)
            if step is not None:
                self._links.append(link(self._latest.number, number, step, self._area))
                self._H = step.H @ self._H
        held = None if self._active is None else self._look(self._active, frame, self._H)
        if held is None or not self._serves(self._active, held):
            self._change(frame, held)
        else:
            self._use(self._active, held)
            if number % _AGAIN == 0:
                self._look_elsewhere(frame)
        self._trails.see(grey, frame.mask)
        self._latest = frame
        self._rough += [self._camera()] * (number - self._first + 1 - len(self._rough))

    def end(self) -> None:
        """No frame follows: images are let go, which only frames to come would need."""
        self._keyframes, self._active, self._latest = Keyframes(self._lens), None, None
        self._trails.end()

    def motion(self, K: np.ndarray, lens_known: bool) -> CameraMotion | None:
        """How the camera turned and zoomed, or went; None if it stood still or nothing tells.

        K (3,3) px of the frames; where `lens_known` is False and the motion tells the focal length, the motion's K has that one.
        """
        self.findings = Findings()
        if not moves(self._links, len(self._rough)):
            return None
        scale = self._reduced[0] / self._size[0]
        stretch, principal = scale * self._size / self._reduced, scale * K[:2, 2]
        links = gather(self._links, self._first, stretch, principal)
        focal = scale * float(K[0, 0])
        turns = chained(self._rough, self._lens[0, 0] / focal)
        start = Cameras(turns, focal, np.zeros(len(turns)))
        cameras, self.findings = solve(links, start, max(self._reduced), lens_known)
        path = self._path(cameras, focal, stretch, principal, lens_known)
        lens = K.astype(float)
        if path is not None:
            self.findings = path.findings
            lens[:2, :2] *= path.focal / focal
            return CameraMotion(self._first, lens, path.turns, np.ones(len(turns)), path.places, path.ground)
        if not confirmed(links, cameras):
            return None
        lens[:2, :2] *= cameras.focal / focal
        return CameraMotion(self._first, lens, about_middle(cameras.turns), np.exp(cameras.zoom))

    def _path(self, cameras: Cameras, focal: float, stretch: np.ndarray, principal: np.ndarray, lens_known: bool) -> CameraPath | None:
        """The camera's path, where it leaves its place; focal (px), stretch (2,) and principal (2,) px as for `gather`."""
        followed = self._trails.followed()
        followed = replace(followed, px=(followed.px + 0.5) * stretch - principal)
        followed, off = moving(followed, turned_off(followed, cameras))
        if not len(off) or (off < _NEAR_PX).mean() > _TURNS:
            return None
        try:
            from .camera_path import camera_path
        except ImportError as error:
            if not (error.name or "").startswith("pycolmap"):
                raise
            return None  # an older environment, or a machine for which there is no COLMAP: turns alone
        return camera_path(followed, off, focal, max(self._reduced), len(self._rough), lens_known)

    def _look(self, keyframe: Keyframe, frame: _Frame, H: np.ndarray) -> Matches | None:
        """The link of a frame to a keyframe that H (3,3) takes about there."""
        found = match(keyframe.grey, frame.grey, keyframe.corners, frame.mask, moved(H, keyframe.corners))
        if found is not None:
            self._links.append(link(keyframe.number, frame.number, found, self._area))
            keyframe.most = max(keyframe.most, len(found.after))
            keyframe.uses += 1
        return found

    @staticmethod
    def _serves(keyframe: Keyframe, found: Matches) -> bool:
        return len(found.after) >= _STRONG * keyframe.most

    def _use(self, keyframe: Keyframe, found: Matches) -> None:
        self._active, self._H, self._corners = keyframe, found.H, found.after

    def _camera(self) -> RoughCamera:
        return RoughCamera(np.eye(3), 1.0) if self._active is None else self._keyframes.camera_of(self._active, self._H)

    def _change(self, frame: _Frame, held: Matches | None) -> None:
        """Go on from another keyframe that shows what is seen now, or make the frame one."""
        if held is not None:
            self._use(self._active, held)
        camera = self._camera()
        for keyframe in self._others(camera)[:_TRIED]:
            found = self._look(keyframe, frame, self._keyframes.homography(keyframe, camera))
            if found is not None and self._serves(keyframe, found):
                self._use(keyframe, found)
                return
        corners = find_corners(frame.grey, frame.mask)
        if len(corners) >= _LEAST_CORNERS:
            self._active, self._H, self._corners = Keyframe(frame.number, frame.grey, corners, camera), np.eye(3), corners
            self._keyframes.add(self._active)
        elif held is None:
            self._corners = np.zeros((0, 2), np.float32)

    def _look_elsewhere(self, frame: _Frame) -> None:
        """Link a frame to one more keyframe, another each time: it closes loops."""
        camera = self._camera()
        others = self._others(camera)
        if others:
            keyframe = others[frame.number // _AGAIN % len(others)]
            self._look(keyframe, frame, self._keyframes.homography(keyframe, camera))

    def _others(self, camera: RoughCamera) -> list[Keyframe]:
        """Keyframes besides the active one that show about the same, the nearest first."""
        return [keyframe for keyframe in self._keyframes.near(camera) if keyframe is not self._active]
