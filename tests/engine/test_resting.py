# SPDX-License-Identifier: GPL-3.0-or-later
"""What `bin/benchmark contacts` measures by: who rests in truth, how well flags agree with it, how far feet slide; and its two tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("av")

from bin.benchmarks import contacts  # noqa: E402
from bin.benchmarks.resting import LOW_M, SLOW_M_S, agreement, rests, slides, speeds  # noqa: E402
from skel_blender.engine.fit.contacts import spells  # noqa: E402

FPS, FRAMES = 25.0, 20


def _going(speed: float, height: float = 0.01) -> np.ndarray:
    """(T,1,3) m, a point that goes along x at so many m/s."""
    return np.stack([speed * np.arange(FRAMES) / FPS, np.full(FRAMES, height), np.zeros(FRAMES)], -1)[:, None]


def test_who_is_low_and_slow_rests():
    assert rests(_going(0.9 * SLOW_M_S), FPS).all()
    assert not rests(_going(1.1 * SLOW_M_S), FPS).any()
    assert not rests(_going(0.0, 1.01 * LOW_M), FPS).any()
    assert rests(_going(0.0)[:1], FPS).all(), "one image stands still"


def test_speeds_are_a_second_s_whatever_the_rate():
    assert speeds(_going(0.5), FPS) == pytest.approx(np.full((FRAMES, 1), 0.5))
    assert speeds(_going(0.5), 2 * FPS) == pytest.approx(np.full((FRAMES, 1), 1.0))


def test_precision_is_of_what_is_said_and_recall_of_what_is_true():
    truth = np.array([[True, True, True, False, False, False]])
    said = np.array([[True, False, False, False, False, True]])
    assert agreement(said, truth) == pytest.approx((1 / 2, 1 / 3))
    assert agreement(truth, truth) == (1.0, 1.0)
    nothing = np.zeros_like(truth)
    assert np.isnan(agreement(nothing, truth)[0]) and agreement(nothing, truth)[1] == 0.0
    assert agreement(said, nothing)[0] == 0.0 and np.isnan(agreement(said, nothing)[1])


def test_spells_are_runs():
    flags = np.array([True, True, False, True, False, False, True])
    assert [spell.tolist() for spell in spells(flags, 1)] == [[0, 1], [3], [6]]
    assert [spell.tolist() for spell in spells(flags, 2)] == [[0, 1]] and spells(np.zeros(3, dtype=bool), 1) == []


def test_a_slide_is_along_the_floor_within_a_spell():
    """Two spells of five and eight frames, and the leap between them, upward too, is none of theirs."""
    points = np.concatenate([_going(0.1)[:5], _going(0.2)[:8] + [3.0, 0.5, 0.0]])
    points[2, 0, 1] += 0.02  # what rises does not slide
    resting = np.ones((13, 1), dtype=bool)
    resting[4] = False
    steps, ways = slides(points, resting, FPS)
    assert steps == pytest.approx([100.0] * 3 + [200.0] * 7)
    assert ways == pytest.approx([200.0 * 7 / FPS]), "four frames are less than a fifth of a second"


def test_a_spell_s_way_is_the_farthest_from_its_beginning():
    there_and_back = np.concatenate([_going(0.2)[:6], _going(0.2)[4::-1]])
    _, ways = slides(there_and_back, np.ones((11, 1), dtype=bool), FPS)
    assert ways == pytest.approx([1000 * 0.2 * 5 / FPS])


def test_nothing_that_rests_slides_nowhere():
    steps, ways = slides(_going(1.0), np.zeros((FRAMES, 1), dtype=bool), FPS)
    assert len(steps) == len(ways) == 0


def test_tables_tell_in_what_contacts_are_wrong():
    """Of ten points said to rest six do; one is slow but high, two creep, one moves. A cell of which there is nothing is empty."""
    speed = np.array([100.0] * 7 + [300.0] * 2 + [800.0])[:, None]
    truth = np.array([True] * 6 + [False] * 4)[:, None]
    height = np.where(truth, 10.0, 60.0) * np.array([-1] + [1] * 9)[:, None]
    true = contacts.Feet(speed, height, 0 * speed, 0 * speed, np.array([80.0, 120.0]), np.array([30.0]))
    found = replace(true, speed=0.5 * speed, velocity_off=0.5 * speed, off=np.full((10, 1), 40.0))
    outcomes = [contacts.Outcome(truth, np.ones_like(truth), {"the truth": true, "fitted": found})]
    assert contacts.told("walks", outcomes) == "| walks | 10 | 60% | 100% | 60% | 100% | 10% | 20% | 10% |"
    first, second = contacts.fared("walks", outcomes)
    assert first == "| walks | the truth | 100 | 30 | 2 | 8 | 375 | 0 | 0 |  |  |"
    assert second == "| walks | fitted | 100 | 30 | 2 | 8 | 188 | 188 | 40 |  |  |"
    assert len({line.count("|") for line in (first, second, "|".join(contacts._FEET) + "||")}) == 1
