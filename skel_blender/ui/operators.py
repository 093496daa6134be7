# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons: gather, call, report. Work is done by the engine's process and by rig/."""

import functools
import os
import time
from collections.abc import Callable

import bpy
from bpy.props import IntProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from ..requests import ImportRequest, Request
from . import engine, gather
from .arrival import build, build_in_scene, choices_of
from .runner import INTERVAL_S, Asked, guarded, runner


class SkelOperator:
    """Base of all operators: `run` does the work, what it raises becomes one sentence for the user."""

    def execute(self, context: bpy.types.Context) -> set[str]:
        return {"FINISHED"} if self.tried(functools.partial(self.run, context)) else {"CANCELLED"}

    def tried(self, work: Callable[[], None]) -> bool:
        """Do some work; whether nothing went wrong, else the user has read what did."""
        failures: list[str] = []
        with guarded(failures.append):
            work()
        for text in failures:
            self.report({"ERROR"}, text)
        return not failures

    def run(self, context: bpy.types.Context) -> None:
        raise NotImplementedError


class RigOperator(SkelOperator):
    """Base of the operators that work on the active rig, and can be undone."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        cls.poll_message_set("Select the armature of a reconstructed person")
        return gather.active_rig(context) is not None


class StartsJob(SkelOperator):
    """Base of the operators that start a job; without a window there are no timers, so they wait for its end."""

    def execute(self, context: bpy.types.Context) -> set[str]:
        result = super().execute(context)
        while bpy.app.background and runner.busy:
            runner.step()
            time.sleep(INTERVAL_S)
        return result


class StartsAlone(StartsJob):
    """Base of those whose job can't wait for another: what that one changes is what it begins with."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        cls.poll_message_set("The engine is already running")
        return not runner.busy


class AsksForJob(StartsJob):
    """Base of those whose job may wait for others: its request is complete, and what it makes is built by what is set now."""

    def ask(self, context: bpy.types.Context, request: Request | ImportRequest, note: str = "", home_uid: int = 0) -> None:
        """Let the engine do what is requested, now or when it is free, and build that in the context's scene."""
        if runner.busy:
            engine.python()  # who waits in vain wants to know it now
        scene = context.scene
        finish = functools.partial(build_in_scene, scene_uid=scene.session_uid, home_uid=home_uid, choices=choices_of(scene.skel))
        runner.ask(Asked(request.label, functools.partial(engine.launch, request), finish, note))


class SKEL_OT_reconstruct(AsksForJob, bpy.types.Operator):
    """Reconstruct the people in the footage and build a rig for each; while something is running, this waits for its turn"""

    bl_idname, bl_label = "skel.reconstruct", "Reconstruct"

    def run(self, context: bpy.types.Context) -> None:
        self.ask(context, gather.request(context.scene), gather.not_asked(context.scene.skel))


class SKEL_OT_forget_waiting(SkelOperator, bpy.types.Operator):
    """Remove this clip from the queue"""

    bl_idname, bl_label, bl_options = "skel.forget_waiting", "Remove", {"INTERNAL"}
    number: IntProperty(options={"HIDDEN"})

    def run(self, context: bpy.types.Context) -> None:
        runner.forget(self.number)


class SKEL_OT_install_engine(StartsAlone, bpy.types.Operator):
    """Download and install what reconstruction needs, in its own folder (1.6 GB on disk, more with an NVIDIA GPU)"""

    bl_idname, bl_label = "skel.install_engine", "Install Engine"

    def run(self, context: bpy.types.Context) -> None:
        runner.start("Installing the engine", engine.install(), _installed)


def _installed(path: str) -> str:
    engine.refresh()
    return "The engine is installed."


class SKEL_OT_cancel(SkelOperator, bpy.types.Operator):
    """Stop the running job"""

    bl_idname, bl_label = "skel.cancel", "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return runner.job is not None

    def run(self, context: bpy.types.Context) -> None:
        runner.cancel()


class SKEL_OT_clear_messages(SkelOperator, bpy.types.Operator):
    """Remove these messages"""

    bl_idname, bl_label, bl_options = "skel.clear_messages", "Clear Messages", {"INTERNAL"}

    def run(self, context: bpy.types.Context) -> None:
        runner.clear()


class SKEL_OT_load_take(SkelOperator, bpy.types.Operator, ImportHelper):
    """Build the rigs of a saved Take, without the engine"""

    bl_idname, bl_label, bl_options = "skel.load_take", "Load Take", {"REGISTER", "UNDO"}
    filename_ext = ".npz"
    filter_glob: StringProperty(default="*.npz", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        folder = gather.take_folder()
        if not self.filepath and any(folder.glob("*.npz")):
            self.filepath = os.path.join(folder, "")
        return ImportHelper.invoke(self, context, event)

    def run(self, context: bpy.types.Context) -> None:
        self.report({"INFO"}, build(context, self.filepath))


CLASSES = (SKEL_OT_reconstruct, SKEL_OT_forget_waiting, SKEL_OT_install_engine, SKEL_OT_cancel, SKEL_OT_clear_messages, SKEL_OT_load_take)
