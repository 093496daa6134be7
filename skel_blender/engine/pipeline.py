# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage to Take: people found and followed, fitted to the footage over one floor, and written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from .. import take as takes
from .. import who
from ..messages import Event, Log, SkelError
from ..take import Person, Take
from . import remarks
from .background import logs
from .body import BodyModel, load_body
from .camera import DEFAULT_FOV_DEGREES, intrinsics
from .card import choose_device
from .fit.people import STEPS, Fit, fit_people
from .footage.video import Source, open_source
from .people.pointed import find_pointed
from .people.tracker import find_people
from .people.tracks import Track
from .people.who import sorted_out
from .progress import Clock
from .regress.correction import corrected
from .regress.guess import Guesser, Regressor
from .shots import Backgrounds, Fitted, Shot, cut_at, shots, side_by_side

REGRESSORS = ("lift", "hsmr", "stance")
CAMERAS = ("auto", "still")  # "auto" looks at the background for turns and zooms
_BODY = "male"  # the default
_FIT_STEP_S = 5e-4  # first guess of a fit's time per step and frame; the measured rate takes over


@dataclass(frozen=True)
class Options:
    """What the user may choose; None leaves the choice to the engine."""

    inputs: tuple[str, ...]
    model: str
    frames: tuple[int | None, int | None] = (None, None)  # first, end; end is not included
    people: int | None = None
    body: tuple[str, ...] = (_BODY,)  # one is everybody's; several are Person 1's, Person 2's, and so on, where they are not empty
    device: str = "auto"
    fov: float | None = None  # degrees across the width
    focal_length: float | None = None  # px
    fps: float | None = None  # frames a second when the footage was filmed
    seed: int = 0
    regressor: str = "lift"  # of REGRESSORS: what the fit starts from; "stance" is the relaxed one
    hsmr: str = ""  # HSMR's checkpoint
    camera: str = "auto"  # of CAMERAS
    cuts: str = "auto"  # or "off": the footage is one shot
    memory: str = ""  # folder in which what was seen of footage is kept, so that a run that was stopped goes on
    stature: tuple[float | None, ...] = ()  # m: one is everybody's; several are Person 1's, Person 2's, and so on
    who: str = ""  # what is corrected about who is who, see who.py


def reconstruct(options: Options, emit: Callable[[Event], None] = lambda event: None) -> Take:
    """Reconstruct everybody in the footage. Raises SkelError with one sentence for what the user can mend."""
    torch.manual_seed(options.seed)
    device = choose_device(options.device, emit)
    if options.camera not in CAMERAS:
        raise SkelError("usage", f"There is no camera '{options.camera}'.", f"Choose one of {', '.join(CAMERAS)}.")
    corrections = who.read(options.who)
    usual, bodies = _bodies(options, device)
    regressor = _regressor(options, (usual, *bodies), device, emit)
    source, clock = _opened(options, emit), Clock(emit)
    backgrounds = Backgrounds(source) if options.camera == "auto" else None
    tracks = _tracks(source, options, corrections, backgrounds, clock)
    if (told := remarks.turned(tracks, source.path)) is not None:
        emit(told)
    found = _shots(source, options, tracks, backgrounds, emit)
    lenses = [shot.lenses(track) for shot in found for track in shot.tracks]
    guesses = regressor and regressor(source, tracks, lenses, lambda done, total: clock.tell("poses", done, total))
    fitted: list[Fitted] = []
    for shot in found:
        begin = sum(len(part.fits) for part in fitted)
        own = guesses and guesses[begin : begin + len(shot.tracks)]
        known = {"statures": _of_each(options.stature, shot.tracks), "bodies": _of_each(bodies, shot.tracks)}
        fitted.append(_fitted(shot, own, known, usual, source, _steps(clock, begin, len(tracks)), _about(shot, source, emit)))
    return _take(source, options, fitted, emit)


def _opened(options: Options, emit: Callable[[Event], None]) -> Source:
    """The footage, not yet read."""
    first, end = options.frames
    source = open_source([Path(path) for path in options.inputs], (first, None if end is None else end - 1), emit, options.fps)
    source.may_be_cut = options.cuts != "off"
    return source


def _tracks(source: Source, options: Options, corrections: tuple[who.Correction, ...], backgrounds: Backgrounds | None,
            clock: Clock) -> list[Track]:  # fmt: skip
    """Reads the footage: everybody's numbered track, after the corrections of who is who, with corrected metric landmarks. `backgrounds`
    watches. Raises SkelError where nobody is found, and for heights or bodies of more people than there are."""
    model, memory = Path(options.model), Path(options.memory) if options.memory else None

    def on_frame(done: int, total: int) -> None:
        clock.tell("people", done, total, _FIT_STEP_S * STEPS * total)

    tracks = find_people(source, model, options.people, on_frame, memory, backgrounds and backgrounds.see)
    if backgrounds is not None:
        backgrounds.end()
    if not tracks and not any(one.kind == "here" for one in corrections):
        raise SkelError("no_person", f"Nobody was found in {source.path.name}.",
                        "Use footage in which a person is seen whole and close enough to tell the limbs apart.")  # fmt: skip
    numbered = len(tracks) + sum(one.kind in ("other", "here") for one in corrections)  # those whom a correction leaves out, too
    tracks = sorted_out(tracks, corrections, source.cuts, partial(find_pointed, source, model, memory, on_frame))
    _check_count("heights", options.stature, numbered)
    _check_count("bodies", options.body, numbered)
    return [replace(track, landmarks_3d=corrected(track.landmarks_3d)) for track in tracks]


def _shots(source: Source, options: Options, tracks: list[Track], backgrounds: Backgrounds | None,
           emit: Callable[[Event], None]) -> list[Shot]:  # fmt: skip
    """The shots in which there are people, with what is known of each one's lens and of its camera's motion."""
    if source.cuts:
        emit(cut_at(source.cuts, len(source.frame_numbers)))
    found = [shot for shot in shots(source, tracks, lambda first: _lens(source, options, first)) if shot.tracks]
    if not all(shot.lens_known for shot in found):
        emit(Log("info", f"The lens is not known; {DEFAULT_FOV_DEGREES:g} degrees across the longer side are assumed."))
    return [_filmed(shot, backgrounds, _about(shot, source, emit)) for shot in found]


def _fitted(shot: Shot, guesses: list[Guesser] | None, known: dict[str, tuple], body: BodyModel, source: Source,
            on_step: Callable[[int], None], tell: Callable[[Log], None]) -> Fitted:  # fmt: skip
    """The shot with its fits; `tell` hears what is remarkable about its lens and its camera's path."""
    told: list[float] = []

    def on_lens(longer: float, spread: float) -> None:
        tell(remarks.lens(source.size, shot.K[0, 0] * np.exp(longer), spread))
        told.append(longer)

    fits, view = fit_people(shot.tracks, body, shot.K, float(source.fps), on_step, guesses=guesses, motion=shot.motion, **known,
                            on_lens=None if shot.lens_known else on_lens)  # fmt: skip
    if shot.motion is not None and shot.motion.places is not None:
        tell(remarks.way(view))
    if told and shot.motion is not None:
        shot = replace(shot, motion=shot.motion.refocused(told[0]))
    return Fitted(shot, fits, view)


def _bodies(options: Options, device: torch.device) -> tuple[BodyModel, tuple[BodyModel, ...]]:
    """The default body, and the body of each entry of options.body. Raises SkelError if one can't be loaded."""
    said = [name for name in options.body if name]
    usual = said[0] if said and options.regressor == "hsmr" else _BODY  # HSMR tells no open body's poses
    loaded = {name: load_body(name).to(device) for name in dict.fromkeys([usual, *said])}
    return loaded[usual], tuple(loaded[name or usual] for name in options.body)


def _regressor(options: Options, bodies: tuple[BodyModel, ...], device: torch.device, emit: Callable[[Event], None]) -> Regressor | None:
    """The regressor of first poses; None for the relaxed stance. Raises SkelError for a choice that is not possible."""
    if options.regressor == "stance":
        return None
    if options.regressor == "lift":
        from .regress.lift import LiftRegressor, load_lift

        return LiftRegressor(load_lift())
    if options.regressor != "hsmr":
        raise SkelError("usage", f"There is no regressor '{options.regressor}'.", f"Choose one of {', '.join(REGRESSORS)}.")
    if not options.hsmr:
        raise SkelError("usage", "No HSMR checkpoint is given.", "Name the file with --hsmr, or choose another regressor.")
    from .regress.hsmr import HsmrRegressor, check_body

    for body in bodies:
        check_body(body)
    return HsmrRegressor(options.hsmr, device, emit)


def _of_each(said: tuple, tracks: list[Track]) -> tuple:
    """The entry for each track's person: a single one is everybody's, several are Person 1's, Person 2's, and so on; None beyond them."""
    if len(said) == 1:
        return said * len(tracks)
    return tuple(said[track.number - 1] if track.number <= len(said) else None for track in tracks)


def _check_count(what: str, said: tuple, people: int) -> None:
    """Raises SkelError if there are more entries than people."""
    count = max((k + 1 for k, one in enumerate(said) if one), default=0)
    if count > people:
        raise SkelError("usage", f"{count} {what} are given, for {people} {'person' if people == 1 else 'people'}.",
                        "Give one for everybody, or one for each person in the order of their numbers.")  # fmt: skip


def _lens(source: Source, options: Options, first: int) -> tuple[np.ndarray, bool]:
    """K (3,3) px of the shot that begins with frame `first`, and whether it was given, by the user or the image's EXIF, not assumed."""
    focal_length = options.focal_length
    if focal_length is None and options.fov is None:
        focal_length = source.focal_hints.get(first)
    known = focal_length is not None or options.fov is not None
    return intrinsics(source.size, options.fov, focal_length), known


def _steps(clock: Clock, begin: int, people: int) -> Callable[[int], None]:
    """Progress of the fit of a shot, whose people come after `begin` others of all `people`."""
    return lambda done: clock.tell("fit", STEPS * begin + done, STEPS * people)


def _about(shot: Shot, source: Source, emit: Callable[[Event], None]) -> Callable[[Log], None]:
    """An `emit` for logs about a shot, which names its frames where the footage has several shots."""
    first, last = shot.frames[[0, -1]]
    which = f"Frame {first}" if first == last else f"Frames {first} to {last}"
    return lambda log: emit(Log(log.level, f"{which}: {log.text}") if source.cuts else log)


def _filmed(shot: Shot, backgrounds: Backgrounds | None, emit: Callable[[Log], None]) -> Shot:
    """The shot with its lens and camera motion as estimated from its background."""
    if backgrounds is None:
        return shot
    background = backgrounds.by_first[int(shot.frames[0])]
    motion = background.motion(shot.K, shot.lens_known)
    for log in [] if motion is None else logs(motion, background.findings):
        emit(log)
    known = shot.lens_known or background.findings.lens_told
    return shot if motion is None else replace(shot, K=motion.K, motion=motion, lens_known=known)


def _take(source: Source, options: Options, fitted: list[Fitted], emit: Callable[[Event], None]) -> Take:
    found = [pair for part in fitted for pair in part.found]
    lost = [track.number for part in fitted for track, fit in zip(part.shot.tracks, part.fits) if fit is None]
    if lost:
        emit(remarks.left_out(lost))
    if not found:
        raise SkelError("no_person", f"People were found in {source.path.name}, but no body explains them.", _mends(source, options))
    frames = np.array(source.frame_numbers)
    people = [_person(who.name(track.number), track, fit) for track, fit in found]
    if len(people) > 1:
        emit(remarks.found(people))
    for told in filter(None, (remarks.under(people), remarks.unseen_legs(people))):
        emit(told)
    return Take(
        source=str(source.path.resolve()), fps=source.fps, frames=frames, image_size=source.size,
        camera=side_by_side([part for part in fitted if part.found], frames), people=people,
        producer="skel_blender engine", settings=json.dumps(asdict(options)),
    )  # fmt: skip


def _mends(source: Source, options: Options) -> str:
    """Advice for footage in which no body fits anybody."""
    mends = ["use footage in which the limbs can be told apart"]
    if options.fov is not None or options.focal_length is not None:
        mends.insert(0, "check the lens that was given")
    if len(source.files) > 1:
        mends.insert(0, f"say with --fps (in Blender: Filmed At) how many images were taken a second, if not {float(source.fps):g}")
    told = ", or ".join(mends)
    return f"{told[0].upper()}{told[1:]}."


def _person(name: str, track: Track, fit: Fit) -> Person:
    return Person(
        name=name, body_name=fit.body.name, frames=np.asarray(track.frames), poses=fit.state[:, 3:], betas=fit.betas,
        trans=fit.state[:, :3], confidence=np.minimum(track.visibility, fit.confidence),
        keypoints_2d=track.keypoints_2d, landmarks_3d=track.landmarks_3d, outline=track.outline,
        reprojection_error=fit.reprojection_error, contacts=fit.contacts, body=fit.body.rest_body(fit.betas),
        expected_error=fit.expected_error if np.isfinite(fit.expected_error).all() else None,
    )  # fmt: skip


def reconstruct_to_file(options: Options, out: Path, emit: Callable[[Event], None] = lambda event: None) -> None:
    """Reconstruct and write the Take, whole or not at all."""
    takes.save(reconstruct(options, emit), out)
