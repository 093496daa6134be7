# SPDX-License-Identifier: GPL-3.0-or-later
"""From the links between frames to the camera's motion: whether it moves, whether it zooms, what lens it has, and what the user is told."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.transform import Rotation

from ...messages import Log
from ..camera import CameraMotion
from .bundle import Cameras, Fitted, bundle, residuals
from .links import MOVED_PX, STILL_PX, Link, Links
from .trails import Followed

# A link shows that the camera moves where most corners, all over the image, moved together, and little of it stayed in place.
_MOST, _SPREAD, _STAY = 0.5, 0.15, 0.2
_FRAMES, _PART = 3, 0.02  # so many frames, at least, and such a part of them, must show it
_ALONG = 0.5  # of the way that a corner moved, what a turn may leave that is the reason
_EXPLAINED_PX = 3.0  # of the reduced image
_STRAIGHTER = 0.96  # of the residual's median, what a distortion may leave
# Least range of the zoom, what it may leave of the residual, and of the background: what comes nearer grows, but not all of it alike.
_ZOOM, _BETTER, _GROWS = 0.02, 0.6, 0.1
# The turns tell the focal length with such a deviation of its log, over such an angle, where so much of the background is not explained.
_TOLD, _TURNED, _WALKS = 0.03, np.radians(3), 0.3
_LENSES = (0.4, 8.0)  # focal lengths over the image's longer side
_AHEAD = 0.05  # least depth of a ray


@dataclass(frozen=True)
class Findings:
    """How far to trust a motion.

    unexplained: share of the background's corners that no turn explains; high where the camera moves past things that are near.
    cuts: frames, counted from the motion's first, that share nothing with those before them: the camera is taken to go on as it stood.
    blind: how many frames show too little background: the camera is taken to turn evenly through them. lens_told: whether the turns
    or the path told the focal length. place_deviation: standard deviation of a frame's place on the camera's path, in the path's unit,
    from the corners' errors in one frame; 0 where the motion has no path.
    """

    unexplained: float = 0.0
    cuts: tuple[int, ...] = ()
    blind: int = 0
    lens_told: bool = False
    place_deviation: float = 0.0


def logs(motion: CameraMotion, findings: Findings) -> list[Log]:
    """What the user is told of a camera that moves: what was found, and what it is not good for."""
    turn = np.degrees(np.arccos(np.clip(0.5 * (np.trace(motion.turns, axis1=1, axis2=2) - 1.0), -1.0, 1.0))).max()
    zoom = motion.zoom.max() / motion.zoom.min() - 1.0
    more = f" and zooms by {zoom:.0%}" if zoom > 0.0 else "" if motion.places is None else " and travels"
    angle = "less than a degree" if turn < 1.0 else "up to a degree" if turn < 1.5 else f"up to {turn:.0f} degrees"
    result = [Log("info", f"The camera turns by {angle}{more}; that is removed from people's motion.")]
    if findings.lens_told:
        what = "turns" if motion.places is None else "path"
        result.append(Log("info", f"The lens follows from its {what}: a focal length of {motion.K[0, 0]:.0f} px."))
    if motion.places is None and findings.unexplained > _WALKS:
        text = "The camera also seems to travel, but its path could not be found, so people seem to move instead."
        result.append(Log("warning", f"{text} Solve the clip's camera in Blender, and place the take by it."))
    if findings.cuts:
        text = f"At frame {motion.first + findings.cuts[0]} the picture changes abruptly, as at a cut."
        result.append(Log("warning", f"{text} Reconstruct the parts one by one."))
    return result


def moves(links: list[Link], count: int) -> bool:
    """Whether the links of `count` frames show that the camera moves. What moves before a camera that stands leaves something in place."""
    shown = {link.j for link in links if link.shift > MOVED_PX and link.share > _MOST and link.spread >= _SPREAD and link.still < _STAY}
    return len(shown) >= _enough(count)


def _enough(count: int) -> float:
    return max(_FRAMES, _PART * count)


def confirmed(links: Links, cameras: Cameras) -> bool:
    """Whether the cameras' turns are why the corners moved: between two frames a crowd, water or noise may look alike.

    Where more than half of the frames tell nothing, the others are not believed either.
    """
    if len(np.unique(links.j)) < 0.5 * len(cameras.zoom):
        return False
    way = np.linalg.norm(links.q - links.p, axis=-1)
    off = residuals(links, cameras)
    count = np.maximum(links.known.sum(1), 1)
    along = (links.known & (way > STILL_PX) & (off < _ALONG * way)).sum(1) / count
    far = np.nanmedian(np.where(links.known, way, np.nan), axis=1) > MOVED_PX
    return len(np.unique(links.j[far & (along > _MOST) & (links.still < _STAY)])) >= _enough(len(cameras.zoom))


def solve(links: Links, start: Cameras, side: float, lens_known: bool) -> tuple[Cameras, Findings]:
    """The cameras of all frames by the links, from where to start; `side` px is the image's longer one.

    The zoom is exactly 1 and the focal length the start's unless the links tell otherwise.
    """
    fitted = _through_lens(links, start, not lens_known)
    zoomed = bundle(links, start, True, True)  # a lens that is known is so at the middle of the zoom only
    zooms = _zooms(links, fitted.cameras, zoomed.cameras)
    fitted = zoomed if zooms else fitted
    told = not lens_known and _told(links, fitted, side)
    if zooms:
        fitted = _about_middle(links, fitted, start.focal, told)
    elif not told and not lens_known:
        fitted = bundle(links, start, False, False)
    cuts, blind = _holes(links, len(start.zoom))
    return fitted.cameras, Findings(_unexplained(links, fitted.cameras), cuts, blind, told)


def _through_lens(links: Links, start: Cameras, focal: bool) -> Fitted:
    """Without a zoom, and with the lens's distortion where it is needed: it costs the focal length some of its accuracy."""
    straight, bent = (bundle(links, start, focal, False, bend=bend) for bend in (False, True))
    without, with_it = (np.median(residuals(links, fitted.cameras)[links.agree]) for fitted in (straight, bent))
    return bent if with_it < _STRAIGHTER * without else straight


def _unexplained(links: Links, cameras: Cameras) -> float:
    return float((residuals(links, cameras)[links.known] > _EXPLAINED_PX).mean())


def _told(links: Links, fitted: Fitted, side: float) -> bool:
    """Whether the turns tell the focal length: they go far enough, nothing else moves the background, and it is that of a lens."""
    ahead = fitted.cameras.turns[:, 2]
    turned = 2 * np.arccos(np.clip(ahead @ ahead.mean(0) / np.linalg.norm(ahead.mean(0)), -1, 1)).max()
    likely = _LENSES[0] < fitted.cameras.focal / side < _LENSES[1]
    return bool(fitted.deviation < _TOLD and turned > _TURNED and likely and _unexplained(links, fitted.cameras) < _WALKS)


def _zooms(links: Links, still: Cameras, zoomed: Cameras) -> bool:
    """Whether a zoom is there and needed."""
    low, high = np.quantile(zoomed.zoom, [0.02, 0.98])
    without, with_it = (
        float(np.sqrt((np.minimum(residuals(links, cameras), _EXPLAINED_PX)[links.known] ** 2).mean())) for cameras in (still, zoomed)
    )
    return bool(high - low > _ZOOM and with_it < _BETTER * without and _unexplained(links, zoomed) < _GROWS)


def _about_middle(links: Links, fitted: Fitted, focal: float, told: bool) -> Fitted:
    """With the zoom counted from its median, where the focal length is `focal` unless the links tell another."""
    cameras = fitted.cameras
    middle = float(np.median(cameras.zoom))
    if told:
        return replace(fitted, cameras=replace(cameras, focal=cameras.focal * float(np.exp(middle)), zoom=cameras.zoom - middle))
    anchor = int(np.abs(cameras.zoom - middle).argmin())
    return bundle(links, Cameras(cameras.turns, focal, cameras.zoom - cameras.zoom[anchor]), False, True, anchor)


def _holes(links: Links, count: int) -> tuple[tuple[int, ...], int]:
    """Rows of the frames that share nothing with those before, and how many have no link at all."""
    graph = coo_array((np.ones(len(links.i)), (links.i, links.j)), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    linked = np.isin(np.arange(count), np.concatenate([links.i, links.j]))
    seen = np.flatnonzero(linked)
    cuts = seen[1:][np.diff(label[seen]) != 0]
    return tuple(int(row) for row in cuts), int((~linked).sum())


def turned_off(followed: Followed, cameras: Cameras) -> np.ndarray:
    """(N,) px, how far sightings, in px from the principal point, are from where the cameras' turns and zooms take the middle one of the
    same corner."""
    _, first, count = np.unique(followed.corner, return_index=True, return_counts=True)
    middle = np.repeat(first + count // 2, count)
    lengths = cameras.lengths()[followed.frame]
    pixels = cameras.straight(followed.px)
    rays = np.column_stack([pixels / lengths[:, None], np.ones(len(pixels))])[middle]
    turn = cameras.turns[followed.frame] @ cameras.turns[followed.frame[middle]].transpose(0, 2, 1)
    seen = (turn @ rays[..., None])[..., 0]
    return np.linalg.norm(lengths[:, None] * seen[:, :2] / np.maximum(seen[:, 2:], _AHEAD) - pixels, axis=1)


def about_middle(turns: np.ndarray) -> np.ndarray:
    """Turns (T,3,3) from any axes as turns from axes about the middle of all (their chordal mean)."""
    return turns @ Rotation.from_matrix(turns).mean().as_matrix().T
