# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who has no rig: an animator clicks on him in the footage. It is kept with the take until that is reconstructed."""

import functools

import bpy
from bpy.props import IntVectorProperty
from bpy_extras import view3d_utils
from mathutils import Vector

from .. import who
from ..messages import SkelError
from ..rig import camera, clock, record
from .gather import active_rig
from .operators import RigOperator
from .person_operators import camera_of, home_of, look_through, through
from .who_operators import own, told

_HINT = "Click on the hips of a person without a rig, on a frame that shows them whole    (right-click or Esc: cancel)"


class SKEL_OT_who_missing(RigOperator, bpy.types.Operator):
    """Click on the hips of a person without a rig, on a frame that shows them whole; they are tracked from there, both ways"""

    bl_idname, bl_label = "skel.who_missing", "Somebody Is Missing"
    place: IntVectorProperty(name="Place", size=2, min=0, options={"SKIP_SAVE"},
                             description="Pixel of the footage where the person is, from its upper left corner")  # fmt: skip

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        waits = any(operator.bl_idname == SKEL_OT_who_missing.__name__ for operator in context.window.modal_operators)
        if waits or not self.tried(functools.partial(_show, context)):
            return {"CANCELLED"}
        context.window.cursor_modal_set("CROSSHAIR")
        context.workspace.status_text_set(_HINT)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """All but the click that tells goes on to Blender: the view may be zoomed meanwhile, and another frame shown."""
        cancelled = event.type in {"RIGHTMOUSE", "ESC"}
        at = _in_view(context.area, event) if event.type == "LEFTMOUSE" else None
        if event.value != "PRESS" or not (cancelled or at):
            return {"PASS_THROUGH"}
        context.window.cursor_modal_restore()
        context.workspace.status_text_set(None)
        if cancelled or not self.tried(lambda: setattr(self, "place", _pixel(context, *at))):
            return {"CANCELLED"}
        return self.execute(context)

    def run(self, context: bpy.types.Context) -> None:
        home = own(home_of(_rig(context)))
        said = who.Correction("here", (), clock.of(home).source(context.scene.frame_current), tuple(self.place))
        record.say_who(home, (*record.said_who(home), said))
        self.report({"INFO"}, f"{told(home, said)}: press Reconstruct with These in People to apply it.")


def _show(context: bpy.types.Context) -> None:
    """Look at the footage. Raises SkelError where that can't be."""
    eye = camera_of(own(home_of(_rig(context))))
    if context.area is None or context.area.type != "VIEW_3D":
        raise SkelError("no_view", "There is no 3D view to click in.", "Press the button in the 3D view's sidebar.")
    if not through(context, eye):
        look_through(context, eye)


def _in_view(area: bpy.types.Area | None, event: bpy.types.Event) -> tuple[bpy.types.Region, Vector] | None:
    """The region of a 3D view that shows the scene, and where in it the mouse is; None where it is on something else."""
    if area is None or area.type != "VIEW_3D":  # the user has closed it, or made it another editor
        return None
    mouse = Vector((event.mouse_x, event.mouse_y))
    there = [region for region in area.regions
             if 0 <= mouse.x - region.x < region.width and 0 <= mouse.y - region.y < region.height]  # fmt: skip
    if len(there) != 1 or there[0].type != "WINDOW":
        return None
    return there[0], mouse - Vector((there[0].x, there[0].y))


def _pixel(context: bpy.types.Context, region: bpy.types.Region, at: Vector) -> tuple[int, int]:
    """The pixel of the footage at a place of a region. Raises SkelError if the footage is not there."""
    eye = camera_of(home_of(_rig(context)))
    found = None
    if through(context, eye):
        found = camera.pixel(eye, view3d_utils.region_2d_to_vector_3d(region, context.space_data.region_3d, at))
    if found is None:
        raise SkelError("no_clip", "There is no footage where you clicked.", "Click inside the picture that the camera frames.")
    return found


def _rig(context: bpy.types.Context) -> bpy.types.Object:
    rig = active_rig(context)
    if rig is None:
        raise SkelError("no_rig", "No rig is active.", "Click on a person in the panel People.")
    return rig


CLASSES = (SKEL_OT_who_missing,)
