# SPDX-License-Identifier: GPL-3.0-or-later
"""The people of a take once more, as tall as an animator says."""

import functools
import json

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


class SKEL_OT_use_statures(StartsJob, bpy.types.Operator):
    """Reconstruct the same footage as this take was, of people as tall as said here; what was seen of it is remembered"""

    bl_idname, bl_label = "skel.use_statures", "Reconstruct with Heights"
    name: StringProperty(options={"HIDDEN"})

    def run(self, context: bpy.types.Context) -> None:
        home = bpy.data.collections.get(self.name)
        rigs = [] if home is None else [thing for thing in home.objects if record.is_rig(thing)]
        if not rigs:
            raise SkelError("no_rig", f"There is nobody in {self.name} any more.", "Choose another take.")
        take = takes.loads(data_of(rigs[0])[1], f"The Take of {home.name}")
        job = engine.start(gather.again(take, statures(take, rigs)))
        runner.start("Starting the engine", job, functools.partial(build_in_scene, scene_uid=context.scene.session_uid))


def statures(take: Take, rigs: list[bpy.types.Object]) -> list[float | None]:
    """What is known of everybody in a Take, m: what was said now of his rig, else what was said when the Take was made."""
    before = json.loads(take.settings).get("stature") or []
    before = before * len(take.people) if len(before) == 1 else before + [None] * len(take.people)
    now = {rig[record.PERSON]: record.said(rig) for rig in rigs if record.said(rig) is not None}
    return [now.get(person.name, metres) or None for person, metres in zip(take.people, before)]


CLASSES = (SKEL_OT_use_statures,)
