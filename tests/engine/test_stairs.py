# SPDX-License-Identifier: GPL-3.0-or-later
"""Who goes up or down steps does so in the world, which stays upright."""

import numpy as np
import pytest

pytest.importorskip("torch")

from bin.benchmarks.ablation import scene  # noqa: E402
from bin.benchmarks.mocap import read_clips, to_body  # noqa: E402
from bin.benchmarks.stairs import STEPS, figures  # noqa: E402
from bin.evaluation import metrics  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.camera import CameraMotion  # noqa: E402
from skel_blender.engine.fit.people import fit_people  # noqa: E402
from skel_blender.engine.regress import load_lift  # noqa: E402


@pytest.fixture(scope="module")
def body():
    return load_body("open", "male")


@pytest.fixture(scope="module")
def down(body):
    """Three steps, from the side on which a plane through them explains them: the world tilted by 32 degrees, steps of 0.05 m."""
    clip = next(clip for clip in read_clips(STEPS, split=None) if clip.name.startswith("14_21"))
    return scene(to_body(clip, body), body, np.random.default_rng([9, 0]))


def test_three_steps_down_are_as_high_as_they_were(down, body):
    tilted, found, true, _ = figures(down, body, load_lift())
    assert tilted < 12 and found == pytest.approx(true, abs=0.2)


def test_they_are_before_a_camera_that_turns_and_stays_in_its_place(down, body):
    """One that is followed, and turns so little that it is the same view: it goes nowhere that would tell of the ground."""
    count = len(down.track.frames)
    motion = CameraMotion(int(down.track.frames[0]), down.K, np.tile(np.eye(3), (count, 1, 1)), np.ones(count))
    [fit], view = fit_people([down.track], body, down.K, down.fps, guesses=[load_lift().seen(down.track, down.K, down.fps)], motion=motion)
    assert metrics.angle_between(view.R[0, :, 1].numpy(), down.up) < 12
    assert float(np.ptp(fit.state[:, 1])) == pytest.approx(float(np.ptp(down.pelvis @ down.up)), abs=0.2)
