# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of points in space, good and bad, and what their points are called."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("torch")

from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.imports.point_names import known_points  # noqa: E402
from skel_blender.engine.imports.trc import is_trc, read_trc  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from skel_blender.opensim.texts import trc  # noqa: E402

TRUNK = ("RShoulder", "LShoulder", "RHip", "LHip")
FRAMES = np.arange(3)


@pytest.fixture
def good() -> tuple[str, np.ndarray]:
    """A file's text, and its places (3,4,3) m."""
    places = np.random.default_rng(0).normal(size=(3, 4, 3)).round(6)
    return trc("good.trc", Fraction(60), FRAMES + 1, FRAMES / 60, list(TRUNK), places), places


def written(folder, text: str):
    path = folder / "points.trc"
    path.write_bytes(text.encode("latin-1"))
    return path


def test_what_is_written_is_read(tmp_path, good):
    text, places = good
    path = written(tmp_path, text)
    found = read_trc(path)
    assert is_trc(path) and found.names == TRUNK and found.fps == 60
    assert np.abs(found.places - places).max() < 1e-9
    assert read_trc(path, fps=29.97).fps == Fraction(30000, 1001)


@pytest.mark.parametrize("before, after", [
    ("\tmm\t", "\tm\t"), ("\n", "\r\n"), ("PathFileType", "\u00ef\u00bb\u00bfPathFileType"), ("good.trc", "caf\u00e9.trc")])  # fmt: skip
def test_other_ways_to_write_it(tmp_path, good, before, after):
    text, places = good
    found = read_trc(written(tmp_path, text.replace(before, after)))
    assert np.allclose(found.places, places * (1000 if after == "\tm\t" else 1))
    assert is_trc(tmp_path / "points.trc")


def test_what_was_not_seen_is_a_gap(tmp_path, good):
    """Empty, no number, all zero, or beyond the end of a row."""
    text, places = good
    *head, first, second, third = text.splitlines()
    cells = [row.split("\t") for row in (first, second, third)]
    cells[0][2:5], cells[1][5:8], cells[2][2:5] = ["", "", ""], ["nan", "0.0", "1.0"], ["0", "0.000", "0"]
    rows = ["\t".join(row) for row in (*cells[:2], cells[2][:-3])]
    found = read_trc(written(tmp_path, "\n".join([*head, *rows]))).places
    gaps = ~np.isfinite(found).all(-1)
    assert np.argwhere(gaps).tolist() == [[0, 0], [1, 1], [2, 0], [2, 3]]
    assert np.allclose(found[~gaps], places[~gaps])


@pytest.mark.parametrize("before, after, sentence", [
    ("\tmm\t", "\tfeet\t", "has no unit of length that is known (feet)"),
    ("60\t60\t", "\u00fc\t60\t", "does not say its frame rate"),
    ("60\t60\t", "-60\t60\t", "does not say its frame rate"),
    ("LHip", "RHip", "has two points by the name of RHip"),
    ("RShoulder\t\t\tLShoulder\t\t\tRHip\t\t\tLHip", "", "has no points"),
    ("\n1\t", "\none\t", ""),
])  # fmt: skip
def test_a_bad_file_is_one_sentence(tmp_path, good, before, after, sentence):
    text = good[0].replace(before, after)
    assert text != good[0]
    path = written(tmp_path, text)
    if not sentence:
        assert len(read_trc(path).places) == 2  # a line that is no frame
        return
    with pytest.raises(SkelError) as error:
        read_trc(path)
    assert str(error.value).startswith(f"points.trc {sentence}")


@pytest.mark.parametrize("lines, sentence", [(3, "ends within its header"), (5, "has no frames")])
def test_a_file_that_ends_early_is_one_sentence(tmp_path, good, lines, sentence):
    with pytest.raises(SkelError, match=sentence):
        read_trc(written(tmp_path, "\n".join(good[0].splitlines()[:lines])))


def test_what_begins_otherwise_is_none(tmp_path):
    assert not is_trc(written(tmp_path, "PK\x03\x04")) and not is_trc(tmp_path) and not is_trc(tmp_path / "missing.trc")


@pytest.mark.parametrize("spelled", [
    TRUNK, ("right_shoulder", "left_shoulder", "right_hip", "left_hip"), ("RSJC", "LSJC", "RHJC", "LHJC"),
    ("humerus_r_jc", "humerus_l_jc", "femur_r_jc", "femur_l_jc"), ("R.Shoulder", "L_Shoulder", "RIGHT HIP", "lhjc")])  # fmt: skip
def test_points_are_known_by_many_names(spelled):
    known = known_points((*spelled, "STRN"), "x.trc")
    assert known.columns == (0, 1, 2, 3)
    assert [spot.landmark for spot in known.spots] == ["right_shoulder", "left_shoulder", "right_hip", "left_hip"]
    assert "left knee" in known.untold() and len(known.untold()) == 8


def test_detectors_put_hips_outside_of_the_joints():
    body = load_body("open", "male")
    hips = [known_points(names, "").points(body).at_rest(body.J_template.new_zeros(1, 10))[0][2:].numpy()
            for names in (TRUNK, ("RSJC", "LSJC", "RHJC", "LHJC"))]  # fmt: skip
    assert np.allclose(hips[0].mean(0), hips[1].mean(0)) and np.allclose(np.diff(hips[0], axis=0), 1.36 * np.diff(hips[1], axis=0))


def test_without_a_trunk_there_is_no_person():
    with pytest.raises(SkelError) as error:
        known_points(("RKnee", "LHip", "RASI", "LASI", "C7"), "x.trc")
    assert str(error.value).startswith("x.trc has no left shoulder and no right shoulder and no right hip among its points "
                                       "(RKnee, LHip, RASI, LASI ...). Give keypoints")  # fmt: skip
