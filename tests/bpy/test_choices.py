# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel's choices of camera, first poses and body file ask of the engine."""

from __future__ import annotations

import bpy
import pytest

from skel_blender.messages import SkelError


@pytest.fixture
def settings(enabled, tmp_path):
    """The scene's settings, with a file as footage."""
    (tmp_path / "clip.mp4").touch()
    enabled.source, enabled.path = "FILE", str(tmp_path / "clip.mp4")
    return enabled


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


def test_footage_may_be_told_to_be_one_shot(settings):
    from skel_blender.ui import gather

    assert "--cuts=auto" in gather.request(bpy.context.scene).arguments()
    settings.cuts = "off"
    assert "--cuts=off" in gather.request(bpy.context.scene).arguments()


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
