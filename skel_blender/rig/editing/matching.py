# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand a limb from its channels to its control and back without a jump, over a range of frames: what is seen is what is keyed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

import bpy
import numpy as np
from mathutils import Euler, Matrix, Quaternion

from ...anatomy import ARCS, DOFS_OF_JOINT, JOINT_NAMES
from .. import colours, compat, continuity, controls, keyframes, layout, limits, nla, record
from . import evaluation, motion


def to_control(
    scene: bpy.types.Scene, armature: bpy.types.Object, limbs: Sequence[controls.Limb], frames: np.ndarray,
    change: Callable[[np.ndarray], np.ndarray] = lambda values: values,
) -> None:  # fmt: skip
    """Put the limbs' controls where the limbs are on each of the scene frames, key them and switch IK on there. `change` makes of these
    locations and quaternions (T,7) what is keyed."""
    seen = sample(
        scene, armature, frames, lambda posed: [(followed(posed, armature, limb), _carried(posed, armature, limb)) for limb in limbs]
    )
    holder = _editable(armature)
    for limb, keys in zip(limbs, zip(*seen)):
        path = f'pose.bones["{limb.control}"].'
        values, carried = change(_continuous(np.array([place for place, _ in keys]))), [by for _, by in keys]
        if any(carried):
            values = _continuous(np.array([_before(place, by) for place, by in zip(values, carried)]))
        for index in range(7):
            curve, place = ("location", index) if index < 3 else ("rotation_quaternion", index - 3)
            keyframes.merge(holder, keyframes.Curve(path + curve, place, limb.control, frames, values[:, index]))
        _switch(holder, armature, limb, frames, 1.0)
    colours.give_groups(holder)
    shown = armature.data.collections_all.get(controls.COLLECTION)
    if shown is not None:
        shown.is_visible = True


def to_channels(scene: bpy.types.Scene, armature: bpy.types.Object, limbs: Sequence[controls.Limb], frames: np.ndarray) -> None:
    """Key what IK made of the limbs as their own angles on each of the scene frames and switch IK off there."""
    motion.check_modes(armature)
    joints = [joint for limb in limbs for joint in limb.joints]
    before = {joint: None for joint in joints}
    box = record.limits(armature)
    ranges = {joint: ranges_of(box, joint) for joint in joints}
    seen = sample(scene, armature, frames, lambda posed: [seen_angles(posed, joint, before, ranges[joint]) for joint in joints])
    holder = _editable(armature)
    for joint, angles in zip(joints, zip(*seen)):
        name = JOINT_NAMES[joint]
        for dof in DOFS_OF_JOINT[joint]:
            channel = layout.channel(dof.index)
            values = channel.sign * np.array(angles)[:, channel.index]
            low, up = box[dof.index]
            near = np.clip(values, low, up)
            values = channel.sign * np.where(np.abs(near - values) < 1e-4, near, values)  # rounding is not beyond a limit
            keyframes.merge(holder, keyframes.Curve(channel.path, channel.index, name, frames, values))
    for limb in limbs:
        _switch(holder, armature, limb, frames, 0.0)


def sample(scene: bpy.types.Scene, armature: bpy.types.Object, frames: np.ndarray, look: Callable[[bpy.types.Object], list]) -> list[list]:
    """What `look` says of the evaluated armature on each frame: on the current one alone as it is posed, keyed or not."""
    motion.action_of(armature)
    compat.check_assignable(armature)
    with evaluation.posed_armatures([armature]):
        if list(frames) == [scene.frame_current] and not scene.frame_subframe and armature.visible_get():
            return [look(armature.evaluated_get(bpy.context.evaluated_depsgraph_get()))]
        with closing(evaluation.on_frames(armature, frames)) as shown:
            return [look(posed) for posed in shown]


def followed(posed: bpy.types.Object, armature: bpy.types.Object, limb: controls.Limb) -> np.ndarray:
    """(7,) location and quaternion of the control when it moves rigidly with the limb's last bone."""
    bones, tip = armature.data.bones, JOINT_NAMES[limb.tip]
    rigid = posed.pose.bones[tip].matrix @ bones[tip].matrix_local.inverted()
    rest = bones[limb.control].matrix_local
    place, turn, _ = (rest.inverted() @ rigid @ rest).decompose()
    return np.array([*place, *turn])


def _carried(posed: bpy.types.Object, armature: bpy.types.Object, limb: controls.Limb) -> Matrix | None:
    """By what constraints that were added to the control, such as Child Of, carry it away from where its keys put it, in its rest axes;
    None if it has none."""
    control = posed.pose.bones[limb.control]
    if not any(not constraint.mute for constraint in control.constraints):
        return None
    return armature.data.bones[limb.control].matrix_local.inverted() @ control.matrix @ control.matrix_basis.inverted()


def _before(values: np.ndarray, carried: Matrix) -> np.ndarray:
    """(7,) the location and quaternion that `carried` brings to `values` (7,)."""
    place, turn, _ = (carried.inverted_safe() @ Matrix.LocRotScale(values[:3], Quaternion(values[3:]), None)).decompose()
    return np.array([*place, *turn])


def ranges_of(box: np.ndarray, joint: int) -> np.ndarray:
    """(3,2) rad between which the limits (46,2) leave a joint's Euler angles; 0 of those that it has not."""
    result, found = np.zeros((3, 2)), limits.channel_limits(box, joint)
    for dof in DOFS_OF_JOINT[joint]:
        index = layout.channel(dof.index).index
        result[index] = found.get(index, (-np.inf, np.inf))
    return result


def seen_angles(posed: bpy.types.Object, joint: int, before: dict, ranges: np.ndarray) -> tuple[float, float, float]:
    """The joint's Euler angles as seen, in their ranges if they can be, and close to those of the frame before."""
    bone = posed.pose.bones[JOINT_NAMES[joint]]
    local = posed.convert_space(pose_bone=bone, matrix=bone.matrix, from_space="POSE", to_space="LOCAL")
    near, order = before[joint] or bone.rotation_euler.copy(), bone.rotation_mode
    found = local.to_euler(order, near)
    if joint not in ARCS:  # a whole turn more is another place there
        found = Euler(continuity.within(np.array(found), np.array(near), "XYZ".index(order[1]), ranges), order)
    before[joint] = found
    return tuple(found)


def _continuous(values: np.ndarray) -> np.ndarray:
    """(T,7) the same, with quaternions that do not change sign from frame to frame."""
    turns = values[:, 3:]
    signs = np.cumprod(np.where(np.sum(turns[1:] * turns[:-1], axis=1) < 0.0, -1.0, 1.0))
    turns[1:] *= signs[:, None]
    return values


def _editable(armature: bpy.types.Object) -> bpy.types.Action | bpy.types.ActionChannelbag:
    """The rig's action if it is there to be edited, else a copy that takes its place."""
    if motion.action_of(armature).get(record.KIND) != motion.EDITED:
        motion.derive(armature, motion.EDITED, [])
    return compat.holder(armature)


def _switch(
    holder: bpy.types.Action | bpy.types.ActionChannelbag, armature: bpy.types.Object, limb: controls.Limb, frames: np.ndarray, value: float
) -> None:
    """Key the limb's switch: `value` on the frames, what it was around them."""
    path = f'["{limb.switch}"]'
    found = holder.fcurves.find(path)
    first, last = int(frames[0]), int(frames[-1])
    around = [found.evaluate(edge) if found else armature[limb.switch] for edge in (first - 1, last + 1)]
    inside, goes_on = motion.frames_of(armature), nla.goes_on(armature)
    times, values = [first], [value]
    if first > inside[0] or goes_on:
        times, values = [first - 1, *times], [around[0], *values]
    if last < inside[-1] or goes_on:
        times, values = [*times, last + 1], [*values, around[1]]
    curve = keyframes.Curve(path, 0, "IK", np.array(times), np.array(values))
    keyframes.merge(holder, curve, "CONSTANT", span=(times[0], max(last, times[-1])))
    armature[limb.switch] = value
