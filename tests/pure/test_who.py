# SPDX-License-Identifier: GPL-3.0-or-later
"""who.py: what is said of who is who, as text and in words."""

import pytest

from skel_blender import who
from skel_blender.messages import SkelError
from skel_blender.who import Correction

ALL = (Correction("same", (1, 14)), Correction("change", (2, 3), 120), Correction("other", (3,), 0), Correction("without", (5,)),
       Correction("here", (), 120, (640, 0)))  # fmt: skip


def test_all_that_can_be_said_is_read_as_it_is_written():
    assert who.write(ALL) == "1+14,2x3@120,3@0,5-,+640:0@120"
    assert who.read("1+14, 2x3@120 ,3@0,5-, +640:0@120") == ALL
    assert who.read("") == who.read(" ") == () and who.write(()) == ""


def test_words_name_the_frame_that_they_are_given():
    assert [one.told() for one in ALL] == [
        "1 and 14 are the same", "2 and 3 swap at frame 120", "3 is somebody else from frame 0", "5 is left out",
        "Somebody is there at frame 120",
    ]  # fmt: skip
    assert ALL[2].told(31) == "3 is somebody else from frame 31"


NOTHING = ("1", "1+", "1+1", "0-", "1x2", "1x2@", "x2@3", "1+2+3", "-1", "1@-3", "1.5-", "\N{ARABIC-INDIC DIGIT ONE}-", "1-,",
           "+640@120", "+640:300", "640:300@120", "+-1:300@120")  # fmt: skip


@pytest.mark.parametrize("text", NOTHING)
def test_what_says_nothing_is_refused_with_what_would(text):
    with pytest.raises(SkelError, match="is not a correction of who is who.*1[+]4"):
        who.read(text)


def test_people_are_called_by_their_numbers():
    assert who.number(who.name(12)) == 12
    assert [who.number(name) for name in ("Person 0", "Person", "Person 1b", "Person \N{ARABIC-INDIC DIGIT ONE}", "walk")] == [None] * 5
