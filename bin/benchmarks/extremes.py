# SPDX-License-Identifier: GPL-3.0-or-later
"""Do fits start in the right basin where people are not upright? `./bin/benchmark extremes [FOOTAGE_DIR] [--weights FILE] [--out DIR]`.

Without FOOTAGE_DIR: pictures of the open body on its hands, on the floor and deep in its knees (`postures`), from four sides; the landmark
network looks at them. Right is whose root is less than 45 degrees off, and whose joints, aligned, are less than 100 mm off or no farther
than the landmarks themselves. With it: its clips of a flip, deep squats, backs to the camera and people half out of the image (`CLIPS`),
for which there is no truth but the eye. Either way there are pictures to look at in DIR.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from bin.benchmarks import report
from bin.benchmarks.posing import posed
from bin.benchmarks.postures import POSTURES, pose_of
from bin.benchmarks.renders import SIDE, look, picture
from bin.benchmarks.starts import METHODS, Found, answers, turned_by
from bin.evaluation import metrics
from skel_blender import environment
from skel_blender.anatomy import JOINT_NAMES, PARENTS
from skel_blender.engine.blazepose import ACROSS, LIMBS
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.camera import intrinsics
from skel_blender.engine.footage.video import open_source
from skel_blender.engine.people.landmarker import Landmarker
from skel_blender.engine.people.tracker import find_people
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.correction import corrected
from skel_blender.engine.regress.lift import Lift

_TURN_DEGREES, _PA_MM = 45.0, 100.0
_VIEWS = (20.0, 110.0, 200.0, 290.0)  # degrees about the vertical
_STILL, _FPS = 9, 30.0  # frames that a picture lasts
_ROW_PX = 300


@dataclass(frozen=True)
class Clip:
    """A part of a video: its frames, and those that are drawn."""

    file: str
    first: int
    end: int
    drawn: tuple[int, ...]


CLIPS = {
    "flip": Clip("multi/sports2d_demo.mp4", 120, 216, (150, 158, 164, 168, 172, 176, 180, 184, 188, 194)),
    "deep squats": Clip("single/tfjs_squats.mp4", 0, 65, (4, 8, 12, 16, 20, 24, 30, 36, 42, 48)),
    "backs, walking in": Clip("multi/intel_onebyone.mp4", 62, 110, (64, 67, 70, 73, 76, 80, 90, 104)),
    "walking out of the image": Clip("multi/intel_onebyone.mp4", 170, 206, (174, 180, 184, 187, 190, 192, 194, 196)),
    "head first into the image": Clip("multi/intel_onebyone.mp4", 500, 545, (502, 505, 508, 511, 514, 518, 526, 540)),
}  # fmt: skip


def rendered(body: BodyModel, lift: Lift, out: Path, seed: int) -> list[str]:
    """The table of the postures; pictures go to `out`."""
    landmarker = Landmarker(environment.landmark_model(environment.default_root()))
    lines = [f"Of {len(_VIEWS)} views: right; median root off, degrees; median PA-MPJPE, mm.", "",
             report.head(["posture", "landmarks' own PA-MPJPE", *METHODS])]
    right = dict.fromkeys(METHODS, 0)
    for number, name in enumerate(POSTURES):
        told: dict[str, list[tuple[float, float]]] = {method: [] for method in METHODS}
        raw, strips = [], []
        for view, degrees in enumerate(_VIEWS):
            drawn = picture(body, pose_of(name), np.random.default_rng([seed, number, view]), np.radians(degrees))
            track = _still(landmarker, drawn.image, drawn.pixels)
            truth = Found(pose_of(name)[None], drawn.betas, np.zeros((1, 3)), drawn.R, drawn.t)
            raw.append(metrics.pa_mpjpe(track.landmarks_3d[:1, LIMBS].astype(float), drawn.points[None, LIMBS]))
            found = answers(track, body, intrinsics((SIDE, SIDE), focal_length=drawn.focal), _FPS, lift)
            for method, one in found.items():
                told[method].append((180.0, 999.0) if one is None else _off(one, truth, body))
            strips.append(np.hstack([drawn.image, *(_over(drawn.image, one, body, 0, drawn.focal) for one in found.values())]))
        cells = []
        for method, values in told.items():
            turned, pa = np.array(values).T
            good = int(((turned < _TURN_DEGREES) & (pa < np.maximum(_PA_MM, raw))).sum())
            right[method] += good
            cells.append(f"{good}; {np.median(turned):.0f}; {np.median(pa):.0f}")
        lines.append(report.row([name, f"{np.median(raw):.0f}", *cells]))
        print(lines[-1], flush=True)
        sheet = cv2.resize(np.vstack(strips), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        _save(out / f"{number:02d} {name.replace(',', '')}.png", sheet)
    count = len(POSTURES) * len(_VIEWS)
    lines.append(report.row(["all", "", *(f"{right[method]} of {count}" for method in METHODS)]))
    return lines


def _still(landmarker: Landmarker, image: np.ndarray, pixels: np.ndarray) -> Track:
    """A picture as a short clip in which nobody moves."""
    pose = look(landmarker, image, pixels)
    landmarks = corrected(np.asarray(pose.landmarks_3d, float)[None])
    keypoints, outline = (np.tile(np.asarray(part, float), (_STILL, 1, 1)) for part in (pose.keypoints_2d, pose.outline[list(ACROSS)]))
    return Track(np.arange(_STILL), keypoints, np.tile(landmarks, (_STILL, 1, 1)), np.ones(_STILL, bool), outline=outline)


def _off(found: Found, truth: Found, body: BodyModel) -> tuple[float, float]:
    """Degrees of the root and mm of the aligned joints, of the middle frame."""
    middle = slice(_STILL // 2, _STILL // 2 + 1)
    (joints, root), (real, true_root) = found.joints(body), truth.joints(body)
    return float(turned_by(root[middle], true_root)[0]), metrics.pa_mpjpe(joints[middle], real)


def filmed(footage: Path, body: BodyModel, lift: Lift, out: Path) -> list[str]:
    """The table of the clips; pictures go to `out`."""
    heads = ("limbs missed in the image, % of the person: " + "; ".join(METHODS), "fits' roots apart by deg: median, most")
    lines = [report.head(["clip", "people", *heads])]
    model = environment.landmark_model(environment.default_root())
    for name, clip in CLIPS.items():
        source = open_source([footage / clip.file], (clip.first, clip.end - 1), lambda event: None)
        tracks = find_people(source, model, None)
        K = intrinsics(source.size, None, source.focal_hints.get(clip.first))
        images = {number: image for number, image in source if number in clip.drawn}
        for k, track in enumerate(tracks):
            track = replace(track, landmarks_3d=corrected(track.landmarks_3d))
            found = answers(track, body, K, float(source.fps), lift)
            missed = "; ".join("none" if one is None else f"{100 * _missed(one, track, body, K):.1f}" for one in found.values())
            fits = [found[METHODS[1]], found[METHODS[3]]]
            apart = np.full(1, np.nan) if None in fits else turned_by(*(one.joints(body)[1] for one in fits))
            who = f"{k + 1} of {len(tracks)}, frames {track.frames[0]} to {track.frames[-1]}"
            lines.append(report.row([name, who, missed, f"{np.median(apart):.0f}, {apart.max():.0f}"]))
            print(lines[-1], flush=True)
            _strip(out / f"{name.replace(',', '')} {k + 1}.png", images, track, found, body, K)
    return lines


def _missed(found: Found, track: Track, body: BodyModel, K: np.ndarray) -> float:
    """By what part of the person's extent the median limb landmark is missed in the image."""
    points = posed(body, found.poses, found.betas, found.trans)[0][:, LIMBS] @ found.R.T + found.t
    pixels = points @ K.T
    seen = track.keypoints_2d[:, LIMBS]
    size = np.ptp(seen[..., :2], axis=1).max(-1)
    off = np.linalg.norm(pixels[..., :2] / pixels[..., 2:] - seen[..., :2], axis=-1) / size[:, None]
    return float(np.median(off[(seen[..., 2] > 0.5) & track.observed[:, None]]))


def _strip(path: Path, images: dict[int, np.ndarray], track: Track, found: dict[str, Found | None], body: BodyModel, K: np.ndarray) -> None:
    """The clip's drawn frames, one row for the bare picture and one for each method, cut around the person."""
    columns = []
    for number, image in images.items():
        row = number - int(track.frames[0])
        if not 0 <= row < len(track.frames):
            continue
        limbs = track.keypoints_2d[row, LIMBS, :2]
        middle, reach = 0.5 * (limbs.min(0) + limbs.max(0)), 0.75 * np.ptp(limbs, axis=0).max()
        size = _ROW_PX / (2 * reach)
        shift = np.column_stack([size * np.eye(2), size * (reach - middle)])
        bare = cv2.warpAffine(image, shift, (_ROW_PX, _ROW_PX))
        lens = np.vstack([shift, [0, 0, 1]]) @ K
        columns.append(np.vstack([bare, *(_over(bare, one, body, row, lens) for one in found.values())]))
    if columns:
        _save(path, np.hstack(columns))


def _over(image: np.ndarray, found: Found | None, body: BodyModel, row: int, lens: float | np.ndarray) -> np.ndarray:
    """The image with the skeleton of a frame over it: left limbs blue, right red, the trunk white. `lens`: K (3,3), or focal px."""
    result = (image * 0.6).astype(np.uint8)
    if found is None:
        return result
    if np.ndim(lens) == 0:
        lens = intrinsics((image.shape[1], image.shape[0]), focal_length=float(lens))
    pixels = found.joints(body)[0][row] @ np.asarray(lens).T
    pixels = np.round(np.clip(pixels[:, :2] / np.maximum(pixels[:, 2:], 0.1), -5000, 5000)).astype(int)
    sides = (("l", (80, 140, 255)), ("r", (255, 80, 80)))
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            colour = next((colour for side, colour in sides if JOINT_NAMES[joint].endswith(f"_{side}")), (255, 255, 255))
            cv2.line(result, tuple(map(int, pixels[parent])), tuple(map(int, pixels[joint])), colour, 2, cv2.LINE_AA)
    return result


def _save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1])


def main(argv: list[str]) -> int:
    """Look, fit, draw, and print the tables."""
    parser = report.parser("extremes", __doc__)
    parser.add_argument("footage", nargs="?", type=Path, help="folder of the clips")
    parser.add_argument("--weights", type=Path, help="of the network (default: the package's)")
    parser.add_argument("--out", type=Path, default=Path("build/extremes"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between its marks in this page")
    given = parser.parse_args(argv)
    body, lift = load_body("open", "male"), load_lift(given.weights)
    lines = rendered(body, lift, given.out, given.seed) if given.footage is None else filmed(given.footage, body, lift, given.out)
    print("\n".join(lines))
    if given.write:
        report.write(given.write, "postures" if given.footage is None else "clips", "\n".join(lines))
    return 0
