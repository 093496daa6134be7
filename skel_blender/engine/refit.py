# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit a stretch of a Take again around frames that an animator has set by hand.

The Take holds what the footage told, so no footage and no landmarker is needed. Frames between two that were set start from the old
motion plus the correction, drawn linearly between them: evidence that speaks against the correction is then far off and fades out. They
are also drawn to that, as in a reconstruction to what the lifting network says, which the old motion has heard.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from .. import take as takes
from ..anatomy import Q
from ..kinematics import R_ZUP_YUP
from ..messages import Event, Log, Progress, SkelError
from ..take import CONTACT_NAMES, Corrections, Person, Take
from .blazepose import LIMBS
from .body import BodyModel, load_body
from .fit import Config, Observations, View, Weights, skelify
from .fit.alone import doubted, drawn_to, missed
from .fit.contacts import ON_FLOOR_M, unseen
from .fit.evidence import as_tall, gather
from .fit.outline import outlined
from .fit.scene.sightings import places
from .interpolation import interpolated
from .people.tracks import Track
from .unpickle import need, read_arrays

_AROUND = 2  # frames beyond either end that hold the stretch to the old motion, as second differences reach that far
_STEPS = 30
_SAME_BODY_M = 1e-3
_BELOW_M = 0.1  # what the first fit left so far below the floor may stay there
_DRAWN = 0.1  # rad, how far off the old motion plus the correction may well be
_WHAT = "a file of corrections"


def read_corrections(path: Path) -> Corrections:
    """An `.npz` with the arrays frames, poses and trans. Raises SkelError for any other file."""
    data = read_arrays(path, _WHAT)
    poses = need(data, "poses", (None, Q), path, _WHAT)
    frames, trans = (need(data, name, (len(poses), *width), path, _WHAT) for name, width in (("frames", ()), ("trans", (3,))))
    if not len(frames):
        raise SkelError("bad_file", f"{path} holds no corrections.", "Set a frame by hand first.")
    return Corrections(frames.astype(int), poses, trans)


def refit(take: Take, number: int, set_by_hand: Corrections, frames: tuple[int, int] | None = None, body: BodyModel | None = None,
          emit: Callable[[Event], None] = lambda event: None) -> Take:  # fmt: skip
    """A new Take in which person `number` (from 0) is fitted again in source frames [A, B), the whole track where None.

    Frames set by hand stay exactly so, as do all frames outside. Raises SkelError for what the user can mend.
    """
    person = _person(take, number)
    usual = _body(person) if body is None else body
    body = _as_large(usual, person)
    _check_body(body, person)
    rows = _stretch(person, set_by_hand, frames)
    start, kept = _corrected(person, set_by_hand, rows)
    wide = slice(max(rows.start - _AROUND, 0), min(rows.stop + _AROUND, len(person.frames)))
    fixed = kept.copy()
    fixed[: rows.start] = fixed[rows.stop :] = True
    state, betas = torch.as_tensor(start), torch.as_tensor(person.betas)[None]
    part = _part(replace(_observations(take, person, usual, body), fixed=torch.as_tensor(fixed)), wide)
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        emit(Progress("fit", done, _STEPS, -1.0))

    drawn = drawn_to(body, outlined(body, part, state[wide], betas), state[wide], betas, _DRAWN)
    config = Config(Weights(), _STEPS, fit_shape=False)
    found = skelify(body, drawn, (state[wide, 3:], betas, state[wide, :3]), config, count)
    emit(Progress("fit", _STEPS, _STEPS, 0.0))
    if not bool(found.converged.all()):
        emit(Log("info", f"The fit was still improving by {float(found.gain[0]):.1%} a step when it ended."))
    state[wide] = found.state
    error = person.reprojection_error.copy()
    error[wide] = missed(body, part, state[wide], betas).numpy()
    confidence = person.confidence.copy()
    confidence[kept] = 1.0
    doubts = person.expected_error
    if doubts is not None:  # what was set by hand makes its neighbours surer, never less sure
        doubts, inside = doubts.copy(), slice(rows.start - wide.start, rows.stop - wide.start)
        doubts[rows] = np.minimum(doubts[rows], doubted(body, part, config, state[wide], betas).numpy()[inside])
    again = replace(person, poses=state[:, 3:].numpy(), trans=state[:, :3].numpy(), reprojection_error=error, confidence=confidence,
                    expected_error=doubts)  # fmt: skip
    people = [again if k == number else other for k, other in enumerate(take.people)]
    return replace(take, people=people)


def refit_to_file(path: Path, corrections: Path, number: int, frames: tuple[int | None, int | None], body: str, out: Path,
                  emit: Callable[[Event], None]) -> None:  # fmt: skip
    """Read a Take and corrections, fit again, write the new Take, whole or not at all."""
    take = takes.load(path)
    person = _person(take, number)
    first, end = frames
    stretch = (person.frames[0] if first is None else first, person.frames[-1] + 1 if end is None else end)
    takes.save(refit(take, number, read_corrections(corrections), stretch, load_body(body) if body else None, emit), out)


def _person(take: Take, number: int) -> Person:
    if not 0 <= number < len(take.people):
        raise SkelError("no_person", f"There is no person {number}; the Take has {len(take.people)}.", "Count them from 0.")
    return take.people[number]


def _body(person: Person) -> BodyModel:
    kind, _, sex = person.body_name.partition(" ")
    if kind != "open":
        raise SkelError("no_body", f"The person has the body '{person.body_name}', whose file is not in the Take.", "Choose the SKEL file.")
    return load_body("open", sex)


def _as_large(body: BodyModel, person: Person) -> BodyModel:
    """The body, made as large as a whole as the person's: a child's is."""
    own, usual = (np.linalg.norm(joints - joints.mean(0)) for joints in (person.body.joints, body.rest_body(person.betas).joints))
    return body if math.isclose(own, usual, rel_tol=1e-6) else body.scaled(own / usual)


def _check_body(body: BodyModel, person: Person) -> None:
    off = np.abs(body.rest_body(person.betas).joints - person.body.joints).max()
    if off > _SAME_BODY_M:
        raise SkelError("other_body", "The Take was made with another version of the body.", "Reconstruct the clip again.")


def _stretch(person: Person, corrections: Corrections, frames: tuple[int, int] | None) -> slice:
    first, end = frames or (int(person.frames[0]), int(person.frames[-1]) + 1)
    rows = slice(max(first - int(person.frames[0]), 0), min(end - int(person.frames[0]), len(person.frames)))
    if rows.start >= rows.stop:
        raise SkelError("no_frames", f"The person is not there in frames {first} to {end - 1}.",
                        f"Choose frames between {person.frames[0]} and {person.frames[-1]}.")  # fmt: skip
    if not np.isin(corrections.frames, person.frames[rows]).all():
        raise SkelError("no_frames", "A frame set by hand lies outside the stretch to fit.", "Choose a stretch that holds them all.")
    return rows


def _corrected(person: Person, corrections: Corrections, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """(T,49) the old motion with the corrections drawn between the frames set by hand, fading out to the stretch's ends; (T,) bool, set."""
    old = np.concatenate([person.trans, person.poses], axis=1)
    order = np.argsort(corrections.frames)
    chosen = corrections.frames[order] - person.frames[0]
    wanted = np.concatenate([corrections.trans, corrections.poses], axis=1)[order]
    change = wanted - old[chosen]
    change[:, 3:6] = (change[:, 3:6] + np.pi) % (2 * np.pi) - np.pi  # the pelvis may have turned the other way round
    ends = [rows.start - 1, *chosen, rows.stop]
    changes = np.concatenate([np.zeros((1, old.shape[1])), change, np.zeros((1, old.shape[1]))])
    start = old + interpolated(np.arange(len(old)), np.array(ends), changes)
    kept = np.zeros(len(old), dtype=bool)
    kept[chosen] = True
    start[chosen] = old[chosen] + change
    return start, kept


def _observations(take: Take, person: Person, usual: BodyModel, body: BodyModel) -> Observations:
    """The Take's evidence in its world, model axes; how tall the person is has been settled."""
    like, rows = body.J_template, person.frames - take.frames[0]
    camera = take.camera.world_to_cam[rows]
    parts = take.camera.lenses()[rows], camera[:, :3, :3] @ R_ZUP_YUP, camera[:, :3, 3]
    view = View(*(torch.as_tensor(part).to(like) for part in parts))
    track = Track(person.frames, person.keypoints_2d, person.landmarks_3d, person.keypoints_2d[:, LIMBS, 2].max(1) > 0,
                  outline=person.outline)
    seen = as_tall(gather(track, usual, view, float(take.fps)), usual, body, float(np.ptp(person.body.skin_verts[:, 1])))
    state = torch.as_tensor(np.concatenate([person.trans, person.poses], axis=1)).to(like)
    heights = places(body, state, torch.as_tensor(person.betas).to(like)[None], body.soles)[..., 1]
    free = unseen(seen, len(CONTACT_NAMES)) | (heights < -_BELOW_M)  # the first fit found no floor there
    raised, free = (torch.as_tensor(flags) for flags in (person.contacts & (heights > ON_FLOOR_M), free))
    return replace(seen, contacts=torch.as_tensor(person.contacts).to(like), raised=raised, free_of_floor=free)


def _part(seen: Observations, rows: slice) -> Observations:
    names = ("keypoints_2d", "landmarks_3d", "landmark_weight", "edges", "contacts", "raised", "free_of_floor", "fixed")
    parts = {name: getattr(seen, name)[rows] for name in names if getattr(seen, name) is not None}
    return replace(seen, lengths=(rows.stop - rows.start,), view=seen.view.at(rows), **parts)
