# SPDX-License-Identifier: GPL-3.0-or-later
"""Structure from motion by COLMAP's global mapper, of corners that were followed already: frames' turns and places, and the corners' own.

Pan, Barath, Pollefeys, Schönberger, Global structure-from-motion revisited, ECCV 2024.
"""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from .trails import Followed

_on_end = signal.getsignal(signal.SIGTERM)

try:
    import pycolmap
except RuntimeError as error:  # by which it says that its own library does not load
    raise ImportError(str(error), name="pycolmap") from error

pycolmap.logging.minloglevel = pycolmap.logging.FATAL
if _on_end is not None and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGTERM, _on_end)  # which the import takes for stack traces: a run that is ended would not tidy up
_MOVED, _KEPT, _FRAMES = 0.04, 0.75, 5  # a frame is used when corners moved so far (of the side), so few are left, or after so many frames
_MOST, _SPARSER = 300, (1, 2, 4)  # frames that are used; where they would be more, they may differ so many times as much
_APART = (1, 2, 4, 8)  # frames, of those that are used, between two that are compared
_SHARED = 20  # corners that two frames that are compared share
_AGREE_PX = 2.0
_STARTS = (1.0, 1.5)  # focal lengths to start from where the lens is not known, over the one that is assumed
_WELL = 0.35  # part of the corners whose places are told, with which no other start is tried
_LENS_TOLD = 0.06  # deviation of the focal length, as part of it, if corners are off by 1 px: they drift together
_ON_PLANE, _THIN, _REFINED = 0.8, 0.1, 5  # corners are flat if this part of them lies so thin about a plane, as part of its shorter side
_LEAST = 12  # corners that tell where a frame's camera is
_STEPS = 50  # of a bundle adjustment
_SEED = 0


@dataclass(frozen=True)
class Structure:
    """n frames `rows` (n,): turns (n,3,3), places (n,3): x_frame = turns (X - place), in any axes and unit; deviations (n,) of the places.

    points (C,3): the corners' places, NaN where they are not told. focal px; lens_told: whether the corners tell it.
    """

    rows: np.ndarray
    turns: np.ndarray
    places: np.ndarray
    deviations: np.ndarray
    points: np.ndarray
    focal: float
    lens_told: bool

    def told(self) -> float:
        """Part of the corners that have a place."""
        return float(np.isfinite(self.points[:, 0]).mean())


def structure(followed: Followed, focal: float, side: float, lens_known: bool) -> Structure | None:
    """Of frames that differ enough. The sightings' px count from the principal point; `side` px is the image's longer one.

    None where no two frames show that the camera moved. A lens that is not known stays as it is assumed where the corners do not tell it.
    """
    for sparser in _SPARSER:
        rows = _rows(followed, side, sparser)
        if len(rows) <= _MOST:
            break
    if not lens_known:
        best = _with_lens(followed, rows, focal, side)
        if best is None or best.lens_told:
            return best
    return _from(followed, rows, focal, side, True)


def _with_lens(followed: Followed, rows: np.ndarray, focal: float, side: float) -> Structure | None:
    """The best of what is found from several focal lengths, each of which is refined. A wall that is all there is tells no lens: each would
    see a wall."""
    best = None
    for times in _STARTS:
        found = _from(followed, rows, times * focal, side, False)
        if found is not None and (best is None or found.told() > best.told()):
            best = found
        if best is not None and best.told() > _WELL:
            break
    return None if best is None else replace(best, lens_told=best.lens_told and not _flat(best.points))


def _flat(points: np.ndarray) -> bool:
    """Whether most of points (C,3) lie on one plane."""
    points = points[np.isfinite(points[:, 0])]
    kept = points
    for _ in range(_REFINED):
        middle = kept.mean(axis=0)
        _, sizes, axes = np.linalg.svd(kept - middle, full_matrices=False)
        off = np.abs((points - middle) @ axes[2])
        kept = points[off <= np.quantile(off, _ON_PLANE)]
    return bool(sizes[2] < _THIN * sizes[1])


@contextmanager
def _ended_at_once() -> Iterator[None]:
    """COLMAP hears of no request to stop for seconds. Meanwhile the system ends the run; nothing is lost by that, or left behind."""
    here = threading.current_thread() is threading.main_thread()
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if here and hasattr(signal, name)]
    ours = {one: handler for one in numbers if callable(handler := signal.getsignal(one))}  # what is ignored, as under nohup, still is
    for one in ours:
        signal.signal(one, signal.SIG_DFL)
    try:
        yield
    finally:
        for one, handler in ours.items():
            signal.signal(one, handler)


@_ended_at_once()
def _from(followed: Followed, rows: np.ndarray, focal: float, side: float, lens_known: bool) -> Structure | None:
    at = _by_frame(followed)
    members = [at[row] for row in rows]
    with pycolmap.Database.open(":memory:") as database:  # whoever is ended at once leaves files
        _write(database, followed, members, _camera(focal, side))
        model = _solve(database, lens_known)
    return None if model is None else _read(model, followed, rows, members, lens_known)


def _camera(focal: float, side: float) -> pycolmap.Camera:
    """Its px are those from the principal point, moved by `side`, so that all are positive."""
    camera = pycolmap.Camera(model="SIMPLE_PINHOLE", width=round(2 * side), height=round(2 * side), params=[focal, side, side], camera_id=1)
    camera.has_prior_focal_length = True
    return camera


def _rows(followed: Followed, side: float, sparser: int) -> np.ndarray:
    """Frames that differ enough to be worth comparing."""
    at = _by_frame(followed)
    rows = [0]
    for row in range(1, len(at)):
        used, own = at[rows[-1]], at[row]
        corners, before, after = np.intersect1d(followed.corner[used], followed.corner[own], return_indices=True)
        few = len(corners) < _KEPT**sparser * len(used)
        moved = np.linalg.norm(followed.px[own][after] - followed.px[used][before], axis=1)
        far = len(moved) > 0 and np.median(moved) > sparser * _MOVED * side
        if few or far or row - rows[-1] >= sparser * _FRAMES or row == len(at) - 1:
            rows.append(row)
    return np.array(rows)


def _by_frame(followed: Followed) -> list[np.ndarray]:
    """Each frame's sightings."""
    order = np.argsort(followed.frame, kind="stable")
    return np.split(order, np.searchsorted(followed.frame[order], np.arange(1, followed.frame.max() + 1)))


def _write(database: pycolmap.Database, followed: Followed, members: list[np.ndarray], camera: pycolmap.Camera) -> None:
    """Frames, given by their sightings (members), and which corners two of them share."""
    px = followed.px + camera.principal_point_x
    database.write_camera(camera, use_camera_id=True)
    rig = pycolmap.Rig(rig_id=1)
    rig.add_ref_sensor(camera.sensor_id)
    database.write_rig(rig, use_rig_id=True)
    for number, own in enumerate(members, 1):
        database.write_image(pycolmap.Image(name=f"{number}", camera_id=1, image_id=number), use_image_id=True)
        frame = pycolmap.Frame(frame_id=number, rig_id=1)
        frame.add_data_id(pycolmap.data_t(camera.sensor_id, number))
        database.write_frame(frame, use_frame_id=True)
        database.write_keypoints(number, px[own].astype(np.float32))
    for i, j, shared in _pairs(followed, members):
        database.write_two_view_geometry(i + 1, j + 1, _compared(camera, px[members[i]], px[members[j]], shared))


def _pairs(followed: Followed, members: list[np.ndarray]) -> Iterator[tuple[int, int, np.ndarray]]:
    """Pairs of frames, and (n,2) which corners of the one are which of the other."""
    for apart, i in itertools.product(_APART, range(len(members))):
        if i + apart < len(members):
            _, *shared = np.intersect1d(followed.corner[members[i]], followed.corner[members[i + apart]], return_indices=True)
            if len(shared[0]) >= _SHARED:
                yield i, i + apart, np.column_stack(shared).astype(np.uint32)


def _compared(camera: pycolmap.Camera, before: np.ndarray, after: np.ndarray, shared: np.ndarray) -> pycolmap.TwoViewGeometry:
    options = pycolmap.TwoViewGeometryOptions(detect_watermark=False)
    options.ransac.max_error, options.ransac.random_seed = _AGREE_PX, _SEED
    return pycolmap.estimate_two_view_geometry(camera, before, camera, after, shared, options)


def _solve(database: pycolmap.Database, lens_known: bool) -> pycolmap.Reconstruction | None:
    options = pycolmap.GlobalPipelineOptions(num_threads=1, random_seed=_SEED, multiple_models=False)
    mapper = options.mapper
    for part in (mapper, mapper.rotation_averaging, mapper.global_positioning, mapper.retriangulation):
        part.random_seed = _SEED
    mapper.num_threads = mapper.bundle_adjustment.ceres.solver_options.num_threads = 1
    mapper.bundle_adjustment.ceres.solver_options.max_num_iterations = _STEPS
    mapper.bundle_adjustment.refine_focal_length = not lens_known
    models = pycolmap.ReconstructionManager()
    pycolmap.GlobalPipeline(options, database, models).run()
    return max(map(models.get, range(models.size())), key=lambda model: model.num_reg_images(), default=None)


def _read(model: pycolmap.Reconstruction, followed: Followed, rows: np.ndarray, members: list[np.ndarray], lens_known: bool) -> Structure:
    images = sorted((image for image in model.images.values() if image.has_pose), key=lambda image: image.image_id)
    points = np.full((int(followed.corner.max()) + 1, 3), np.nan)
    longest = np.zeros(len(points), int)
    for point in model.points3D.values():
        first = point.track.elements[0]
        corner = followed.corner[members[first.image_id - 1][first.point2D_idx]]
        if point.track.length() > longest[corner]:
            points[corner], longest[corner] = point.xyz, point.track.length()
    focal = model.cameras[1].focal_length
    turns = np.array([image.cam_from_world().rotation.matrix() for image in images])
    places = np.array([image.projection_center() for image in images])
    told = not lens_known and _focal_deviation(model) < _LENS_TOLD * focal
    return Structure(rows[[image.image_id - 1 for image in images]], turns, places, np.zeros(len(images)), points, focal, told)


def _focal_deviation(model: pycolmap.Reconstruction) -> float:
    """px, if corners are off by 1 px; infinite where they tell nothing, as where none is left that fits."""
    config = pycolmap.BundleAdjustmentConfig()
    for image in model.images.values():
        if image.has_pose:
            config.add_image(image.image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options = pycolmap.BundleAdjustmentOptions()
    options.ceres.solver_options.num_threads = 1
    adjuster = pycolmap.create_default_ceres_bundle_adjuster(options, config, model)
    adjuster.solve()
    covariance = pycolmap.estimate_ba_covariance(pycolmap.BACovarianceOptions(), model, adjuster)
    of_lens = None if covariance is None else covariance.get_other_params_cov(model.cameras[1].params)
    return np.inf if of_lens is None else float(np.sqrt(of_lens[0, 0]))


def located(followed: Followed, found: Structure, turns: np.ndarray, places: np.ndarray, side: float) -> Structure:
    """Of all frames that see enough of the structure's corners, from turns (T,3,3) and places (T,3) where they are about."""
    camera, px = _camera(found.focal, side), followed.px + side
    known = np.isfinite(found.points[:, 0])
    rows, poses, deviations = [], [], []
    for row, own in enumerate(_by_frame(followed)):
        own = own[known[followed.corner[own]]]
        if len(own) < _LEAST:
            continue
        points = found.points[followed.corner[own]]
        about = pycolmap.Rigid3d(pycolmap.Rotation3d(turns[row]), -turns[row] @ places[row])
        before = ((points - places[row]) @ turns[row].T)[:, 2] > 0
        result = pycolmap.refine_absolute_pose(about, px[own], points, before, camera, return_covariance=True)
        if result is not None:
            rows.append(row)
            poses.append(result["cam_from_world"])
            deviations.append(np.sqrt(np.trace(result["covariance"][3:, 3:])))
    turns = np.array([pose.rotation.matrix() for pose in poses]).reshape(-1, 3, 3)
    shifts = np.array([pose.translation for pose in poses]).reshape(-1, 3)
    places = -(turns.transpose(0, 2, 1) @ shifts[..., None])[..., 0]
    return replace(found, rows=np.array(rows, int), turns=turns, places=places, deviations=np.array(deviations))
