# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels show of a rig: the angles as sliders, its limits, and what the last check found.

The rig itself keeps everything as bone channels, constraints and custom properties; these properties only read and write those.
"""

import math

import bpy
import numpy as np
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from ..anatomy import DOFS, LIMIT_TABLES, LIMITS_ANATOMICAL
from ..rig import assemble, layout, limbs, limits, presence, record
from ..rig.editing import motion, timing
from .properties import BODIES

TABLES = (
    ("body", "Body's Own", "The limits that came with the reconstruction"),
    ("anatomical", "Anatomical", "Symmetric ranges of motion, wide enough for athletes"),
    ("hsmr", "HSMR", "The ranges that HSMR and SKELify use"),
    ("skel", "SKEL", "The ranges published with SKEL; some are missing"),
    ("custom", "Custom", "Ranges of your own"),
)
_TABLE_NAMES = [row[0] for row in TABLES]
_OPEN = [row[0] for row in BODIES[:2]]
ACTIVE = "ACTIVE"
LIMBS = (
    (ACTIVE, "Of the Active Bone", "Show the limb that the active bone belongs to"),
    *((name, limbs.TITLES[name], f"Show the {limbs.TITLES[name].lower()}") for name in limbs.LIMBS),
)
RANGES = (
    ("ACTION", "Action", "All frames of the action"),
    ("SCENE", "Range", "The scene's frame range, or its preview range"),
    ("FRAME", "Frame", "The current frame"),
)


def _get_angle(dof: int):
    channel = layout.channel(dof)

    def get(self) -> float:
        pose = self.id_data.pose  # Blender reads properties of other objects too, as when it makes library overrides
        bone = pose.bones.get(channel.bone) if pose else None
        return channel.sign * bone.rotation_euler[channel.index] if bone else 0.0

    return get


def _set_angle(dof: int):
    def turn(rig: bpy.types.Object, number: int, value: float) -> None:
        low, up = record.limits(rig)[number] if limits.are_on(rig) else (-math.inf, math.inf)
        channel = layout.channel(number)
        bone = rig.pose.bones[channel.bone]
        bone.rotation_euler[channel.index] = channel.sign * min(max(value, low), up)
        if bpy.context.scene.tool_settings.use_keyframe_insert_auto:
            motion.key(rig, number)

    def set_(self, value: float) -> None:
        turn(self.id_data, dof, value)
        if self.id_data.pose.use_mirror_x and DOFS[dof].mirror != dof:
            turn(self.id_data, DOFS[dof].mirror, DOFS[dof].mirror_sign * value)

    return set_


def _slider(dof: int):
    low, up = np.clip(LIMITS_ANATOMICAL[dof], -math.pi, math.pi)
    return FloatProperty(
        name=limbs.label(dof), description=f"{DOFS[dof].name}, an angle of SKEL; a slider's ends are the anatomical limits",
        subtype="ANGLE", soft_min=low, soft_max=up, step=100, precision=1, options=set(), get=_get_angle(dof), set=_set_angle(dof),
    )  # fmt: skip


class SKEL_PG_angles(bpy.types.PropertyGroup):
    """The 46 angles of a rig, as they stand in its channels."""

    __annotations__ = {dof.name: _slider(dof.index) for dof in DOFS}


def _get_table(self) -> int:
    name = self.id_data.get(record.TABLE, "custom")
    return _TABLE_NAMES.index(name if name in _TABLE_NAMES else "custom")


def _set_table(self, value: int) -> None:
    rig, name = self.id_data, _TABLE_NAMES[value]
    table = {"body": record.body_limits, "custom": record.limits}.get(name, lambda rig: np.array(LIMIT_TABLES[name]))(rig)
    limits.apply(rig, table, name, limits.are_on(rig))


def _get_on(self) -> bool:
    rig = self.id_data
    return record.is_rig(rig) and rig.pose is not None and record.missing(rig) is None and limits.are_on(rig)


def _set_on(self, value: bool) -> None:
    rig = self.id_data
    limits.apply(rig, record.limits(rig), rig[record.TABLE], value)


def _skin_material(rig: bpy.types.Object) -> bpy.types.Material | None:
    return next((skin.active_material for skin in record.parts(rig, "skin")), None)


def _get_skin(self) -> float:
    material = _skin_material(self.id_data)
    return material.diffuse_color[3] if material else 1.0


def _set_skin(self, value: float) -> None:
    material = _skin_material(self.id_data)
    if material:
        material.diffuse_color[3] = value


def _get_stature(self) -> float:
    rig = self.id_data
    said = record.said(rig, "stature")
    return (rig.get(record.STATURE, 0.0) if said is None else said) / assemble.metres(bpy.context.scene)


def _set_stature(self, value: float) -> None:
    record.put(self.id_data, record.SAID["stature"], value * assemble.metres(bpy.context.scene))


def _get_body(self) -> int:
    rig = self.id_data
    return _OPEN.index(record.said(rig, "body") or record.open_body(rig) or _OPEN[0])


def _set_body(self, value: int) -> None:
    rig, name = self.id_data, _OPEN[value]
    if name == record.open_body(rig):
        record.unsay(rig, "body")
    else:
        record.put(rig, record.SAID["body"], name)


def _set_start(self, value: int) -> None:
    home = timing.home_of(self.id_data)
    if home is not None:
        timing.move(bpy.context.scene, home, value)


class SKEL_PG_rig(bpy.types.PropertyGroup):
    """A rig's angles and limits; only meaningful on the armature of a person."""

    angles: PointerProperty(type=SKEL_PG_angles)
    table: EnumProperty(
        name="Limits", description="Table of joint limits", items=TABLES, options=set(), get=_get_table, set=_set_table
    )
    limits_on: BoolProperty(
        name="Hold Limits", description="Stop joints at their limits, when posed by hand, by IK or by keys", options=set(),
        get=_get_on, set=_set_on,
    )  # fmt: skip
    skin: FloatProperty(
        name="Skin", description="Opacity of the skin in the viewport's Solid mode and in Workbench renders; 0 shows only the bones",
        subtype="FACTOR", min=0.0, max=1.0, options=set(), get=_get_skin, set=_set_skin,
    )  # fmt: skip
    stature: FloatProperty(
        name="Height", description="Height from sole to crown. Set it if you know it, and press Reconstruct with These; 0: unknown",
        subtype="DISTANCE", min=0.0, soft_max=2.5, precision=3, options=set(), get=_get_stature, set=_set_stature,
    )  # fmt: skip
    body: EnumProperty(
        name="Body", description="Body fitted to the person. Choose the other one if it fits better, and press Reconstruct with These",
        items=BODIES[:2], options=set(), get=_get_body, set=_set_body,
    )  # fmt: skip
    start: IntProperty(
        name="Start", description="Scene frame of the footage's first frame; moves all people of the take, all versions of their "
        "motion, camera and footage", min=0, options=set(), get=lambda self: record.start(self.id_data), set=_set_start,
    )  # fmt: skip
    hide_absent: BoolProperty(
        name="Hide When Absent", options=set(),
        description="Hide the person before they enter the footage, after they leave it, and while they are away for long",
        get=lambda self: presence.is_on(self.id_data), set=lambda self, value: presence.apply(self.id_data, value),
    )  # fmt: skip


class SKEL_PG_violation(bpy.types.PropertyGroup):
    """A DoF that the last check found beyond a limit."""

    dof: IntProperty(description="Its number")
    text: StringProperty(description="What it is and its range")
    worst: FloatProperty(subtype="ANGLE", description="Farthest beyond the limit")
    frame: IntProperty(description="Where it is worst")
    count: IntProperty(description="Frames beyond the limit")
    now: FloatProperty(subtype="ANGLE", description="How far beyond the limit on the current frame")


class SKEL_PG_view(bpy.types.PropertyGroup):
    """What the panels show; not part of any file."""

    limb: EnumProperty(name="Limb", description="Whose angles are shown", items=LIMBS, options=set())
    range: EnumProperty(name="Frames", description="On which frames limbs are handed over", items=RANGES, options=set())
    violations: CollectionProperty(type=SKEL_PG_violation)
    checked: StringProperty(description="The rig that was checked last")
    checked_action: StringProperty(description="The version of its motion that was checked")
    verdict: StringProperty(description="What the last check found, in a sentence")
    shown_rig: StringProperty(description="The rig of which a place to look at was shown last")
    shown: IntProperty(description="The number of that place")


CLASSES = (SKEL_PG_angles, SKEL_PG_rig, SKEL_PG_violation, SKEL_PG_view)


def register() -> None:
    """Add `Object.skel` and `WindowManager.skel`; their classes are registered already."""
    bpy.types.Object.skel = PointerProperty(type=SKEL_PG_rig)
    bpy.types.WindowManager.skel = PointerProperty(type=SKEL_PG_view)


def unregister() -> None:
    """Remove them."""
    del bpy.types.WindowManager.skel
    del bpy.types.Object.skel
