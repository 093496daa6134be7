# SPDX-License-Identifier: GPL-3.0-or-later
"""The two networks of MediaPipe's pose landmarker bundle (BlazePose), each run on a window that the caller chooses.

The `.task` file is a zip of two TFLite models: a detector (224 px, 2254 anchors) and the 33 landmark network (256 px). MediaPipe's
own graph runs them with one window per person that it picks itself; small, far, overlapping and upside-down people need windows
of ours, so the models run directly in the LiteRT interpreter. Decoding follows the models' published cards and options:
https://developers.google.com/mediapipe/solutions/vision/pose_landmarker, arXiv 2006.10204.
"""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from ...messages import SkelError
from ..blazepose import LANDMARKS, PARTNERS
from ..threads import cores
from .crops import Roi, between
from .outline import across
from .pedestrians import Pedestrians

_DETECTOR_SIDE, _LANDMARK_SIDE = 224, 256
_REACH = 1.25  # MediaPipe's margin around the circle that holds the whole person
_MOST_AT_ONCE = 6  # interpreters of a network: each has a copy of its weights, 110 MB of the landmark network's
_MOST_THREADS = 4  # of one interpreter


@dataclass(frozen=True, eq=False, slots=True)  # there are some for every frame of everybody
class Pose:
    """One person in one image.

    keypoints_2d (33,3): x, y px and confidence = visibility * presence in 0..1. landmarks_3d (33,3): metres relative to
    mid-hip, x right, y down, z away, in the axes of a camera that is aimed at the person (the network sees no more than
    the window). score: its belief that the window shows a person, 0..1. next_roi: where to look next. outline (33,4): px, see
    `outline.across`; none where they are not asked for.
    """

    keypoints_2d: np.ndarray
    landmarks_3d: np.ndarray
    score: float
    next_roi: Roi
    outline: np.ndarray = field(default_factory=lambda: np.full((LANDMARKS, 4), np.nan, np.float32))


class Networks(Protocol):
    """What looks at windows of images: a Landmarker, or what stands in for one."""

    def detect(self, image: np.ndarray, window: Roi, threshold: float) -> list[tuple[Roi, float]]: ...

    def upright(self, image: np.ndarray) -> list[Roi]: ...

    def landmarks(self, image: np.ndarray, roi: Roi, mirrored: bool = False) -> Pose: ...


class Landmarker:
    """Detector and landmark network of a pose_landmarker .task file, and the detector of upright people that OpenCV has.

    Several threads may ask at once. Raises SkelError when the file is missing or is no such bundle.
    """

    def __init__(self, model_path: Path) -> None:
        try:
            with zipfile.ZipFile(model_path) as bundle:
                models = [bundle.read(n) for n in ("pose_detector.tflite", "pose_landmarks_detector.tflite")]
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise SkelError("no_landmark_model", f"The landmark model {model_path} cannot be read.",
                            "Give the path of MediaPipe's pose_landmarker_heavy.task.") from error
        self._detector, self._landmarks = _Network(models[0]), _Network(models[1])
        self._anchors = _anchors()
        self._pedestrians = Pedestrians()

    def detect(self, image: np.ndarray, window: Roi, threshold: float) -> list[tuple[Roi, float]]:
        """People's windows inside `window` of an RGB image (H,W,3), with scores >= threshold, best first."""
        cut = window.cut(image, _DETECTOR_SIDE).astype(np.float32) / 127.5 - 1
        boxes, logits = self._detector(cut)
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -60, 60)))
        found = []
        for index in _keep_best(boxes[0], scores, self._anchors, threshold):
            points = boxes[0, index, 4:].reshape(4, 2) / _DETECTOR_SIDE + self._anchors[index]
            hips, tip = window.to_image(points[:2].astype(float))
            found.append((between(hips, tip, _REACH), float(scores[index])))
        return found

    def upright(self, image: np.ndarray) -> list[Roi]:
        """Windows of an RGB image (H,W,3) in which somebody may stand or walk, the likeliest first."""
        return self._pedestrians.windows(image)

    def landmarks(self, image: np.ndarray, roi: Roi, mirrored: bool = False) -> Pose:
        """The pose of the person in a window of an RGB image (H,W,3), whatever the score.

        mirrored: the network sees the window in a mirror, which is taken out of what it says. It errs otherwise there: its left and right
        are not alike. Such a question never is urgent.
        """
        cut = roi.cut(image, _LANDMARK_SIDE).astype(np.float32) / 255
        flat, flag, outline, heat, world = self._landmarks(np.ascontiguousarray(cut[:, ::-1]) if mirrored else cut, urgent=not mirrored)
        raw, metric = flat.reshape(39, 5), world.reshape(39, 3).copy()
        points = _refine(raw[:, :2] / _LANDMARK_SIDE, heat[0]).astype(float)
        if mirrored:
            points[:, 0], metric[:, 0] = 1 - points[:, 0], -metric[:, 0]
        names = PARTNERS if mirrored else range(LANDMARKS)
        confidence = 1 / (1 + np.exp(-raw[:LANDMARKS, 3:])).prod(1)
        on_image = roi.to_image(points)
        return Pose(
            keypoints_2d=np.column_stack([on_image[:LANDMARKS], confidence])[names].astype(np.float32),
            landmarks_3d=roi.to_camera(metric[names]).astype(np.float32),
            score=float(flag.ravel()[0]),
            next_roi=between(on_image[33], on_image[34], _REACH),
            **({} if mirrored else {"outline": across(outline[0, ..., 0], points[:LANDMARKS], roi, image.shape[1::-1])}),
        )


class _Network:
    """A function from one image (S,S,3) float32 to the list of the model's outputs, for several threads at once.

    Each has an interpreter to itself meanwhile. The first, which is all that one person needs, takes several cores; the others, made when
    they are needed, one each, which many people keep busier. What they say is the same to the last bit.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._room = threading.Semaphore(min(_MOST_AT_ONCE, cores()))
        self._first = _interpreter(content, min(_MOST_THREADS, cores()))
        self._idle = [self._first]

    def __call__(self, image: np.ndarray, urgent: bool = True) -> list[np.ndarray]:
        with self._room:
            try:
                run = self._idle.pop(-1 if urgent else 0)
            except IndexError:
                run = _interpreter(self._content, 1)
            try:
                return run(image)
            finally:
                self._idle.insert(len(self._idle) if run is self._first else 0, run)


def _interpreter(content: bytes, threads: int) -> Callable[[np.ndarray], list[np.ndarray]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=threads)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    outputs = [d["index"] for d in interpreter.get_output_details()]

    def run(image: np.ndarray) -> list[np.ndarray]:
        interpreter.set_tensor(source, image[None])
        interpreter.invoke()
        return [interpreter.get_tensor(i) for i in outputs]

    return run


def _anchors() -> np.ndarray:
    """(2254,2): anchor centres in 0..1, two per cell on strides 8 and 16 and six per cell on stride 32."""
    layers = []
    for stride, repeat in ((8, 2), (16, 2), (32, 6)):
        n = _DETECTOR_SIDE // stride
        y, x = np.mgrid[:n, :n]
        layers.append(np.repeat((np.stack([x, y], -1).reshape(-1, 2) + 0.5) / n, repeat, axis=0))
    return np.concatenate(layers).astype(np.float32)


def _keep_best(boxes: np.ndarray, scores: np.ndarray, anchors: np.ndarray, threshold: float) -> list[int]:
    """Indices of boxes over the threshold, best first, without those that overlap a better one by more than 0.3 IoU."""
    order = [int(i) for i in np.argsort(-scores) if scores[i] >= threshold]
    center = boxes[:, :2] / _DETECTOR_SIDE + anchors
    half = boxes[:, 2:4] / _DETECTOR_SIDE / 2
    kept: list[int] = []
    for i in order:
        if all(_iou(center[i], half[i], center[j], half[j]) <= 0.3 for j in kept):
            kept.append(i)
    return kept


def _iou(center_a: np.ndarray, half_a: np.ndarray, center_b: np.ndarray, half_b: np.ndarray) -> float:
    """Intersection over union of two boxes given by centre and half size."""
    low, high = np.maximum(center_a - half_a, center_b - half_b), np.minimum(center_a + half_a, center_b + half_b)
    inside = np.prod(np.maximum(high - low, 0))
    return float(inside / max(4 * half_a.prod() + 4 * half_b.prod() - inside, 1e-9))


def _refine(points: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Points (39,2) in 0..1 moved to the centre of mass of their heat map (64,64,39 logits) in a 7x7 neighbourhood, where it is sure."""
    rows, cols, _ = heat.shape
    refined = points.copy()
    for k, (x, y) in enumerate(points):
        col, row = int(x * cols), int(y * rows)
        if not (0 <= col < cols and 0 <= row < rows):
            continue
        c0, c1, r0, r1 = max(0, col - 3), min(cols, col + 4), max(0, row - 3), min(rows, row + 4)
        weight = 1 / (1 + np.exp(-heat[r0:r1, c0:c1, k]))
        if weight.max() >= 0.5:
            refined[k] = (weight.sum(0) @ np.arange(c0, c1) / cols, weight.sum(1) @ np.arange(r0, r1) / rows) / weight.sum()
    return refined
