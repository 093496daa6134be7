# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: the engine's state, its installation, which Python and device it uses."""

import bpy
from bpy.props import EnumProperty, StringProperty

from .engine import refresh, state
from .gather import ADDON
from .runner import runner

DEVICES = (
    ("auto", "Automatic", "The GPU if the engine can use it, otherwise the CPU"),
    ("cpu", "CPU", "Always the CPU"),
    ("cuda", "CUDA", "Always the NVIDIA GPU"),
)


class SKEL_AddonPreferences(bpy.types.AddonPreferences):
    """Choices that hold for all files."""

    bl_idname = ADDON

    engine_python: StringProperty(
        name="Engine Python", subtype="FILE_PATH", update=lambda self, context: refresh(),
        description="A Python that has the engine's packages, instead of the installed engine; leave empty otherwise",
    )  # fmt: skip
    device: EnumProperty(name="Device", items=DEVICES, description="Device on which the engine computes")

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        draw_engine(layout)
        draw_messages(layout)
        layout.prop(self, "engine_python")
        layout.prop(self, "device")


def draw_engine(layout: bpy.types.UILayout) -> None:
    """The engine's state and the button that installs it, with its progress."""
    layout.label(text=state.text, icon="CHECKMARK" if state.ready else "ERROR")
    if runner.busy:
        draw_progress(layout)
    else:
        if not (bpy.app.online_access or bpy.app.online_access_override):
            layout.prop(bpy.context.preferences.system, "use_online_access", text="Allow Blender to Go Online")
        text = "Install Engine Again" if state.ready else "Install Engine"
        layout.operator("skel.install_engine", text=text, icon="IMPORT")


def draw_progress(layout: bpy.types.UILayout) -> None:
    """The progress bar of the running job with a button that cancels it."""
    row = layout.row(align=True)
    row.progress(factor=runner.factor, text=runner.text)
    row.operator("skel.cancel", text="", icon="X")


def draw_messages(layout: bpy.types.UILayout) -> None:
    """What the last job said, with a button that takes it away."""
    if not runner.lines:
        return
    box = layout.box().column(align=True)
    for number, (icon, text) in enumerate(runner.lines):
        row = box.row()
        row.label(text=text, icon=icon)
        if number == 0 and not runner.busy:
            row.operator("skel.clear_messages", text="", icon="X", emboss=False)


CLASSES = (SKEL_AddonPreferences,)
