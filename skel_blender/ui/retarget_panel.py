# SPDX-License-Identifier: GPL-3.0-or-later
"""The Retarget panel of the SKEL tab: source, target, the bone map and the button. Drawing computes nothing."""

import bpy

from ..export.retarget import presets
from ..export.retarget.slots import BY_NAME
from .gather import source_rig, user_folder
from .panel import Sidebar
from .retarget_operators import FOLDER


class SKEL_UL_slots(bpy.types.UIList):
    """A row per part of the body, with the target's bone. In a sidebar of the usual width a field would show no more than "mixamorig:"."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index=0, flt_flag=0) -> None:
        slot = BY_NAME[item.name]
        split = layout.split(factor=0.45)
        split.label(text=slot.title, icon="ERROR" if slot.needed and not item.bone else "NONE")
        bone = split.row(align=True)
        bone.alert = _is_unknown(data.target, item)
        bone.label(text=item.bone.rpartition(":")[2])


def _is_unknown(target: bpy.types.Object, row: bpy.types.PropertyGroup) -> bool:
    """Whether the target has no bone of the name in a row of the map."""
    return bool(row.bone) and row.bone not in target.data.bones


class SKEL_MT_bone_maps(bpy.types.Menu):
    """The saved bone maps."""

    bl_label = "Bone Maps"

    def draw(self, context: bpy.types.Context) -> None:
        layout, saved = self.layout, presets.listed(user_folder(FOLDER))
        for name in saved:
            row = layout.row()
            row.operator("skel.load_bone_map", text=name).name = name
            row.operator("skel.delete_bone_map", text="", icon="X", emboss=False).name = name
        if not saved:
            layout.label(text="None is saved yet")


class SKEL_PT_retarget(Sidebar, bpy.types.Panel):
    """The motion on a character of your own."""

    bl_label, bl_options = "Retarget", {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.skel_retarget
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "source", icon="ARMATURE_DATA")
        source = source_rig(context)
        if settings.source is None and source is not None:
            column.label(text=f"Takes {source.name}", icon="BLANK1")
        column.prop(settings, "target", icon="OUTLINER_OB_ARMATURE")
        if settings.target is None:
            return
        row = layout.row(align=True)
        row.operator("skel.guess_bones", icon="VIEWZOOM")
        row.menu("SKEL_MT_bone_maps", text="Load", icon="PRESET")
        save = row.row(align=True)
        save.operator_context = "INVOKE_DEFAULT"
        save.operator("skel.save_bone_map", text="Save", icon="ADD")
        row.operator("skel.clear_bones", text="", icon="X")
        if len(settings.rows):
            layout.template_list("SKEL_UL_slots", "", settings, "rows", settings, "active", rows=8)
            chosen = settings.rows[min(settings.active, len(settings.rows) - 1)]
            field = layout.row(align=True)
            field.alert = _is_unknown(settings.target, chosen)
            field.prop_search(chosen, "bone", settings.target.data, "bones", text="")
        layout.prop(settings, "hold_feet")
        layout.prop(settings, "root_travels")
        if settings.root_travels:
            layout.prop(settings, "root_turns")
        layout.prop(settings, "relax_fingers")
        row = layout.row()
        row.scale_y = 1.4
        row.operator("skel.retarget", icon="ARMATURE_DATA")


CLASSES = (SKEL_UL_slots, SKEL_MT_bone_maps, SKEL_PT_retarget)
