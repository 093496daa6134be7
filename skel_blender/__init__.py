# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage in, a rig that bends like a person out: a Blender extension, and the engine that it starts in a process of its own."""


def register() -> None:
    """Called by Blender when the extension is enabled."""
    from . import ui

    ui.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled, and at exit."""
    from . import ui

    ui.unregister()
