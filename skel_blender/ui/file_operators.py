# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in and out beside footage: a motion file becomes rigs, the Take in the .blend becomes a file."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..export.writing import whole_file
from ..requests import ImportRequest
from . import gather
from .operators import AsksForJob, RigOperator
from .refit_operators import data_of

UPS = (
    ("AUTO", "Automatic", "As the file says, or by how the people stand"),
    ("y", "Y", "Y points up"),
    ("z", "Z", "Z points up"),
    ("-y", "-Y", "Y points down, as in a camera"),
)
BODIES = (
    ("AUTO", "Automatic", "The sex given in the file"),
    ("male", "Male", "The open body, male proportions"),
    ("female", "Female", "The open body, female proportions"),
)


class SKEL_OT_import_motion(AsksForJob, bpy.types.Operator, ImportHelper):
    """Build rigs from the people in a motion file: the SMPL family (AMASS, WHAM and others), or points in space (.trc)"""

    bl_idname, bl_label = "skel.import_motion", "Import Motion"
    filter_glob: StringProperty(default="*.npz;*.npy;*.pkl;*.pickle;*.joblib;*.pt;*.pth;*.trc", options={"HIDDEN"})
    model: StringProperty(name="Model", description="SMPL, SMPL-H or SMPL-X model file, or a folder of them", subtype="FILE_PATH")
    body: EnumProperty(name="Body", items=BODIES, description="Which body the rigs have")
    up: EnumProperty(name="Up", items=UPS, description="Which axis of the file points up")
    fps: FloatProperty(name="Rate", description="Frames a second, if the file does not say; 0: as it says", min=0.0, soft_max=240.0)
    people: IntProperty(name="People", description="Maximum number of people; 0: all", min=0, soft_max=8)
    limits: BoolProperty(name="Keep Limits", description="Keep every angle inside its limits, even where the motion goes beyond them")

    def run(self, context: bpy.types.Context) -> None:
        motion = gather.file_path(self.filepath)
        request = ImportRequest(
            str(motion), str(gather.new_take_path(motion)), bpy.path.abspath(self.model) if self.model.strip() else "", self.people,
            "" if self.body == "AUTO" else self.body, self.fps or None, "" if self.up == "AUTO" else self.up, self.limits,
        )  # fmt: skip
        self.ask(context, request)


class SKEL_OT_save_take(RigOperator, bpy.types.Operator, ExportHelper):
    """Write the Take of the active rig, which this .blend contains, to a file"""

    bl_idname, bl_label, bl_options = "skel.save_take", "Save Take", {"REGISTER"}
    filename_ext = ".npz"
    filter_glob: StringProperty(default="*.npz", options={"HIDDEN"})

    def run(self, context: bpy.types.Context) -> None:
        data = data_of(gather.active_rig(context))[1]
        with whole_file(Path(self.filepath)) as part:
            part.write_bytes(data)


CLASSES = (SKEL_OT_import_motion, SKEL_OT_save_take)
