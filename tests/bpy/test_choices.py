# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel's choices of camera, first poses and body file ask of the engine."""

from __future__ import annotations

import bpy
import pytest

import skel_blender
from skel_blender.messages import SkelError


@pytest.fixture
def settings(tmp_path):
    """The scene's settings, with a file as footage."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.addons.new().module = "skel_blender"
    skel_blender.register()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    footage = tmp_path / "clip.mp4"
    footage.touch()
    chosen = bpy.context.scene.skel
    chosen.source, chosen.path = "FILE", str(footage)
    yield chosen
    skel_blender.unregister()


def test_first_poses_come_from_the_lifting_network_unless_chosen_otherwise(settings):
    from skel_blender.ui import gather

    assert "--regressor=lift" in gather.request(bpy.context.scene).arguments()
    settings.regressor = "stance"
    assert "--regressor=stance" in gather.request(bpy.context.scene).arguments()


def test_a_camera_may_be_told_to_stand_still(settings):
    from skel_blender.ui import gather

    assert "--camera=auto" in gather.request(bpy.context.scene).arguments()
    settings.camera = "still"
    assert "--camera=still" in gather.request(bpy.context.scene).arguments()


def test_hsmr_needs_its_files(settings, tmp_path):
    from skel_blender.ui import gather

    settings.regressor, settings.body = "hsmr", "FILE"
    with pytest.raises(SkelError, match="SKEL model file"):
        gather.request(bpy.context.scene)
    body, checkpoint = tmp_path / "skel_male.pkl", tmp_path / "hsmr.ckpt"
    body.touch()
    settings.body_file = str(body)
    with pytest.raises(SkelError, match="HSMR checkpoint"):
        gather.request(bpy.context.scene)
    checkpoint.touch()
    settings.hsmr = str(checkpoint)
    asked = gather.request(bpy.context.scene).arguments()
    assert {"--regressor=hsmr", f"--hsmr={checkpoint.resolve()}", f"--body={body.resolve()}"} <= set(asked)
