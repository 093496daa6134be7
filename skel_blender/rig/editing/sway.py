# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the joints of a moving person may go astray, and how each channel carries them. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ... import kinematics
from ...anatomy import ARCS, DOFS, DOFS_OF_JOINT, ELLIPSOIDS, PARENTS, J, Q

CHANNELS = Q + 3  # the pose angles, then `trans`
_STEP = 1e-5  # rad, of the difference quotients
_COUPLED = {*ARCS, *ELLIPSOIDS}  # joints whose angles also shift what hangs on them
# Points of take.CONTACT_NAMES -> the joints that must not slide while the point rests on the floor.
HELD = ((3, 4), (4, 5), (4, 5), (8, 9), (9, 10), (9, 10))


def _hanging() -> np.ndarray:
    """(24,24) 1 where the second joint hangs on the first."""
    below = np.zeros((J, J))
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            below[:, joint] = below[:, parent]
            below[parent, joint] = 1.0
    return below


_BELOW = _hanging()


@dataclass(frozen=True)
class Bounds:
    """How far (m) a joint may move by thinning: anywhere, and in a foot that rests on the floor."""

    joint: float = 0.005
    contact: float = 0.001


class Moving:
    """The motion `values` (49,T) of a skeleton, its joints' places (T,24,3) m and how far each is `allowed` (T,24) to be off."""

    def __init__(self, values: np.ndarray, rest: tuple[np.ndarray, np.ndarray], contacts: np.ndarray | None, bounds: Bounds) -> None:
        """`rest` are the rest joints (24,3) and frames (24,3,3) of `kinematics.forward`, contacts (T,6) bool."""
        self.values, self.rest = values, rest
        self.places = self._places(values)
        self.allowed = np.full(self.places.shape[:2], bounds.joint)
        if contacts is not None:
            for point, joints in enumerate(HELD):
                for joint in joints:
                    self.allowed[np.asarray(contacts)[:, point] > 0, joint] = bounds.contact

    def off(self, values: np.ndarray) -> np.ndarray:
        """(T,24,3) m by which the joints of other channels (49,T) are away."""
        return self._places(values) - self.places

    def carried(self, joints: Sequence[int] = range(J), channels: Sequence[int] = range(CHANNELS)) -> np.ndarray:
        """(T,N,3,C) m by which a unit of each of the channels moves each of the joints, couplings of the spine and shoulder blades
        included."""
        result = np.zeros((len(self.places), len(joints), 3, len(channels)))
        turns = self._forward(self.values)[..., :3, :3]
        for column, channel in enumerate(channels):
            if channel >= Q:
                result[:, :, channel - Q, column] = 1.0
                continue
            joint = DOFS[channel].joint
            if joint in _COUPLED:
                changed = self.values.copy()
                changed[channel] += _STEP
                result[..., column] = (self._places(changed) - self.places)[:, joints] / _STEP
            else:
                arms = self.places[:, joints] - self.places[:, [joint]]
                result[..., column] = np.cross(self._axis(channel, turns)[:, None], arms) * _BELOW[joint, joints][:, None]
        return result

    def _axis(self, channel: int, turns: np.ndarray) -> np.ndarray:
        """(T,3) what an angle turns about, model axes, where joints are turned by (T,24,3,3) from the T pose."""
        joint = DOFS[channel].joint
        axis = np.tile(np.array(DOFS[channel].axis), (len(turns), 1))
        for later in DOFS_OF_JOINT[joint]:
            if later.index > channel:
                axis = (kinematics.axis_rotation(np.array(later.axis), self.values[later.index]) @ axis[..., None])[..., 0]
        axis = axis @ self.rest[1][joint].T
        return (turns[:, PARENTS[joint]] @ axis[..., None])[..., 0] if PARENTS[joint] >= 0 else axis

    def _forward(self, values: np.ndarray) -> np.ndarray:
        assert len(values) == CHANNELS
        return kinematics.forward(values[:Q].T, *self.rest, values[Q:].T).reshape(-1, J, 4, 4)

    def _places(self, values: np.ndarray) -> np.ndarray:
        return self._forward(values)[..., :3, 3].copy()  # of all the rest nothing is kept
