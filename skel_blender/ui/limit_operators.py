# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits: find what goes beyond them, go there, and give one DoF a range of its own."""

import math

import bpy
import numpy as np
from bpy.app.handlers import persistent
from bpy.props import EnumProperty, FloatProperty, IntProperty

from ..anatomy import DOF_INDEX, DOFS
from ..messages import SkelError
from ..rig import limbs, limits, record
from ..rig.editing import motion, violations
from .gather import active_rig, editable_rig
from .operators import RigOperator

_HALF_TURN = math.pi


class SKEL_OT_check_limits(RigOperator, bpy.types.Operator):
    """Find all frames of the action on which an angle goes beyond its limit"""

    bl_idname, bl_label, bl_options = "skel.check_limits", "Check Action", {"REGISTER"}

    def run(self, context: bpy.types.Context) -> None:
        self.report({"INFO"}, check(context, active_rig(context)))


def check(context: bpy.types.Context, rig: bpy.types.Object) -> str:
    """Fill the panel's list for the rig's action; what came of it in a sentence."""
    view, frames = context.window_manager.skel, motion.frames_of(rig)
    poses, box = motion.read(rig, frames)[0], record.limits(rig)
    found = violations.summary(poses, frames, box)
    view.violations.clear()
    for violation in found:
        row = view.violations.add()
        row.dof, row.worst, row.frame, row.count = violation.dof, violation.worst, violation.frame, violation.count
        row.text = f"{title(violation.dof)} ({range_text(*box[violation.dof])})"
    view.checked, view.checked_action = rig.name, motion.action_of(rig).name
    bad = len(violations.bad_frames(poses, frames, box))
    angles = "1 angle" if len(found) == 1 else f"{len(found)} angles"
    view.verdict = f"{angles} on {bad} of {len(frames)} frames" if found else "All frames are within the limits"
    show_now(context.window_manager)
    return view.verdict + "."


def show_now(manager: bpy.types.WindowManager) -> None:
    """Bring the list's column for the current frame up to date; does nothing before a check."""
    view = manager.skel
    rig = bpy.data.objects.get(view.checked)
    if len(view.violations) and record.is_rig(rig) and record.missing(rig) is None:
        off = violations.beyond(motion.pose_now(rig), record.limits(rig))
        for row in view.violations:
            row.now = off[row.dof]


@persistent
def on_change(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph | None = None) -> None:
    """Handler of frame changes and edits."""
    for manager in bpy.data.window_managers:
        show_now(manager)


def title(dof: int) -> str:
    """A DoF's name with its side."""
    name = DOFS[dof].name
    side = next((word for end, word in (("_r", "Right "), ("_l", "Left ")) if name.endswith(end) or end + "_" in name), "")
    return side + limbs.label(dof)


def range_text(low: float, up: float) -> str:
    """A range in whole degrees."""
    if math.isinf(low) or math.isinf(up):
        return "free"
    return f"{math.degrees(low):.0f}\N{HORIZONTAL ELLIPSIS}{math.degrees(up):.0f}\N{DEGREE SIGN}"


class SKEL_OT_jump_limit(RigOperator, bpy.types.Operator):
    """Go to a frame on which an angle is beyond its limit"""

    bl_idname, bl_label, bl_options = "skel.jump_limit", "Go to Violation", {"REGISTER"}
    where: EnumProperty(description="Which of them", items=(("WORST", "Worst", ""), ("NEXT", "Next", ""), ("PREVIOUS", "Previous", "")))
    dof: IntProperty(default=-1, description="Which angle, -1 for any")

    def run(self, context: bpy.types.Context) -> None:
        rig, scene = active_rig(context), context.scene
        frames, box = motion.frames_of(rig), record.limits(rig).copy()
        if self.dof >= 0:
            box[np.arange(len(DOFS)) != self.dof] = -math.inf, math.inf
        poses = motion.read(rig, frames)[0]
        bad = violations.bad_frames(poses, frames, box)
        ahead = {"NEXT": bad[bad > scene.frame_current], "PREVIOUS": bad[bad < scene.frame_current][::-1], "WORST": bad}[self.where]
        if not len(ahead):
            raise SkelError("no_violation", "No other frame goes beyond a limit there.", "Search the other way, or check another angle.")
        scene.frame_set(violations.summary(poses, frames, box)[0].frame if self.where == "WORST" else int(ahead[0]))


class SKEL_OT_limit_dof(RigOperator, bpy.types.Operator):
    """Set the range of this angle"""

    bl_idname, bl_label = "skel.limit_dof", "Set Range"
    dof: EnumProperty(name="Angle", items=[(dof.name, dof.name, "") for dof in DOFS], options={"HIDDEN"})
    low: FloatProperty(name="From", description="Minimum of the angle", subtype="ANGLE", min=-_HALF_TURN, max=_HALF_TURN)
    up: FloatProperty(name="To", description="Maximum of the angle", subtype="ANGLE", min=-_HALF_TURN, max=_HALF_TURN)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        low, up = record.limits(active_rig(context))[DOF_INDEX[self.dof]]
        self.low, self.up = max(low, -_HALF_TURN), min(up, _HALF_TURN)
        return context.window_manager.invoke_props_dialog(self, title=f"Range of {title(DOF_INDEX[self.dof])}")

    def run(self, context: bpy.types.Context) -> None:
        if self.low > self.up:
            raise SkelError("bad_range", "The minimum is greater than the maximum.", "Swap them.")
        rig = editable_rig(context)
        table = record.limits(rig)
        table[DOF_INDEX[self.dof]] = self.low, self.up
        limits.apply(rig, table, "custom", limits.are_on(rig))


CLASSES = (SKEL_OT_check_limits, SKEL_OT_jump_limit, SKEL_OT_limit_dof)
