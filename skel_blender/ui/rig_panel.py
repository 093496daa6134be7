# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels of the active rig: where to look, angles, limits, IK and motion. Drawing computes nothing."""

import bpy

from ..anatomy import DOFS, JOINT_NAMES
from ..rig import controls, doubt, ik, limbs, nla, record
from ..rig.editing import layers, motion
from . import look_operators
from .gather import active_rig
from .limit_operators import range_text
from .panel import Sidebar
from .rig_properties import ACTIVE

_DEGREE = "\N{DEGREE SIGN}"  # does not fit beside a slider
_WAYS = (("CONTROL", "CON_KINEMATIC"), ("CHANNELS", "ARMATURE_DATA"))
"""Whom a limb is handed to, and the icon for that."""


class _RigPanel(Sidebar):
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        rig = active_rig(context)
        return rig is not None and record.missing(rig) is None


class SKEL_PT_angles(_RigPanel, bpy.types.Panel):
    """A slider per DoF of one limb, with its range and a button that keys it."""

    bl_label = "Angles"

    def draw(self, context: bpy.types.Context) -> None:
        column, rig, view = self.layout.column(), active_rig(context), context.window_manager.skel
        column.prop_enum(view, "limb", ACTIVE)
        grid = column.grid_flow(columns=2, align=True, row_major=True)
        for limb in limbs.LIMBS:
            grid.prop_enum(view, "limb", limb)
        limb = view.limb
        if limb == ACTIVE:
            limb = _limb_of(rig.data.bones.active)
            column.label(text=limbs.TITLES[limb] if limb else "Select a bone, or choose a limb")
        if any(ik.is_on(rig, led) for led in ik.limbs(rig) if limbs.LIMB_OF_BONE[JOINT_NAMES[led.tip]] == limb):
            column.label(text="Led by an IK control now", icon="INFO")
        box, shown = record.limits(rig), limbs.LIMBS.get(limb, ())
        for dof in shown:
            split = column.split(factor=0.6, align=True)
            split.prop(rig.skel.angles, DOFS[dof].name, text=limbs.short_label(dof), slider=True)
            row = split.row(align=True)
            row.operator("skel.limit_dof", text=range_text(*box[dof]).rstrip(_DEGREE)).dof = DOFS[dof].name
            keyed = motion.is_keyed(rig, dof, context.scene.frame_current)
            row.operator("skel.key_angles", text="", icon="KEYFRAME_HLT" if keyed else "KEYFRAME").dofs = DOFS[dof].name
        if shown:
            names = " ".join(DOFS[dof].name for dof in shown)
            column.operator("skel.key_angles", text="Key All of Them", icon="KEYINGSET").dofs = names
            if layers.adds(rig):
                back = column.operator("skel.key_angles", text="Key No Correction", icon="LOOP_BACK")
                back.dofs, back.back = names, True


def _limb_of(bone: bpy.types.Bone | None) -> str | None:
    """The limb of `limbs` that a bone or a control belongs to."""
    name = bone.name if bone else ""
    led = next((limb for limb in controls.LIMBS if limb.control == name), None)
    return limbs.LIMB_OF_BONE.get(JOINT_NAMES[led.tip] if led else name)


class SKEL_PT_limits(_RigPanel, bpy.types.Panel):
    """Which limits hold, and what goes beyond them."""

    bl_label = "Joint Limits"

    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.prop(active_rig(context).skel, "limits_on", text="")

    def draw(self, context: bpy.types.Context) -> None:
        layout, rig, view = self.layout, active_rig(context), context.window_manager.skel
        layout.prop(rig.skel, "table")
        for name in rig[record.TURNED]:
            layout.label(text=f"{name} is reversed in this table", icon="INFO")
        row = layout.row(align=True)
        row.operator("skel.check_limits", icon="VIEWZOOM")
        for where, icon in (("PREVIOUS", "PREV_KEYFRAME"), ("NEXT", "NEXT_KEYFRAME")):
            jump = row.operator("skel.jump_limit", text="", icon=icon)
            jump.where, jump.dof = where, -1
        action = rig.animation_data.action if rig.animation_data else None
        if view.checked != rig.name or action is None or view.checked_action != action.name:
            return
        layout.label(text=view.verdict, icon="ERROR" if len(view.violations) else "CHECKMARK")
        for violation in view.violations:
            column = layout.box().column(align=True)
            column.label(text=violation.text)
            row = column.row(align=True)
            now = row.row()
            now.alert = violation.now != 0.0
            now.prop(violation, "now", text="Now", emboss=False)
            row.prop(violation, "worst", text="", emboss=False)
            jump = row.operator("skel.jump_limit", text=f"in {violation.frame}")
            jump.where, jump.dof = "WORST", violation.dof


class SKEL_PT_look(_RigPanel, bpy.types.Panel):
    """Where the reconstruction is probably worst."""

    bl_label = "Where to Look"
    bl_options = set()  # open: nobody looks for what he does not know of

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and doubt.of(active_rig(context)) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout, rig, now = self.layout, active_rig(context), context.scene.frame_current
        found = doubt.of(rig)
        row = layout.row(align=True)
        row.label(text="Probably worst first" if found else "Nothing stands out")
        for where, icon in (("PREVIOUS", "PREV_KEYFRAME"), ("NEXT", "NEXT_KEYFRAME")) if found else ():
            row.operator("skel.look_on", text="", icon=icon).where = where
        column = layout.column(align=True)
        for number, stretch in enumerate(found):
            first, last, _ = look_operators.frames(rig, stretch)
            row, looked = column.row(align=True), bool(stretch.looked)
            row.operator("skel.looked", text="", icon="CHECKBOX_HLT" if looked else "CHECKBOX_DEHLT", emboss=False).number = number
            row.active = not looked
            when = f"{first}" if first == last else f"{first}\N{HORIZONTAL ELLIPSIS}{last}"
            text = f"{limbs.TITLES[look_operators.limb(stretch)]}  {when}"
            row.operator("skel.look", text=text, depress=first <= now <= last).number = number


class SKEL_PT_ik(_RigPanel, bpy.types.Panel):
    """Who leads a limb: its angles or its control."""

    bl_label = "IK Controls"

    def draw(self, context: bpy.types.Context) -> None:
        layout, rig, view = self.layout, active_rig(context), context.window_manager.skel
        shown = rig.data.collections_all.get(controls.COLLECTION)
        if shown is not None:
            layout.prop(shown, "is_visible", text="Show Controls")
        layout.row(align=True).prop(view, "range", expand=True)
        led = ik.limbs(rig)
        if not led:
            layout.label(text="No IK control leads a limb", icon="ERROR")
            return
        column = layout.column(align=True)
        for limb in led:
            row = column.row(align=True)
            row.prop(rig, f'["{limb.switch}"]', text=limb.title, slider=True)
            for to, icon in _WAYS:
                match = row.operator("skel.match", text="", icon=icon)
                match.to, match.limbs, match.range = to, {limb.control}, view.range
            row.operator_context = "INVOKE_DEFAULT"
            row.operator("skel.pin", text="", icon="PINNED").limb = limb.control
        row = layout.row(align=True)
        for (to, icon), text in zip(_WAYS, ("All to Controls", "All to Angles")):
            match = row.operator("skel.match", text=text, icon=icon)
            match.to, match.limbs, match.range = to, {limb.control for limb in led}, view.range


class SKEL_PT_keys(_RigPanel, bpy.types.Panel):
    """Versions of the motion, and what makes new ones."""

    bl_label = "Motion"

    def draw(self, context: bpy.types.Context) -> None:
        layout, rig = self.layout, active_rig(context)
        current = rig.animation_data.action if rig.animation_data else None
        column = layout.column(align=True)
        for action in record.versions(rig):
            used, row = action == current, column.row(align=True)
            row.operator("skel.use_action", text=action.name, depress=used, icon="CHECKMARK" if used else "BLANK1").name = action.name
            if not used and action.get(record.KIND) != record.RAW:
                row.operator("skel.remove_action", text="", icon="X").name = action.name
        if current not in record.versions(rig):
            column.label(text=current.name if current else "Played by the NLA", icon="NLA" if nla.is_layered(rig) else "ACTION")
        row = column.row(align=True)
        row.operator("skel.add_layer", icon="ADD")
        row.operator("skel.merge_layers", icon="NLA_PUSHDOWN")
        column = layout.column(align=True)
        row = column.row(align=True)
        row.operator_context = "INVOKE_DEFAULT"
        row.operator("skel.smooth", icon="MOD_SMOOTH")
        row.operator("skel.thin_keys", icon="IPO_BEZIER")
        row.operator("skel.loop", icon="FILE_REFRESH")
        row = column.row()
        row.operator_context = "INVOKE_DEFAULT"
        row.operator("skel.refit", icon="TRACKING_REFINE_FORWARDS")
        layout.operator("skel.add_poses", icon="ASSET_MANAGER")


CLASSES = (SKEL_PT_look, SKEL_PT_angles, SKEL_PT_limits, SKEL_PT_ik, SKEL_PT_keys)
