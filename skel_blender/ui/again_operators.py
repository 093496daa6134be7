# SPDX-License-Identifier: GPL-3.0-or-later
"""The people of a take once more, as tall as an animator says and with the bodies that he says."""

import functools
from typing import Any

import bpy
from bpy.props import StringProperty

from .. import take as takes
from ..messages import SkelError
from ..rig import record
from ..take import Take
from . import engine, gather
from .arrival import build_in_scene
from .operators import StartsJob
from .refit_operators import data_of
from .runner import runner


class SKEL_OT_reconstruct_again(StartsJob, bpy.types.Operator):
    """Reconstruct this take's footage as it was, of people with these bodies and of these heights; what was seen of it is remembered"""

    bl_idname, bl_label = "skel.reconstruct_again", "Reconstruct with These"
    name: StringProperty(options={"HIDDEN"})

    def run(self, context: bpy.types.Context) -> None:
        home = bpy.data.collections.get(self.name)
        rigs = [] if home is None else [thing for thing in home.objects if record.is_rig(thing)]
        if not rigs:
            raise SkelError("no_rig", f"There is nobody in {self.name} any more.", "Choose another take.")
        take = takes.loads(data_of(rigs[0])[1], f"The Take of {home.name}")
        job = engine.start(gather.again(take, said(take, rigs, "stature", None), said(take, rigs, "body", "")))
        runner.start("Starting the engine", job, functools.partial(build_in_scene, scene_uid=context.scene.session_uid))


def said(take: Take, rigs: list[bpy.types.Object], what: str, unknown: Any) -> list:
    """What is known of everybody in a Take: what was said now of his rig, else when the Take was made."""
    now = {rig[record.PERSON]: record.said(rig, what) for rig in rigs}
    before = gather.asked_of_each(take, what, unknown)
    return [one if now.get(person.name) is None else now[person.name] for person, one in zip(take.people, before)]


CLASSES = (SKEL_OT_reconstruct_again,)
