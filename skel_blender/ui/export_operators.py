# SPDX-License-Identifier: GPL-3.0-or-later
"""The Export panel: a button for each target, and what can be chosen beside the file's name. Gathers, calls, reports."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from ..export import names, presets
from ..messages import SkelError
from ..rig import record
from ..rig.editing.steps import Steps
from .gather import active_rig
from .panel import Sidebar
from .stepped import SteppedOperator

TARGETS = (
    ("unreal", ".fbx", "Unreal Engine"), ("unity", ".fbx", "Unity"), ("godot", ".glb", "Godot"), ("generic", ".fbx", "FBX"),
    ("generic", ".glb", "glTF"), ("generic", ".usdc", "USD"), ("generic", ".bvh", "BVH"), ("generic", ".abc", "Alembic"),
    ("generic", ".osim", "OpenSim"),
)  # fmt: skip
"""Preset, ending and the text of a button."""

_TOLD = 3  # files that are named after an export
_OPENSIM, _CACHE, _MOTION = ".osim", ".abc", ".bvh"
_OPTIONS = ("names", "rest", "travel", "heading", "range", "clips", "influences", "skin", "bones", "camera", "separate")


def _items(table: dict[str, str]) -> tuple[tuple[str, str, str], ...]:
    return tuple((name, title, "") for name, title in table.items())


class SKEL_OT_export(SteppedOperator, bpy.types.Operator, ExportHelper):
    """Write people for another program: a clean skeleton with its skin and motion; the scene stays as it is"""

    bl_idname, bl_label, bl_options = "skel.export", "Export", {"REGISTER", "BLOCKING"}
    _asked = False  # whether the user has chosen the file in a window, so that the window is to live on
    filename_ext: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    filter_glob: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    preset: EnumProperty(items=tuple((name, preset.title, "") for name, preset in presets.PRESETS.items()), options={"HIDDEN", "SKIP_SAVE"})
    people: EnumProperty(name="People", description="Who is written", items=(
        ("ALL", "Everybody", "All people who are switched on in the view layer"),
        ("ACTIVE", "Active Person", "The person whose rig is active")))  # fmt: skip
    names: EnumProperty(name="Bone Names", description="What the skeleton's bones are called", items=_items(names.TITLES),
                        options={"SKIP_SAVE"})  # fmt: skip
    rest: EnumProperty(name="Rest Pose", description="The pose in which the skin is bound to the bones", items=_items(presets.RESTS),
                       options={"SKIP_SAVE"})  # fmt: skip
    travel: EnumProperty(name="Travel Carried By", description="Which bone travels over the floor", items=_items(presets.TRAVELS),
                         options={"SKIP_SAVE"})  # fmt: skip
    range: EnumProperty(name="Frames", description="Which frames are written", items=_items(presets.RANGES), options={"SKIP_SAVE"})
    clips: EnumProperty(name="Clips", description="Which versions of the motion are written", items=_items(presets.CLIPS),
                        options={"SKIP_SAVE"})  # fmt: skip
    influences: EnumProperty(
        name="Influences",
        description="The most bones that move a vertex of the skin",
        items=_items(presets.INFLUENCES),
        options={"SKIP_SAVE"},
    )
    heading: BoolProperty(name="Root Turns", description="Let the root bone also turn as the body does; In Place takes its turns out",
                          options={"SKIP_SAVE"})  # fmt: skip
    separate: BoolProperty(name="File per Person", description="Write each person into a file of their own", options={"SKIP_SAVE"})
    skin: BoolProperty(name="Skin", description="Write the skin", default=True, options={"SKIP_SAVE"})
    bones: BoolProperty(name="Bone Meshes", description="Write the meshes of the skeleton's bones", options={"SKIP_SAVE"})
    camera: BoolProperty(name="Camera", description="Also write the take's camera",
                         options={"SKIP_SAVE"})  # fmt: skip
    overwrite: BoolProperty(name="Overwrite", description="Where several files are written, replace those that are there already")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        cls.poll_message_set("No reconstructed person is switched on in the view layer")
        return any(record.is_rig(thing) for thing in context.view_layer.objects)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Begin with what the preset has, and with the name of the .blend file; ask for none that can't be written."""
        from ..export import writing  # what it brings is needed by no other button

        try:
            writing.check_built(self.filename_ext)
        except SkelError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        chosen = presets.PRESETS[self.preset]
        for option in _OPTIONS:
            if not self.properties.is_property_set(option):
                setattr(self, option, getattr(chosen, option))
        self.filter_glob = f"*{self.filename_ext}"
        self._asked = not bpy.app.background
        return ExportHelper.invoke(self, context, event)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(self, "people")
        for option in _shown(self.filename_ext):
            line = layout.row()
            line.active = option != "heading" or self.travel != "hips"  # a root that stays at the origin does not turn
            line.prop(self, option)
        if self.filename_ext != _CACHE:
            layout.prop(self, "overwrite")

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.begin(context) if self._asked else super().execute(context)

    def steps(self, context: bpy.types.Context) -> Steps[tuple[list[Path], str]]:
        """The files, and a sentence about what they lack."""
        from ..export import opensim, writing  # what they bring is needed by no other button

        rigs = [active_rig(context)] if self.people == "ACTIVE" else writing.rigs_of(context.view_layer.objects)
        if rigs == [None]:
            raise SkelError("no_rig", "No person is active.", "Click on one, or export everybody.")
        path, without = Path(bpy.path.abspath(self.filepath)), ""
        ending = self.filename_ext or path.suffix.lower()  # a script may say no more than the file
        if ending == _OPENSIM:
            files = yield from opensim.steps(rigs, path, overwrite=self.overwrite)
        else:
            given = {option: getattr(self, option) for option in _shown(ending) if self.properties.is_property_set(option)}
            preset = presets.choose(self.preset, **given)
            files = yield from writing.steps(context.scene, rigs, path, preset, self.overwrite)
            without = writing.left_out(rigs, path, preset)
        return files, without

    def done(self, context: bpy.types.Context, made: tuple[list[Path], str]) -> None:
        files, without = made
        self.report({"INFO"}, f"Wrote {_listed([file.name for file in files])} in {files[0].parent}.")
        if without:
            self.report({"WARNING"}, without)


def _listed(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _TOLD
    return ", ".join(names[:_TOLD]) + (f" and {more} more" if more > 0 else "")


def _shown(ending: str) -> tuple[str, ...]:
    """The options that mean something for a format."""
    if ending == _OPENSIM:
        return ()
    if ending == _CACHE:
        return ("range", "skin", "bones", "camera")
    if ending == _MOTION:
        return ("names", "rest", "travel", "heading", "range", "clips")
    return tuple(option for option in _OPTIONS if ending != ".usdc" or option != "clips")


class SKEL_PT_export(Sidebar, bpy.types.Panel):
    """A button for each target."""

    bl_label, bl_options = "Export", {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        grid = self.layout.grid_flow(columns=2, align=True, row_major=True)
        grid.operator_context = "INVOKE_DEFAULT"
        for preset, ending, title in TARGETS:
            button = grid.operator("skel.export", text=title)
            button.preset, button.filename_ext = preset, ending


CLASSES = (SKEL_OT_export, SKEL_PT_export)
