# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user is told of a reconstruction."""

import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine import remarks  # noqa: E402
from skel_blender.engine.fit.observations import View  # noqa: E402


@pytest.mark.parametrize(("metres", "level", "text"), [
    (1.24, "info", "The camera goes 2.5 m; that is taken out of people's motion."),
    (0.002, "warning", "The camera leaves its place, and no feet rest that tell how far"),
])  # fmt: skip
def test_how_far_a_camera_goes_there_and_back(metres, level, text):
    view = View(torch.eye(3), torch.eye(3), torch.tensor([[0.0, 0, 0], [metres, 0, 0], [0, 0, 0]]))
    told = remarks.way(view)
    assert told.level == level and told.text.startswith(text)


def test_who_is_left_out_is_named_up_to_a_few():
    assert remarks.left_out([2]).text == "Left out, as no body explains what was seen: Person 2."
    assert remarks.left_out(list(range(1, 9))).text.endswith("Person 7, Person 8.")
    assert remarks.left_out(list(range(1, 12))).text.endswith("Person 7, Person 8 and 3 more.")
