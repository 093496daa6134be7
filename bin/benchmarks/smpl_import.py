# SPDX-License-Identifier: GPL-3.0-or-later
"""How exact and how fast motions of the SMPL family come in: `./bin/benchmark smpl_import [MOCAP_DIR] [--frames N]`.

A minute of captured motion at 120 frames a second, clip after clip (each there and back, half a second between two), moves a made-up body
in SMPL's official layout (tests/synthetic_smpl.py: no licensed value) and is written as AMASS writes it. Then it is imported with that
body's file onto the open body of the same and of the other sex, and without the file. MOCAP_DIR holds `subject_NNN.npz`; the default is the
small set of tests/data.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from bin.benchmarks import report
from skel_blender.engine.imports import motion as motions
from skel_blender.engine.imports.importer import Options, import_motion
from tests import synthetic_smpl

_RATE = 4  # frames made of each of the capture's, which is at 30 a second
_BETWEEN = 60  # frames from the end of a clip to the start of the next
_BLEND_M = 0.0002  # pose blend shapes, random: of no effect to speak of but the time that they take
_BETAS = np.array([1.0, -1.0, 0.5, 0, 0, 0, 0, 0, 0, 0])


def sequence(files: list[Path], joints: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses (count,72) and trans (count,3) m, y up, of captured clips end to end, for a body with rest joints (24,3)."""
    frames, turns, places, begin, here = [], [], [], 0, np.zeros(3)
    while begin < count:
        for path in files:
            for name in synthetic_smpl.clips(path):
                poses, trans = synthetic_smpl.captured(name, joints, _RATE, path)
                there_and_back = np.concatenate([np.arange(len(poses)), np.arange(len(poses) - 2, -1, -1)])
                trans = trans + (here - trans[0]) * [1, 0, 1]
                frames.append(begin + np.arange(len(there_and_back)))
                turns.append(motions.rotation_matrices(poses.reshape(len(poses), 24, 3))[there_and_back])
                places.append(trans[there_and_back])
                begin, here = begin + len(there_and_back) + _BETWEEN, trans[0]
                if begin >= count:
                    break
            if begin >= count:
                break
    _, turned, moved, _ = motions.bridged(*(np.concatenate(part) for part in (frames, turns, places)))
    return motions.rotation_vectors(turned[:count]).reshape(-1, 72), moved[:count]


def write(folder: Path, files: list[Path], count: int) -> tuple[Path, Path]:
    """The motion file and the model file."""
    model, motion = folder / "SMPL_FEMALE.pkl", folder / "motion.npz"
    entries = synthetic_smpl.write_model(model, sex="female", blend=_BLEND_M)
    joints = entries["J_regressor"] @ (entries["v_template"] + entries["shapedirs"] @ _BETAS)
    poses, trans = sequence(files, joints, count)
    np.savez(motion, poses=poses, trans=trans, betas=_BETAS, gender="female", mocap_framerate=120.0)
    return motion, model


def main(argv: list[str]) -> int:
    """Print the table."""
    parser = report.parser("smpl_import", __doc__)
    parser.add_argument("mocap", nargs="?", type=Path, metavar="MOCAP_DIR")
    parser.add_argument("--frames", type=int, default=7200)
    given = parser.parse_args(argv)
    files = sorted(given.mocap.glob("subject_*.npz")) if given.mocap else [synthetic_smpl.MOCAP]
    if not files:
        parser.error(f"there is no subject_NNN.npz in {given.mocap}")
    with tempfile.TemporaryDirectory() as folder:
        motion, model = write(Path(folder), files, given.frames)
        threads = os.environ.get("OMP_NUM_THREADS", "unset")
        print(f"{given.frames} frames at 120 a second, {os.cpu_count()} cores, OMP_NUM_THREADS={threads}")
        columns = "model file", "body", "joints, mm", "feet slide, mm a frame", "the source's", "frames beyond limits", "seconds"
        print(f"\n{report.head(columns)}")
        for known, body in ((True, "female"), (True, "male"), (False, "female")):
            begun = time.monotonic()
            take = import_motion(Options(str(motion), model=str(model) if known else "", body=body, up="y"))
            seconds = time.monotonic() - begun
            told = json.loads(take.settings)["people"][0]
            slide, source = told["foot_slide_mm_per_frame"], told["source_foot_slide_mm_per_frame"]
            print(report.row(["yes" if known else "no", body, f"{told['joint_distance_mm']:.1f}", f"{slide:.2f}", f"{source:.2f}",
                              f"{100 * told['frames_beyond_limits']:.0f} %", f"{seconds:.1f}"]), flush=True)  # fmt: skip
    return 0
