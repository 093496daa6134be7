# SPDX-License-Identifier: GPL-3.0-or-later
"""The Take survives its file, and a bad one is refused in one sentence."""

import errno
import io
import os
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from skel_blender import take as takes
from skel_blender.messages import SkelError
from tests.synthetic import random_take


def test_a_take_reads_back_as_it_was_written(tmp_path):
    take = replace(random_take(fps=Fraction(1, 2)), source="/clips" + 60 * "/a folder" + "/clip.mp4", settings='{"inputs": ["clip.mp4"]}')
    take.people[0].reprojection_error[3] = np.nan  # somebody was not seen
    takes.save(take, tmp_path / "a.npz")
    read = takes.load(tmp_path / "a.npz")
    assert read.fps == take.fps and read.image_size == take.image_size and read.source == take.source and read.settings == take.settings
    assert np.array_equal(read.frames, take.frames) and np.array_equal(read.camera.K, take.camera.K)
    for mine, theirs in zip(take.people, read.people, strict=True):
        assert np.array_equal(mine.poses, theirs.poses) and np.array_equal(mine.body.limits, theirs.body.limits)
        assert np.abs(mine.joints() - theirs.joints()).max() == 0
        assert np.abs(mine.body.skin_verts - theirs.body.skin_verts).max() < 1e-6


def test_a_camera_that_zooms_keeps_its_lens_in_every_frame(tmp_path):
    take = random_take()
    assert np.array_equal(take.camera.lenses()[7], take.camera.K)
    take.camera.zoom = np.linspace(1.0, 2.0, len(take.frames))
    takes.save(take, tmp_path / "a.npz")
    read = takes.load(tmp_path / "a.npz").camera
    assert np.array_equal(read.zoom, take.camera.zoom)
    assert np.array_equal(read.lenses()[-1], take.camera.K * [[2.0, 1, 1], [1, 2, 1], [1, 1, 1]])
    with np.load(tmp_path / "a.npz") as file:
        assert int(file["version"]) == 3, "who reads only older ones must not take the lens for still"
    for wrong in (np.ones(3), np.zeros(len(take.frames))):
        take.camera.zoom = wrong
        with pytest.raises(SkelError, match="camera/zoom"):
            takes.save(take, tmp_path / "b.npz")


def test_joints_are_in_the_z_up_world():
    person = random_take().people[0]
    person.poses[:], person.trans[:] = 0, [0.1, 0.2, 0.3]
    rest = person.body.joints
    assert np.allclose(person.joints()[0], np.stack([rest[:, 0] + 0.1, -rest[:, 2] - 0.3, rest[:, 1] + 0.2], axis=1))


@pytest.mark.parametrize(("names", "number", "place"), [
    (["Person 1", "Person 3", "Person 4"], 3, 1),  # Person 2 was left out
    ([f"Person {k + 1}" for k in range(12)], 10, 9),
    (["Anna", "Person 1", "Person 3"], 3, 2), (["Person 2", "Person 2"], 1, 0),
])  # fmt: skip
def test_a_number_is_that_of_the_name_and_else_the_place(names, number, place):
    assert takes.index_of(names, number) == place


@pytest.mark.parametrize(("names", "number"), [(["Person 1", "Person 3"], 2), (["Anna", "Person 9"], 9), (["Anna"], 0), ([], 1)])
def test_a_number_that_nobody_has_is_told(names, number):
    with pytest.raises(SkelError, match=f"no person {number}; who is there: {', '.join(names) or 'nobody'}[.]"):
        takes.index_of(names, number)


def test_violations_count_only_what_is_beyond_a_limit():
    person = random_take().people[0]
    person.body.limits[6] = (0.0, 1.0)
    person.poses[:, 6] = 0.5
    person.poses[0, 6], person.poses[1, 6] = 1.25, -0.5
    assert person.violations()[:3, 6] == pytest.approx([0.25, 0.5, 0.0])


def test_missing_damaged_and_foreign_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("not a zip")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "folder.npz").mkdir()
    for name, code in (("none.npz", "no_file"), ("text.npz", "bad_take"), ("other.npz", "bad_take"), ("folder.npz", "bad_take")):
        with pytest.raises(SkelError) as caught:
            takes.load(tmp_path / name)
        assert caught.value.code == code and name in caught.value.what
    arrays = dict(np.load(io.BytesIO(takes.dumps(random_take()))))
    np.savez(tmp_path / "alike.npz", **arrays | {"format": np.array("another program's take")})
    for name in ("other.npz", "alike.npz"):
        with pytest.raises(SkelError, match="Choose a .npz that Reconstruct wrote"):
            takes.load(tmp_path / name)


def test_a_truncated_take_is_refused(tmp_path):
    takes.save(random_take(), tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-2000])
    with pytest.raises(SkelError):
        takes.load(tmp_path / "b.npz")


class Trap:
    """What makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("entry", ["settings", "people/0/poses", "not of a Take"])
def test_pickled_arrays_are_refused_and_not_run(entry, tmp_path):
    arrays = dict(np.load(io.BytesIO(takes.dumps(random_take()))))
    np.savez(tmp_path / "a.npz", **arrays | {entry: np.array([Trap(tmp_path / "ran")], dtype=object)})
    with pytest.raises(SkelError):
        takes.load(tmp_path / "a.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("field", "value"), [
    ("frames", np.zeros(0, dtype=int)), ("frames", np.array([0, 2, 3])), ("frames", np.arange(-1, 2)), ("frames", np.arange(28, 31)),
    ("frames", np.arange(3.0)), ("frames", np.arange(3) + 10**7), ("contacts", np.zeros((3, 6))), ("confidence", np.ones(3, np.longdouble)),
    ("name", "\udc80"), ("name", "a\0"), ("body_name", "\udfff"), ("reprojection_error", np.zeros(3)),
    ("expected_error", np.zeros((3, 4))), ("expected_error", np.full((3, 5), np.nan)), ("outline", np.zeros((3, 11, 2))),
    ("poses", np.zeros((3, 45))), ("betas", np.full(10, np.nan)), ("trans", np.zeros((2, 3))),
])  # fmt: skip
def test_a_wrong_field_is_named(field, value, tmp_path):
    take = random_take()
    setattr(take.people[0], field, value)
    with pytest.raises(SkelError) as caught:
        takes.save(take, tmp_path / "a.npz")
    assert f"people/0/{field}" in caught.value.what and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("field", "row", "value"), [
    ("frames", -1, 99), ("camera/K", (0, 0), 0.0), ("camera/K", (1, 1), 0.0), ("camera/world_to_cam", (0, slice(3), 0), 0.0),
    ("camera/world_to_cam", (0, slice(3), slice(3)), np.diag([1.0, 1.0, -1.0])),
    ("camera/world_to_cam", (0, slice(3), slice(3)), 1.1 * np.eye(3)),
    ("people/0/body/skin_faces", (0, 0), -1), ("people/0/body/skin_faces", (0, 2), 10**6), ("people/0/body/skin_faces", (0, 3), -2),
    ("people/0/body/skin_faces", (0, 3), 10**6), ("people/0/body/bone_faces", (0, 0), 10**6), ("people/0/body/bone_faces", (0, 0), -1),
    ("people/0/body/weight_index", (0, 0), 24), ("people/0/body/weight_value", 0, 0.0), ("people/0/body/bone_joint", 0, 24),
    ("people/0/body/limits", 6, (1.0, 0.0)), ("people/0/body/frames", 0, np.diag([1.0, 1.0, -1.0])),
    ("people/0/body/weight_index", (0, 0), 0.5), ("people/0/body/bone_faces", (0, 0), 0.0), ("people/0/body/skin_faces", (0, 3), 0.0),
    ("people/0/body/skin_verts", (0, 1), 1e12), ("people/0/body/joints", (3, 0), 1e3), ("people/0/body/bone_verts", (0, 0), -1e3),
    ("people/0/contacts", 0, np.nan), ("people/1/confidence", 0, np.inf),
])  # fmt: skip
def test_a_wrong_number_is_named(field, row, value):
    take = random_take()
    owner, *names = take, *field.split("/")
    for name in names[:-1]:
        owner = owner[int(name)] if name.isdigit() else getattr(owner, name)
    array = np.array(getattr(owner, names[-1]), dtype=float if isinstance(value, float) else None)  # None: as it is
    array[row] = value
    setattr(owner, names[-1], array)
    with pytest.raises(SkelError, match=f"In the Take, {field} must be"):
        takes.dumps(take)


@pytest.mark.parametrize(("field", "value"), [
    ("source", "a\0b"), ("source", "/clips/" + 256 * "x"), ("source", 2100 * "x/"),
    ("settings", '{"a": "\ud800"}'), ("producer", "a\0b"), ("settings", "quickly"), ("settings", "[]"), ("settings", '{"inputs": [1]}'),
    ("settings", '{"body": [null]}'), ("settings", '{"body": 3}'), ("settings", '{"stature": 1.8}'), ("settings", '{"frames": ["a", 2]}'),
    ("settings", '{"frames": [2]}'),
    ("fps", Fraction(0)), ("image_size", (640, 0)), ("image_size", (640, 10**6)), ("frames", np.zeros(0, dtype=int)),
])  # fmt: skip
def test_a_take_without_time_or_pictures_is_refused(field, value):
    with pytest.raises(SkelError, match=f"In the Take, {field} must be"):
        takes.dumps(replace(random_take(), **{field: value}))


def test_an_unwritable_place_leaves_nothing_behind(tmp_path):
    with pytest.raises(SkelError) as caught:
        takes.save(random_take(), tmp_path / "no" / "such" / "a.npz")
    assert caught.value.code == "unwritable" and not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_take_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    takes.save(random_take(), path)
    before = path.read_bytes()

    def half(stream, **arrays):
        stream.write(b"PK")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", half)
    with pytest.raises(SkelError, match="No space left on device.*make room") as caught:
        takes.save(random_take(), path)
    assert caught.value.code == "unwritable" and path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def bending_take() -> takes.Take:
    """A Take whose first person's skin has pose blend shapes."""
    take = random_take()
    body = take.people[0].body
    body.posedirs = 0.05 * np.random.default_rng(0).standard_normal((len(body.skin_verts), 3, 171)).astype(np.float32)
    body.posedirs[..., 5] = 0.0
    return take


def test_pose_blend_shapes_come_back_within_their_step(tmp_path):
    take = bending_take()
    takes.save(take, tmp_path / "a.npz")
    read = takes.loads((tmp_path / "a.npz").read_bytes(), "a.npz")
    wanted, found = take.people[0].body.posedirs, read.people[0].body.posedirs
    assert np.abs(found - wanted).max() <= 0.51 * np.abs(wanted).max() / 32767 and not found[..., 5].any()
    assert read.people[1].body.posedirs is None
    with np.load(tmp_path / "a.npz") as file:
        assert int(file["version"]) == 2 and file["people/0/body/posedirs"].dtype == np.int16


def test_an_expected_error_is_kept_and_may_be_missing():
    take = random_take()
    take.people[0].expected_error = np.random.default_rng(0).random((len(take.frames), 5)).astype(np.float32)
    first, second = takes.loads(takes.dumps(take), "it").people
    assert np.array_equal(first.expected_error, take.people[0].expected_error) and second.expected_error is None


def test_an_outline_is_kept_and_may_have_holes_and_be_missing():
    take = random_take()
    take.people[0].outline = np.random.default_rng(0).random((len(take.frames), len(takes.OUTLINED), 4)).astype(np.float32)
    take.people[0].outline[1, 3] = np.nan
    first, second = takes.loads(takes.dumps(take), "it").people
    assert np.array_equal(first.outline, take.people[0].outline, equal_nan=True) and second.outline is None


def test_takes_of_the_first_version_are_written_and_read():
    take = random_take()
    data = takes.dumps(take)
    with np.load(io.BytesIO(data)) as file:
        assert int(file["version"]) == 1
    assert np.array_equal(takes.loads(data, "it").people[0].poses, take.people[0].poses)


@pytest.mark.parametrize("version", [0, takes.VERSION + 1])
def test_a_take_of_another_version_is_told_by_its_number(version):
    arrays, stream = dict(np.load(io.BytesIO(takes.dumps(random_take())))), io.BytesIO()
    np.savez(stream, **arrays | {"version": np.array(version)})
    with pytest.raises(SkelError, match=f"it is a Take of version {version}, this program reads up to {takes.VERSION}"):
        takes.loads(stream.getvalue(), "it")


def test_pose_blend_shapes_of_another_size_are_refused():
    take = bending_take()
    take.people[0].body.posedirs = take.people[0].body.posedirs[..., :170]
    with pytest.raises(SkelError, match="people/0/body/posedirs"):
        takes.dumps(take)
    with np.load(io.BytesIO(takes.dumps(bending_take()))) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["people/0/body/posedirs_scale"] = np.ones(3)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    with pytest.raises(SkelError, match="posedirs_scale"):
        takes.loads(stream.getvalue(), "it")


def test_whatever_is_wrong_with_a_file_it_is_refused_in_one_sentence():
    """Bytes changed at random, the file cut, an entry left out or replaced by something else: a Take, or SkelError."""
    data, rng = takes.dumps(random_take(frames=2, people=1)), np.random.default_rng(0)
    refused = 0
    for number in range(60):
        broken = np.frombuffer(data, np.uint8).copy()
        broken[rng.integers(len(broken), size=4)] = rng.integers(256, size=4)
        refused += _refused(broken[: rng.integers(len(broken)) if number % 5 == 0 else None].tobytes())
    assert refused > 50
    arrays = dict(np.load(io.BytesIO(data)))
    strings = {name for name, array in arrays.items() if array.dtype.kind == "U"} - {"format"}
    for name in sorted(set(arrays) - strings):
        for other in (None, np.array("text"), np.zeros(0), np.array([np.nan]), np.zeros((2, 2, 2, 2))):
            stream = io.BytesIO()
            np.savez(stream, **{key: other if key == name else array for key, array in arrays.items() if key != name or other is not None})
            assert _refused(stream.getvalue()), (name, other)


def _refused(data: bytes) -> bool:
    try:
        takes.loads(data, "a.npz")
    except SkelError:
        return True
    return False


def test_a_file_that_would_unpack_to_more_than_any_take_holds_is_refused(monkeypatch):
    data = takes.dumps(random_take(frames=2, people=1))
    monkeypatch.setattr(takes.file, "_MOST_BYTES", 10_000)
    assert _refused(data)
