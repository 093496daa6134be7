# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user may choose of an import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """What is left out is taken from the file, or chosen by the engine."""

    motion: str
    model: str = ""  # SMPL, SMPL-H or SMPL-X model file, or a folder of such
    body: str = ""  # name or SKEL model file; else the open body of the motion's gender
    people: int | None = None
    fps: float | None = None
    up: str | None = None
    keep_limits: bool = False
