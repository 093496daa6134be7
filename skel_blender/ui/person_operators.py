# SPDX-License-Identifier: GPL-3.0-or-later
"""The people of a scene: make one active, see them over the footage, place them, take one out."""

import bpy
from bpy.props import StringProperty

from ..messages import SkelError
from ..rig import armature, assemble, camera, presence, record, update
from ..rig.editing import placement, timing
from .gather import active_rig
from .operators import RigOperator, SkelOperator


class SKEL_OT_select_person(SkelOperator, bpy.types.Operator):
    """Make this person's rig active and keep the mode; if they are hidden now, go to the frame where they appear or leave"""

    bl_idname, bl_label, bl_options = "skel.select_person", "Select Person", {"REGISTER", "UNDO"}
    name: StringProperty(options={"HIDDEN"})

    def run(self, context: bpy.types.Context) -> None:
        rig = context.view_layer.objects.get(self.name)
        if not record.is_rig(rig):
            raise SkelError("no_rig", f"There is no longer a rig {self.name} in this view layer.", "Choose another one.")
        frame = presence.nearest(rig, context.scene.frame_current)
        if frame != context.scene.frame_current:
            context.scene.frame_set(frame)
        armature.select(context, rig)


class SKEL_OT_over_footage(RigOperator, bpy.types.Operator):
    """Look through the camera of this person's take, with the footage behind; press again to look freely"""

    bl_idname, bl_label = "skel.over_footage", "Over the Footage"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and context.space_data is not None and context.space_data.type == "VIEW_3D"

    def run(self, context: bpy.types.Context) -> None:
        eye = camera_of(home_of(active_rig(context)))
        if through(context, eye):
            context.space_data.region_3d.view_perspective, context.space_data.use_local_camera = "PERSP", False
        else:
            look_through(context, eye)


def camera_of(home: bpy.types.Collection) -> bpy.types.Object:
    """A take's camera. Raises SkelError if it is gone."""
    eye = assemble.camera_of(home)
    if eye is None:
        raise SkelError("no_camera", f"{home.name} no longer has a camera.", "Undo, or load the Take again.")
    return eye


def through(context: bpy.types.Context, eye: bpy.types.Object) -> bool:
    """Whether the 3D view of the context looks through a camera."""
    space = context.space_data
    return space.region_3d.view_perspective == "CAMERA" and (space.camera if space.use_local_camera else context.scene.camera) == eye


def look_through(context: bpy.types.Context, eye: bpy.types.Object) -> None:
    """Let the 3D view of the context look through a take's camera."""
    space, scene = context.space_data, context.scene
    camera.look_through(scene, eye)
    space.camera = eye
    space.use_local_camera = any(marker.camera for marker in scene.timeline_markers)  # who would take the scene's on the next frame
    space.region_3d.view_perspective = "CAMERA"
    region = next(region for region in context.area.regions if region.type == "WINDOW")
    with context.temp_override(region=region):
        bpy.ops.view3d.view_center_camera()


def home_of(rig: bpy.types.Object) -> bpy.types.Collection:
    """The collection of the take that a rig belongs to. Raises SkelError if it was taken out of there."""
    home = record.home_of(rig)
    if home is None:
        raise SkelError("no_take", f"{rig.name} is no longer in its take's collection.", "Move it back there in the Outliner.")
    return home


class SKEL_OT_follow_footage(RigOperator, bpy.types.Operator):
    """Move the take in time to its moved footage: people, all versions of their motion, camera and sound"""

    bl_idname, bl_label = "skel.follow_footage", "Follow the Footage"

    def run(self, context: bpy.types.Context) -> None:
        home = home_of(active_rig(context))
        start = timing.footage_elsewhere(home)
        if start is not None:
            timing.move(context.scene, home, start, footage=False)


class SKEL_OT_show_here(RigOperator, bpy.types.Operator):
    """Show this person beyond the footage, as far as this frame and wherever their motion has keys"""

    bl_idname, bl_label = "skel.show_here", "Out of Sight Here: Show"

    def run(self, context: bpy.types.Context) -> None:
        presence.reach(active_rig(context), context.scene.frame_current)


class SKEL_OT_place(RigOperator, bpy.types.Operator):
    """Place the take by the solved camera of the clip chosen above, and let it follow a moving camera; floor and scale stay"""

    bl_idname, bl_label = "skel.place", "Place by Solved Camera"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        cls.poll_message_set("Choose a movie clip under Reconstruct whose camera is solved")
        clip = context.scene.skel.clip
        return clip is not None and clip.tracking.reconstruction.is_valid

    def run(self, context: bpy.types.Context) -> None:
        found = placement.place(context.scene, home_of(active_rig(context)), context.scene.skel.clip)
        self.report({"INFO"}, found.sentence())


class SKEL_OT_remove_person(RigOperator, bpy.types.Operator):
    """Delete this person from the file: rig, skin, bones and all versions of the motion"""

    bl_idname, bl_label = "skel.remove_person", "Remove Person"

    def run(self, context: bpy.types.Context) -> None:
        rig = active_rig(context)
        if rig.library is not None or rig.override_library is not None:
            raise SkelError("linked", f"{rig.name} comes from another file.", "Delete its collection in the Outliner.")
        if rig.mode != "OBJECT":
            armature.set_mode(context, "OBJECT")
        update.remove_person(rig)


CLASSES = (SKEL_OT_select_person, SKEL_OT_over_footage, SKEL_OT_follow_footage, SKEL_OT_show_here, SKEL_OT_place, SKEL_OT_remove_person)
