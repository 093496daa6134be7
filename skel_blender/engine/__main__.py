# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's command line: `python -m skel_blender.engine reconstruct INPUT... --out take.npz`, or `import MOTION --out take.npz`, or
`refit TAKE --set corrections.npz --out take.npz`.

Exit codes: 0 done, 1 an error that the user can mend (one sentence), 130 stopped on request.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from ..messages import Done, Event, Failed, SkelError, write
from ..requests import bodies, count, frame_range, statures
from ..status import Status
from . import out_of_memory

PACKED_MODEL = Path(__file__).parent / "data" / "pose_landmarker_heavy.task"  # the extension's zip brings it


def heights(text: str) -> tuple[float | None, ...]:
    """'1.8' or '1.8,,1.65' to metres."""
    try:
        return statures(text)
    except SkelError as error:
        raise argparse.ArgumentTypeError(error.what) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="skel_blender.engine")
    commands = parser.add_subparsers(dest="command", required=True)
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument("--out", required=True, type=Path)
    every.add_argument("--events", action="store_true", help="JSON lines on standard output, see messages.py")
    command = commands.add_parser("reconstruct", parents=[every], help="footage to a Take")
    command.add_argument("inputs", nargs="+", metavar="INPUT")
    command.add_argument("--model", default=str(PACKED_MODEL), help="MediaPipe's pose_landmarker_heavy.task")
    command.add_argument("--frames", type=frame_range, default=(None, None), metavar="A:B")
    command.add_argument("--people", type=count, default=None, metavar="N")
    command.add_argument("--body", type=bodies, default=("male",), metavar="NAME[,NAME...]", help="everybody's body, or each person's")
    command.add_argument("--device", default="auto")
    command.add_argument("--fov", type=float, default=None, metavar="DEGREES")
    command.add_argument("--focal-length", type=float, default=None, metavar="PX")
    command.add_argument("--fps", type=float, default=None, metavar="RATE", help="frames a second when it was filmed")
    command.add_argument("--stature", type=heights, default=(), metavar="M[,M...]", help="everybody's height, or each person's")
    command.add_argument("--who", default="", metavar="WHO", help="corrections of who is who, see who.py")
    command.add_argument("--camera", default="auto", help="auto reads its motion from the background, still treats it as still")
    command.add_argument("--cuts", default="auto", choices=("auto", "off"), help="auto finds cuts, off treats the footage as one shot")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--regressor", default="lift", help="what the fit starts from: lift, hsmr or stance")
    command.add_argument("--hsmr", default="", metavar="FILE", help="HSMR's checkpoint")
    command.add_argument("--memory", default="", metavar="FOLDER", help="where to keep the analysis, so that a stopped run can resume")
    command = commands.add_parser("import", parents=[every], help="a motion file to a Take")
    command.add_argument("motion", metavar="MOTION")
    command.add_argument("--model", default="", metavar="SMPL_FILE")
    command.add_argument("--body", default="")
    command.add_argument("--people", type=count, default=None, metavar="N")
    command.add_argument("--fps", type=float, default=None, metavar="RATE")
    command.add_argument("--up", default=None, choices=("y", "z", "-y"))
    command.add_argument("--limits", action="store_true", help="keep every angle inside its limits")
    command = commands.add_parser("refit", parents=[every], help="fit a stretch of a Take again around frames set by hand")
    command.add_argument("take", type=Path, metavar="TAKE")
    command.add_argument("--set", required=True, type=Path, dest="corrections", metavar="NPZ", help="frames, poses and trans set by hand")
    command.add_argument("--person", type=int, default=0, metavar="N", help="counted from 0")
    command.add_argument("--frames", type=frame_range, default=(None, None), metavar="A:B")
    command.add_argument("--body", default="", metavar="SKEL_FILE")
    return parser


def _told(as_events: bool) -> Callable[[Event], None]:
    """Where events go: to a program on standard output, or to a person on standard error."""
    if as_events:
        return lambda event: write(event, sys.stdout)
    status = Status(sys.stderr)

    def tell(event: Event) -> None:
        if isinstance(event, Failed):
            status.line(f"{event.what} {event.todo}")
        else:
            status.event(event)

    return tell


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _reconstruct(given: argparse.Namespace, emit: Callable[[Event], None]) -> None:
    from .pipeline import Options, reconstruct_to_file

    options = Options(
        inputs=tuple(given.inputs), model=given.model, frames=given.frames, people=given.people, body=given.body,
        device=given.device, fov=given.fov, focal_length=given.focal_length, camera=given.camera, cuts=given.cuts, seed=given.seed,
        regressor=given.regressor, hsmr=given.hsmr, memory=given.memory, stature=given.stature, fps=given.fps, who=given.who,
    )  # fmt: skip
    reconstruct_to_file(options, given.out, emit)


def _import(given: argparse.Namespace, emit: Callable[[Event], None]) -> None:
    from .imports.importer import Options, import_to_file

    options = Options(
        motion=given.motion, model=given.model, body=given.body, people=given.people, fps=given.fps, up=given.up, keep_limits=given.limits,
    )  # fmt: skip
    import_to_file(options, given.out, emit)


def _refit(given: argparse.Namespace, emit: Callable[[Event], None]) -> None:
    from .refit import refit_to_file

    refit_to_file(given.take, given.corrections, given.person, given.frames, given.body, given.out, emit)


_NO_MEMORY = Failed("memory", "The machine ran out of memory.", "Reconstruct fewer frames at a time with --frames.")
_NO_MEMORY_OF_CARD = Failed("memory", "The graphics card ran out of memory.", "Choose --device cpu, or close what else uses the card.")
_RUN = {"reconstruct": _reconstruct, "import": _import, "refit": _refit}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; see the module's docstring for the exit codes."""
    given = _parser().parse_args(arguments)
    emit = _told(given.events)
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # the fit's blocks are small: more threads only wait for each other
    try:
        _RUN[given.command](given, emit)
        emit(Done(os.fspath(given.out)))
        return 0
    except SkelError as error:
        emit(Failed(error.code, error.what, error.todo))
        return 1
    except MemoryError:
        emit(_NO_MEMORY)
        return 1
    except RuntimeError as error:  # torch's, which is imported only by what was run
        card = out_of_memory.of_card(error)
        if not (card or out_of_memory.of_machine(error)):
            raise
        emit(_NO_MEMORY_OF_CARD if card else _NO_MEMORY)
        return 1
    except KeyboardInterrupt:
        emit(Failed("cancelled", "The run was stopped.", "Nothing was written."))
        return 130


if __name__ == "__main__":
    sys.exit(main())
