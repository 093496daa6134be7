# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rig remembers of its person, as custom properties: everything that works on it needs only the .blend file."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import bpy
import numpy as np

from .. import who
from ..anatomy import JOINT_INDEX, JOINT_NAMES, J, Q
from ..messages import SkelError
from ..take import Person
from . import compat, layout, tracks

PLACE = "skel_place"  # custom property of the empty that carries a take
FOLLOWS = "skel_follows"  # custom property of a take's camera: whether it follows a solved one
START, SPAN = "skel_start", "skel_span"  # of a take's collection: scene frame of the footage's first; first source frame and count
WHO = "skel_who"  # of a take's collection: what an animator says of who is who, as who.py writes it
FIRST_FRAME = 1  # START unless the take was moved
PART = "skel_part"  # custom property of a rig's skin and bone meshes: 'skin' or 'bone'
ID, _BODY, _BETAS, _JOINTS, _FRAMES, _GROUND, _HORIZONTAL = (
    f"skel_{name}" for name in ("id", "body", "betas", "joints", "frames", "ground", "horizontal")
)

PERSON = "skel_person"  # the person's name in the Take
STATURE = "skel_stature"  # m from sole to crown of the skin at rest
SAID = {"stature": "skel_said", "body": "skel_said_body"}  # what an animator says that it is, 0: not known; and which body fits
_NOTHING = {"stature": -1.0, "body": ""}  # is said; there all the same, since a library override keeps no property that its file lacks
TABLE, LIMITS, BODY_LIMITS = "skel_limit_table", "skel_limits", "skel_body_limits"
TURNED = "skel_limits_turned"  # names of the DoFs whose limits the table has the wrong way round
KIND, OWNER = "skel_kind", "skel_of"  # of actions
RAW, LAYER = "raw", "layer"


@dataclass(frozen=True)
class Record:
    """The rest skeleton (model frame, m) and how the rig's curves stand for the pose."""

    id: str
    joints: np.ndarray  # (24,3)
    frames: np.ndarray  # (24,3,3)
    tracks: list[tracks.Track]
    ground: float
    betas: np.ndarray  # (10,)


def keep(armature: bpy.types.Object, person: Person, horizontal: bool) -> None:
    """Write down on the armature what `of` reads."""
    body = person.body
    armature[ID] = armature.get(ID) or uuid.uuid4().hex
    armature[PERSON] = person.name
    armature[_BODY], armature[_BETAS] = person.body_name, np.asarray(person.betas, dtype=float).tolist()
    armature[_JOINTS], armature[_FRAMES] = body.joints.astype(float).ravel().tolist(), body.frames.astype(float).ravel().tolist()
    armature[STATURE] = float(np.ptp(body.skin_verts[:, 1]))
    armature[BODY_LIMITS] = body.limits.astype(float).ravel().tolist()
    armature[_GROUND], armature[_HORIZONTAL] = layout.ground(body), horizontal
    unsay(armature)


def put(armature: bpy.types.Object, key: str, value: object) -> None:
    """Give a custom property another value. Blender's Bake Action keys them all, and the next frame would bring the old one back: such
    keys go."""
    armature[key] = value
    holder = compat.holder(armature)
    if holder is not None and holder.id_data.library is None:
        for curve in [curve for curve in holder.fcurves if curve.data_path == f'["{key}"]']:
            holder.fcurves.remove(curve)


def is_rig(thing: bpy.types.Object | None) -> bool:
    """Whether an object is a rig of this add-on, and still knows it: custom properties can be cleared."""
    return thing is not None and thing.type == "ARMATURE" and all(key in thing for key in (ID, _JOINTS, LIMITS))


def rigs(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The rigs of a scene."""
    return [thing for thing in scene.objects if is_rig(thing)]


def said(armature: bpy.types.Object, what: str) -> float | str | None:
    """What an animator says of the person: his 'stature', m, 0: that he does not know; his 'body', such as 'female'; None: nothing."""
    value = armature.get(SAID[what], _NOTHING[what])
    return None if value == _NOTHING[what] else value


def is_said(armature: bpy.types.Object) -> bool:
    """Whether an animator says anything of the person."""
    return any(said(armature, what) is not None for what in SAID)


def unsay(armature: bpy.types.Object, *names: str) -> None:
    """Forget what an animator says of the person: these of SAID, or all."""
    for what in names or SAID:
        put(armature, SAID[what], _NOTHING[what])
        armature.property_overridable_library_set(f'["{SAID[what]}"]', True)


def said_who(collection: bpy.types.Collection) -> tuple[who.Correction, ...]:
    """What an animator says of who is who in a take, and no reconstruction has heard yet."""
    return who.read(collection.get(WHO, ""))


def say_who(collection: bpy.types.Collection, said: tuple[who.Correction, ...]) -> None:
    """Keep what `said_who` tells."""
    if said:
        collection[WHO] = who.write(said)
    else:
        collection.pop(WHO, None)


def body_name(armature: bpy.types.Object) -> str:
    """The body that the rig was made for, as `Person.body_name` calls it."""
    return armature.get(_BODY, "")


def open_body(armature: bpy.types.Object) -> str:
    """'male' or 'female' of a rig that has the open body, nothing of another."""
    kind, _, sex = body_name(armature).partition(" ")
    return sex if kind == "open" else ""


def start_of(collection: bpy.types.Collection) -> int:
    """The scene frame that shows the first frame of a take's footage."""
    return int(collection.get(START, FIRST_FRAME))


def home_of(armature: bpy.types.Object) -> bpy.types.Collection | None:
    """The collection of a rig's take: the rig may lie in others as well. None if it was taken out of there."""
    return next((home for home in armature.users_collection if START in home), None)


def start(armature: bpy.types.Object) -> int:
    """The scene frame that shows the first frame of the footage of a rig's take."""
    home = home_of(armature)
    return FIRST_FRAME if home is None else start_of(home)


def missing(armature: bpy.types.Object) -> str | None:
    """The name of the first bone that the rig is lost without and does not have any more."""
    return next((name for name in (layout.ROOT, *JOINT_NAMES) if name not in armature.data.bones), None)


def of(armature: bpy.types.Object | None) -> Record:
    """What the rig remembers. Raises SkelError if the object is none, or if a bone was deleted or renamed."""
    if not is_rig(armature):
        raise SkelError("no_rig", "The active object is not a rig of this add-on.", "Select the armature of a person.")
    lost = missing(armature)
    if lost is not None:
        raise SkelError("no_bone", f"{armature.name} no longer has a bone {lost}.", "Undo, or give the bone that name again.")
    pelvis = np.array(armature.data.bones["pelvis"].matrix_local)[:3, :3]
    table = tracks.tracks(armature[_GROUND], np.where(np.abs(pelvis) < 1e-5, 0.0, pelvis), bool(armature[_HORIZONTAL]))
    joints, frames = np.array(armature[_JOINTS]).reshape(J, 3), np.array(armature[_FRAMES]).reshape(J, 3, 3)
    return Record(armature[ID], joints, frames, table, armature[_GROUND], np.array(armature[_BETAS]))


def is_horizontal(armature: bpy.types.Object) -> bool:
    """Whether the rig's root moves over the floor only."""
    return bool(armature[_HORIZONTAL])


def mark(action: bpy.types.Action, armature: bpy.types.Object, kind: str) -> None:
    """Say whose an action is and how it came about; it stays in the file even if nothing uses it."""
    action[OWNER], action[KIND] = armature[ID], kind
    action.use_fake_user = True


def actions(armature: bpy.types.Object) -> list[bpy.types.Action]:
    """The actions that belong to a rig, in the order of their names."""
    return [action for action in bpy.data.actions if action.get(OWNER) == armature[ID]]


def versions(armature: bpy.types.Object) -> list[bpy.types.Action]:
    """Those that are a motion of their own, not a layer on top of one."""
    return [action for action in actions(armature) if action.get(KIND) != LAYER]


def limits(armature: bpy.types.Object) -> np.ndarray:
    """(46,2) rad: the limits that hold for the rig now."""
    return np.array(armature[LIMITS]).reshape(Q, 2)


def body_limits(armature: bpy.types.Object) -> np.ndarray:
    """(46,2) rad: the limits of the body that the rig was made for."""
    return np.array(armature[BODY_LIMITS]).reshape(Q, 2)


def parts(armature: bpy.types.Object, kind: str) -> list[bpy.types.Object]:
    """The rig's meshes of a kind, 'skin' or 'bone', in the order of the joints."""
    found = [thing for thing in armature.children if thing.get(PART) == kind]
    return sorted(found, key=lambda thing: JOINT_INDEX.get(joint_of(thing), J))


def joint_of(thing: bpy.types.Object) -> str | None:
    """The joint whose bone mesh this is; None of a skin. Those of an older rig did not ride their bones: their groups tell."""
    if thing[PART] == "skin":
        return None
    names = (thing.parent_bone, *(group.name for group in thing.vertex_groups))
    return next((name for name in names if name in JOINT_INDEX), None)


def rest_points(thing: bpy.types.Object) -> np.ndarray:
    """(V,3) m: the vertices of one of a rig's meshes at rest, in the rig's space."""
    points = np.empty(3 * len(thing.data.vertices), dtype=np.float32)
    thing.data.vertices.foreach_get("co", points)
    points = points.reshape(-1, 3).astype(float)
    if thing.parent_type != "BONE":
        return points
    rest = np.array(thing.parent.data.bones[thing.parent_bone].matrix_local)
    return points @ rest[:3, :3].T + rest[:3, 3]
