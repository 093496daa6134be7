# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks answer many threads as they answer one, and do only the work that is read."""

import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
interpreters = pytest.importorskip("ai_edge_litert.interpreter")

from skel_blender.engine.people.crops import Roi  # noqa: E402
from skel_blender.engine.people.landmarker import Landmarker  # noqa: E402
from skel_blender.engine.people.tflite import without_output  # noqa: E402
from tests import clips  # noqa: E402


def test_many_threads_get_what_one_gets_to_the_last_bit(landmark_model):
    image = cv2.cvtColor(cv2.imread(str(clips.WALKERS)), cv2.COLOR_BGR2RGB)
    windows = [Roi(np.array([x, y]), 110.0, 0.1) for x, y in ((158, 189), (272, 211), (372, 266), (605, 185))] * 2

    def ask(networks: Landmarker, window: Roi):
        pose = networks.landmarks(image, window)
        found = [(*roi.center, roi.size, roi.angle, score) for roi, score in networks.detect(image, window, 0.3)]
        return pose.keypoints_2d.tobytes(), pose.landmarks_3d.tobytes(), pose.score, found

    networks = Landmarker(landmark_model)
    alone = [ask(networks, window) for window in windows]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda window: ask(networks, window), windows)) == alone
    assert alone[:4] == alone[4:] and len({answer[0] for answer in alone}) == 4


def test_a_model_without_an_output_says_the_same_with_less_work(landmark_model):
    with zipfile.ZipFile(landmark_model) as bundle:
        whole = bundle.read("pose_landmarks_detector.tflite")
    image = np.random.default_rng(0).random((1, 256, 256, 3), np.float32)

    def run(model: bytes) -> tuple[dict[str, np.ndarray], int]:
        interpreter = interpreters.Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        told = {d["name"]: interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()}
        return told, len(interpreter._get_ops_details())

    told, steps = run(whole)
    less, fewer = run(without_output(whole, 2))
    assert len(told) == 5 and len(less) == 4 and fewer < steps
    for name, values in less.items():
        np.testing.assert_array_equal(values, told[name])
    assert (set(told) - set(less)) == {name for name, values in told.items() if values.shape == (1, 256, 256, 1)}
