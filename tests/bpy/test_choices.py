# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel's choices of footage, camera, first poses and body file ask of the engine."""

from __future__ import annotations

import re

import bpy
import pytest

from skel_blender.messages import SkelError
from tests import synthetic
from tests.bpy.panels import messages_shown


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


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"path": ""}, "No footage is chosen."),
        ({"path": "/no/such/clip.mp4"}, "There is no file"),
        ({"source": "CLIP"}, "No clip is chosen."),
        ({"use_range": True, "frame_start": 9, "frame_end": 3}, "The last frame lies before the first."),
        ({"lens": "CLIP"}, "needs a movie clip"),
    ],
)
def test_a_choice_that_cannot_be_followed_gets_one_sentence(addon, change, sentence):
    for name, value in change.items():
        setattr(addon, name, value)
    with pytest.raises(RuntimeError, match=sentence) as caught:
        bpy.ops.skel.reconstruct()
    assert "Traceback" not in str(caught.value)


def test_choices_become_the_engines_options(addon):
    from skel_blender.ui import gather

    assert gather.request(bpy.context.scene).people == 0
    addon.everyone, addon.people, addon.body, addon.lens, addon.fov = False, 2, "female", "FOV", 0.75
    addon.use_range, addon.frame_start, addon.frame_end = True, 5, 8
    asked = gather.request(bpy.context.scene)
    assert (asked.people, asked.body, asked.frames, asked.device) == (2, "female", "4:8", "auto")
    assert asked.fov == pytest.approx(42.9718, abs=1e-3) and asked.focal_length is None


def test_what_is_not_taken_of_a_clips_lens_is_told(addon, tmp_path):
    clip = bpy.data.movieclips.load(str(tmp_path / "run 1.png"))
    addon.source, addon.clip, addon.lens = "CLIP", clip, "CLIP"
    assert bpy.ops.skel.reconstruct() == {"FINISHED"} and "Of the clip's lens" not in messages_shown()
    clip.tracking.camera.k1 = -0.3
    assert bpy.ops.skel.reconstruct() == {"FINISHED"} and "not its distortion. Use an undistorted" in messages_shown()
    clip.tracking.camera.k1, clip.tracking.camera.principal_point = 0.0, (0.3, 0.0)
    assert bpy.ops.skel.reconstruct() == {"FINISHED"} and "not its centre. Use" in messages_shown()


def test_images_are_filmed_at_the_scenes_rate_and_slow_motion_as_one_says(addon, tmp_path):
    from skel_blender.ui import gather

    render, asked = bpy.context.scene.render, lambda: gather.request(bpy.context.scene).fps
    render.fps, render.fps_base = 30, 1.001
    assert asked() == pytest.approx(30 / 1.001)
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"")
    addon.source, addon.path = "FILE", str(video)
    assert asked() is None
    addon.path = str(tmp_path)
    assert asked() == pytest.approx(30 / 1.001)
    addon.fps = 240.0
    assert asked() == 240.0


@pytest.mark.parametrize("name", ["take2_{:04d}.png", "{:04d}_left.png"])
@pytest.mark.parametrize("stranger", ["thumb.png", "cover.jpg", "take2_0002 old.png"])
def test_an_image_sequence_is_its_folder_unless_strangers_lie_there(addon, tmp_path, name, stranger):
    from skel_blender.ui import arrival, gather

    folder = tmp_path / "frames"
    folder.mkdir()
    for number in (1, 2, 3):
        (folder / name.format(number)).write_bytes((tmp_path / "run 1.png").read_bytes())
    (folder / ("._" + name.format(1))).write_bytes(b"as macOS leaves it")
    clip = bpy.data.movieclips.load(str(folder / name.format(1)))
    assert gather.clip_files(clip) == [folder]
    later = bpy.data.movieclips.load(str(folder / name.format(2)))
    assert gather.clip_files(later) == [folder / name.format(number) for number in (2, 3)]
    take = synthetic.random_take(frames=3)
    take.source = str(folder / name.format(1))
    assert arrival.shows(clip, take) and not arrival.shows(later, take), "its frames are others"
    (folder / stranger).write_bytes(b"")
    with pytest.raises(SkelError, match=re.escape(stranger)):
        gather.clip_files(clip)
