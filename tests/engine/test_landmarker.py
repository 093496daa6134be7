# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks answer many threads as they answer one."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
pytest.importorskip("ai_edge_litert")

from skel_blender.engine.people.crops import Roi  # noqa: E402
from skel_blender.engine.people.landmarker import Landmarker  # noqa: E402
from tests import clips  # noqa: E402


def test_many_threads_get_what_one_gets_to_the_last_bit(landmark_model):
    image = cv2.cvtColor(cv2.imread(str(clips.WALKERS)), cv2.COLOR_BGR2RGB)
    windows = [Roi(np.array([x, y]), 110.0, 0.1) for x, y in ((158, 189), (272, 211), (372, 266), (605, 185))] * 2

    def ask(networks: Landmarker, window: Roi):
        pose = networks.landmarks(image, window)
        found = [(*roi.center, roi.size, roi.angle, score) for roi, score in networks.detect(image, window, 0.3)]
        return pose.keypoints_2d.tobytes(), pose.landmarks_3d.tobytes(), pose.outline.tobytes(), pose.score, found

    networks = Landmarker(landmark_model)
    alone = [ask(networks, window) for window in windows]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda window: ask(networks, window), windows)) == alone
    assert alone[:4] == alone[4:] and len({answer[0] for answer in alone}) == 4
