# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a clip is cut: from one frame to the next the picture changes to another one, and the change lasts.

Thumbnails of neighbouring frames are compared by their best correlation over small shifts and by their colours. Pans, fast action and low
frame rates leave neighbours alike; two scenes hardly ever are (`tests/engine/test_cuts.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import cv2
import numpy as np

_SIDE = 64  # px, the longer side of a thumbnail
_SHIFT = 8  # two thumbnails are compared at shifts of up to 1/8 of each side
_OTHER = 0.6  # correlation below which two frames may be of different scenes
_RECOLOURED = 0.2  # least share of the pixels whose colours must differ as well
_SUDDEN = 0.2  # by how much the two frames on either side of a cut must correlate better than those across it: a blurred pan is no cut
_DARK, _PLAIN = 24, 8  # of 255: lightness up to which a border may be a black bar, and the range over which a coloured bar may vary
_BLANK = 3.0  # standard deviation in grey levels below which a picture is empty, as between two shots
BEFORE, AHEAD = 2, 4  # frames needed before a cut, and those after it in which the old picture may come back, as after a flash

Frame = tuple[int, np.ndarray]


def with_cuts(frames: Iterable[Frame], cuts: list[int], first: int = 0, last: float = np.inf) -> Iterator[Frame]:
    """Passes on the frames (number, RGB (H,W,3)) `first` to `last`, and appends to `cuts` the number of each frame after `first` with which
    a shot begins, before that frame is passed on.

    `frames` should begin BEFORE frames earlier and end AHEAD frames later, so that cuts next to the ends are found. Frames are read ahead
    only where a cut may be: large ones fill the memory.
    """
    before: deque[np.ndarray] = deque(maxlen=BEFORE)  # the latest thumbnails of the shot
    coming = ((frame, thumbnail(frame[1])) for frame in frames)
    waiting: deque[tuple[Frame, np.ndarray]] = deque()
    while True:
        waiting.extend(islice(coming, 0 if waiting else 1))
        if not waiting or waiting[0][0][0] > last:
            return
        frame, picture = waiting.popleft()
        if _without_bars(picture)[0].std(axis=(0, 1)).max() >= _BLANK:
            if not before or correlation(before[-1], picture) >= _OTHER:
                before.append(picture)
            else:
                waiting.extend(islice(coming, AHEAD - len(waiting)))
                if _begins_shot(picture, before, [later for _, later in waiting]) and frame[0] > first:
                    cuts.append(frame[0])
        if frame[0] >= first:
            yield frame


def _begins_shot(picture: np.ndarray, before: deque[np.ndarray], after: list[np.ndarray]) -> bool:
    """Whether a shot begins with a thumbnail that differs from the latest of those `before`. Adds it to `before`, unless the old picture
    comes back in those `after` it."""
    if any(correlation(before[-1], later) >= _OTHER for later in after):
        return False
    begins = len(before) == BEFORE and bool(after) and _is_cut(*before, picture, after[0])
    if begins:
        before.clear()
    before.append(picture)
    return begins


def each_its_own_shot(frames: Iterable[Frame], cuts: list[int]) -> Iterator[Frame]:
    """Passes on the frames, each as a shot of its own: appends every number but the first to `cuts`."""
    for place, frame in enumerate(frames):
        if place:
            cuts.append(frame[0])
        yield frame


def _is_cut(earlier: np.ndarray, last: np.ndarray, first: np.ndarray, later: np.ndarray) -> bool:
    """Whether there is a cut between two differing thumbnails, the `last` of a shot and the `first` of another, given their neighbours."""
    steady = min(correlation(earlier, last), correlation(first, later)) > correlation(last, first) + _SUDDEN
    return steady and _recoloured(last, first)


def of_different_scenes(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two thumbnails seem to show different scenes; without their neighbours a quick pan can't be told from that."""
    return correlation(a, b) < _OTHER and _recoloured(a, b)


def _recoloured(a: np.ndarray, b: np.ndarray) -> bool:
    colours = [_colours(picture) for picture in _without_bars(a, b)]
    return 0.5 * np.abs(colours[0] - colours[1]).sum() > _RECOLOURED


def thumbnail(image: np.ndarray) -> np.ndarray:
    """(h,w,3) CIELAB of an RGB image (H,W,3)."""
    h, w = image.shape[:2]
    step, scale = max(1, max(h, w) // (8 * _SIDE)), _SIDE / max(h, w)
    size = max(2 * _SHIFT, round(w * scale)), max(2 * _SHIFT, round(h * scale))
    return cv2.cvtColor(cv2.resize(np.ascontiguousarray(image[::step, ::step]), size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """The best correlation of two thumbnails of one size over small shifts."""
    a, b = _without_bars(a, b)
    y, x = (side // _SHIFT for side in a.shape[:2])
    return float(cv2.matchTemplate(b, a[y : a.shape[0] - y, x : a.shape[1] - x], cv2.TM_CCOEFF_NORMED).max())


def _without_bars(*pictures: np.ndarray) -> list[np.ndarray]:
    """Thumbnails without the borders that are black, or of the corner's colour, in all of them: bars correlate in any two scenes."""
    every = np.stack(pictures).astype(np.int16)
    shown = (every[..., 0] > _DARK) & (np.abs(every - every[0, 0, 0]).max(-1) > _PLAIN)
    sides = [np.flatnonzero(shown.any((0, axis))) for axis in (2, 1)]
    if any(len(side) == 0 or side[-1] - side[0] < 2 * _SHIFT for side in sides):
        return list(pictures)
    rows, columns = (slice(side[0], side[-1] + 1) for side in sides)
    return [picture[rows, columns] for picture in pictures]


def _colours(picture: np.ndarray) -> np.ndarray:
    """(512,) histogram of a thumbnail's colours as shares: eight steps of lightness, and eight of each chroma about grey."""
    light, *chroma = (channel.astype(int) for channel in np.moveaxis(picture, -1, 0))
    red, yellow = (np.clip((channel - 96) // 8, 0, 7) for channel in chroma)
    return np.bincount((64 * (light // 32) + 8 * red + yellow).ravel(), minlength=512) / light.size
