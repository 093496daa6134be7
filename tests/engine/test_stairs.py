# SPDX-License-Identifier: GPL-3.0-or-later
"""Who goes up or down steps does so in the world, which stays upright."""

import numpy as np
import pytest

pytest.importorskip("torch")

from bin.benchmarks.ablation import scene  # noqa: E402
from bin.benchmarks.mocap import read_clips, to_body  # noqa: E402
from bin.benchmarks.stairs import STEPS, figures  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.regress import load_lift  # noqa: E402


def test_three_steps_down_are_as_high_as_they_were():
    """From the side on which a plane through all of the steps explained them: the world came out tilted by 32 degrees, the steps 0.05 m."""
    body = load_body("open", "male")
    down = next(clip for clip in read_clips(STEPS, split=None) if clip.name.startswith("14_21"))
    case = scene(to_body(down, body), body, np.random.default_rng([9, 0]))
    tilted, found, true, _ = figures(case, body, load_lift())
    assert tilted < 12 and found == pytest.approx(true, abs=0.2)
