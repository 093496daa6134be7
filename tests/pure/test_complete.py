# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that break off, as where the disk was full while a library that says nothing wrote them."""

import errno
import struct
from collections import namedtuple

import pytest

from skel_blender.export import complete

_CRATE = b"PXR-USDC" + struct.pack("<QQ", 9, 100) + bytes(76) + struct.pack("<Q", 2) + bytes(64)
_OGAWA = b"Ogawa\xff\0\1" + struct.pack("<Q", 100) + bytes(84) + struct.pack("<Q", 3) + bytes(24)
_TEXT = b'#usda 1.0\n\ndef Xform "rig"\n{\n    custom int a = 1\n}\n\n'
WHOLE = {"usdc": _CRATE, "abc": _OGAWA, "usda": _TEXT}


@pytest.mark.parametrize("ending", WHOLE)
def test_what_breaks_off_anywhere_is_not_whole(tmp_path, ending):
    path, content = tmp_path / f"shot.{ending}", WHOLE[ending]
    path.write_bytes(content)
    complete.check(path)
    for length in range(len(content.rstrip()) if ending == "usda" else len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(OSError) as caught:
            complete.check(path)
        assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("ending", ["usdc", "abc"])
def test_a_file_whose_table_was_never_written_is_not_whole(tmp_path, ending):
    content = bytearray(WHOLE[ending])
    content[8:24] = bytes(16)
    path = tmp_path / f"shot.{ending}"
    path.write_bytes(content)
    with pytest.raises(OSError):
        complete.check(path)


def test_room_is_asked_for_on_the_disk_of_the_file(tmp_path, monkeypatch):
    asked = []
    usage = namedtuple("usage", "free")(1000)
    monkeypatch.setattr(complete.shutil, "disk_usage", lambda folder: asked.append(folder) or usage)
    complete.check_room(tmp_path / "shot.abc", 1000)
    with pytest.raises(OSError) as caught:
        complete.check_room(tmp_path / "shot.abc", 1001)
    assert caught.value.errno == errno.ENOSPC and set(asked) == {tmp_path}
