# SPDX-License-Identifier: GPL-3.0-or-later
"""The people of the scene. Drawing computes nothing."""

import bpy

from ..export import sample
from ..rig import assemble, presence, record
from ..rig.editing import timing
from . import who_operators
from .gather import active_rig
from .panel import Sidebar


class SKEL_PT_people(Sidebar, bpy.types.Panel):
    """Who is in the scene, and what concerns a person as a whole."""

    bl_label = "People"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(record.rigs(context.scene))

    def draw(self, context: bpy.types.Context) -> None:
        column, active = self.layout.column(align=True), active_rig(context)
        homes: dict[bpy.types.Collection, list[bpy.types.Object]] = {}
        for rig in record.rigs(context.scene):
            homes.setdefault(record.home_of(rig) or rig.users_collection[0], []).append(rig)
        for home, rigs in homes.items():
            if len(homes) > 1:  # several takes
                _draw_home(column.row(align=True), context, home)
            shown = [rig for rig in rigs if rig.name in context.view_layer.objects]
            for rig, called in zip(shown, sample.called(shown)):  # without Blender's numbers, which no room is left for
                icon = "OUTLINER_OB_ARMATURE" if rig == active else "ARMATURE_DATA"
                row = column.row(align=True)
                name = row.row(align=True)
                name.active = not rig.hide_viewport
                name.operator("skel.select_person", text=called, icon=icon, depress=rig == active).name = rig.name
                if record.STATURE in rig:
                    side = row.row(align=True)
                    if record.open_body(rig):
                        side.prop(rig.skel, "body", text="")
                    side.prop(rig.skel, "stature", text="")
            corrected = record.said_who(home) if shown else ()
            for number, one in enumerate(corrected):
                row = column.row(align=True)
                row.label(text=who_operators.told(home, one))
                forget = row.operator("skel.who_forget", text="", icon="X")
                forget.name, forget.number = home.name, number
            if corrected or any(record.is_said(rig) for rig in shown):
                column.operator("skel.reconstruct_again", icon="FILE_REFRESH").name = home.name
        if active is None:
            return
        lost = record.missing(active)
        if lost is not None:
            self.layout.label(text=f"Bone {lost} is missing", icon="ERROR")
        self.layout.operator("skel.over_footage", icon="VIEW_CAMERA")
        self.layout.prop(active.skel, "skin", slider=True)
        column, home = self.layout.column(), timing.home_of(active)
        column.enabled = active.library is None and active.override_library is None  # Blender saves no drivers of an override
        column.prop(active.skel, "hide_absent")
        if presence.beyond(active, context.scene.frame_current):
            column.operator("skel.show_here", icon="HIDE_ON")
        row = self.layout.row()
        row.enabled = home is not None
        row.prop(active.skel, "start", text="Starts at Frame")
        elsewhere = timing.footage_elsewhere(home) if home else None
        if elsewhere is not None:
            self.layout.operator("skel.follow_footage", text=f"Footage Is at {elsewhere}: Follow", icon="ERROR")
        column = self.layout.column(align=True)
        column.operator("skel.place", icon="CON_CAMERASOLVER")
        column.menu("SKEL_MT_who", icon="COMMUNITY")
        column.operator("skel.who_missing", icon="EYEDROPPER")
        column.operator("skel.remove_person", icon="TRASH")


def _draw_home(row: bpy.types.UILayout, context: bpy.types.Context, home: bpy.types.Collection) -> None:
    """A take's name, and the box that switches it on and off as the one in the Outliner does."""
    layer = assemble.layer_of(context.view_layer, home)
    if layer is None:
        row.label(text=home.name, icon="OUTLINER_COLLECTION")
    else:
        row.alignment = "LEFT"
        row.prop(layer, "exclude", text=home.name, icon="CHECKBOX_HLT", emboss=False)  # Blender itself shows an empty box where it is off


CLASSES = (SKEL_PT_people,)
