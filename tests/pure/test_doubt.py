# SPDX-License-Identifier: GPL-3.0-or-later
"""The stretches that an animator is told to look at first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skel_blender.rig import doubt
from tests.synthetic import random_take

FRAMES = np.arange(40, 140)
ARM, LEG = 1, 4


def errors():
    """(100,5) m: 3 cm everywhere, the right arm worse in frames 50 to 59, with three better ones between, the left leg in frame 100."""
    error = 0.03 + 0.001 * np.random.default_rng(0).random((100, 5))
    error[10:20, ARM] = 0.1
    error[13:16, ARM] = 0.03
    error[17, ARM] = 0.2
    error[60, LEG] = 0.15
    return error


def test_the_worst_stretch_comes_first_with_its_worst_frame():
    first, second, *_ = doubt.stretches(errors(), FRAMES)
    assert first == doubt.Stretch(ARM, 50, 59, 57)
    assert second == doubt.Stretch(LEG, 100, 100, 100)


def test_frames_apart_are_stretches_apart_and_only_the_worst_are_told():
    error = np.full((100, 5), 0.03)
    error[::7, 2] = 0.1 + 0.01 * np.arange(15)
    found = doubt.stretches(error, FRAMES)
    assert [stretch.first for stretch in found] == list(range(138, 138 - 7 * len(found), -7)) and 5 < len(found) < 15


def test_where_nothing_is_worse_than_the_rest_there_is_nothing_to_look_at():
    assert doubt.stretches(np.full((100, 5), 0.03), FRAMES) == []


def test_what_was_ticked_off_stays_so_after_a_fit_around_corrections_only():
    person, rig = random_take().people[0], {}
    assert doubt.of(rig) is None
    doubt.keep(rig, replace(person, frames=FRAMES, expected_error=errors()))
    doubt.tick(rig, 0)
    assert [one.looked for one in doubt.of(rig)][:2] == [1, 0]
    better = errors()
    better[10:20, ARM] = 0.06
    doubt.keep(rig, replace(person, frames=FRAMES, expected_error=better), again=True)
    assert [(one.limb, one.looked) for one in doubt.of(rig)][:2] == [(ARM, 1), (LEG, 0)]
    doubt.tick(rig, 0)
    assert not any(one.looked for one in doubt.of(rig))
    doubt.tick(rig, 0)
    doubt.keep(rig, replace(person, frames=FRAMES, expected_error=errors()))
    assert not any(one.looked for one in doubt.of(rig))
    doubt.keep(rig, person)
    assert doubt.of(rig) is None
