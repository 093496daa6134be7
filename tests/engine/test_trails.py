# SPDX-License-Identifier: GPL-3.0-or-later
"""Corners are followed from frame to frame for as long as they are seen."""

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

from skel_blender.engine.background.trails import Trails  # noqa: E402

SIZE, STEP = (320, 180), 3  # px, and px by which the picture moves to the left in a frame
SCENE = cv2.resize(np.random.default_rng(0).integers(0, 255, (45, 200), np.uint8), (800, 180), interpolation=cv2.INTER_CUBIC)
ALL, BLANK = np.full(SIZE[::-1], 255, np.uint8), np.full(SIZE[::-1], 128, np.uint8)


def view(frame: int) -> np.ndarray:
    return SCENE[:, STEP * frame : STEP * frame + SIZE[0]].copy()


def trails_of(images: list[np.ndarray], mask: np.ndarray = ALL) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Each corner's frames (n,) and px (n,2), after a check of their order."""
    trails = Trails()
    for image in images:
        trails.see(image, mask)
    found = trails.followed()
    order = np.lexsort((found.frame, found.corner))
    assert np.array_equal(order, np.arange(len(order)))
    return {corner: (found.frame[found.corner == corner], found.px[found.corner == corner]) for corner in range(found.corner.max() + 1)}


def test_corners_are_followed_and_new_ones_come_with_the_view():
    trails = trails_of([view(k) for k in range(30)])
    assert len(trails) > 100
    begun = np.array([frames[0] for frames, _ in trails.values()])
    assert (begun == 0).any() and (begun > 5).any() and not (begun % 5).any()
    for frames, px in trails.values():
        assert len(frames) >= 4 and np.array_equal(frames, np.arange(frames[0], frames[-1] + 1))
        inside = px[:, 0] > 10  # at the border a corner is only half seen
        assert np.abs(px - px[0] + np.outer(frames - frames[0], [STEP, 0]))[inside].max(initial=0) < 0.5
    for first in range(5, 30, 5):
        new = [px[0] for frames, px in trails.values() if frames[0] == first]
        old = np.array([px[first - frames[0]] for frames, px in trails.values() if frames[0] < first <= frames[-1]])
        assert all(np.linalg.norm(old - one, axis=1).min() > 8 for one in new)


@pytest.mark.parametrize(("blank", "goes_on"), [(4, True), (8, False)])
def test_a_flash_is_bridged_and_what_lasts_is_not(blank, goes_on):
    trails = trails_of([*(view(0) for _ in range(8)), *[BLANK] * blank, *(view(0) for _ in range(10))])
    over = [frames for frames, _ in trails.values() if frames[0] < 8 and frames[-1] >= 8 + blank]
    assert (len(over) > 50) == goes_on
    assert not any(np.isin(frames, range(8, 8 + blank)).any() for frames, _ in trails.values())
    assert goes_on or any(frames[0] >= 8 + blank for frames, _ in trails.values())


def test_what_is_masked_is_not_followed():
    mask = ALL.copy()
    mask[:, 150:] = 0
    assert max(px[:, 0].max() for _, px in trails_of([view(k) for k in range(12)], mask).values()) < 151
