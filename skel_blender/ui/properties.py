# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user chooses for a reconstruction, kept with the scene as `Scene.skel`."""

import math

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

SOURCES = (
    ("CLIP", "Movie Clip", "A movie clip or image sequence of this file"),
    ("FILE", "File", "A video, an image or a folder of frames"),
)
BODIES = (
    ("male", "Male", "The open body, male proportions"),
    ("female", "Female", "The open body, female proportions"),
    ("FILE", "SKEL File", "A SKEL model file of yours"),
)
REGRESSORS = (
    ("lift", "Lifting Network", "Learned from motion capture, part of the add-on"),
    ("hsmr", "HSMR", "Works on the pictures themselves; needs its checkpoint and a SKEL model file as the body"),
    ("stance", "None", "The fit starts from a relaxed stance"),
)
LENSES = (
    ("AUTO", "Automatic", "From the file, or from how the camera turns or people stand; otherwise a common lens"),
    ("FOV", "Angle", "The angle of view across the picture's width"),
    ("PIXELS", "Focal Length", "The focal length in pixels of the footage"),
    ("CLIP", "From Clip", "The focal length that is set for the movie clip in the Movie Clip Editor"),
)
CAMERAS = (
    ("auto", "Automatic", "Read the camera's turns, zoom and travel from the background, and remove them from the motion"),
    ("still", "Still", "The camera stands still, whatever the background does"),
)
CUTS = (
    ("auto", "Automatic", "Each cut begins a shot with its own people, camera and floor"),
    ("off", "Off", "Treat the footage as one shot"),
)
AGAIN = (
    ("VERSION", "Add Version", "Build new rigs and switch the earlier ones off; a box in People switches them on again"),
    ("UPDATE", "Update Rigs", "Give the rigs the new shape, and the new motion as a new action; their other actions stay in the file"),
)


class SKEL_PG_settings(bpy.types.PropertyGroup):
    """Choices for one reconstruction."""

    source: EnumProperty(name="Footage", description="Where the footage is chosen", items=SOURCES, default="CLIP")
    clip: PointerProperty(name="Clip", description="The footage to reconstruct", type=bpy.types.MovieClip)
    path: StringProperty(name="Path", description="A video, an image or a folder of frames", subtype="FILE_PATH")
    everyone: BoolProperty(name="Everyone", description="Reconstruct all the people in the footage", default=True)
    people: IntProperty(
        name="Number", description="How many people to reconstruct, the most prominent ones", min=1, soft_max=8, default=1
    )
    body: EnumProperty(
        name="Body", description="Body to fit to the people. After a reconstruction, set each person's own in People", items=BODIES
    )
    body_file: StringProperty(name="SKEL File", description="skel_male.pkl or skel_female.pkl", subtype="FILE_PATH")
    stature: FloatProperty(
        name="Height", description="Height of the people; 0: unknown. After a reconstruction, set each person's own in People",
        subtype="DISTANCE", min=0.0, soft_max=2.5, precision=3, default=0.0,
    )  # fmt: skip
    regressor: EnumProperty(name="First Poses", description="Where the first poses, from which the fit starts, come from", items=REGRESSORS)
    hsmr: StringProperty(name="Checkpoint", description="HSMR's checkpoint file", subtype="FILE_PATH")
    lens: EnumProperty(name="Lens", description="Where the camera's focal length comes from", items=LENSES, default="AUTO")
    fov: FloatProperty(
        name="Angle", description="Angle of view across the picture's width", subtype="ANGLE",
        min=math.radians(5), max=math.radians(150), default=math.radians(60),
    )  # fmt: skip
    focal_length: FloatProperty(
        name="Focal Length", description="Focal length in pixels of the footage", min=50.0, soft_max=10000.0, default=1500.0
    )
    fps: FloatProperty(
        name="Filmed At", description="Frames a second at which it was filmed, for slow motion; 0: as it plays, images at the scene's rate",
        min=0.0, soft_max=240.0, precision=2, default=0.0,
    )  # fmt: skip
    camera: EnumProperty(name="Camera", description="Whether the camera may have moved or zoomed", items=CAMERAS)
    cuts: EnumProperty(name="Cuts", description="Whether the footage may have several shots", items=CUTS)
    again: EnumProperty(name="If Built Before", description="What to do with earlier rigs from the same footage", items=AGAIN)
    correct: BoolProperty(
        name="Pose Correctives",
        description="Give the skin of a SKEL body the model's pose blend shapes, as driven shape keys; exact, but slower to play",
    )
    hide: BoolProperty(
        name="Hide When Absent", description="Hide people before they enter the footage and after they leave it", default=True
    )
    set_scene: BoolProperty(
        name="Set Up Scene",
        description="Give the scene the take's frame range, picture size and camera, and the first take's frame rate. Off: the scene keeps "
        "its own, and shows a take of another rate in real time",
        default=True,
    )
    use_range: BoolProperty(name="Frame Range", description="Reconstruct only a part of the footage")
    frame_start: IntProperty(name="First", description="First frame; the footage starts at 1", min=1, default=1)
    frame_end: IntProperty(name="Last", description="Last frame, included", min=1, default=250)


CLASSES = (SKEL_PG_settings,)


def register() -> None:
    """Add `Scene.skel`; its class is registered already."""
    bpy.types.Scene.skel = PointerProperty(type=SKEL_PG_settings)


def unregister() -> None:
    """Remove `Scene.skel`."""
    del bpy.types.Scene.skel
