# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that need Blender as a Python module; left out where it is not installed."""

from __future__ import annotations

import importlib.util

import pytest

from tests import synthetic

_spec = importlib.util.find_spec("bpy")
collect_ignore_glob = [] if _spec is not None and _spec.origin is not None else ["test_*.py"]


@pytest.fixture
def context():
    """The context of an empty scene."""
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    return bpy.context


@pytest.fixture
def take():
    """Two people, 30 frames, from source frame 4 on."""
    return synthetic.random_take(first=4)


def pytest_terminal_summary(terminalreporter):
    """The figures of exported files, as a table."""
    import sys

    deliveries = sys.modules.get("tests.bpy.deliveries")
    if deliveries is not None and deliveries.FIGURES:
        terminalreporter.write_line(deliveries.table())
