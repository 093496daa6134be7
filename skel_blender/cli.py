# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `skel-blender`: checks what it is given, makes the environments, runs the engine and the rig builder. Standard library only.

Nothing is written at OUT until all is done: the result is made under a hidden name beside it and then takes its place in one step.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from . import environment
from .job import PACKAGE, ImportRequest, Job, Request, child_environment, engine_command, run
from .messages import Failed, SkelError
from .status import Status

SCENES = (".blend", ".fbx", ".glb")
ENDINGS = (*SCENES, ".npz")
CANCELLED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise SkelError("usage", f"{message[:1].upper()}{message[1:].rstrip('.')}.", f"See {self.prog} --help.")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; exit code 0, 1 for an error that the user can mend (one sentence on stderr), 130 for Ctrl-C."""
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    status = Status(sys.stderr)
    try:
        given = _parser().parse_args(arguments)
        return given.run(given, status)
    except SkelError as error:
        status.line(str(error))
        return 1
    except OSError as error:
        status.line(f"{error.filename or 'A file'} could not be used ({error.strerror or error}).")
        return 1
    except KeyboardInterrupt:
        status.line("Cancelled; nothing was written.")
        return CANCELLED


def _parser() -> _Parser:
    parser = _Parser(prog="skel-blender", description="Footage of people in, a keyed anatomical rig for Blender out.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser("reconstruct", help="make a scene from footage", description="Make a scene from footage.")
    command.add_argument("inputs", nargs="+", metavar="INPUT", help="a video, an image, several images or a folder of frames")
    command.add_argument("-o", "--out", required=True, help="what to write, by its ending: " + ", ".join(ENDINGS))
    command.add_argument("--frames", type=_frames, metavar="A:B", help="frames A to B-1, counted from 0")
    command.add_argument("--people", type=_positive, default=0, metavar="N", help="the N people seen most (default: all)")
    command.add_argument("--body", default="", metavar="NAME", help="male, female or a SKEL model file")
    command.add_argument("--device", default="", choices=("auto", "cpu", "cuda"), help="where to compute")
    lens = command.add_mutually_exclusive_group()
    lens.add_argument("--fov", type=_angle, metavar="DEGREES", help="the camera's horizontal field of view")
    lens.add_argument("--focal-length", type=_length, metavar="PX", help="the camera's focal length in pixels")
    command.add_argument("--seed", type=int, metavar="N", help="of everything that is random")
    command.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    command.set_defaults(run=_reconstruct)
    command = commands.add_parser("import", help="make a scene from a motion of the SMPL family",
                                  description="Make a scene from a motion file: AMASS, SMPL, 4D-Humans, WHAM, GVHMR or TRAM.")  # fmt: skip
    command.add_argument("inputs", nargs=1, metavar="MOTION", help="a .npz, .npy, .pkl or .pt that such a program wrote")
    command.add_argument("-o", "--out", required=True, help="what to write, by its ending: " + ", ".join(ENDINGS))
    command.add_argument("--model", default="", metavar="SMPL_FILE", help="your SMPL, SMPL-H or SMPL-X model file, or a folder of such")
    command.add_argument("--body", default="", metavar="NAME", help="male, female or a SKEL model file (default: by the motion's gender)")
    command.add_argument("--people", type=_positive, default=0, metavar="N", help="the N people seen longest (default: all)")
    command.add_argument("--fps", type=_rate, metavar="RATE", help="frames a second, where the file does not say or is wrong")
    command.add_argument("--up", default="", choices=("y", "z", "-y"), help="the axis of the file that points up, if not its layout's")
    command.add_argument("--limits", action="store_true", help="keep every angle inside its limits (default: count and tell)")
    command.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    command.set_defaults(run=_import)
    command = commands.add_parser("env", help="print the path of the engine's Python, making its environment if needed")
    command.set_defaults(run=_env)
    command = commands.add_parser("picture", help="render a scene through its camera over the footage, and from the side")
    command.add_argument("blend", metavar="SHOT.blend")
    command.add_argument("folder", nargs="?", default=os.path.join("build", "pictures"), help="where to (default: %(default)s)")
    command.add_argument("--frames", metavar="N,N,...", help="scene frames (default: four over the range)")
    command.set_defaults(run=_picture)
    return parser


def _reconstruct(given: argparse.Namespace, status: Status) -> int:
    def request(take: Path) -> Request:
        return Request(
            inputs=tuple(given.inputs), out=str(take), frames=given.frames or "", people=given.people, body=_path_or_name(given.body),
            device=given.device, fov=given.fov, focal_length=given.focal_length, seed=given.seed,
            model=str(environment.landmark_model(environment.default_root())),
        )  # fmt: skip

    return _make(given, status, request)


def _import(given: argparse.Namespace, status: Status) -> int:
    if given.model and not os.path.exists(given.model):
        raise SkelError("no_input", f"There is no file {given.model}.", "Check the path.")

    def request(take: Path) -> ImportRequest:
        return ImportRequest(motion=given.inputs[0], out=str(take), model=given.model, people=given.people, body=_path_or_name(given.body),
                             fps=given.fps, up=given.up, limits=given.limits)  # fmt: skip

    return _make(given, status, request)


def _path_or_name(body: str) -> str:
    return os.path.abspath(body) if os.path.exists(body) else body


def _make(given: argparse.Namespace, status: Status, request: Callable[[Path], Request | ImportRequest]) -> int:
    """Run the engine for a Take, build the scene that OUT's ending asks for, and put the result in its place."""
    out = _checked(given)
    with _workplace(out) as work:
        root = environment.default_root()
        python = environment.install(root, sys.executable, status.installing)
        blender = None
        if out.suffix.lower() in SCENES:
            name = environment.blender_of(sys.version_info[:2])
            blender = environment.install(root, sys.executable, status.installing, name)
        take = work / "take.npz"
        command = engine_command(python, request(take))
        status.show("starting")
        result = run(Job(command), status.event)
        if isinstance(result, Failed):
            if result.code == "cancelled":
                raise KeyboardInterrupt
            raise SkelError(result.code, result.what.replace(str(take), str(out)), result.todo)
        made = take if blender is None else _build(blender, take, out, status)
        if out.exists() and not given.overwrite:
            raise SkelError("exists", f"{out} has come to exist meanwhile.", "Choose another name or add --overwrite.")
        _open_as_usual(made)
        os.replace(made, out)
    status.line(f"Wrote {out}")
    return 0


def _env(given: argparse.Namespace, status: Status) -> int:
    python = environment.install(environment.default_root(), sys.executable, status.installing)
    status.clear()
    print(python)
    return 0


def _picture(given: argparse.Namespace, status: Status) -> int:
    python = environment.install(environment.default_root(), sys.executable, status.installing,
                                 environment.blender_of(sys.version_info[:2]))  # fmt: skip
    status.show("rendering")
    frames = [f"--frames={given.frames}"] if given.frames else []
    command = [str(python), "-m", f"{PACKAGE.name}.rig.picture", os.path.abspath(given.blend), os.path.abspath(given.folder), *frames]
    code = subprocess.run(command, env=child_environment()).returncode
    status.clear()
    return code


def _checked(given: argparse.Namespace) -> Path:
    """OUT as an absolute path. Raises SkelError for whatever can be known to go wrong before any work is done."""
    for text in given.inputs:
        path = Path(text)
        if not path.exists():
            raise SkelError("no_input", f"There is no file {text}.", "Check the path.")
        if path.is_dir() and not any(path.iterdir()):
            raise SkelError("no_input", f"The folder {text} is empty.", "Give a folder that holds the frames as images.")
    out = Path(os.path.abspath(given.out))
    if out.suffix.lower() not in ENDINGS:
        raise SkelError("ending", f"OUT must end in one of {', '.join(ENDINGS)}, not '{out.suffix}'.", "Choose one of them.")
    if not out.parent.is_dir():
        raise SkelError("no_folder", f"There is no folder {out.parent}.", "Make it or choose another.")
    if out.is_dir():
        raise SkelError("exists", f"{out} is a folder.", "Choose another name.")
    if any(Path(text).resolve() == out.resolve() for text in given.inputs):
        raise SkelError("exists", f"{out} is the footage itself.", "Choose another name.")
    if out.exists() and not given.overwrite:
        raise SkelError("exists", f"{out} exists already.", "Choose another name or add --overwrite.")
    if not os.access(out.parent, os.W_OK):
        raise SkelError("unwritable", f"The folder {out.parent} cannot be written to.", "Choose another.")
    return out


@contextlib.contextmanager
def _workplace(out: Path) -> Iterator[Path]:
    """A hidden folder beside OUT, on the same disk, gone afterwards."""
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    except OSError as error:
        raise SkelError("unwritable", f"The folder {out.parent} cannot be written to ({error.strerror}).", "Choose another.") from error
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _open_as_usual(path: Path) -> None:
    """Give a file that was made as a temporary one, for its maker's eyes only, the permissions of any new file."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def _build(python: Path, take: Path, out: Path, status: Status) -> Path:
    """Run the rig builder; gives the scene that it wrote beside the Take. Raises SkelError if it did not."""
    scene = take.parent / f"{out.stem}{out.suffix.lower()}"  # its collection has the name of its file
    status.show("building the scene")
    command = [str(python), "-m", f"{PACKAGE.name}.rig", str(take), "--out", str(scene)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                               errors="replace", env=child_environment(), start_new_session=os.name != "nt")  # fmt: skip
    try:
        said = process.communicate()[0].strip()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode == 0 and scene.is_file():
        return scene
    said = said.replace(str(scene), str(out))
    last = said.splitlines()[-1].strip() if said else f"exit code {process.returncode}"
    if "No space left on device" in said:
        raise SkelError("disk_full", "The disk is full.", "Make room and run again.")
    if process.returncode == 1 and "Traceback" not in said:
        raise SkelError("rig", last, "")
    raise SkelError("rig", f"The scene could not be built ({last.rstrip('.')}).", "Write an .npz instead, and report this line.")


def _frames(text: str) -> str:
    match = re.fullmatch(r"(\d*):(\d*)", text)
    if not match or (match[1] and match[2] and int(match[1]) >= int(match[2])):
        raise argparse.ArgumentTypeError(f"'{text}' is not a range of frames such as 0:120, 30: or :90")
    return text


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of people")
    return int(text)


def _number(text: str, low: float, up: float, what: str) -> float:
    with contextlib.suppress(ValueError):
        if low < float(text) < up:
            return float(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not {what}")


def _angle(text: str) -> float:
    return _number(text, 0.0, 180.0, "an angle between 0 and 180 degrees")


def _rate(text: str) -> float:
    return _number(text, 0.0, 10000.0, "a number of frames a second")


def _length(text: str) -> float:
    return _number(text, 0.0, 1e7, "a focal length in pixels")


