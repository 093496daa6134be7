# SPDX-License-Identifier: GPL-3.0-or-later
"""HSMR as the pipeline's regressor: the people of a clip, cut out of its frames, to a first pose in the footage's camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ....anatomy import DOFS, Q
from ....kinematics import joint_rotations, pelvis_angles
from ....messages import Log, SkelError
from ...body import BodyModel
from ...branches import continuous
from ...camera import R_CAM_LEVEL
from ...footage.source import Source
from ...interpolation import interpolated
from ...people.tracks import Track
from ...threads import ahead
from ..guess import Guess, Guesser
from . import cameras
from .batches import Batches
from .network import Prediction, load_hsmr
from .patches import SEEN, cut, person_boxes, squares

# Deviations (rad) by the start of a DoF's name, the first that fits. HSMR's joints are 5 cm off after alignment on 3DPW (the paper's
# PA-MPJPE): at the end of a limb of 0.3 to 0.4 m that is 0.15 rad. Twists about a limb and what lies beyond wrists and ankles show
# less in the picture and get two and three times as much, as shares of the same error; no data was fitted.
_SIGMA = {
    "pelvis": 0.15, "hip_rotation": 0.3, "hip": 0.15, "knee": 0.15, "ankle": 0.3, "subtalar": 0.4, "mtp": 0.4, "lumbar": 0.2, "thorax": 0.2,
    "head": 0.3, "scapula": 0.2, "shoulder": 0.25, "elbow": 0.2, "pro_sup": 0.45, "wrist": 0.45,
}  # fmt: skip
SIGMA = np.array([next(value for start, value in _SIGMA.items() if dof.name.startswith(start)) for dof in DOFS])
_WAITING = 2  # batches of patches that are cut while the network is at work


class HsmrRegressor:
    """A regress.Regressor. Needs a SKEL model file as body: HSMR's angles are SKEL's own, and mean other poses on another body."""

    def __init__(self, path: Path | str, device: torch.device | str = "cpu", on_log: Callable[[Log], None] = lambda log: None) -> None:
        """Load the checkpoint; raises SkelError as `load_hsmr` does."""
        self._batches, self._log = Batches(load_hsmr(path, device)), on_log

    def __call__(
        self, source: Source, tracks: list[Track], lenses: list[np.ndarray], on_frame: Callable[[int, int], None]
    ) -> list[Guesser]:
        """One Guesser for each track, whose frames in which the person was not seen get poses in between, of infinite sigma; it raises
        SkelError for a body that is not SKEL's. Raises SkelError for footage that can no longer be read.
        """
        cuts = [squares(person_boxes(track.keypoints_2d, source.size)) for track in tracks]
        done: list[tuple[int, int]] = []
        size = self._batches.size
        with closing(ahead(_patches(source, tracks, cuts), _WAITING * self._batches.together)) as patches:
            found = self._batches(_patches_alone(patches, done, source, on_frame))
        if self._batches.size < size:
            self._log(Log("info", f"HSMR worked on {self._batches.size} people at once instead of {size}, as the card's memory was short."))
        people, rows = np.array(done, int).reshape(-1, 2).T
        guesses = []
        for k, track in enumerate(tracks):
            own = np.flatnonzero(people == k)
            if not len(own):
                raise SkelError("no_frames", f"{source.path.name} can't be read a second time.", "Copy the file and try again.")
            prediction = Prediction(*(part[torch.from_numpy(own)].double() for part in found))
            guesses.append(partial(_guess, prediction, rows[own], cuts[k][rows[own]], len(track.frames), lenses[k][rows[own]]))
        return guesses


def check_body(body: BodyModel) -> None:
    """Raise SkelError for a body that is not SKEL's."""
    if body.source is None:
        raise SkelError("needs_skel", f"HSMR predicts the angles of the SKEL body, not of the body '{body.name}'.",
                        "Choose a SKEL model file as the body, or another regressor.")  # fmt: skip


def _patches(source: Source, tracks: list[Track], cuts: list[np.ndarray]) -> Iterator[tuple[int, int, int, np.ndarray]]:
    """Frame number, person, row of his track, patch (256,192,3); frames in order, people of a frame together."""
    wanted: dict[int, list[tuple[int, int]]] = {}
    for k, track in enumerate(tracks):
        for row in np.flatnonzero(track.observed):
            wanted.setdefault(int(track.frames[row]), []).append((k, int(row)))
    for number, image in source.frames(source.first, source.last):
        for k, row in wanted.get(number, ()):
            yield number, k, row, np.ascontiguousarray(cut(image, cuts[k][row])[:, SEEN])


def _patches_alone(patches: Iterator[tuple[int, int, int, np.ndarray]], done: list[tuple[int, int]], source: Source,
          on_frame: Callable[[int, int], None]) -> Iterator[np.ndarray]:  # fmt: skip
    """The patches alone; whose they are goes to `done`, how far the clip is read to `on_frame`."""
    for number, k, row, patch in patches:
        done.append((k, row))
        on_frame(number - source.first + 1, source.last - source.first + 1)
        yield patch


def _guess(seen: Prediction, rows: np.ndarray, cuts: np.ndarray, count: int, K: np.ndarray, body: BodyModel) -> Guess:
    """The guess of a track of `count` frames, of what was predicted in its frames `rows` (F,) from squares (F,3) by lenses K (F,3,3)."""
    check_body(body)
    betas = seen.betas.median(0).values
    poses, trans = in_camera(seen, cuts, betas, body, K)
    poses[:, 3:] = continuous(poses, body.limits.cpu().numpy())[:, 3:]
    sigma = np.full((count, Q), np.inf)
    sigma[rows] = SIGMA
    every = np.arange(count)
    return Guess(interpolated(every, rows, poses), betas.numpy(), interpolated(every, rows, trans), sigma)


def in_camera(seen: Prediction, cuts: np.ndarray, betas: torch.Tensor, body: BodyModel, K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses (F,46) and trans (F,3) of a body of betas (10,) that a level camera sees as the patches' cameras saw HSMR's.

    K is (3,3) or (F,3,3). Predictions are of the patches that were cut at squares (F,3). The pelvis is turned with the line of sight, the
    body goes where its joints are seen at the same pixels, in least squares: lenses of 5000 px and K see no body quite alike. The pelvis'
    angles go on from row to row.
    """
    like = body.J_template
    given = [part.to(like) for part in (seen.poses, seen.betas, betas)]
    none = torch.zeros_like(given[0][:, :3])
    theirs, ours = (body.joints(given[0], shape, none).cpu().numpy() for shape in given[1:])
    wanted = cameras.pixels(theirs, cameras.patch_camera(seen.cam.numpy()), cuts)
    line = cameras.toward(cuts, K)
    about = (ours - ours[:, :1]) @ line.swapaxes(-1, -2)
    pelvis = cameras.placed(about, wanted, K)
    frame = body.shape(given[2][None]).frames[0, 0].cpu().numpy()
    poses = seen.poses.numpy().copy()
    poses[:, :3] = pelvis_angles(frame.T @ R_CAM_LEVEL.T @ line @ frame @ joint_rotations(poses)[:, 0])
    return poses, pelvis @ R_CAM_LEVEL - ours[:, 0]
