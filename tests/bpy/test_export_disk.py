# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is full while USD and Alembic are written: one sentence, and what was there before stays."""

import errno
from collections import namedtuple

import pytest

from skel_blender.export import complete, presets, writing
from skel_blender.messages import SkelError
from skel_blender.rig.assemble import build_take


def _write(context, take, path):
    collection = build_take(context, take)
    writing.write(context.scene, writing.rigs_of(collection.all_objects), path, presets.choose("generic"), True)


@pytest.mark.parametrize("ending", ["usdc", "usda", "abc"])
def test_a_file_that_breaks_off_takes_no_place(context, take, tmp_path, monkeypatch, ending):
    path, check = tmp_path / f"shot.{ending}", complete.check
    path.write_text("the one before")

    def cut(part):
        check(part)
        with open(part, "r+b") as file:
            file.truncate(part.stat().st_size * 2 // 3)
        check(part)

    monkeypatch.setattr(complete, "check", cut)
    with pytest.raises(SkelError, match="could not be written.*make room") as caught:
        _write(context, take, path)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert path.read_text() == "the one before" and [file.name for file in tmp_path.iterdir()] == [path.name]


def test_alembic_is_not_begun_without_room_for_every_point(context, take, tmp_path, monkeypatch):
    needed = 12 * sum(len(person.body.skin_verts) for person in take.people) * len(take.frames)
    for free, fits in ((needed - 1, False), (needed, True)):
        monkeypatch.setattr(complete.shutil, "disk_usage", lambda folder, free=free: namedtuple("usage", "free")(free))
        path = tmp_path / f"shot_{free}.abc"
        if fits:
            _write(context, take, path)
            assert path.stat().st_size > needed
        else:
            with pytest.raises(SkelError, match="could not be written"):
                _write(context, take, path)
        assert path.exists() == fits
