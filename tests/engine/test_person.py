# SPDX-License-Identifier: GPL-3.0-or-later
"""One person while a clip is read: where he is expected next, how good and how real he is."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("cv2")

from skel_blender.engine.people.crops import Roi  # noqa: E402
from skel_blender.engine.people.person import Person  # noqa: E402
from tests.engine.stage import PX_PER_M, pose_at  # noqa: E402

NOTHING = np.zeros((6, 3))


def seen(frames, step: float = 5.0, confidence: float = 0.9, turn: float = 0.0) -> Person:
    """Somebody seen in these frames, who goes `step` px and turns `turn` rad a frame."""
    person = Person(NOTHING)
    for n in frames:
        pose = pose_at(100 + step * n, 0.0, confidence)
        window = Roi(np.array([100 + step * n, 300.0]), 200.0, turn * n)
        person.see(n, [replace(pose, next_roi=window)], NOTHING)
    return person


@pytest.mark.parametrize(("frames", "frame", "direction", "x"), [
    (range(10), 10, 1, 150), (range(10), 12, 1, 160), (range(10), 40, 1, 170), (range(10), -1, -1, 95), (range(0, 10, 2), 9, 1, 145),
    (range(0, 12, 4), 9, 1, 140), (range(1), 3, 1, 100), (range(10), 1400, 1, 170),
    (range(1400, 1410), 0, -1, 7075),
], ids=["next", "a gap", "long gone", "before", "every other", "too far apart to tell", "seen once", "gone in high speed",
        "before, in high speed"])  # fmt: skip
def test_he_is_expected_where_he_was_going_for_a_few_frames(frames, frame, direction, x):
    expected = seen(frames).expect(frame, direction)
    assert expected.roi.center == pytest.approx([x, 300]) and expected.roi.size == 200
    assert expected.keypoints_2d[[23, 24], 0].mean() == pytest.approx(x, abs=0.01)
    assert expected.px_per_m == pytest.approx(PX_PER_M, rel=0.01)


def test_he_is_expected_no_farther_than_a_step_and_no_more_turned_than_a_body_turns():
    leaps = seen(range(5), step=60.0).expect(7, 1)
    assert leaps.roi.center[0] == pytest.approx(340 + 0.4 * PX_PER_M, rel=1e-3)
    for frame, angle in ((6, 0.9), (8, 1.2), (9, 1.35)):
        assert seen(range(6), turn=0.15).expect(frame, 1).roi.angle == pytest.approx(0.75 + min(angle - 0.75, 0.6))
    over = Person(NOTHING)
    for n, angle in ((0, 3.1), (1, -3.1)):  # on by 0.083 rad, over half a turn
        over.see(n, [replace(pose_at(100, 0.0), next_roi=Roi(np.array([100.0, 300.0]), 200.0, angle))], NOTHING)
    assert over.expect(2, 1).roi.angle == pytest.approx(-3.1 + 2 * np.pi - 6.2)


def test_frames_without_him_count_in_his_quality():
    person = seen((0, 1, 2, 5, 6))
    whole = person.quality(0, 2)
    assert whole == pytest.approx(0.9, abs=0.02) and person.quality(3, 4) == 0
    assert person.quality(0, 4) == pytest.approx(0.6 * whole)


def judged(person: Person, checks: list[bool], changes: list[float]) -> bool:
    person.checks, person.changes = dict(enumerate(checks)), dict(enumerate(changes))
    return person.is_real()


def test_a_person_is_clear_or_confirmed_and_alive_or_beyond_doubt():
    moves, stays = [0.0, 0.0, 5.0, 8.0], [0.0, 0.5, 0.5, 0.5]
    assert judged(seen(range(20), confidence=0.8), [False] * 4, moves), "clear"
    assert not judged(seen(range(20), confidence=0.8), [False] * 4, stays), "nothing moves"
    assert judged(seen(range(20), confidence=0.95), [False] * 4, stays), "beyond doubt"
    assert judged(seen(range(20), confidence=0.8), [True] * 4, stays), "somebody who sits still for a moment"
    assert not judged(seen(range(20), confidence=0.8), [True] * 3 + [False], stays), "the detector does not always see somebody"
    assert not judged(seen(range(20), confidence=0.7), [True] * 4, stays), "not clear"
    assert not judged(seen(range(20), confidence=0.8), [True] * 16, stays * 4), "nothing moves for three seconds"
    assert not judged(seen(range(20), confidence=0.6), [True, False, False, False], moves), "neither clear nor confirmed"
    assert judged(seen(range(20), confidence=0.6), [True, False, True, False], moves), "confirmed"
    assert judged(seen(range(20), confidence=0.8), [False], [0.0]), "one look does not tell whether it moves"
    assert not judged(seen(range(0, 20, 2), confidence=0.8), [True] * 4, moves), "half of the time nothing is there"
    assert judged(seen([n for n in range(20) if n % 3]), [True] * 4, moves), "two thirds of the time he is"
