# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that was stopped goes on where it was, and footage is looked at once."""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("cv2")

from skel_blender.engine.footage.video import open_source  # noqa: E402
from skel_blender.engine.people import remember  # noqa: E402
from skel_blender.engine.people.crops import Roi  # noqa: E402
from skel_blender.engine.people.landmarker import Pose  # noqa: E402
from skel_blender.engine.people.remember import Remembering, memory_of  # noqa: E402
from skel_blender.engine.people.tracker import find_people  # noqa: E402
from tests import clips  # noqa: E402

_IMAGE = np.arange(200 * 300 * 3, dtype=np.uint8).reshape(200, 300, 3)


class Networks:
    """Counts what it is asked, and answers something that depends on the window."""

    def __init__(self) -> None:
        self.asked = 0

    def detect(self, image, window, threshold):
        self.asked += 1
        return [(Roi(window.center + k, window.size / 3, 0.1 * k), 0.9 - threshold / 7) for k in range(int(window.size) % 3)]

    def upright(self, image):
        self.asked += 1
        return [Roi(np.array([k, 7.0]), float(image[0, 0, 0]) + k, 0.0) for k in range(3)]

    def landmarks(self, image, roi, mirrored=False):
        self.asked += 1
        points = np.random.default_rng([int(roi.size), mirrored]).normal(size=(33, 10)).astype(np.float32)
        points[20:, 6:] = np.nan
        return Pose(points[:, :3], points[:, 3:6], 0.1 + roi.angle, Roi(roi.center / 3, roi.size * 1.1, roi.angle / 7), points[:, 6:])


def _roi(size: float) -> Roi:
    return Roi(np.array([size / 3, 2.0]), size, 0.25)


def _ask(networks, sizes) -> list:
    answers = []
    for size in sizes:
        pose = networks.landmarks(_IMAGE, _roi(size), mirrored=bool(size % 2))
        found = networks.detect(_IMAGE, _roi(size), 0.5)
        windows = [(_numbers(window), score) for window, score in found]
        arrays = (pose.keypoints_2d.tobytes(), pose.landmarks_3d.tobytes(), pose.outline.tobytes())
        answers.append([*arrays, pose.score, *_numbers(pose.next_roi), *windows])
    return answers


def _numbers(roi: Roi) -> tuple:
    return (*roi.center, roi.size, roi.angle)


def test_the_same_questions_are_answered_from_the_file_to_the_last_bit(tmp_path):
    with Remembering(Networks(), tmp_path / "a.sqlite") as first:
        told = _ask(first, (100, 101, 102.5))
    nobody = Networks()
    with Remembering(nobody, tmp_path / "a.sqlite") as second:
        assert _ask(second, (100, 101, 102.5)) == told
        assert nobody.asked == 0 and second.recalled == 6
        _ask(second, (103,))
        assert nobody.asked == 2


def test_windows_of_upright_people_are_remembered_too(tmp_path):
    with Remembering(Networks(), tmp_path / "a.sqlite") as first:
        told = [_numbers(window) for window in first.upright(_IMAGE)]
    with Remembering(Networks(), tmp_path / "a.sqlite") as second:
        assert [_numbers(window) for window in second.upright(_IMAGE)] == told and len(told) == 3
        assert second.recalled == 1
        second.upright(_IMAGE[::-1])
        assert second.recalled == 1


def test_only_questions_that_are_new_are_asked_in_whatever_order_they_come(tmp_path):
    with Remembering(Networks(), tmp_path / "a.sqlite") as first:
        told = _ask(first, (100, 101, 102))
    networks = Networks()
    with Remembering(networks, tmp_path / "a.sqlite") as second:
        again = _ask(second, (102, 90, 100))
        assert [again[0], again[2]] == [told[2], told[0]]
        assert networks.asked == 2 and second.recalled == 4
    with Remembering(Networks(), tmp_path / "a.sqlite") as third:
        assert _ask(third, (102, 90, 100)) == again and third.recalled == 6


def test_many_threads_may_ask_at_once(tmp_path):
    sizes = range(100, 150)
    told = _ask(Networks(), sizes)
    for _ in range(2):
        with Remembering(Networks(), tmp_path / "a.sqlite") as networks, ThreadPoolExecutor(8) as threads:
            assert list(threads.map(lambda size: _ask(networks, (size,))[0], sizes)) == told
    assert networks.recalled == 2 * len(sizes)


def test_another_image_is_another_question(tmp_path):
    with Remembering(Networks(), tmp_path / "a.sqlite") as first:
        first.landmarks(_IMAGE, _roi(100))
    with Remembering(Networks(), tmp_path / "a.sqlite") as second:
        second.landmarks(_IMAGE[::-1], _roi(100))
        second.landmarks(_IMAGE, _roi(100), mirrored=True)
        assert second.recalled == 0


@pytest.mark.parametrize("damage", ["text", "cut", "scribbled"])
def test_a_damaged_file_is_forgotten(tmp_path, damage):
    path = tmp_path / "a.sqlite"
    with Remembering(Networks(), path) as first:
        told = _ask(first, range(100, 160))
    content = path.read_bytes()
    middle = len(content) // 2
    scribbled = content[:5000] + b"\xff" * 9000 + content[14000:]
    path.write_bytes({"text": b"not a database " * 50, "cut": content[: middle + 77], "scribbled": scribbled}[damage])
    with Remembering(Networks(), path) as second:
        assert _ask(second, range(100, 160)) == told and second.recalled == 0


def test_two_runs_at_once_do_not_hurt_each_other(tmp_path):
    with Remembering(Networks(), tmp_path / "a.sqlite") as first:
        told = _ask(first, (100,))
        with Remembering(Networks(), tmp_path / "a.sqlite") as second:
            assert _ask(second, (100,)) == told and second.recalled == 0
        _ask(first, (101,))
    assert sqlite3.connect(tmp_path / "a.sqlite").execute("SELECT count(*) FROM answers").fetchone() == (4,)


@pytest.mark.skipif(os.name == "nt", reason="the system's limit on a file's size, which stands for a full disk, is POSIX's")
@pytest.mark.parametrize("full_from", [2, 40], ids=["at once", "later"])
def test_a_full_disk_costs_the_memory_and_not_the_run(tmp_path, monkeypatch, full_from):
    import resource

    monkeypatch.setattr(remember, "_KEEP_S", 0.0)
    sizes = range(100, 160)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (full_from * 1024, limits[1]))
    try:
        with Remembering(Networks(), tmp_path / "a.sqlite") as full:
            told = _ask(full, sizes)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert told == _ask(Networks(), sizes)
    with Remembering(Networks(), tmp_path / "a.sqlite") as second:  # what came to the disk is whole
        assert _ask(second, sizes) == told and (second.recalled > 0) == (full_from == 40)


def test_a_folder_that_cannot_be_had_costs_the_memory_and_not_the_run(tmp_path):
    clip, model = tmp_path / "clip", tmp_path / "model"
    clip.write_bytes(b"c"), model.write_bytes(b"m")
    with Remembering(Networks(), memory_of(clip / "memory", [clip], model)) as nowhere:
        assert _ask(nowhere, (100, 101)) == _ask(Networks(), (100, 101))


def test_old_footage_makes_room_for_new(tmp_path, monkeypatch):
    monkeypatch.setattr(remember, "FOLDER_BYTES", 2500)
    clip, model = tmp_path / "clip", tmp_path / "model"
    clip.write_bytes(b"c"), model.write_bytes(b"m")
    folder = tmp_path / "memory"
    folder.mkdir()
    for age, name in enumerate(("new.sqlite", "older.npz", "oldest.sqlite", "before.npz")):
        (folder / name).write_bytes(b"x" * 1000)
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    (folder / "oldest.sqlite-journal").write_bytes(b"of a run that was killed")
    path = memory_of(folder, [clip], model)
    assert {p.name for p in folder.iterdir()} == {"new.sqlite", "older.npz"}
    clip.write_bytes(b"changed")
    assert path != memory_of(folder, [clip], model)


def test_a_real_clip_stopped_half_way_goes_on_and_ends_the_same(landmark_model, tmp_path):
    """Also where a first try was of fewer frames: nothing is asked twice."""

    class Stop(Exception):
        pass

    def stop(done, total):
        if done == 12:
            raise Stop

    def source(last=23):
        return open_source([clips.WALKER], (0, last))

    def answers(folder):
        [memory] = folder.glob("*.sqlite")
        return sqlite3.connect(memory).execute("SELECT count(*) FROM answers").fetchone()[0]

    with pytest.raises(Stop):
        find_people(source(15), landmark_model, None, stop, tmp_path / "tried")
    begun = answers(tmp_path / "tried")
    [track] = find_people(source(), landmark_model, None, memory=tmp_path / "tried")
    [plain] = find_people(source(), landmark_model, None, memory=tmp_path / "fresh")
    assert 0 < begun < answers(tmp_path / "tried") == answers(tmp_path / "fresh")
    for name in ("frames", "keypoints_2d", "landmarks_3d", "observed"):
        np.testing.assert_array_equal(getattr(track, name), getattr(plain, name))
