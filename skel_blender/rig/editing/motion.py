# SPDX-License-Identifier: GPL-3.0-or-later
"""The motion of a rig as poses, and changed motion as a new action beside the one that was there."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import bpy
import numpy as np
from mathutils import Euler, Quaternion

from ... import kinematics
from ...anatomy import JOINT_NAMES, Q
from ...messages import SkelError
from .. import compat, contacts, keyframes, layout, limbs, record, tracks, unkeyed
from ..nla import ends, holders, is_layered, keyed, strips_of
from . import between, evaluation, following, planted, smoothing, sway, thinning
from .steps import Steps

EDITED = "edited"  # kind of an action that is there to be changed
_SAME = 1e-4  # rad; a value as it is keyed, but for rounding


def action_of(armature: bpy.types.Object) -> bpy.types.Action:
    """The action that alone animates the rig. Raises SkelError if there is none."""
    record.of(armature)
    data = armature.animation_data
    if data is None or data.action is None:
        if strips_of(data):
            raise SkelError(
                "in_nla", f"The motion of {armature.name} is in the NLA.", "Press Merge Layers under Motion, or choose a version."
            )
        raise SkelError("no_action", f"{armature.name} has no action.", "Choose a version under Motion, or an action in the Dope Sheet.")
    compat.check_assignable(armature)
    if is_layered(armature):
        raise SkelError("layered", f"{armature.name} plays {data.action.name} on top of the NLA.", "Press Merge Layers under Motion.")
    return data.action


def frames_of(armature: bpy.types.Object) -> np.ndarray:
    """(T,) all whole frames between the first and last key of the pose."""
    action_of(armature)
    known = {(track.path, track.index) for track in record.of(armature).tracks}
    ranges = [curve.range() for curve in keyed(armature) if (curve.data_path, curve.array_index) in known]
    if not ranges:
        raise SkelError("no_keys", f"The action of {armature.name} has no keys of the pose.", "Choose another action.")
    return np.arange(round(min(low for low, _ in ranges)), round(max(up for _, up in ranges)) + 1)


def span_of(armature: bpy.types.Object) -> np.ndarray:
    """(T,) all whole frames of what the rig plays: its action and the NLA's strips. Raises SkelError if it plays nothing."""
    if not strips_of(armature.animation_data):
        return frames_of(armature)
    played = ends(armature)
    return np.arange(round(min(played)), round(max(played)) + 1)


def read(
    armature: bpy.types.Object, frames: Sequence[int] | np.ndarray, own: bool = False, turned: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """(T,46) poses and (T,3) trans of the keyed channels, of layers of all that they make together; a channel without a curve stands as
    it is. Trans has all that moves root and hips, with `own` only what the tracks say; with `turned` both have how the root is turned as
    well. Raises SkelError if a bone has not the rotation mode any more in which its angles are angles of SKEL."""

    def curve(bone: str, prop: str, index: int) -> np.ndarray:
        found = holder and holder.fcurves.find(f'pose.bones["{bone}"].{prop}', index=index)
        if found:
            return np.array([found.evaluate(float(frame)) for frame in frames])
        return np.full(len(frames), getattr(armature.pose.bones[bone], prop)[index])

    kept, holder = record.of(armature), compat.holder(armature)
    check_modes(armature)
    angles = [(channel.bone, tracks.ROTATION, channel.index) for channel in layout.channels()]
    places = _places(armature, turned)
    if is_layered(armature):
        with closing(evaluation.on_frames(armature, frames)) as shown:
            rows = [[getattr(posed.pose.bones[bone], prop)[k] for bone, prop, k in (*angles, *places)] for posed in shown]
        values = np.array(rows)
    else:
        values = np.stack([curve(*channel) for channel in (*angles, *places)], axis=1)
    if own:
        known = {(track.bone, track.prop, track.index) for track in kept.tracks}
        values[:, Q:] *= [channel in known for channel in places]
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        bone, *_ = (*angles, *places)[column]
        raise SkelError("no_number", f"On frame {frames[row]} {bone} has a value that is not a number.",
                        "Delete its keys around that frame.")  # fmt: skip
    poses = values[:, :Q] * [channel.sign for channel in layout.channels()]
    root, pelvis, turn = values[:, Q : Q + 3], values[:, Q + 3 : Q + 6], values[:, Q + 6 :]
    basis = np.array(armature.data.bones["pelvis"].matrix_local)[:3, :3]
    trans, shifts = kinematics.y_up(pelvis @ basis.T + [0.0, 0.0, kept.ground]), kinematics.y_up(root)
    if not turn.any():
        return poses, trans + shifts
    model, mode = kinematics.R_ZUP_YUP, armature.pose.bones[layout.ROOT].rotation_mode
    turns = model.T @ np.array([_matrix(row, mode) for row in turn]) @ model
    return following.moved(poses, trans, (kept.joints, kept.frames), turns, shifts)


def _places(armature: bpy.types.Object, turned: bool) -> list[tuple[str, str, int]]:
    """Bone, property and index of the channels that move a person as a whole: places of root and hips, and if asked the root's turn."""
    places = [(bone, tracks.LOCATION, k) for bone in (layout.ROOT, "pelvis") for k in range(3)]
    if not turned:
        return places
    prop = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}
    turn = prop.get(armature.pose.bones[layout.ROOT].rotation_mode, tracks.ROTATION)
    return places + [(layout.ROOT, turn, k) for k in range(3 if turn == tracks.ROTATION else 4)]


def _matrix(values: np.ndarray, mode: str) -> np.ndarray:
    """(3,3) of a bone's turn in a rotation mode."""
    if mode == "QUATERNION":
        return np.array(Quaternion(values).normalized().to_matrix())
    return np.array((Quaternion(values[1:], values[0]) if mode == "AXIS_ANGLE" else Euler(values, mode)).to_matrix())


def settled(armature: bpy.types.Object, frame: int, turned: bool = False) -> list[keyframes.Curve]:
    """Curves with a key on `frame` that hold at rest what else than the tracks moves root and hips now, and turns the root if `turned`:
    for a motion that has it in its tracks, as `read` gives it."""
    known = {(track.path, track.index) for track in record.of(armature).tracks}
    result = []
    for bone, prop, index in _places(armature, turned):
        path = f'pose.bones["{bone}"].{prop}'
        rest, stands = unkeyed.rest(path, index), getattr(armature.pose.bones[bone], prop)[index]
        keyed_in = (holder.fcurves.find(path, index=index) for holder in holders(armature))
        if (path, index) not in known and (stands != rest or any(keyed_in)):
            result.append(keyframes.Curve(path, index, bone, np.array([frame]), np.array([rest])))
    return result


def check_modes(armature: bpy.types.Object) -> None:
    """Raise SkelError if a joint's bone does not turn by Euler angles in its own order."""
    for joint, name in enumerate(JOINT_NAMES):
        if armature.pose.bones[name].rotation_mode != layout.euler_order(joint):
            raise SkelError("rotation_mode", f"The rotation mode of {name} was changed, so it no longer has SKEL's angles.",
                            f"Set it to {layout.euler_order(joint)} Euler in the sidebar's Item tab.")  # fmt: skip


def pose_now(armature: bpy.types.Object) -> np.ndarray:
    """(46,) rad as the channels stand, keyed or not."""
    return np.array([c.sign * armature.pose.bones[c.bone].rotation_euler[c.index] for c in layout.channels()])


def key(armature: bpy.types.Object, dof: int) -> None:
    """Key an angle as it stands on the current frame; where the action is linked from another file, in a copy that takes its place."""
    data = armature.animation_data
    if data is not None and data.action is not None and data.action.library is not None:
        derive(armature, EDITED, [])
    channel = layout.channel(dof)
    armature.pose.bones[channel.bone].keyframe_insert(tracks.ROTATION, index=channel.index, group=channel.bone)


def is_keyed(armature: bpy.types.Object, dof: int, frame: int) -> bool:
    """Whether an angle has a key on a frame, and stands as that key says."""
    channel, holder = layout.channel(dof), compat.holder(armature)
    curve = holder and holder.fcurves.find(channel.path, index=channel.index)
    if not curve:
        return False
    stands = abs(curve.evaluate(frame) - armature.pose.bones[channel.bone].rotation_euler[channel.index]) <= _SAME
    if not stands and not is_layered(armature):  # a layer's keys say what they add
        return False
    place = bisect.bisect_left(curve.keyframe_points, frame - 0.5, key=lambda point: point.co.x)
    return place < len(curve.keyframe_points) and curve.keyframe_points[place].co.x < frame + 0.5


def derive(armature: bpy.types.Object, kind: str, curves: Sequence[keyframes.Curve]) -> bpy.types.Action:
    """A copy of the rig's action with these curves in place of its own, used by the rig; the old one is kept untouched."""
    old = action_of(armature)
    compat.check_assignable(armature)
    old.use_fake_user = True
    base = old.name.removesuffix(f" {old.get(record.KIND, '')}")
    new = old.copy()
    new.name = f"{base} {kind}"
    compat.use_action(armature, new)
    record.mark(new, armature, kind)
    holder = compat.holder(armature)
    for curve in curves:
        keyframes.write(holder, curve)
    return new


def thin(armature: bpy.types.Object, bounds: thinning.Bounds, within: np.ndarray | None = None) -> Steps[thinning.Thinned]:
    """Give the rig an action with few Bezier keys of the same motion, within `bounds`; only on the scene frames `within` (T,), with all
    keys around them as they were."""
    frames, kept = frames_of(armature), record.of(armature)
    inside = _inside(frames, within)
    frames, part = frames[inside], not inside.all()
    poses, trans = read(armature, frames, own=True)
    resting, box = contacts.of(armature, frames), record.limits(armature)
    ends = between.ends(compat.holder(armature), kept.tracks, frames) if part else None
    stays = between.kept(ends, len(frames)) if part else None
    result = yield from thinning.thinned(poses, trans, kept.joints, kept.frames, resting, bounds, box, stays)
    if part:
        derive(armature, "thinned", [])
        if resting is not None:
            contacts.thin(armature, frames, resting)
        result = replace(result, share=between.write(compat.holder(armature), kept.tracks, frames, ends, result.spline))
    else:
        derive(armature, "thinned", keyframes.thinned(kept.tracks, int(frames[0]), result.spline))
        if resting is not None:
            contacts.keep(armature, int(frames[0]), resting, few=True)
    return result


def _inside(frames: np.ndarray, within: np.ndarray | None) -> np.ndarray:
    """(T,) bool: which of a motion's frames (T,) lie between the first and last of `within`, or all. Raises SkelError if none does."""
    inside = np.ones(len(frames), dtype=bool) if within is None else (frames >= within[0]) & (frames <= within[-1])
    if not inside.any():
        raise SkelError("no_frames", "There is no motion between these frames.", "Choose frames that have motion.")
    return inside


def smooth(
    armature: bpy.types.Object, seconds: float, fps: float, names: set[str], most: float = np.inf, within: np.ndarray | None = None
) -> tuple[float, float | None]:
    """Give the rig an action smoothed over `seconds` in the limbs of these names, in which joints move by about `most` (m) at most and
    resting feet stay; only on the scene frames `within` (T,), into which it eases, with all keys around them as they were. Returns how
    far (m) a joint moved at most, and a resting foot; None where nobody knows which rest."""
    frames, kept = frames_of(armature), record.of(armature)
    inside = _inside(frames, within)
    before = tracks.sources(*read(armature, frames, own=True))
    chosen, rest, span = limbs.channels(names), (kept.joints, kept.frames), max(1, round(seconds * fps))
    after, share = before.copy(), smoothing.share(frames, frames[inside][0], frames[inside][-1], span)
    after[chosen] += share * (smoothing.smooth(before[chosen].T, seconds, fps).T - before[chosen])
    after = planted.held_back(before, after, rest, most, span)
    resting = contacts.of(armature, frames)
    if resting is not None:
        after = planted.plant(before, after, rest, resting, chosen, span)
    after = np.where(inside, after, before)
    changed = np.abs(after - before).max(axis=1) > 0.0
    table = [track for track in kept.tracks if changed[track.source]]
    derive(armature, "smoothed", [])
    for curve in keyframes.every_frame(table, frames[inside], after[:, inside]):
        keyframes.merge(compat.holder(armature), curve)
    moving = sway.Moving(before, rest, resting, sway.Bounds(joint=np.inf, contact=0.0))
    moved = np.linalg.norm(moving.off(after), axis=-1)
    return float(moved.max()), None if resting is None else float(moved[moving.allowed == 0.0].max(initial=0.0))
