# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by all tiers: where the repository is, the landmark model, and how a process with bpy ends."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
_status = 0


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root folder of this repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def landmark_model() -> Path:
    """MediaPipe's pose landmark model, fetched once and checked by hash."""
    from skel_blender import environment

    return environment.landmark_model(environment.default_root())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    global _status
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """The bpy wheel can hang in Python's shutdown: leave without it, once everything is written."""
    if "bpy" in sys.modules and hasattr(sys.modules["bpy"], "app"):
        from skel_blender.rig import program

        program.leave(_status)
