# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts are found, nothing else is taken for one, and neither people nor cameras go on over them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")
av = pytest.importorskip("av")
Image = pytest.importorskip("PIL.Image")

from skel_blender.engine import pipeline  # noqa: E402
from skel_blender.engine.__main__ import main  # noqa: E402
from skel_blender.engine.camera import CameraMotion, intrinsics  # noqa: E402
from skel_blender.engine.fit.observations import View  # noqa: E402
from skel_blender.engine.footage.cuts import correlation, thumbnail, with_cuts  # noqa: E402
from skel_blender.engine.footage.video import open_source  # noqa: E402
from skel_blender.engine.people.tracker import Tracker  # noqa: E402
from skel_blender.engine.people.tracks import Track, finished  # noqa: E402
from skel_blender.engine.pipeline import Options, reconstruct  # noqa: E402
from skel_blender.engine.shots import Backgrounds, Fitted, Shot, cut_at, shots, side_by_side  # noqa: E402
from tests import clips, footage  # noqa: E402
from tests.engine.stage import FPS, IMAGE, Stage, pose_at  # noqa: E402

SIZE = (320, 180)


def place(seed: int) -> np.ndarray:
    """A wide picture of somewhere, in its own colours."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 255, (9, 40, 3)) * rng.uniform(0.3, 1.0, 3)
    return cv2.resize(rough.astype(np.uint8), (1280, 180), interpolation=cv2.INTER_CUBIC)


def shot(seed: int, count: int, step: float = 2.0, first: float = 0.0) -> list[np.ndarray]:
    """Frames of a camera that pans by `step` px a frame over a place."""
    return panned(place(seed), count, step, first)


def panned(scene: np.ndarray, count: int, step: float, first: float = 0.0) -> list[np.ndarray]:
    return [scene[:, int(first + step * k) : int(first + step * k) + SIZE[0]].copy() for k in range(count)]


def grey(frames: list[np.ndarray]) -> list[np.ndarray]:
    return [np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8) for image in frames]


def cuts_of(frames: list[np.ndarray]) -> list[int]:
    cuts: list[int] = []
    given = list(with_cuts(enumerate(frames), cuts))
    assert [number for number, _ in given] == list(range(len(frames)))
    assert all(image is frames[number] for number, image in given)
    return cuts


@pytest.mark.parametrize("between", [0, 1, 3])
def test_cuts_are_found_also_behind_black_frames(between):
    black = [np.zeros_like(place(0)[:, : SIZE[0]])] * between
    frames = shot(1, 12) + black + shot(2, 9) + black + shot(1, 12)
    assert cuts_of(frames) == [12 + between, 21 + 2 * between]


def test_black_and_white_is_not_taken_for_blank():
    dark = [image // 3 for image in shot(1, 12)]
    assert cuts_of(grey(dark + shot(2, 9))) == [12]


def barred(frames: list[np.ndarray], left: int, top: int, colour: tuple[int, int, int] = (2, 2, 2)) -> list[np.ndarray]:
    """Between bars, as wide as this at both sides, or as high."""
    frames = [image.copy() for image in frames]
    for image in frames:
        image[:, :left], image[:, SIZE[0] - left :], image[:top], image[SIZE[1] - top :] = [colour] * 4
    return frames


@pytest.mark.parametrize("colour", [(255, 255, 255), (128, 128, 128), (20, 30, 90)])
@pytest.mark.parametrize(("left", "top"), [(0, 40), (100, 0), (90, 30)])
def test_bars_of_any_colour_hide_no_cut(left, top, colour):
    assert cuts_of(barred(shot(1, 12) + shot(2, 9), left, top, colour)) == [12]
    assert cuts_of(barred(shot(1, 24, 9.0), left, top, colour)) == []


@pytest.mark.parametrize(("left", "top"), [(0, 40), (100, 0), (90, 30)])
def test_black_bars_hide_no_cut(left, top):
    assert cuts_of(barred(shot(1, 12) + shot(2, 9), left, top)) == [12]
    black = [np.zeros_like(place(0)[:, : SIZE[0]])] * 2
    white = barred([image + 255 for image in black], left, top)
    parts = [barred(shot(seed, count), left, top) for seed, count in ((1, 12), (2, 9), (1, 9))]
    assert cuts_of(parts[0] + black + parts[1] + white + parts[2]) == [14, 25]


def test_a_cut_is_known_before_its_frame_is_given_out():
    cuts: list[int] = []
    assert [number for number, _ in with_cuts(enumerate(shot(1, 12) + shot(2, 12)), cuts) if number in cuts] == [12]


def images(folder, frames: list[np.ndarray], numbers=range(1000)) -> list:
    paths = [folder / f"{number:04d}.png" for _, number in zip(frames, numbers)]
    for path, image in zip(paths, frames, strict=True):
        cv2.imwrite(str(path), image)
    return paths


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(shot(1, 20, 16.0), id="a pan by a twentieth of the width a frame"),
        pytest.param(shot(1, 8, 0.0) + shot(1, 5, 150.0) + shot(1, 8, 0.0, 750.0), id="a pan by half of the width a frame"),
        pytest.param(panned(np.hstack([place(1)[:, :600], place(2)[:, :680]]), 6, 180.0), id="a pan from one place to another"),
        pytest.param(shot(1, 10) + [image[::-1, ::-1] for image in shot(1, 10)], id="the same colours, as of a jump within one view"),
        pytest.param(shot(1, 8) + [np.zeros((180, 320, 3), np.uint8)] * 3 + shot(1, 8, first=16), id="black frames"),
        pytest.param(shot(1, 8) + shot(2, 2) + shot(1, 8, first=20), id="two strange frames"),
        pytest.param([np.minimum(image * (3.0 if 8 <= k < 11 else 1.0) + (60 if 8 <= k < 11 else 0), 255).astype(np.uint8)
                      for k, image in enumerate(shot(1, 20))], id="a flash"),
        pytest.param([image // (1 if k < 10 else 3) for k, image in enumerate(shot(1, 20))], id="the light goes out"),
        pytest.param([image for image in shot(1, 10) for _ in range(2)], id="every frame twice"),
        pytest.param([np.random.default_rng(k).integers(0, 60, (180, 320, 3), dtype=np.uint8) for k in range(20)], id="noise"),
    ],
)  # fmt: skip
def test_nothing_else_is_a_cut(frames, tmp_path):
    assert cuts_of(frames) == []
    assert cuts_of(barred(frames, 0, 24)) == [], "between the bars of a film"
    film = frames[:1] * 6 + frames + frames[-1:] * 6
    source = open_source(images(tmp_path, film))
    assert len(list(source)) == len(film) and source.cuts == [], "in a film of images"


@pytest.mark.parametrize(("size", "reduced"), [((1280, 720), (36, 64)), ((720, 1280), (64, 36)), ((7680, 4320), (36, 64)),
                                              ((10000, 100), (16, 64)), ((40, 30), (48, 64)), ((1, 1), (64, 64))])  # fmt: skip
def test_pictures_are_compared_small(size, reduced):
    assert thumbnail(np.zeros((*size[::-1], 3), np.uint8)).shape == (*reduced, 3)


@pytest.mark.parametrize(("right", "down"), [(0, 0), (30, 0), (-30, 0), (0, 14), (0, -14)])
def test_what_is_shifted_is_alike_and_another_place_is_not(right, down):
    def window(seed: int, x: int, y: int) -> np.ndarray:
        return thumbnail(place(seed)[20 + y : 160 + y, 100 + x : 400 + x])

    assert correlation(window(1, 0, 0), window(1, right, down)) > 0.95 > 0.6 > correlation(window(1, 0, 0), window(2, right, down))


def test_pictures_wait_only_where_a_cut_may_be():
    made, waited = [], []

    def frames():
        for number, image in enumerate(shot(1, 9) + shot(2, 9)):
            made.append(number)
            yield number, image

    for number, _ in with_cuts(frames(), []):
        waited.append(made[-1] - number)
    assert waited == [0] * 9 + [4, 3, 2, 1] + [0] * 5


@pytest.mark.parametrize("strange", [2, 4])
def test_a_flash_is_no_cut_however_large_the_pictures_are(strange):
    frames = shot(1, 6) + shot(2, strange) + shot(1, 6, first=12)
    cuts: list[int] = []
    large = ((number, image.repeat(19, 0).repeat(19, 1)) for number, image in enumerate(frames))
    assert sum(image.shape[1] == 6080 for _, image in with_cuts(large, cuts)) == len(frames) and cuts == []


def written(path, frames: list[np.ndarray], rate: int = 25):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *frames[0].shape[1::-1], "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("kind", ["video", "images"])
def test_footage_tells_its_cuts_by_the_numbers_of_its_frames(tmp_path, kind):
    """In a part of it as in all of it, also next to the part's ends."""
    frames = shot(1, 20) + shot(2, 20) + shot(3, 20)
    paths = [written(tmp_path / "clip.mp4", frames)] if kind == "video" else images(tmp_path, frames)
    for asked, cuts in (((None, None), [20, 40]), ((10, None), [20, 40]), ((25, 38), []), ((18, 41), [20, 40]), ((19, 40), [20, 40]),
                        ((19, 20), [20]), ((20, 39), []), ((21, 40), [40])):  # fmt: skip
        source = open_source(paths, asked)
        assert [number for number, _ in source] == list(range(source.first, source.last + 1)) and source.cuts == cuts
        assert len(list(source)) == source.count and source.cuts == cuts, "as often as it is read"


@pytest.mark.parametrize(("asked", "cuts"), [("auto", [20]), ("off", [])])
def test_footage_may_be_said_to_be_one_shot(tmp_path, monkeypatch, asked, cuts):
    path, seen = written(tmp_path / "clip.mp4", shot(1, 20) + shot(2, 20)), []
    monkeypatch.setattr(pipeline, "find_people", lambda source, *_: seen.append(([number for number, _ in source], source.cuts)) or [])
    assert main(["reconstruct", str(path), "--out", str(tmp_path / "t.npz"), "--regressor=stance", f"--cuts={asked}"]) == 1
    assert seen == [(list(range(40)), cuts)]


@pytest.mark.parametrize("scenes", [(1, 2), (1, 2, 3, 1), (1, 1, 2, 3, 3, 4), range(30)])
def test_photos_are_shots_of_their_own(tmp_path, scenes):
    said, count = [], len(scenes)
    frames = [shot(seed, 1, first=8 * k)[0] for k, seed in enumerate(scenes)]
    source = open_source(images(tmp_path, frames, (k * k for k in range(count))), on_log=said.append)
    for _ in range(2):
        assert [number in source.cuts for number, _ in source] == [False] + [True] * (count - 1)
    assert said == [], "nobody jumps where an image is missing between two photos"
    source.may_be_cut = False
    assert len(list(source)) == count and source.cuts == []


def test_a_film_of_images_is_cut_as_others_are(tmp_path):
    source = open_source(images(tmp_path, shot(1, 6) + shot(2, 6) + shot(3, 6)))
    assert len(list(source)) == 18 and source.cuts == [6, 12]


def test_nobody_is_the_same_after_a_cut():
    tracker, before = Tracker(Stage([lambda n: pose_at(200 + 5 * n, 0.7 * n)]), FPS), None
    for number in range(30):
        if number == 15:
            before = tracker.cut()
        image = np.full_like(IMAGE, 4 * number)
        image[0, 0, 0] = number
        tracker.add(number, image)
    [first], [second] = (finished(people, FPS, *ends, (1280, 720)) for people, ends in ((before, (0, 14)), (tracker.people, (15, 29))))
    assert (first.frames[0], first.frames[-1], second.frames[0], second.frames[-1]) == (0, 14, 15, 29)


def track(first: int, last: int) -> Track:
    frames = np.arange(first, last + 1)
    return Track(frames, np.ones((len(frames), 33, 3)), np.ones((len(frames), 33, 3)), np.ones(len(frames), bool))


class Footage:
    frame_numbers, cuts = list(range(10, 40)), [20, 25]


def test_each_shot_has_its_own_people_and_camera():
    K, there = intrinsics(SIZE), [track(10, 19), track(19, 19), track(25, 39)]
    first, empty, last = shots(Footage, there, lambda number: (number * K, number == 20))
    assert [(one.K[0, 0] / K[0, 0], one.lens_known) for one in (first, empty, last)] == [(10, False), (20, True), (25, False)]
    first, empty, last = shots(Footage, there, lambda number: (K, False))
    assert [len(one.tracks) for one in (first, empty, last)] == [2, 0, 1]
    assert np.array_equal(first.lenses(track(12, 17)), [K] * 6)
    assert [(one.frames[0], one.frames[-1]) for one in (first, empty, last)] == [(10, 19), (20, 24), (25, 39)]
    motion = CameraMotion(25, 2 * np.diag([1, 1, 0.5]) @ K, np.tile(np.eye(3), (15, 1, 1)), np.linspace(1, 2, 15))
    last = Shot(last.frames, last.tracks, motion.K, motion=motion)
    assert np.array_equal(last.lenses(track(26, 27)), motion.lenses(np.array([26, 27])))
    R = np.diag([1.0, -1, -1])  # of a level camera, which looks along y where z is up
    views = [View(*map(torch.as_tensor, (K, R, np.array([0.0, 0, metres])))) for metres in (1.0, 2.0)]
    parts = [Fitted(first, ["his fit", None], views[0]), Fitted(last, [None], views[1])]
    assert parts[0].found == [(there[0], "his fit")] and parts[1].found == []
    camera = side_by_side(parts, np.array(Footage.frame_numbers))
    assert np.array_equal(camera.world_to_cam[:, :3, :3], [[[1, 0, 0], [0, 0, -1], [0, 1, 0]]] * 30)
    assert np.array_equal(camera.world_to_cam[:, 2, 3], [1.0] * 15 + [2.0] * 15), "who is alone in a shot stays"
    lenses = camera.lenses()[:, 0, 0]
    assert np.allclose(lenses[:15], K[0, 0]) and np.allclose(lenses[15:], 2 * K[0, 0] * motion.zoom)
    late = side_by_side([Fitted(last, [None], views[1])], np.array(Footage.frame_numbers))
    assert np.array_equal(late.world_to_cam[:, 2, 3], [2.0] * 30), "before the first people as with them"
    assert np.array_equal(late.zoom[:16], [1.0] * 16) and np.array_equal(late.zoom[15:], motion.zoom)
    alone = side_by_side([Fitted(first, [None, None], views[0])], np.arange(10, 20))
    assert alone.zoom is None and np.array_equal(alone.K, K)


def test_each_shot_has_its_own_background(monkeypatch):
    class Watched(list):
        def __init__(self, size):
            assert size == SIZE

        def see(self, *seen):
            self.append(seen)

        def end(self):
            self.append("end")

    source = Footage()
    source.size, source.cuts = SIZE, []
    monkeypatch.setattr("skel_blender.engine.shots.Background", Watched)
    backgrounds = Backgrounds(source)
    for number in source.frame_numbers:
        source.cuts = [cut for cut in Footage.cuts if cut <= number]
        backgrounds.see(number, "image", ["people"])
    assert backgrounds.by_first.keys() == {10, 20, 25}
    assert [len(part) for part in backgrounds.by_first.values()] == [11, 6, 15]
    assert backgrounds.by_first[20][-2:] == [(24, "image", ["people"]), "end"]
    backgrounds.end()
    assert [part[-1] for part in backgrounds.by_first.values()] == ["end"] * 3


def test_the_user_is_told_where_it_is_cut():
    assert "begin at frame 7. Each" in cut_at([7], 20).text
    assert "begin at frames 7, 9. Each" in cut_at([7, 9], 20).text
    assert "begin at frames 0, 1, 2, 3, 4, 5, 6, 7. Each" in cut_at(list(range(8)), 20).text
    assert "begin at frames 0, 1, 2, 3, 4, 5, 6, 7 and 2 more. Each" in cut_at(list(range(10)), 20).text
    assert cut_at([7, 8, 9], 4).text.startswith("The images are photos, not frames of a film. Each has people")


def test_everybody_on_photos_is_found_on_his_own(landmark_model, tmp_path):
    """Each with the lens of his photo."""
    [(_, walker)], [(_, portrait)] = (open_source([clip], (0, 0)) for clip in (clips.WALKER, clips.PORTRAIT))
    paths = [tmp_path / "IMG_0007.jpg", tmp_path / "IMG_0012.jpg"]
    for path, image, focal_mm in zip(paths, (walker, cv2.resize(portrait, walker.shape[1::-1])), (26, 52)):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0xA405] = focal_mm
        Image.fromarray(image).save(path, exif=exif)
    said = []
    take = reconstruct(Options((str(tmp_path),), str(landmark_model)), said.append)
    assert [person.frames.tolist() for person in take.people] == [[0], [1]]
    assert all(footage.measure(take, person).reprojection < 0.01 for person in take.people)
    lenses = take.camera.lenses()[:, 0, 0]
    assert np.allclose(lenses, np.array([26, 52]) * np.hypot(*walker.shape[:2]) / 43.2666, rtol=1e-4)
    told = [event.text for event in said if hasattr(event, "text")]
    assert any(text.startswith("The images are photos") for text in told) and not any("lens" in text for text in told)


def test_two_shots_are_two_people_over_two_floors(landmark_model, tmp_path):
    walker = [image for _, image in open_source([clips.WALKER], (0, 23))]
    [(_, portrait)] = open_source([clips.PORTRAIT])
    h, w = portrait.shape[:2]
    other = [cv2.resize(portrait[: h - 24, k : k + w - 24], (576, 576)) for k in range(24)]
    clip = written(tmp_path / "clip.mp4", walker + other, 30)
    said = []
    take = reconstruct(Options((str(clip),), str(landmark_model)), said.append)
    assert [(person.frames[0], person.frames[-1]) for person in take.people] == [(0, 23), (24, 47)]
    jumps = np.abs(np.diff(take.camera.world_to_cam, axis=0)).max((1, 2))
    assert not jumps[:23].any() and jumps[23] > 10 * jumps[24:].max() and jumps[24:].all(), "the first camera stands, the second pans"
    for person in take.people:
        assert abs(person.joints()[..., 2].min()) < 0.25 and footage.measure(take, person).reprojection < 0.03
    assert any("new shots begin at frame 24." in getattr(event, "text", "") for event in said)
