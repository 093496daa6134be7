# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a clip is cut: from one frame to the next its picture is another one, and stays so.

Small pictures are compared, by their correlation wherever they fit each other best, and by their colours: pans, fast action and few frames
a second leave neighbours alike, two scenes hardly ever are (`tests/engine/test_cuts.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import cv2
import numpy as np

_SIDE = 64  # px, the longer side of a small picture
_SHIFT = 8  # part of a side by which two may be shifted
_OTHER = 0.6  # correlation under which pictures may be of different scenes
_RECOLOURED = 0.2  # and the least part of them that then has other colours
_SUDDEN = 0.2  # by which the frames before and those after must be more alike: a blurred pan is no cut
_DARK, _PLAIN = 24, 8  # lightness, of 255, up to which it may be a black bar beside a film, and by which one of a colour may vary
_BLANK = 3.0  # grey levels of deviation under which a picture shows nothing, as between two shots
BEFORE, AHEAD = 2, 4  # frames by which a cut is told, and in which the old picture may come back, as after a flash

Frame = tuple[int, np.ndarray]


def told(frames: Iterable[Frame], cuts: list[int], first: int = 0, last: float = np.inf) -> Iterator[Frame]:
    """The frames (number, RGB (H,W,3)) `first` to `last`: a number behind `first` with which a shot begins is in `cuts` by then.

    Of those beside them, BEFORE and AHEAD are of use to tell. Frames are asked for ahead only where a cut may be: large ones fill the
    memory.
    """
    before: deque[np.ndarray] = deque(maxlen=BEFORE)  # the latest small pictures of the shot
    coming = ((frame, small(frame[1])) for frame in frames)
    waiting: deque[tuple[Frame, np.ndarray]] = deque()
    while True:
        waiting.extend(islice(coming, 0 if waiting else 1))
        if not waiting or waiting[0][0][0] > last:
            return
        frame, picture = waiting.popleft()
        if _lit(picture)[0].std(axis=(0, 1)).max() >= _BLANK:
            if not before or alike(before[-1], picture) >= _OTHER:
                before.append(picture)
            else:
                waiting.extend(islice(coming, AHEAD - len(waiting)))
                if _begins(picture, before, [later for _, later in waiting]) and frame[0] > first:
                    cuts.append(frame[0])
        if frame[0] >= first:
            yield frame


def _begins(picture: np.ndarray, before: deque[np.ndarray], after: list[np.ndarray]) -> bool:
    """Whether a shot begins with a picture that is unlike the latest of those before; it becomes the latest unless that one comes back."""
    if any(alike(before[-1], later) >= _OTHER for later in after):
        return False
    begins = len(before) == BEFORE and bool(after) and _cut(*before, picture, after[0])
    if begins:
        before.clear()
    before.append(picture)
    return begins


def each_alone(frames: Iterable[Frame], cuts: list[int]) -> Iterator[Frame]:
    """The same frames, each a shot of its own: all numbers but the first's are in `cuts` by then."""
    for place, frame in enumerate(frames):
        if place:
            cuts.append(frame[0])
        yield frame


def _cut(earlier: np.ndarray, last: np.ndarray, first: np.ndarray, later: np.ndarray) -> bool:
    """Whether unlike frames, `last` and `first`, have a cut between them, given as well the one before and the one after."""
    steady = min(alike(earlier, last), alike(first, later)) > alike(last, first) + _SUDDEN
    return steady and _recoloured(last, first)


def of_other_scenes(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two small pictures show different scenes, as far as these two tell: a quick pan may look like that."""
    return alike(a, b) < _OTHER and _recoloured(a, b)


def _recoloured(a: np.ndarray, b: np.ndarray) -> bool:
    colours = [_colours(picture) for picture in _lit(a, b)]
    return 0.5 * np.abs(colours[0] - colours[1]).sum() > _RECOLOURED


def small(image: np.ndarray) -> np.ndarray:
    """A small picture (h,w,3) in CIELAB of an RGB image (H,W,3)."""
    h, w = image.shape[:2]
    step, scale = max(1, max(h, w) // (8 * _SIDE)), _SIDE / max(h, w)
    size = max(2 * _SHIFT, round(w * scale)), max(2 * _SHIFT, round(h * scale))
    return cv2.cvtColor(cv2.resize(np.ascontiguousarray(image[::step, ::step]), size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two small pictures of one size, shifted as fits best."""
    a, b = _lit(a, b)
    y, x = (side // _SHIFT for side in a.shape[:2])
    return float(cv2.matchTemplate(b, a[y : a.shape[0] - y, x : a.shape[1] - x], cv2.TM_CCOEFF_NORMED).max())


def _lit(*pictures: np.ndarray) -> list[np.ndarray]:
    """Small pictures without what is at the sides black, or of the corner's colour, in all of them: bars are alike in any two scenes."""
    every = np.stack(pictures).astype(np.int16)
    shown = (every[..., 0] > _DARK) & (np.abs(every - every[0, 0, 0]).max(-1) > _PLAIN)
    sides = [np.flatnonzero(shown.any((0, axis))) for axis in (2, 1)]
    if any(len(side) == 0 or side[-1] - side[0] < 2 * _SHIFT for side in sides):
        return list(pictures)
    rows, columns = (slice(side[0], side[-1] + 1) for side in sides)
    return [picture[rows, columns] for picture in pictures]


def _colours(picture: np.ndarray) -> np.ndarray:
    """(512,) which part of a small picture has which colour: eight steps of lightness, and of each chroma about grey."""
    light, *chroma = (channel.astype(int) for channel in np.moveaxis(picture, -1, 0))
    red, yellow = (np.clip((channel - 96) // 8, 0, 7) for channel in chroma)
    return np.bincount((64 * (light // 32) + 8 * red + yellow).ravel(), minlength=512) / light.size
