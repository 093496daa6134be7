# SPDX-License-Identifier: GPL-3.0-or-later
"""The path of a camera that leaves its place comes out of the background; one that only turns is not sent for a walk."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("scipy")
pytest.importorskip("pycolmap")

from skel_blender.engine.background import Background, logs
from skel_blender.engine.background.structure import structure
from skel_blender.engine.background.trails import Followed, moving
from skel_blender.engine.camera import intrinsics
from tests.virtual_camera import Shot, compare, path_off, shot
from tests.virtual_scene import Board, frames, in_the_hand, room, street

SIZE, FOCAL, COUNT = (480, 270), 450.0, 40
KNOWN = (intrinsics(SIZE, None, FOCAL), True)
ASSUMED = (intrinsics(SIZE), False)


def watched(scene: list[Board], through: Shot, walkers: np.ndarray | None = None) -> Background:
    background = Background(SIZE)
    for number, (image, people) in enumerate(frames(scene, through, walkers, noise=2)):
        background.see(number, image, people)
    return background


def around() -> Shot:
    """Carried through a fifth of a circle about the middle of a room."""
    angle = np.radians(np.linspace(-35, 35, COUNT))
    return in_the_hand(-np.degrees(angle), 2.2 * np.column_stack([np.sin(angle), 0 * angle, -np.cos(angle)]), FOCAL, SIZE)


def test_who_walks_beside_a_walker_is_followed_with_the_lens_that_is_known():
    along = np.column_stack([np.zeros((COUNT, 2)), 3 + 0.05 * np.arange(COUNT)])
    truth = in_the_hand(75, along - (2.5, 0, 0), FOCAL, SIZE)
    background = watched(street(), truth, along + (1.5, 1.6, 0.3))
    motion = background.motion(*KNOWN)
    off, _ = compare(motion, truth)
    assert path_off(motion, truth) < 0.01 and off.max() < 0.3
    assert (motion.K == KNOWN[0]).all() and (motion.zoom == 1).all()
    assert background.findings.unexplained < 0.1
    assert 0 < background.findings.place_deviation < 0.01
    # the unit is the corners' median depth, which the front is near to; and his way is to the left of where he looks
    assert 0.15 < np.linalg.norm(motion.places[-1] - motion.places[0]) < 0.6
    assert (motion.turns[-1] @ (motion.places[-1] - motion.places[0]))[0] < 0


def test_a_path_around_a_room_tells_the_lens():
    background, truth = watched(room(), around()), around()
    motion = background.motion(*ASSUMED)
    off, ratio = compare(motion, truth)
    assert path_off(motion, truth) < 0.01 and off.max() < 0.4
    assert background.findings.lens_told and np.allclose(ratio, 1, atol=0.03)
    assert [log.level for log in logs(motion, background.findings)] == ["info", "info"]


def past_a_wall(pace: float) -> Followed:
    """Corners on a wall 3 m away that a camera sees which goes along it, `pace` m a frame."""
    random = np.random.default_rng(0)
    truth = in_the_hand(0, np.column_stack([pace * np.arange(COUNT), np.zeros((COUNT, 2))]), FOCAL, SIZE)
    spots = np.column_stack([random.uniform((-4, -2), (6, 2), (800, 2)), np.full(800, 3.0)])
    seen = (spots[:, None] - truth.places)[:, :, None] @ truth.turns.transpose(0, 2, 1)
    px = FOCAL * seen[..., 0, :2] / seen[..., 0, 2:] + random.normal(0, 0.2, (len(spots), COUNT, 2))
    inside = (np.abs(px) < np.array(SIZE) / 2).all(-1)
    inside &= inside.sum(1, keepdims=True) > 3
    corner, frame = np.nonzero(inside)
    return Followed(np.unique(corner, return_inverse=True)[1], frame, px[inside])


def test_a_wall_that_is_all_there_is_tells_no_lens():
    assumed = 1.2 * FOCAL
    found = structure(past_a_wall(0.05), assumed, max(SIZE), False)
    assert not found.lens_told and found.focal == assumed


def test_who_goes_faster_has_more_of_his_frames_compared():
    """At 0.1 m a frame corners move by 15 px: two frames are 4 % of the picture's width and more."""
    slow, fast = (structure(past_a_wall(pace), FOCAL, max(SIZE), True).rows for pace in (0.02, 0.1))
    assert (np.diff(slow)[:-1] == 5).all() and (np.diff(fast)[:-1] == 2).all()


def test_a_path_is_the_same_twice_and_needs_no_files(tmp_path, monkeypatch):
    """While COLMAP is at work a run can't be asked to stop, only killed: who made files then would leave them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    solve, files = sys.modules[structure.__module__]._solve, []

    def spied(*given):
        files.extend(tmp_path.iterdir())
        return solve(*given)

    monkeypatch.setattr(sys.modules[structure.__module__], "_solve", spied)
    background = watched(room(), around())
    first, second = (background.motion(*KNOWN) for _ in range(2))
    assert (first.places == second.places).all() and (first.turns == second.turns).all()
    assert not files and not list(tmp_path.iterdir())


def test_corners_of_which_none_fits_tell_no_lens():
    """A few that a camera that turns sees badly: with a lens that is not known COLMAP gives frames, and none of the corners."""
    random, way = np.random.default_rng(206), 600 * np.tan(np.linspace(0, 0.5, 8))
    px = random.uniform((-300, -200), (300, 200), (25, 2))[:, None] - np.column_stack([way, 0 * way]) + random.normal(0, 3, (25, 8, 2))
    inside = (np.abs(px) < 320).all(-1)
    inside &= inside.sum(1, keepdims=True) > 3
    corner, frame = np.nonzero(inside)
    found = structure(Followed(np.unique(corner, return_inverse=True)[1], frame, px[inside]), 600.0, 640, False)
    assert not found.lens_told and found.focal == 600.0


def test_who_only_turns_in_a_room_stays_in_his_place():
    truth = shot(25 * np.sin(np.linspace(0, 3, COUNT)), 0, 0, FOCAL, SIZE, np.zeros((COUNT, 3)))
    assert watched(room(), truth).motion(*KNOWN).places is None


@pytest.mark.parametrize("broken", [False, True], ids=["not there", "does not load"])
def test_without_colmap_a_walk_is_followed_in_its_turns_and_the_user_is_told(monkeypatch, tmp_path, broken):
    ahead = np.column_stack([np.zeros((COUNT, 2)), 3 + 0.08 * np.arange(COUNT)])
    background = watched(street(), in_the_hand(0, ahead, FOCAL, SIZE))
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    if broken:  # as where a library of the system's is missing
        (tmp_path / "pycolmap.py").write_text("raise RuntimeError('Cannot import the C++ backend pycolmap._core.')")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "pycolmap")
    for name in ("camera_path", "structure"):
        monkeypatch.delitem(sys.modules, f"skel_blender.engine.background.{name}", raising=False)
    motion = background.motion(*KNOWN)
    assert motion.places is None
    assert [log.level for log in logs(motion, background.findings)] == ["info", "warning"]


def test_an_error_of_our_own_is_not_taken_for_a_missing_colmap(monkeypatch):
    ahead = np.column_stack([np.zeros((COUNT, 2)), 3 + 0.08 * np.arange(COUNT)])
    background = watched(street(), in_the_hand(0, ahead, FOCAL, SIZE))
    monkeypatch.setitem(sys.modules, "skel_blender.engine.background.camera_path", None)
    with pytest.raises(ImportError):
        background.motion(*KNOWN)


def test_what_stays_in_place_while_the_camera_turns_is_laid_over_the_footage():
    """Three corners in four frames: a logo's, one that moves, and one that stays while the camera does."""
    corner, frame = np.arange(3).repeat(4), np.tile(np.arange(4), 3)
    px = np.where(corner == 1, 5.0 * frame, 0.3 * (frame % 2))[:, None] * np.ones(2)
    kept, off = moving(Followed(corner, frame, px), np.where(corner == 2, 0.4, 9.0))
    assert kept.corner.tolist() == [0] * 4 + [1] * 4 and off.tolist() == [9.0] * 4 + [0.4] * 4
    assert (kept.px == px[4:]).all() and (kept.frame == frame[4:]).all()
    nothing = Followed(corner[:0], frame[:0], px[:0])
    assert moving(nothing, np.zeros(0))[0] is nothing


def test_colmap_is_imported_in_one_file():
    folder = Path(sys.modules[Background.__module__].__file__).parents[1]
    assert [path.name for path in folder.rglob("*.py") if "import pycolmap" in path.read_text(encoding="utf-8")] == ["structure.py"]


def test_a_run_can_still_be_ended():
    """COLMAP's library takes SIGTERM for itself where it is imported."""
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('tidied up', flush=True))\n"
        "import skel_blender.engine.background.structure\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout.strip()) == (0, "tidied up")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals that a process sends itself")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_run_in_colmap_ends_at_once(name):
    """COLMAP would hear of it when it is done; and a run that ignores such requests, as under nohup, goes on."""
    code = (
        "import os, signal\n"
        "import skel_blender.engine.background.structure as structure\n"
        f"number = signal.{name}\n"
        "def solve(*_):\n"
        "    os.kill(os.getpid(), number)\n"
        "    print('went on', flush=True)\n"
        "structure._by_frame = structure._write = lambda *_: []\n"
        "structure._solve = solve\n"
        "signal.signal(number, signal.SIG_IGN)\n"
        "structure._from(None, [], 500.0, 640.0, True)\n"
        "handler = lambda *_: print('too late', flush=True)\n"
        "signal.signal(number, handler)\n"
        "structure._write = lambda *_: 1 / 0\n"
        "try:\n"
        "    structure._from(None, [], 500.0, 640.0, True)\n"
        "except ZeroDivisionError:\n"
        "    print(signal.getsignal(number) is handler, flush=True)\n"
        "structure._write = lambda *_: []\n"
        "structure._from(None, [], 500.0, 640.0, True)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout.split("\n")[:-1]) == (-getattr(signal, name), ["went on", "True"]), run.stderr
