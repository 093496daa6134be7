# SPDX-License-Identifier: GPL-3.0-or-later
"""Re-fit: frames set by hand stay, the engine fits those around them to the footage again."""

import functools
import tempfile
from pathlib import Path

import bpy
from bpy.props import FloatProperty

from .. import take as takes
from ..messages import SkelError
from ..requests import RefitRequest
from ..rig import embedded, record
from ..rig.editing import corrections
from ..take import Person, Take
from . import engine, gather
from .arrival import PROPERTY, push_undo
from .key_operators import but_led
from .operators import StartsAlone
from .runner import runner


class SKEL_OT_refit(StartsAlone, bpy.types.Operator):
    """Fit the frames around those that you set by hand to the footage again; the present action stays as it is"""

    bl_idname, bl_label = "skel.refit", "Re-fit"
    seconds: FloatProperty(name="Around", subtype="TIME_ABSOLUTE", unit="TIME_ABSOLUTE", default=1.0, min=0.0, soft_max=10.0,
                           description="How far before the first and after the last frame set by hand the motion may change")  # fmt: skip

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        cls.poll_message_set("Select the armature of a reconstructed person")
        return gather.active_rig(context) is not None and super().poll(context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, title="Fit Again Around Frames Set by Hand", confirm_text="Re-fit")

    def run(self, context: bpy.types.Context) -> None:
        rig = gather.editable_rig(context)
        home, data = data_of(rig)
        take = takes.loads(data, f"The Take of {home.name}")
        number, person = person_of(rig, take)
        found = corrections.find(rig, person)
        out = gather.new_take_path(Path(home.name))
        try:
            scratch = tempfile.TemporaryDirectory(prefix="skel_refit_", ignore_cleanup_errors=True)
            path, given = Path(scratch.name, "take.npz"), Path(scratch.name, "corrections.npz")
            path.write_bytes(data)
            found.save(given)
        except OSError as error:
            raise SkelError("unwritable", f"{tempfile.gettempdir()} can't be written ({error.strerror}).", "Make room there.") from error
        around = round(self.seconds * float(take.fps))
        first, last = max(found.frames[0] - around, person.frames[0]), min(found.frames[-1] + around, person.frames[-1])
        sent = corrections.sent(rig, person, int(first), int(last))
        body = "" if person.body_name.startswith("open ") else gather.model_file(context.scene, take, person)
        job = engine.start(RefitRequest(str(path), str(given), str(out), number, f"{first}:{last + 1}", body))
        finish = functools.partial(bring_back, rig_id=rig[record.ID], uid=rig.session_uid, count=len(found.frames), sent=sent)
        runner.start("Fitting again", job, finish, scratch)


def data_of(rig: bpy.types.Object) -> tuple[bpy.types.Collection, bytes]:
    """The collection of the Take that a rig was built from, and the bytes of its file: those in the .blend, else those on the disk."""
    homes = rig.users_collection
    for home in homes:
        data = embedded.data_of(home)
        if data is not None:
            return home, data
    home = next((home for home in homes if PROPERTY in home), None)
    if home is None:
        raise SkelError("no_take", "This rig has no Take.", "Reconstruct the clip again, or load the Take.")
    path = Path(bpy.path.abspath(home[PROPERTY]))
    if not path.is_file():
        raise SkelError("no_file", f"There is no file {path}.", "Put the Take back there, or load it again.")
    return home, path.read_bytes()


def person_of(rig: bpy.types.Object, take: Take) -> tuple[int, Person]:
    """The rig's person in a Take, and his number there."""
    for number, person in enumerate(take.people):
        if person.name == rig[record.PERSON]:
            return number, person
    raise SkelError("no_person", f"The Take has no person named {rig[record.PERSON]}.", "Load the Take again.")


def bring_back(path: str, rig_id: str, uid: int, count: int, sent: corrections.Sent) -> str:
    """Give the rig of that id, of duplicates the one with that `session_uid`, the motion of the new Take at `path`: its Take from now."""
    twins = (thing for thing in bpy.data.objects if record.is_rig(thing) and thing[record.ID] == rig_id)
    rig = min(twins, key=lambda thing: thing.session_uid != uid, default=None)
    if rig is None:
        raise SkelError("no_rig", "The rig is gone.", "Load the Take again.")
    take, home = takes.load(path), data_of(rig)[0]
    brought = corrections.bring(rig, person_of(rig, take)[1], sent)
    embedded.embed(home, take)
    home[PROPERTY] = path
    push_undo("Re-fit")
    around = "1 frame" if count == 1 else f"{count} frames"
    return f"Fitted again around {around}; the motion is in {brought.action.name}.{brought.sentence()}{but_led(rig)}"


CLASSES = (SKEL_OT_refit,)
