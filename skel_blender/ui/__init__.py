# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sees in Blender: preferences, the sidebar, operators. Gathers choices, calls, reports."""

import bpy

from . import (
    again_operators,
    engine,
    export_operators,
    file_operators,
    key_operators,
    limit_operators,
    look_operators,
    missing_operators,
    motion_operators,
    operators,
    panel,
    people_panel,
    person_operators,
    preferences,
    properties,
    refit_operators,
    retarget_operators,
    retarget_panel,
    retarget_properties,
    rig_panel,
    rig_properties,
    who_operators,
)
from .runner import on_load, runner

_MODULES = (properties, rig_properties, preferences, operators, person_operators, who_operators, missing_operators, limit_operators,
            look_operators, key_operators, motion_operators, refit_operators, again_operators, file_operators, panel, people_panel,
            rig_panel, export_operators, retarget_properties, retarget_operators, retarget_panel)  # fmt: skip
_CLASSES = tuple(cls for module in _MODULES for cls in module.CLASSES)


def _watched() -> tuple[list, list]:
    return bpy.app.handlers.frame_change_post, bpy.app.handlers.depsgraph_update_post


def register() -> None:
    """Add everything to Blender; the engine is looked for a moment later, since Blender may still be starting."""
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    properties.register()
    rig_properties.register()
    retarget_properties.register()
    for handlers in _watched():
        handlers.append(limit_operators.on_change)
    bpy.app.handlers.load_post.append(on_load)
    bpy.types.VIEW3D_MT_editor_menus.append(panel.draw_in_header)
    bpy.app.timers.register(engine.refresh, first_interval=0.1, persistent=True)  # a file may be opened before it comes to that


def unregister() -> None:
    """Take everything away again and end a running job."""
    runner.stop()
    if bpy.app.timers.is_registered(engine.refresh):
        bpy.app.timers.unregister(engine.refresh)
    for handlers in _watched():
        handlers.remove(limit_operators.on_change)
    bpy.app.handlers.load_post.remove(on_load)
    bpy.types.VIEW3D_MT_editor_menus.remove(panel.draw_in_header)
    retarget_properties.unregister()
    rig_properties.unregister()
    properties.unregister()
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
