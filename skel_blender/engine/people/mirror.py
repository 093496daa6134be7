# SPDX-License-Identifier: GPL-3.0-or-later
"""A second opinion of every pose: the landmark network is shown the person's mirror image, too, and the two answers are averaged.

Its errors differ there, so the mean is more accurate and steadier. Following people does not depend on it: the network is asked while the
clip is read on, and the answers are used at the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np

from ..blazepose import LIMBS
from .landmarker import Networks, Pose
from .sides import SWAP_ORDERS

_ALIKE_M = 0.3  # mean difference of the limb joints, in the image plus in 3D, up to which both answers are of the same pose


class Answer:
    """The network's answer about a mirrored pose, once it is there. The future, which is larger than the answer, is not kept."""

    __slots__ = ("_due", "_said")

    def __init__(self, due: Future[Pose]) -> None:
        self._due: Future[Pose] | None = due
        self._said: Pose | None = None

    def result(self) -> Pose:
        """Waits for the answer. Raises what the network raised."""
        if self._due is not None:
            self._said, self._due = self._due.result(), None
        return self._said


class Mirror:
    """Asks networks about mirrored people by `submit`, an executor's, and waits when more than `most` answers are outstanding."""

    def __init__(self, networks: Networks, submit: Callable[..., Future[Pose]], most: int) -> None:
        self._networks, self._submit, self._most = networks, submit, most
        self._due: deque[Answer] = deque()

    def look(self, image: np.ndarray, pose: Pose) -> Answer:
        """Ask about a pose in an RGB image (H,W,3). Raises what the network raised on an earlier question."""
        self._due.append(Answer(self._submit(self._networks.landmarks, image, pose.next_roi, True)))
        while len(self._due) > self._most:
            self._due.popleft().result()
        return self._due[-1]


def averaged(keypoints: np.ndarray, landmarks: np.ndarray, mirrored: list[Pose | None], px_per_m: float) -> tuple[np.ndarray, np.ndarray]:
    """keypoints_2d (S,33,3) and landmarks_3d (S,33,3) of a person's frames, each averaged with the mirror's answer, if there is one.

    Of the answer's possible exchanges of left and right the nearest one counts. A frame whose two answers are of different poses stays.
    """
    both = np.concatenate([keypoints, landmarks], -1)
    for seen, other in zip(both, mirrored, strict=True):
        if other is None:
            continue
        again = np.concatenate([other.keypoints_2d, other.landmarks_3d], 1)[SWAP_ORDERS]
        off = again[:, LIMBS] - seen[LIMBS]
        far = (np.linalg.norm(off[..., :2], axis=-1) / max(px_per_m, 1e-3) + np.linalg.norm(off[..., 3:], axis=-1)).mean(1)
        if far.min() < _ALIKE_M:
            seen += 0.5 * (again[far.argmin()] - seen)
    return both[..., :3], both[..., 3:]
