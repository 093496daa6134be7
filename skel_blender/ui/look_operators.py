# SPDX-License-Identifier: GPL-3.0-or-later
"""Where to look: go to what is probably wrong, with its limb selected, and tick it off."""

import math

import bpy
import numpy as np
from bpy.props import EnumProperty, IntProperty

from ..messages import SkelError
from ..rig import armature, clock, compat, doubt, limbs
from ..take import DOUBTED
from .gather import active_rig
from .operators import RigOperator


def frames(rig: bpy.types.Object, stretch: doubt.Stretch) -> list[int]:
    """The scene frames nearest to a stretch's first, last and worst one."""
    places = clock.of_rig(rig).places(np.array([stretch.first, stretch.last, stretch.worst]))
    return [round(float(place)) for place in places]


def limb(stretch: doubt.Stretch) -> str:
    """Its name in `limbs`."""
    return DOUBTED[stretch.limb].upper()


class _Look(RigOperator):
    """Base of what needs a rig that knows where to look."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        cls.poll_message_set("This person's Take has no error estimates")
        return bool(doubt.of(active_rig(context)))


class _OfOne(_Look):
    """Base of what is done with one stretch."""

    number: IntProperty(min=0, options={"HIDDEN"}, description="Which stretch, the worst is 0")

    def stretch(self, context: bpy.types.Context) -> doubt.Stretch:
        """The chosen one. Raises SkelError if there are not so many."""
        found = doubt.of(active_rig(context))
        if self.number >= len(found):
            raise SkelError("no_stretch", f"There are {len(found)} stretches to look at.", "Choose one from the list.")
        return found[self.number]


class SKEL_OT_look(_OfOne, bpy.types.Operator):
    """Go to the frame of this stretch that is probably worst, and select the bones of the limb"""

    bl_idname, bl_label = "skel.look", "Look There"

    def run(self, context: bpy.types.Context) -> None:
        self.stretch(context)
        go(context, active_rig(context), self.number)


class SKEL_OT_look_on(_Look, bpy.types.Operator):
    """Go to the next stretch in time that is not ticked"""

    bl_idname, bl_label = "skel.look_on", "Next Place to Look At"
    where: EnumProperty(name="Where", description="Later or earlier than the current frame",
                        items=(("NEXT", "Next", ""), ("PREVIOUS", "Previous", "")))  # fmt: skip

    def run(self, context: bpy.types.Context) -> None:
        rig, sign = active_rig(context), 1 if self.where == "NEXT" else -1
        found = doubt.of(rig)
        here = sign * context.scene.frame_current, _shown(context, rig, found, sign)
        ways = [(sign * frames(rig, one)[2], sign * number) for number, one in enumerate(found) if not one.looked]
        ahead = [way for way in ways if way > here]  # several may be worst on one frame: then in the order of the list
        if not ahead:
            raise SkelError("no_stretch", "There is no other place to look at there.", "Search the other way, or untick one.")
        go(context, rig, sign * min(ahead)[1])


class SKEL_OT_looked(_OfOne, bpy.types.Operator):
    """Tick or untick this stretch as looked at"""

    bl_idname, bl_label = "skel.looked", "Looked At"

    def run(self, context: bpy.types.Context) -> None:
        self.stretch(context)
        doubt.tick(active_rig(context), self.number)


def _shown(context: bpy.types.Context, rig: bpy.types.Object, found: list[doubt.Stretch], sign: int) -> float:
    """The number, times `sign`, of the stretch that was shown last, if its worst frame is still the current one; else one beyond all."""
    view = context.window_manager.skel
    if view.shown_rig == rig.name and view.shown < len(found) and frames(rig, found[view.shown])[2] == context.scene.frame_current:
        return sign * view.shown
    return math.inf


def go(context: bpy.types.Context, rig: bpy.types.Object, number: int) -> None:
    """The worst frame of a stretch of the rig's list, the limb's bones, and Pose Mode where the rig can be posed."""
    stretch, view = doubt.of(rig)[number], context.window_manager.skel
    view.shown_rig, view.shown = rig.name, number
    context.scene.frame_set(frames(rig, stretch)[2])
    if context.view_layer.objects.active != rig:
        armature.select(context, rig)
    if rig.mode == "OBJECT" and armature.can_be_posed(rig, context.view_layer):
        armature.set_mode(context, "POSE")
    compat.select_bones(rig, limbs.PARTS[limb(stretch)])


CLASSES = (SKEL_OT_look, SKEL_OT_look_on, SKEL_OT_looked)
