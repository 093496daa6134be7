# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/rig.md says of a frame's cost is measured by a script of its own, tests/bpy/playback.py: it runs, and prints those rows."""

from __future__ import annotations

import re
from pathlib import Path

import bpy

from tests.bpy import playback

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rig.md"


def test_what_a_frame_costs_is_measured(context, monkeypatch, capsys):
    out_of_sight, milliseconds = [], playback.milliseconds

    def watched() -> float:
        spent = milliseconds()
        out_of_sight.append(sum(thing.hide_viewport for thing in bpy.data.objects if thing.type == "ARMATURE"))
        return spent

    monkeypatch.setattr(playback, "FRAMES", 12)
    monkeypatch.setattr(playback, "SHOWN", 4)
    monkeypatch.setattr(playback, "milliseconds", watched)
    playback.main()
    said = re.findall(r"^\| (.+?) \| [\d.]+ \| [\d.]+ \|$", capsys.readouterr().out, re.MULTILINE)
    told = PAGE.read_text(encoding="utf-8").split("of the plain armature's time |\n|---|---|\n")[1].split("\n\n")[0]
    assert said == re.findall(r"^\| (.+?) \|", told, re.MULTILINE)
    assert out_of_sight == [0, 0, 0, 5, *[0] * 6]
