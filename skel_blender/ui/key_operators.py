# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and IK of the active rig: thin, smooth, choose a version, hand limbs over."""

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from ..anatomy import DOF_INDEX
from ..messages import SkelError
from ..rig import compat, controls, ik, limbs, limits, nla, record, restposes, unkeyed
from ..rig.editing import layers, matching, motion, thinning
from ..rig.editing.steps import Steps
from .gather import editable_rig
from .operators import RigOperator
from .rig_properties import RANGES
from .stepped import SteppedOperator

_LIMBS = tuple((name, title, "", 1 << number) for number, (name, title) in enumerate(limbs.TITLES.items()))
_WAYS = (
    ("CONTROL", "To Controls", "Put the controls where the limbs are and let them lead"),
    ("CHANNELS", "To Angles", "Key the visible pose as the limbs' own angles, and let those lead"),
)
_CONTROLS = tuple((limb.control, limb.title, "", 1 << number) for number, limb in enumerate(controls.LIMBS))


class SKEL_OT_key_angles(RigOperator, bpy.types.Operator):
    """Key these angles as they stand on the current frame"""

    bl_idname, bl_label = "skel.key_angles", "Key Angles"
    dofs: StringProperty(description="Names of the angles, with spaces between them", options={"HIDDEN"})
    back: BoolProperty(description="Key what a layer of corrections adds to them: nothing", options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        back = "Let the layer add nothing to these angles on the current frame: where a correction begins or ends"
        return back if properties.back else cls.__doc__

    def run(self, context: bpy.types.Context) -> None:
        key = layers.take_back if self.back else motion.key
        for name in self.dofs.split():
            key(editable_rig(context), DOF_INDEX[name])


class SKEL_OT_thin_keys(SteppedOperator, RigOperator, bpy.types.Operator):
    """Make an action with few Bezier keys of the same motion; the present action stays as it is"""

    bl_idname, bl_label, bl_options = "skel.thin_keys", "Thin Keys", {"REGISTER", "UNDO", "BLOCKING"}
    joint: FloatProperty(name="Joints (m)", default=0.005, min=0.0005, soft_max=0.05, precision=4,
                         description="How far a joint may move")  # fmt: skip
    contact: FloatProperty(name="Planted Feet (m)", default=0.001, min=0.0002, soft_max=0.05, precision=4,
                           description="How far a foot may move while it rests on the floor")  # fmt: skip
    range: EnumProperty(name="Frames", description="On which frames keys are thinned", items=RANGES[:2], default="ACTION")

    def steps(self, context: bpy.types.Context) -> Steps[thinning.Thinned]:
        bounds = thinning.Bounds(self.joint, min(self.contact, self.joint))
        rig = editable_rig(context)
        return (yield from motion.thin(rig, bounds, frames_of(context.scene, rig, self.range)))

    def done(self, context: bpy.types.Context, made: thinning.Thinned) -> None:
        text = f"{100 * made.share:.0f} % of the keys are left, joints within {1000 * made.error:.1f} mm."
        self.report({"INFO"}, text + but_led(editable_rig(context)))


class SKEL_OT_smooth(RigOperator, bpy.types.Operator):
    """Make an action with smoother motion of the chosen limbs; the present action stays as it is"""

    bl_idname, bl_label = "skel.smooth", "Smooth"
    seconds: FloatProperty(name="Seconds", default=0.08, min=0.01, soft_max=0.5, max=5.0,
                           description="Shakes shorter than this go away, whatever the frame rate")  # fmt: skip
    most: FloatProperty(name="At Most (m)", default=0.03, min=0.001, soft_max=0.2, precision=3,
                        description="How far a joint may move: kicks and throws are smoothed less")  # fmt: skip
    limbs: EnumProperty(name="Limbs", description="What is smoothed", items=_LIMBS, options={"ENUM_FLAG"}, default=set(limbs.TITLES))
    range: EnumProperty(name="Frames", description="On which frames it is smoothed", items=RANGES[:2], default="ACTION")

    def run(self, context: bpy.types.Context) -> None:
        if not self.limbs:
            raise SkelError("no_limb", "No limb is chosen.", "Choose at least one.")
        render = context.scene.render
        rig = editable_rig(context)
        frames = frames_of(context.scene, rig, self.range)
        moved, slid = motion.smooth(rig, self.seconds, render.fps / render.fps_base, set(self.limbs), self.most, frames)
        feet = "; which feet rest is not known" if slid is None else f", resting feet by {1000 * slid:.1f} mm"
        self.report({"INFO"}, f"Joints moved by at most {100 * moved:.1f} cm{feet}.{but_led(rig)}")


def but_led(rig: bpy.types.Object) -> str:
    """What is to be said of limbs whose angles are not what is seen."""
    led = ", ".join(limb.title for limb in ik.led(rig))
    return f" Still led by their controls, which were left as they are: {led}." if led else ""


class SKEL_OT_use_action(RigOperator, bpy.types.Operator):
    """Let the rig play this version of its motion"""

    bl_idname, bl_label = "skel.use_action", "Use Version"
    name: StringProperty(options={"HIDDEN"})

    def run(self, context: bpy.types.Context) -> None:
        rig = editable_rig(context)
        action = _version(rig, self.name)
        compat.check_assignable(rig)
        with unkeyed.at_rest(rig):
            nla.leave(rig)
            compat.use_action(rig, action)


class SKEL_OT_remove_action(RigOperator, bpy.types.Operator):
    """Take this version of the motion out of the file"""

    bl_idname, bl_label = "skel.remove_action", "Remove Version"
    name: StringProperty(options={"HIDDEN"})

    def run(self, context: bpy.types.Context) -> None:
        rig = editable_rig(context)
        version = _version(rig, self.name)
        users = sorted(user.name for user in bpy.data.user_map(subset=[version])[version])
        if users:  # below a layer, or by a duplicate of the rig, which has the same versions
            raise SkelError("in_use", f"{users[0]} plays {version.name} or has it in the NLA.",
                            "Choose another version there, or delete its strip in the NLA editor.")  # fmt: skip
        bpy.data.actions.remove(version)


def _version(rig: bpy.types.Object, name: str) -> bpy.types.Action:
    action = next((action for action in record.versions(rig) if action.name == name), None)
    if action is None:
        raise SkelError("no_action", f"There is no version {name} any more.", "Choose another one.")
    return action


class SKEL_OT_match(RigOperator, bpy.types.Operator):
    """Hand limbs over between their own angles and their IK controls, without a jump"""

    bl_idname, bl_label = "skel.match", "Match"
    to: EnumProperty(name="Way", description="Who leads the limbs from now on", items=_WAYS)
    limbs: EnumProperty(name="Limbs", description="What is handed over", items=_CONTROLS, options={"ENUM_FLAG"},
                        default={row[0] for row in _CONTROLS})  # fmt: skip
    range: EnumProperty(name="Frames", description="On which frames limbs are handed over", items=RANGES, default="ACTION")

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        return next(text for name, _, text in _WAYS if name == properties.to)

    def run(self, context: bpy.types.Context) -> None:
        rig = editable_rig(context)
        chosen = [limb for limb in ik.limbs(rig) if limb.control in self.limbs]
        if not self.limbs:
            raise SkelError("no_limb", "No limb is chosen.", "Choose at least one.")
        if not chosen:
            raise SkelError("no_control", f"The limbs chosen of {rig.name} follow no IK control.", "Undo, or work with the angles.")
        change = matching.to_control if self.to == "CONTROL" else matching.to_channels
        change(context.scene, rig, chosen, frames_of(context.scene, rig, self.range))
        added = limits.added(rig, (joint for limb in chosen for joint in limb.joints)) if self.to == "CHANNELS" else ()
        if added:
            names = ", ".join(constraint.name for constraint in added)
            self.report({"WARNING"}, f"The keys have in them what added constraints do: mute these, or they may act twice: {names}.")


def frames_of(scene: bpy.types.Scene, rig: bpy.types.Object, choice: str) -> np.ndarray:
    """(T,) the scene frames of one of RANGES."""
    if choice == "FRAME":
        return np.array([scene.frame_current])
    if choice == "ACTION":
        return motion.frames_of(rig)
    preview = scene.use_preview_range
    first, last = (scene.frame_preview_start, scene.frame_preview_end) if preview else (scene.frame_start, scene.frame_end)
    return np.arange(first, last + 1)


class SKEL_OT_add_poses(RigOperator, bpy.types.Operator):
    """Put rest poses (T, A, standing, sitting) into this file's pose library; they fit every rig of this add-on"""

    bl_idname, bl_label = "skel.add_poses", "Add Rest Poses"

    def run(self, context: bpy.types.Context) -> None:
        made = restposes.ensure(editable_rig(context))
        self.report({"INFO"}, f"{len(made)} poses are in the Asset Browser, under Current File.")


CLASSES = (SKEL_OT_key_angles, SKEL_OT_thin_keys, SKEL_OT_smooth, SKEL_OT_use_action, SKEL_OT_remove_action, SKEL_OT_match,
           SKEL_OT_add_poses)  # fmt: skip
