# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on the active rig's motion over time: layers of corrections, hands and feet that are held, loops."""

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty

from ..messages import SkelError
from ..rig import controls, ik, nla, presence, record
from ..rig.editing import layers, loops, pins
from .gather import active_rig, editable_rig
from .operators import RigOperator

_PINNED = tuple((limb.control, limb.title, "") for limb in controls.LIMBS)
_ASIDE_S = 0.5  # a pin's range to either side, where neither contacts nor a preview range say one


class SKEL_OT_add_layer(RigOperator, bpy.types.Operator):
    """Key corrections in a new action that adds to the motion; the motion goes into the NLA, unchanged"""

    bl_idname, bl_label = "skel.add_layer", "Add Layer"

    def run(self, context: bpy.types.Context) -> None:
        made = layers.add(editable_rig(context))
        self.report({"INFO"}, f"What you key now goes into {made.name}, on top of the motion.")


class SKEL_OT_merge_layers(RigOperator, bpy.types.Operator):
    """Make one version of the NLA and the action on top of it; they stay in the NLA, muted"""

    bl_idname, bl_label = "skel.merge_layers", "Merge Layers"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        rig = active_rig(context)
        cls.poll_message_set("Only for a motion that has layers")
        return super().poll(context) and record.missing(rig) is None and nla.is_layered(rig)

    def run(self, context: bpy.types.Context) -> None:
        layers.merge(editable_rig(context))


class SKEL_OT_pin(RigOperator, bpy.types.Operator):
    """Hold this hand or foot where it is now over a range of frames, by its control; head and chest keep their direction"""

    bl_idname, bl_label = "skel.pin", "Pin"
    limb: EnumProperty(name="Limb", description="What is held", items=_PINNED)
    first: IntProperty(name="From", description="First frame of the hold; the pose held is that of the current frame")
    last: IntProperty(name="To", description="Last frame of the hold")
    ease: FloatProperty(name="Ease", subtype="TIME_ABSOLUTE", unit="TIME_ABSOLUTE", default=0.2, min=0.0, soft_max=2.0,
                        description="Time to ease in before the hold and out after it")  # fmt: skip

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        scene = context.scene
        try:
            rig = editable_rig(context)
            found = pins.resting(rig, self._chosen(rig), scene.frame_current)
        except SkelError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if found is None:
            aside = round(_ASIDE_S * scene.render.fps / scene.render.fps_base)
            found = (scene.frame_preview_start, scene.frame_preview_end) if scene.use_preview_range else (
                scene.frame_current - aside, scene.frame_current + aside)  # fmt: skip
        self.first, self.last = found
        return context.window_manager.invoke_props_dialog(self, title=f"Pin {self._chosen(rig).title}", confirm_text="Pin")

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.use_property_split = True
        for name in ("first", "last", "ease"):
            self.layout.prop(self, name)

    def run(self, context: bpy.types.Context) -> None:
        if self.last < self.first:
            raise SkelError("frame_range", "The last frame lies before the first.", "Set the frames again.")
        render = context.scene.render
        ease = round(self.ease * render.fps / render.fps_base)
        rig, held = editable_rig(context), pins.Pin(self.first, self.last, context.scene.frame_current, ease)
        pins.pin(context.scene, rig, self._chosen(rig), held)

    def _chosen(self, rig: bpy.types.Object) -> controls.Limb:
        limb = next(limb for limb in controls.LIMBS if limb.control == self.limb)
        if limb not in ik.limbs(rig):
            raise SkelError("no_control", f"The {limb.title} of {rig.name} no longer follows an IK control.", "Undo, or choose another.")
        return limb


class SKEL_OT_loop(RigOperator, bpy.types.Operator):
    """Make a version in which a stretch of the motion, such as two steps, repeats for ever; the present action stays as it is"""

    bl_idname, bl_label = "skel.loop", "Loop"
    first: IntProperty(name="From", description="First frame of the stretch")
    last: IntProperty(name="To", description="Last frame of the stretch, in which the first pose returns")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        scene, render = context.scene, context.scene.render
        try:
            found = loops.find(editable_rig(context), render.fps / render.fps_base)
        except SkelError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if scene.use_preview_range:
            found = (scene.frame_preview_start, scene.frame_preview_end)
        self.first, self.last = found or (scene.frame_start, scene.frame_end)
        return context.window_manager.invoke_props_dialog(self, title="Loop a Stretch of the Motion", confirm_text="Loop")

    def run(self, context: bpy.types.Context) -> None:
        rig = editable_rig(context)
        made = loops.loop(rig, self.first, self.last)
        if presence.is_on(rig):
            presence.apply(rig, False)  # who walks on for ever is not to vanish when the footage ends
        closed = f" The stretch turns: {made.times} repeats return to the start." if made.times > 1 else ""
        self.report({"INFO"}, f"Frames {self.first} to {self.last} repeat; their ends were {100 * made.apart:.1f} cm apart.{closed}")


CLASSES = (SKEL_OT_add_layer, SKEL_OT_merge_layers, SKEL_OT_pin, SKEL_OT_loop)
