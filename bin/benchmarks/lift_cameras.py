# SPDX-License-Identifier: GPL-3.0-or-later
"""The lifting network on real cameras: `./bin/benchmark lift_cameras FOOTAGE_DIR [--weights FILE] [--cache FILE.npz] [--write PAGE]`.

FOOTAGE_DIR is that of `cameras`: four calibrated views of one man, whose landmarks together are the truth. Compared, from each view
alone and with its focal length known: landmarks with two-bone inverse kinematics, SKELify from the stance, the network alone, and SKELify
from the network; and what SKELify needs from both starts.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bin.benchmarks import report
from bin.benchmarks.cameras import Row, compare, find_footage
from bin.benchmarks.lift import iterations
from bin.benchmarks.multiview import reference, same_person
from bin.benchmarks.posing import posed
from bin.benchmarks.starts import METHODS, answers, ways
from skel_blender import environment
from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.body import load_body
from skel_blender.engine.camera import intrinsics
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE
from skel_blender.engine.footage.video import open_source
from skel_blender.engine.people.tracker import find_people
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.regress import load_lift
from skel_blender.engine.regress.correction import corrected

_FIELDS = ("frames", "keypoints_2d", "landmarks_3d", "observed", "outline")


def tracks_of(videos: list[Path], cache: Path | None) -> tuple[list[list[Track]], list[tuple[int, int]], float]:
    """Everybody whom each camera sees, the image sizes, and the rate. What the cache has is not looked for again."""
    if cache is not None and cache.exists():
        with np.load(cache) as file:
            counts, sizes = file["counts"], [tuple(map(int, size)) for size in file["sizes"]]
            found = [[Track(**{name: file[f"{c}/{k}/{name}"] for name in _FIELDS}) for k in range(count)] for c, count in enumerate(counts)]
            return found, sizes, float(file["fps"])
    model = environment.landmark_model(environment.default_root())
    sources = [open_source([video], (None, None), lambda event: None) for video in videos]
    found = [find_people(source, model, None) for source in sources]
    sizes = [source.size for source in sources]
    if cache is not None:
        arrays = {f"{c}/{k}/{name}": getattr(track, name) for c, people in enumerate(found) for k, track in enumerate(people)
                  for name in _FIELDS}  # fmt: skip
        np.savez_compressed(cache, counts=[len(people) for people in found], sizes=sizes, fps=float(sources[0].fps), **arrays)
    return found, sizes, float(sources[0].fps)


def main(argv: list[str]) -> int:
    """Print the tables."""
    parser = report.parser("lift_cameras", __doc__)
    parser.add_argument("footage", type=Path, help="folder of the four videos and their calibration")
    parser.add_argument("--weights", type=Path, help="of the network (default: the package's)")
    parser.add_argument("--body", default="male")
    parser.add_argument("--cache", type=Path, help="where the tracks that were found are kept for another run")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between their marks in this page")
    given = parser.parse_args(argv)
    body, lift = load_body(given.body), load_lift(given.weights)
    videos, cameras = find_footage(given.footage)
    people, sizes, fps = tracks_of(videos, given.cache)
    tracks = same_person(people, cameras)
    frames, points, _ = reference(tracks, cameras)
    rows: dict[str, list[Row]] = {name: [] for name in METHODS}
    went: dict[bool, list] = {False: [], True: []}
    for track, camera, size in zip(tracks, cameras, sizes):
        track = replace(track, landmarks_3d=corrected(track.landmarks_3d))
        K, own = intrinsics(size, focal_length=float(camera.K[0, 0])), frames - track.frames[0]
        truth = points[:, LIMBS] @ camera.R.T + camera.t
        for name, found in answers(track, body, K, fps, lift).items():
            if found is None:
                raise SystemExit(f"{camera.name}: '{name}' gave up.")
            limbs = (BLAZEPOSE @ posed(body, found.poses, found.betas, found.trans)[0])[:, LIMBS] @ found.R.T + found.t
            rows[name].append(compare(limbs[own], truth))
        guess = lift(track, body, K, fps)
        for drawn in went:
            went[drawn].append(ways(track, body, K, fps, guess, drawn))
    lines = _accuracy(rows) + [""] + iterations({"pulls to the stance": went[False], "pulls to the network's poses": went[True]})
    for drawn in went:
        for camera, one in zip(cameras, went[drawn]):
            told = "; ".join(f"{start}: {way.loose}+{way.iterations} to {way.cost:.1f}" for start, way in one.items())
            print(f"{camera.name}, {'network' if drawn else 'stance'}'s objective: {told}")
    print("\n".join(lines))
    if given.write:
        report.write(given.write, "lift_cameras", "\n".join(lines))
    return 0


def _accuracy(rows: dict[str, list[Row]]) -> list[str]:
    lines = [report.head(["twelve limb joints", "MPJPE mm, cameras 1 to 4", "mean", "PA-MPJPE mm", "mean", "acceleration mm/frame2"])]
    for name, views in rows.items():
        cells = []
        for values in ([row.mpjpe for row in views], [row.pa_mpjpe for row in views]):
            cells += [" ".join(f"{value:.0f}" for value in values), f"{np.mean(values):.1f}"]
        lines.append(report.row([name, *cells, f"{np.mean([row.acceleration for row in views]):.1f}"]))
    return lines
