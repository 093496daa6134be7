# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sees in Blender: preferences, the sidebar, operators. Gathers choices, calls, reports."""

import bpy

from . import engine, operators, panel, preferences, properties
from .runner import runner

_CLASSES = (*properties.CLASSES, *preferences.CLASSES, *operators.CLASSES, *panel.CLASSES)
_keys: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


def register() -> None:
    """Add everything to Blender; the engine is looked for a moment later, since Blender may still be starting."""
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    properties.register()
    keyconfig = bpy.context.window_manager.keyconfigs.addon
    if keyconfig is not None:  # there is none in the background
        keymap = keyconfig.keymaps.new(name="3D View Generic", space_type="VIEW_3D")
        _keys.append((keymap, keymap.keymap_items.new("skel.cancel", "ESC", "PRESS")))
    bpy.app.timers.register(engine.refresh, first_interval=0.1)


def unregister() -> None:
    """Take everything away again and end a running job."""
    runner.stop()
    if bpy.app.timers.is_registered(engine.refresh):
        bpy.app.timers.unregister(engine.refresh)
    for keymap, item in _keys:
        keymap.keymap_items.remove(item)
    _keys.clear()
    properties.unregister()
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
