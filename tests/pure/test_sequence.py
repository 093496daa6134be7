# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of a folder in the order of their numbers, whatever their names."""

from __future__ import annotations

import pytest

from skel_blender.sequence import images_of, numbers


@pytest.mark.parametrize("names", [
    ["f1.png", "f2.PNG", "f10.png"], ["a.png", "B.png", "c.png"], ["1.jpg", "02.jpg", "3.jpg"], ["f1_9.png", "f2_1.png"],
    ["x\u00b2 1.png", "x\u00b2 2.png", "x\u00b2 10.png"], ["\u0661.png", "\u0662.png"], ["-1.png", "7.png"],
])  # fmt: skip
def test_images_come_in_the_order_of_their_numbers(tmp_path, names):
    """Not every digit is one of a number: an exponent is not. What macOS hides beside an image is none."""
    for name in sorted([*names, "notes.txt", f"._{names[0]}"]):
        (tmp_path / name).touch()
    assert [path.name for path in images_of(tmp_path)] == names


@pytest.mark.parametrize(("names", "found"), [
    (["f008.png", "f009.png", "f010.png"], [8, 9, 10]), (["f08.png", "f9.png"], [8]), (["f1 left.png", "f4 left.png"], [1, 4]),
    (["f1.png", "f2.jpg"], [1]), (["f1.png", "f-2.png"], [1]), (["f1.png", "f\u0662.png"], [1]), (["still.png", "still.png"], [0]),
    (["\u00b21.png", "\u00b22.png"], [1, 2]), (["f9.png", "f10.png"], [9, 10]), (["f1.png", "f1 left.png"], [1]),
])  # fmt: skip
def test_numbers_go_on_as_long_as_names_are_alike(tmp_path, names, found):
    assert numbers([tmp_path / name for name in names]) == found


def test_images_of_two_folders_are_no_sequence(tmp_path):
    assert numbers([tmp_path / "a" / "1.png", tmp_path / "b" / "2.png"]) == [1]
