# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that several files of this tier share."""

import importlib.util

if importlib.util.find_spec("torch"):
    from tests.engine.smpl_layouts import folder, model, walk  # noqa: F401
