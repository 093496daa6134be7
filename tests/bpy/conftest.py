# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that need Blender as a Python module; left out where it is not installed."""

from __future__ import annotations

import importlib.util

import pytest

from tests import synthetic

_spec = importlib.util.find_spec("bpy")
collect_ignore_glob = [] if _spec is not None and _spec.origin is not None else ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def _no_users_folders(tmp_path_factory):
    """What the user has installed or kept in Blender's folders does not matter, and stays as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BLENDER_USER_RESOURCES", str(tmp_path_factory.mktemp("user")))
        yield


@pytest.fixture
def context():
    """The context of an empty scene."""
    import bpy

    from skel_blender.rig import compat

    bpy.ops.wm.read_factory_settings(use_empty=True)
    compat.settle_context()
    return bpy.context


@pytest.fixture
def enabled(context, tmp_path, monkeypatch):
    """The add-on enabled as by Blender's preferences, in an empty saved file; gives the scene's settings."""
    import bpy

    import skel_blender

    monkeypatch.setenv("SKEL_BLENDER_HOME", str(tmp_path / "home"))
    context.preferences.addons.new().module = "skel_blender"
    skel_blender.register()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    yield context.scene.skel
    skel_blender.unregister()


@pytest.fixture
def addon(enabled, tmp_path):
    """The scene's settings for a picture as footage, with the fake engine as the add-on's Python."""
    import bpy

    from tests import fake_engine
    from tests.bpy.pictures import save_picture

    bpy.context.preferences.addons["skel_blender"].preferences.engine_python = str(fake_engine.as_python(tmp_path))
    save_picture(tmp_path / "run 1.png", size=(64, 36))
    enabled.source, enabled.path = "FILE", str(tmp_path / "run 1.png")
    return enabled


@pytest.fixture
def take():
    """Two people, 30 frames, from source frame 4 on."""
    return synthetic.random_take(first=4)


@pytest.fixture
def source(context):
    """The SKEL rig that walks, without its skin and bones, which would only cost time."""
    import bpy

    from skel_blender.rig.assemble import build_take
    from tests import walk
    from tests.bpy.evaluated import rig_of

    rig = rig_of(build_take(context, walk.take()))
    for thing in list(rig.children):
        bpy.data.objects.remove(thing)
    return rig


@pytest.fixture
def rig(context, take):
    """The active rig of an enabled add-on."""
    import bpy

    import skel_blender
    from skel_blender.rig.assemble import build_take
    from tests.bpy.evaluated import rig_of

    skel_blender.register()
    rig = rig_of(build_take(context, take))
    context.view_layer.objects.active = rig
    rig.select_set(True)
    yield rig
    skel_blender.unregister()
    assert not [*bpy.app.handlers.frame_change_post, *bpy.app.handlers.depsgraph_update_post]


def pytest_terminal_summary(terminalreporter):
    """The figures of exported files, as a table."""
    import sys

    deliveries = sys.modules.get("tests.bpy.deliveries")
    if deliveries is not None and deliveries.FIGURES:
        terminalreporter.write_line(deliveries.table())
