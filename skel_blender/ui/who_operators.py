# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who: an animator says where one person was taken for another. It is kept with the take until that is reconstructed."""

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from .. import who
from ..messages import SkelError
from ..rig import clock, record
from .gather import active_rig
from .operators import RigOperator, SkelOperator
from .person_operators import home_of

_items: list[tuple[str, str, str]] = []  # Blender keeps no reference to what a callback gives it


def _others(operator: bpy.types.OperatorProperties, context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    """Everybody else of the active person's take, by his number."""
    rig = active_rig(context) if context is not None else None
    home = record.home_of(rig) if rig is not None else None
    there = [thing for thing in home.objects if record.is_rig(thing) and thing != rig] if home is not None else []
    names = sorted({thing[record.PERSON] for thing in there}, key=lambda name: (who.number(name) or 0, name))
    _items[:] = [(name, name, "") for name in names if who.number(name)]
    return _items


class _Who(RigOperator):
    """Base of what says something about the active person, of a `kind` of who.Correction."""

    kind: str
    now = False  # whether it holds from the current frame on

    def others(self) -> tuple[int, ...]:
        """Whom it is about as well."""
        return ()

    def run(self, context: bpy.types.Context) -> None:
        rig = active_rig(context)
        home = own(home_of(rig))
        frame = clock.of(home).source(context.scene.frame_current) if self.now else None
        said = who.Correction(self.kind, (_number(rig), *self.others()), frame)
        record.say_who(home, (*record.said_who(home), said))
        self.report({"INFO"}, f"Person {told(home, said)}: press Reconstruct with These in People to apply it.")


class _WithOther(_Who):
    """Base of what is about somebody else, too."""

    other: EnumProperty(name="Person", description="Who", items=_others)

    def others(self) -> tuple[int, ...]:
        number = who.number(self.other)
        if number is None:
            raise SkelError("no_person", "There is nobody else in this take.", "Choose a take of several people.")
        return (number,)


class SKEL_OT_who_same(_WithOther, bpy.types.Operator):
    """This person and the one you choose are the same and become one rig; where both are seen, this one is right"""

    bl_idname, bl_label, kind = "skel.who_same", "The Same As", "same"


class SKEL_OT_who_change(_WithOther, bpy.types.Operator):
    """This person and the one you choose were swapped from the current frame on"""

    bl_idname, bl_label, kind, now = "skel.who_change", "Changes Places Here With", "change", True


class SKEL_OT_who_other(_Who, bpy.types.Operator):
    """From the current frame on this is somebody else, who gets a rig of their own"""

    bl_idname, bl_label, kind, now = "skel.who_other", "Somebody Else From Here", "other", True


class SKEL_OT_who_without(_Who, bpy.types.Operator):
    """Reconstruct without this person, for example a false detection; the floor and the camera may change for the others"""

    bl_idname, bl_label, kind = "skel.who_without", "Leave Out", "without"


class SKEL_OT_who_forget(SkelOperator, bpy.types.Operator):
    """Take back this correction"""

    bl_idname, bl_label, bl_options = "skel.who_forget", "Take Back", {"REGISTER", "UNDO"}
    name: StringProperty(options={"HIDDEN"}, description="The take's collection")
    number: IntProperty(min=0, options={"HIDDEN"}, description="Number of the correction, from 0")

    def run(self, context: bpy.types.Context) -> None:
        home = bpy.data.collections.get(self.name)
        if home is None:
            raise SkelError("no_take", f"There is no longer a take {self.name}.", "Choose another one.")
        said = record.said_who(own(home))
        record.say_who(home, (*said[: self.number], *said[self.number + 1 :]))


class SKEL_MT_who(bpy.types.Menu):
    """What can be said about the active person."""

    bl_label = "Who Is Who"

    def draw(self, context: bpy.types.Context) -> None:
        for operator in (SKEL_OT_who_same, SKEL_OT_who_change):
            self.layout.operator_menu_enum(operator.bl_idname, "other")
        for operator in (SKEL_OT_who_other, SKEL_OT_who_without):
            self.layout.operator(operator.bl_idname)


def told(home: bpy.types.Collection, said: who.Correction) -> str:
    """What is said of a take's people, by scene frames."""
    frame = None if said.frame is None else round(float(clock.of(home).places([said.frame])[0]))
    return said.told(frame)


def own(home: bpy.types.Collection) -> bpy.types.Collection:
    """The collection, if it is of this file. Raises SkelError if it is not."""
    if home.library is not None or home.override_library is not None:
        raise SkelError("linked", f"{home.name} comes from another file.", "Correct it there.")
    return home


def _number(rig: bpy.types.Object) -> int:
    number = who.number(rig[record.PERSON])
    if number is None:
        raise SkelError("no_clip", f"{rig.name} was not made from footage.", "Choose a person who was reconstructed from footage.")
    return number


CLASSES = (SKEL_OT_who_same, SKEL_OT_who_change, SKEL_OT_who_other, SKEL_OT_who_without, SKEL_OT_who_forget, SKEL_MT_who)
