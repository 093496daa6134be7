# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the Retarget panel: guess, keep and load bone maps, retarget."""

import math

import bpy
from bpy.props import StringProperty

from ..export import retarget
from ..export.retarget import Options, guess, presets, skeleton
from ..messages import SkelError
from .gather import source_rig, user_folder
from .operators import SkelOperator
from .retarget_properties import bone_map, fill
from .stepped import SteppedOperator

FOLDER = "bone_maps"
_OFF_RAD, _OFF_M = math.radians(1.0), 0.01


class _RetargetOperator(SkelOperator):
    bl_options = {"REGISTER", "UNDO"}


class SKEL_OT_guess_bones(_RetargetOperator, bpy.types.Operator):
    """Find the target's bones by their names or, failing that, by their places"""

    bl_idname, bl_label = "skel.guess_bones", "Guess"

    def run(self, context: bpy.types.Context) -> None:
        settings = context.scene.skel_retarget
        retarget.check_target(settings.target)
        mapping = guess.guess(skeleton.read(settings.target))
        fill(settings, mapping)
        missing = guess.missing(mapping)
        if missing:
            self.report({"WARNING"}, f"Parts found: {len(mapping)}. Choose bones for those that are missing: {', '.join(missing)}.")
        else:
            self.report({"INFO"}, f"Parts found: {len(mapping)}. Check them in the list.")


class SKEL_OT_clear_bones(_RetargetOperator, bpy.types.Operator):
    """Empty the bone map"""

    bl_idname, bl_label = "skel.clear_bones", "Clear"

    def run(self, context: bpy.types.Context) -> None:
        fill(context.scene.skel_retarget, {})


class SKEL_OT_save_bone_map(SkelOperator, bpy.types.Operator):
    """Save the bone map under a name, for other scenes"""

    bl_idname, bl_label = "skel.save_bone_map", "Save Bone Map"
    name: StringProperty(name="Name", description="An existing bone map of this name is replaced")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        target = context.scene.skel_retarget.target
        self.name = self.name or (target.name if target else "")
        return context.window_manager.invoke_props_dialog(self)

    def run(self, context: bpy.types.Context) -> None:
        mapping = bone_map(context.scene.skel_retarget)
        if not mapping:
            raise SkelError("empty_map", "The bone map is empty.", "Press Guess or choose bones first.")
        path = presets.save(user_folder(FOLDER), self.name, mapping)
        self.report({"INFO"}, f"Saved {path}.")


class SKEL_OT_load_bone_map(_RetargetOperator, bpy.types.Operator):
    """Load a saved bone map"""

    bl_idname, bl_label = "skel.load_bone_map", "Load Bone Map"
    name: StringProperty(options={"HIDDEN"})

    def run(self, context: bpy.types.Context) -> None:
        settings = context.scene.skel_retarget
        mapping = presets.load(user_folder(FOLDER), self.name)
        fill(settings, mapping)
        absent = [bone for bone in mapping.values() if settings.target and bone not in settings.target.data.bones]
        if absent:
            text = f"{settings.target.name} lacks {len(absent)} of {len(mapping)} bones of the map, such as {absent[0]}."
            self.report({"WARNING"}, f"{text} Choose others for them.")


class SKEL_OT_delete_bone_map(SkelOperator, bpy.types.Operator):
    """Remove a saved bone map from the disk"""

    bl_idname, bl_label = "skel.delete_bone_map", "Delete Bone Map"
    name: StringProperty(options={"HIDDEN"})

    def run(self, context: bpy.types.Context) -> None:
        presets.delete(user_folder(FOLDER), self.name)


class SKEL_OT_retarget(SteppedOperator, bpy.types.Operator):
    """Put the source's motion on the target, as a new action"""

    bl_idname, bl_label = "skel.retarget", "Retarget"
    bl_options = {"REGISTER", "UNDO", "BLOCKING"}

    def steps(self, context: bpy.types.Context) -> retarget.Steps[retarget.Result]:
        settings = context.scene.skel_retarget
        source = source_rig(context)
        if source is None:
            raise SkelError("no_source", "No source is chosen.", "Choose the armature of a reconstructed person.")
        retarget.check_target(settings.target, source)
        options = Options(settings.hold_feet, settings.root_travels, settings.root_turns, settings.relax_fingers)
        return (yield from retarget.steps(context.scene, source, settings.target, bone_map(settings), options))

    def done(self, context: bpy.types.Context, made: retarget.Result) -> None:
        target = context.scene.skel_retarget.target
        context.view_layer.update()
        if made.off_rad > _OFF_RAD or made.off_m > _OFF_M:
            self.report({"WARNING"}, f"Constraints hold bones of {target.name} up to {math.degrees(made.off_rad):.0f} degrees "
                                     f"and {100 * made.off_m:.0f} cm away from the motion.")  # fmt: skip
        else:
            self.report({"INFO"}, f"Retargeted as {made.action.name}, frames: {made.frames}; travel is scaled by {made.ratio:.2f}.")


CLASSES = (
    SKEL_OT_guess_bones, SKEL_OT_clear_bones, SKEL_OT_save_bone_map, SKEL_OT_load_bone_map, SKEL_OT_delete_bone_map, SKEL_OT_retarget,
)  # fmt: skip
