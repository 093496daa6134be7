# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels of the active rig: angles, limits, IK and keys. Drawing computes nothing."""

import bpy

from ..anatomy import DOFS
from ..rig import controls, layout, limbs, record
from .gather import active_rig
from .limit_operators import range_text
from .panel import Sidebar


class _RigPanel(Sidebar):
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return active_rig(context) is not None


class SKEL_PT_angles(_RigPanel, bpy.types.Panel):
    """A slider per DoF of one limb, with its range and a dot that keys it."""

    bl_label = "Angles"

    def draw(self, context: bpy.types.Context) -> None:
        column, rig, view = self.layout.column(), active_rig(context), context.window_manager.skel
        column.grid_flow(columns=2, align=True, row_major=True).prop(view, "limb", expand=True)
        box = record.limits(rig)
        for dof in limbs.LIMBS[view.limb]:
            channel = layout.channel(dof)
            split = column.split(factor=0.62, align=True)
            split.prop(rig.skel.angles, DOFS[dof].name, text=limbs.label(dof), slider=True)
            row = split.row(align=True)
            row.operator("skel.limit_dof", text=range_text(*box[dof])).dof = DOFS[dof].name
            row.prop_decorator(rig.pose.bones[channel.bone], "rotation_euler", index=channel.index)


class SKEL_PT_limits(_RigPanel, bpy.types.Panel):
    """Which limits hold, and what goes beyond them."""

    bl_label = "Joint Limits"

    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.prop(active_rig(context).skel, "limits_on", text="")

    def draw(self, context: bpy.types.Context) -> None:
        layout, rig, view = self.layout, active_rig(context), context.window_manager.skel
        layout.prop(rig.skel, "table")
        for name in rig[record.TURNED]:
            layout.label(text=f"{name} is given the wrong way round", icon="INFO")
        row = layout.row(align=True)
        row.operator("skel.check_limits", icon="VIEWZOOM")
        for where, icon in (("PREVIOUS", "PREV_KEYFRAME"), ("NEXT", "NEXT_KEYFRAME")):
            jump = row.operator("skel.jump_limit", text="", icon=icon)
            jump.where, jump.dof = where, -1
        if view.checked != rig.name:
            return
        layout.label(text=view.verdict, icon="ERROR" if len(view.violations) else "CHECKMARK")
        for violation in view.violations:
            column = layout.box().column(align=True)
            column.label(text=violation.text)
            row = column.row(align=True)
            now = row.row()
            now.alert = violation.now != 0.0
            now.prop(violation, "now", text="Now", emboss=False)
            row.prop(violation, "worst", text="Worst", emboss=False)
            jump = row.operator("skel.jump_limit", text=f"Frame {violation.frame}")
            jump.where, jump.dof = "WORST", violation.dof


class SKEL_PT_ik(_RigPanel, bpy.types.Panel):
    """Who leads a limb: its angles or its control."""

    bl_label = "IK Controls"

    def draw(self, context: bpy.types.Context) -> None:
        column, rig = self.layout.column(align=True), active_rig(context)
        column.prop(rig.data.collections_all[controls.COLLECTION], "is_visible", text="Show Controls")
        led = [limb for limb in controls.LIMBS if limb.switch in rig]  # an older rig has no chest control
        for limb in led:
            row = column.row(align=True)
            row.prop(rig, f'["{limb.switch}"]', text=limb.title, slider=True)
            for to, icon in (("CONTROL", "CON_KINEMATIC"), ("CHANNELS", "ARMATURE_DATA")):
                match = row.operator("skel.match", text="", icon=icon)
                match.to, match.limbs, match.range = to, {limb.control}, "ACTION"
        row = self.layout.row(align=True)
        for to, text in (("CONTROL", "All to Controls"), ("CHANNELS", "All to Angles")):
            match = row.operator("skel.match", text=text)
            match.to, match.limbs, match.range = to, {limb.control for limb in led}, "ACTION"


class SKEL_PT_keys(_RigPanel, bpy.types.Panel):
    """Versions of the motion, and what makes new ones."""

    bl_label = "Keys"

    def draw(self, context: bpy.types.Context) -> None:
        layout, rig = self.layout, active_rig(context)
        row = layout.row(align=True)
        row.operator_context = "INVOKE_DEFAULT"
        row.operator("skel.smooth", icon="MOD_SMOOTH")
        row.operator("skel.thin_keys", icon="IPO_BEZIER")
        row = layout.row()
        row.operator_context = "INVOKE_DEFAULT"
        row.operator("skel.refit", icon="TRACKING_REFINE_FORWARDS")
        column = layout.column(align=True)
        current = rig.animation_data.action if rig.animation_data else None
        for action in record.versions(rig):
            used = action == current
            column.operator("skel.use_action", text=action.name, depress=used, icon="CHECKMARK" if used else "BLANK1").name = action.name
        layout.prop(rig.skel, "hide_absent")
        layout.operator("skel.place", icon="CON_CAMERASOLVER")
        layout.operator("skel.add_poses", icon="ASSET_MANAGER")
        layout.operator("skel.remove_person", icon="TRASH")


CLASSES = (SKEL_PT_angles, SKEL_PT_limits, SKEL_PT_ik, SKEL_PT_keys)
