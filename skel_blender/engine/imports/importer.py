# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion file becomes a Take: read, laid over a SKEL body, fitted, put on the floor, written down."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ... import take as takes
from ...anatomy import DOFS
from ...messages import Event, Log, Progress
from ...take import Person, Take
from ..body import BODY_NAMES, BodyModel, load_body
from .calibrate import Calibration, as_it_is, calibrate
from .fit_motion import STEPS, Fitted, contacts, fit_motion, floor_height, foot_slide
from .formats import read_motions
from .keypoints import import_keypoints
from .levelling import CAMERA, levelled
from .motion import SmplMotion
from .options import Options
from .source_body import SourceBody, estimated_size, load_model, stand_in
from .trc import is_trc
from .viewpoint import filming, seen_from, unseen, watching

_FLOOR_M = 0.06  # soles farther from the file's floor than this are told
_TILT = 3.0  # degrees, less is not told
_SHOWN = 3  # angles beyond their limits that are named


def import_motion(options: Options, emit: Callable[[Event], None] = lambda event: None) -> Take:
    """Everybody in a motion or a .trc file on a SKEL body. Raises SkelError with one sentence for what the user can mend.

    Captured angles are not clipped unless `keep_limits`: what exceeds a limit is counted and told.
    """
    begun = time.monotonic()
    if is_trc(Path(options.motion)):
        return import_keypoints(options, emit)
    motions = read_motions(options.motion, options.fps, options.up)[: options.people]
    emit(Log("info", _told(motions[0], len(motions))))
    if not motions[0].knows_rate:
        emit(Log("warning", f"The file does not say its frame rate; {float(motions[0].fps):g} frames a second are assumed (--fps)."))
    done, total = 0, STEPS * len(motions)

    def on_step() -> None:
        nonlocal done
        done += 1
        left = (time.monotonic() - begun) / done * (total - done)
        emit(Progress("fit", done, total, round(left, 1)))

    names = [options.body or (motion.gender if motion.gender in BODY_NAMES else BODY_NAMES[0]) for motion in motions]
    bodies = {name: load_body(name) for name in set(names)}
    laid = [_laid_over(bodies[name], motion, options, emit) for name, motion in zip(names, motions)]
    motions = [seen_from(motion, source) for motion, (source, _) in zip(motions, laid)]
    motions, tilt = levelled(motions, [source for source, _ in laid])
    if tilt > _TILT:
        emit(Log("info", f"The camera is tilted by {tilt:.0f} degrees, as the people in it stand; it was taken out."))
    people = []
    for name, motion, (source, found) in zip(names, motions, laid):
        fitted = fit_motion(bodies[name], source, found, motion, options.keep_limits, on_step)
        people.append(_Imported(motion, bodies[name], source, found, fitted))
    return _take(options, people, emit, begun)


@dataclass(frozen=True)
class _Imported:
    """One person's motion, the SKEL body, the source's body, how that lies under the SKEL body, and the fit."""

    motion: SmplMotion
    body: BodyModel
    source: SourceBody
    found: Calibration
    fitted: Fitted


def import_to_file(options: Options, out: Path, emit: Callable[[Event], None] = lambda event: None) -> None:
    """Import and write the Take, whole or not at all."""
    takes.save(import_motion(options, emit), out)


def _laid_over(body: BodyModel, motion: SmplMotion, options: Options, emit: Callable[[Event], None]) -> tuple[SourceBody, Calibration]:
    """The body that the motion was made with, and the SKEL body over it."""
    if options.model:
        source = load_model(options.model, motion)
        found = calibrate(body, source)
        emit(Log("info", f"{motion.name}: the {body.name} body lies {1000 * found.distance:.0f} mm from {source.name} on average."))
        return source, found
    mean = as_it_is(body, np.zeros(10))
    source, moved = stand_in(mean.rest, motion.model)
    scale = estimated_size(motion, source)
    size = "" if scale is None else f", {100 * scale:.0f} % of its mean size, from the feet on the floor"
    emit(Log("info", f"{motion.name}: no model file was given, so the size is that of the {body.name} body{size}."))
    if scale is None:
        return source, replace(mean, trans=moved)
    source = source.scaled(scale)
    return source, calibrate(body, source)


def _take(options: Options, people: list[_Imported], emit: Callable[[Event], None], begun: float) -> Take:
    motions = [each.motion for each in people]
    floors = [_floor(each.motion, each.fitted, bool(options.model), emit) for each in people]
    if motions[0].up == CAMERA or motions[0].lens is not None:
        floors = [min(floors)] * len(floors)  # one camera, one world
    frames = np.arange(min(motion.frames[0] for motion in motions), max(motion.frames[-1] for motion in motions) + 1)
    made, settings = [], []
    for each, floor in zip(people, floors):
        motion = each.motion
        made.append(_person(each, floor))
        told = _measured(made[-1], each.fitted)
        told |= {"layout": motion.layout, "smpl_model": motion.model, "gender": motion.gender, "up": motion.up,
                 "source_body": each.source.name, "source_betas": motion.betas.round(6).tolist(), "floor_m": round(floor, 4)}  # fmt: skip
        settings.append(told)
        emit(Log("warning" if told["frames_beyond_limits"] else "info", _summary(motion.name, told)))
    lens = motions[0].lens
    camera, size = watching(made, frames) if lens is None else (filming(motions[0], floors[0], frames), lens.size)
    emit(Log("info", f"Read and fitted in {time.monotonic() - begun:.1f} s."))
    return Take(
        source=str(Path(options.motion).resolve()), fps=motions[0].fps, frames=frames, image_size=size, camera=camera, people=made,
        producer="skel_blender engine", settings=json.dumps({"import": asdict(options), "people": settings}),
    )  # fmt: skip


def _person(each: _Imported, floor: float) -> Person:
    motion, fitted, found = each.motion, each.fitted, each.found
    down = np.array([0.0, floor, 0.0])
    return Person(
        name=motion.name, body_name=each.body.name, frames=motion.frames, poses=fitted.poses, betas=found.betas, trans=fitted.trans - down,
        confidence=motion.seen.astype(float), contacts=contacts(fitted.source_soles, float(motion.fps)), body=found.rest,
        **unseen(len(motion.frames)),
    )  # fmt: skip


def _floor(motion: SmplMotion, fitted: Fitted, is_real: bool, emit: Callable[[Event], None]) -> float:
    """Height of the floor, m: the file's own where it has one and its body's size is known, else where the soles are lowest."""
    lowest = floor_height(fitted.soles, float(motion.fps))
    if not motion.has_floor or not is_real:
        return lowest
    if abs(lowest) > _FLOOR_M:
        emit(Log("warning", f"{motion.name}: the soles rest {100 * abs(lowest):.0f} cm {'above' if lowest > 0 else 'below'} "
                 "the file's floor, which is kept."))  # fmt: skip
    return 0.0


def _measured(person: Person, fitted: Fitted) -> dict:
    """What the user wants to know about the import, in mm, degrees and shares."""
    beyond = person.violations()
    most = np.degrees(beyond.max(axis=0))
    worst = [index for index in np.argsort(-most) if most[index] > 0.5][:_SHOWN]
    return {
        "joint_distance_mm": round(1000 * float(fitted.joint_distance.mean()), 2),
        "foot_slide_mm_per_frame": _or_none(foot_slide(fitted.soles, person.contacts)),
        "source_foot_slide_mm_per_frame": _or_none(foot_slide(fitted.source_soles, person.contacts)),
        "frames_beyond_limits": round(float((beyond > 1e-6).any(axis=1).mean()), 4),
        "angles_beyond_limits_degrees": {DOFS[index].name: round(float(most[index]), 1) for index in worst},
    }


def _or_none(value: float) -> float | None:
    return round(value, 3) if np.isfinite(value) else None


def _summary(name: str, told: dict) -> str:
    text = f"{name}: the joints lie {told['joint_distance_mm']:.1f} mm from the source's on average"
    if told["foot_slide_mm_per_frame"] is not None:
        text += f"; resting feet slide {told['foot_slide_mm_per_frame']:.2f} mm a frame"
        text += f", the source's {told['source_foot_slide_mm_per_frame']:.2f}"
    if told["frames_beyond_limits"]:
        named = ", ".join(f"{angle} by up to {degrees:g}" for angle, degrees in told["angles_beyond_limits_degrees"].items())
        text += f"; {100 * told['frames_beyond_limits']:.0f} % of the frames have angles beyond their limits"
        text += f" ({named} degrees)" if named else ""
    return text + "."


def _told(motion: SmplMotion, count: int) -> str:
    who = f"{count} people, the longest" if count > 1 else "one person"
    frames = "1 frame" if len(motion.frames) == 1 else f"{len(motion.frames)} frames"
    return (f"{motion.layout} motion of {motion.model} ({motion.gender}): {who} with {frames} at "
            f"{float(motion.fps):g} a second, {motion.up} up.")  # fmt: skip
