# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of points in space becomes a Take: read, turned upright, fitted, written down."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ...messages import Event, Log, Progress, SkelError
from ...take import Person, Take
from ..body import BODY_NAMES, BodyModel, load_body
from .fit_motion import foot_slide
from .keypoint_fit import ROUNDS, Fitted, fit_keypoints, size_of, trunk_up
from .motion import UP_AXES
from .options import Options
from .point_names import TRUNK, Known, known_points
from .trc import Markers, read_trc
from .viewpoint import unseen, watching

_UPRIGHT = 0.7  # cosine from which on a trunk tells the axis; else it is the layout's
_SIZES = (0.25, 1.6)  # of the mean body, from infants to giants
_USUAL = 0.1  # part by which shapes make a body larger or smaller; who differs by more is another size as a whole
_NAME = "Person 1"


def import_keypoints(options: Options, emit: Callable[[Event], None] = lambda event: None) -> Take:
    """The person of a .trc on a SKEL body, inside its limits. Raises SkelError with one sentence for what the user can mend."""
    begun, path = time.monotonic(), Path(options.motion)
    if options.model:
        raise SkelError("usage", f"{path.name} holds points, which need no SMPL model.", "Leave the model out.")
    markers = read_trc(path, options.fps)
    known = known_points(markers.names, path.name)
    places = markers.places[:, known.columns]
    if not np.isfinite(places[:, [known.row(name) for name in TRUNK]]).all(axis=(1, 2)).any():
        raise SkelError("bad_motion", f"No frame of {path.name} has both shoulders and both hips.", "Fill the gaps where it was made.")
    up, body = options.up or _up(places, known), load_body(options.body or BODY_NAMES[0])
    emit(Log("info", _told(markers, known, up)))
    size = size_of(body, places, known)
    if not _SIZES[0] < size < _SIZES[1]:
        raise SkelError("bad_motion", f"By the points of {path.name} the person is {size:.2g} times as large as people are.",
                        "Check the unit in its third line.")  # fmt: skip
    body = body.scaled(size) if abs(size - 1.0) > _USUAL else body
    there = np.flatnonzero(np.isfinite(places).all(-1).any(1))
    frames, places = np.arange(there[0], there[-1] + 1), places[there[0] : there[-1] + 1]
    done = 0

    def on_round() -> None:
        nonlocal done
        done += 1
        emit(Progress("fit", done, ROUNDS, round((time.monotonic() - begun) / done * (ROUNDS - done), 1)))

    fitted = fit_keypoints(body, places @ UP_AXES[up].T, known, float(markers.fps), on_round)
    person = _person(body, fitted, frames, places, known)
    measured = _measured(fitted) | {"layout": "TRC", "points": [spot.landmark for spot in known.spots], "up": up}
    for log in _remarks(fitted, measured, known, markers.names):
        emit(log)
    every = np.arange(len(markers.places))
    camera, image_size = watching([person], every)
    emit(Log("info", f"Read and fitted in {time.monotonic() - begun:.1f} s."))
    return Take(
        source=str(path.resolve()), fps=markers.fps, frames=every, image_size=image_size, camera=camera, people=[person],
        producer="skel_blender engine", settings=json.dumps({"import": asdict(options), "people": [measured]}),
    )  # fmt: skip


def _up(places: np.ndarray, known: Known) -> str:
    """Which axis of the file points up, as the person stands; y if he lies."""
    trunk = trunk_up(places, known)
    upright = {up: float(trunk @ axes[1]) / max(float(np.linalg.norm(trunk)), 1e-9) for up, axes in UP_AXES.items()}
    likely = max(upright, key=upright.__getitem__)
    return likely if upright[likely] > _UPRIGHT else "y"


def _person(body: BodyModel, fitted: Fitted, frames: np.ndarray, places: np.ndarray, known: Known) -> Person:
    weight = np.array([spot.weight for spot in known.spots])
    seen = (np.isfinite(places).all(-1) & ~fitted.wrong) @ weight / weight.sum()
    return Person(
        name=_NAME, body_name=body.name, frames=frames, poses=fitted.poses, betas=fitted.betas, trans=fitted.trans, confidence=seen,
        contacts=fitted.contacts, body=body.rest_body(fitted.betas), **unseen(len(frames)),
    )  # fmt: skip


def _measured(fitted: Fitted) -> dict:
    """What the user wants to know about the import, in mm and shares."""
    slide = foot_slide(fitted.soles, fitted.contacts)
    return {
        "point_distance_mm": round(1000 * float(np.nanmean(fitted.distance)), 1),
        "points_left_out": round(float(fitted.wrong.mean()), 4),
        "foot_slide_mm_per_frame": round(slide, 3) if np.isfinite(slide) else None,
    }


def _remarks(fitted: Fitted, measured: dict, known: Known, names: tuple[str, ...]) -> list[Log]:
    text = f"{_NAME}: the points lie {measured['point_distance_mm']:.0f} mm from where they were seen on average"
    if measured["foot_slide_mm_per_frame"] is not None:
        text += f"; resting feet slide {measured['foot_slide_mm_per_frame']:.2f} mm a frame"
    remarks = [Log("info", f"{text}.")]
    if known.untold():
        remarks.append(Log("warning", f"{_NAME}: no points for the {', '.join(known.untold())}; what depends on them is a guess."))
    if fitted.wrong.any():
        most = names[known.columns[int(fitted.wrong.sum(axis=0).argmax())]]
        remarks.append(Log("warning", f"{_NAME}: {100 * fitted.wrong.mean():.1f} % of the points were left out, as no body reaches them "
                           f"({most} most often)."))  # fmt: skip
    return remarks


def _told(markers: Markers, known: Known, up: str) -> str:
    unused = [name for column, name in enumerate(markers.names) if column not in known.columns]
    frames = "1 frame" if len(markers.places) == 1 else f"{len(markers.places)} frames"
    text = f"TRC: {frames} at {float(markers.fps):g} a second, {up} up, {len(known.columns)} points known by name"
    return text + (f"; not used: {', '.join(unused[:6])}{' ...' if len(unused) > 6 else ''}." if unused else ".")
