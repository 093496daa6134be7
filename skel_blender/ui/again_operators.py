# SPDX-License-Identifier: GPL-3.0-or-later
"""The people of a take once more, as tall as an animator says, with the bodies and as who he says."""

from typing import Any

import bpy
from bpy.props import StringProperty

from .. import take as takes
from .. import who
from ..messages import SkelError
from ..rig import assemble, camera, record
from ..take import Take
from . import gather
from .operators import AsksForJob
from .refit_operators import data_of


class SKEL_OT_reconstruct_again(AsksForJob, bpy.types.Operator):
    """Reconstruct this take's footage again with the bodies, heights and identities set here; the analysis of the footage is
    reused"""

    bl_idname, bl_label = "skel.reconstruct_again", "Reconstruct with These"
    name: StringProperty(options={"HIDDEN"})

    def run(self, context: bpy.types.Context) -> None:
        home = bpy.data.collections.get(self.name)
        rigs = [] if home is None else [thing for thing in home.objects if record.is_rig(thing)]
        if not rigs:
            raise SkelError("no_rig", f"There is no longer anybody in {self.name}.", "Choose another take.")
        take = takes.loads(data_of(rigs[0])[1], f"The Take of {home.name}")
        corrected = record.said_who(home)
        more = sum(one.adds_somebody for one in corrected)
        each = (said(take, rigs, more, what, unknown) for what, unknown in (("stature", None), ("body", "")))
        eye = assemble.camera_of(home)
        request = gather.again(take, *each, corrected, eye and camera.footage_of(eye))
        self.ask(context, request, home_uid=home.session_uid)


def said(take: Take, rigs: list[bpy.types.Object], more: int, what: str, unknown: Any) -> list:
    """What is said of a Take's people, and of so many more that there will be, one of everybody or several by their numbers: now of the
    rigs, else when the Take was made."""
    now = {who.number(rig[record.PERSON]): record.said(rig, what) for rig in rigs if record.said(rig, what) is not None}
    before = gather.asked(take, what)
    if not now:
        return before
    count = more + max(len(before), *(who.number(person.name) or 0 for person in take.people))
    each = before * count if len(before) == 1 else before + [unknown] * (count - len(before))
    return [now.get(number, one) for number, one in enumerate(each, 1)]


CLASSES = (SKEL_OT_reconstruct_again,)
