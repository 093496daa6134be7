# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's archive: what is in it, what is not, and that its bytes repeat. A stand-in takes the landmark model's place."""

import re
import tomllib
import zipfile

import pytest

import build


@pytest.fixture
def archive(tmp_path):
    model = tmp_path / "model.task"
    model.write_bytes(b"stand-in")
    path = tmp_path / "out" / "extension.zip"
    build.write_zip(build.members(model), path)
    return path


def test_blender_finds_manifest_and_package_at_the_root(archive):
    with zipfile.ZipFile(archive) as opened:
        names = set(opened.namelist())
    assert {"blender_manifest.toml", "__init__.py", "LICENSE", "NOTICES.md", "anatomy.py", "ui/panel.py", "rig/assemble.py",
            "engine/__main__.py", "locks/engine.txt", build.MODEL_MEMBER, *build.DATA_MEMBERS} <= names  # fmt: skip


def test_no_tests_no_caches_no_hidden_files_and_nothing_of_the_command_line(archive):
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    stray = re.compile(r"(^|/)(\.|__pycache__/|tests/|bin/|cli/|blender-|importers|test)|\.pyc$|\.part$|^skel_blender/")
    assert [name for name in names if stray.search(name)] == []


def test_the_same_files_give_the_same_bytes(archive, tmp_path):
    again = tmp_path / "again.zip"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "tree")
        names = opened.namelist()
    files = {name: tmp_path / "tree" / name for name in names}
    for path in files.values():
        path.touch()
        path.chmod(0o700)
    build.write_zip(files, again)
    assert again.read_bytes() == archive.read_bytes()
    assert names == sorted(names)


def test_a_missing_asset_is_named_and_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "DATA_MEMBERS", ("engine/body/data/nobody.npz",))
    monkeypatch.setattr(build.environment, "landmark_model", lambda root: build.MANIFEST)
    assert build.main(["--out", str(tmp_path / "x.zip")]) == 1
    assert "nobody.npz" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_keeps_blenders_rules():
    manifest = tomllib.loads(build.MANIFEST.read_text())
    assert manifest["id"] == build.PACKAGE.name
    assert "blender" not in manifest["name"].lower()
    assert len(manifest["tagline"]) <= 64 and manifest["tagline"][-1].isalnum()
    assert all(len(why) <= 64 and why[-1].isalnum() for why in manifest["permissions"].values())


def test_the_version_number_is_written_in_the_manifest_only():
    number = build.version()
    holders = [path.name for path in (*build.PACKAGE.rglob("*.py"), build.ROOT / "build.py") if number in path.read_text(encoding="utf-8")]
    assert holders == []


def test_every_packed_asset_is_named_in_the_notices():
    notices = (build.ROOT / "NOTICES.md").read_text(encoding="utf-8")
    assert [name for name in (build.MODEL_MEMBER, *build.DATA_MEMBERS) if name.rpartition("/")[2] not in notices] == []
