# SPDX-License-Identifier: GPL-3.0-or-later
"""Body files: what is refused, and what a body is called."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from tests import skel_file  # noqa: E402


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "1.0"}, "version 1.0, where version 1.1.1 is expected"),
        ({"version": None}, "no entry 'version'"),
        ({"posedirs": None}, "no entry 'posedirs'"),
        ({"shapedirs": np.zeros((6890, 3, 4))}, "4 shape directions, where 10"),
        ({"skin_template_v": np.zeros((100, 3))}, "'skin_template_v' must be 6890 x 3 numbers, not 100 x 3"),
        ({"skin_weights": np.array(["a"])}, "'skin_weights' must be 6890 x 24 numbers"),
        ({"skin_template_v": np.full((6890, 3), np.nan)}, "values that are not numbers"),
        ({"skin_template_f": np.array([[0, 1, 6890]])}, "beyond its 6890"),
        ({"osim_kintree_table": np.zeros((2, 24), int)}, "other parents"),
        ({"per_joint_rot": np.zeros((24, 3, 3))}, "axes that are not a rotation"),
        ({"apose_rel_transfo": np.tile(np.eye(4), (24, 1, 1))}, "bones without a length"),
        ({"skin_template_v": np.zeros((6890, 3))}, "bones without a length"),
        ({"skel_template_v": np.zeros((0, 3))}, "has no bone meshes"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path, change, message):
    path = skel_file.write(tmp_path / "model.pkl", "male", **change)
    with pytest.raises(SkelError, match=message) as caught:
        load_body(path)
    assert str(path) in caught.value.what


def test_a_skin_without_feet_is_refused(tmp_path):
    with pytest.raises(SkelError, match="skin has no feet"):
        load_body(skel_file.write(tmp_path / "model.pkl", "male", skin_weights=np.eye(1, 24).repeat(6890, axis=0)))


def test_a_file_is_named_by_what_it_says(tmp_path):
    assert load_body(skel_file.write(tmp_path / "other.pkl", "female")).name == "SKEL female"
    assert load_body(skel_file.write(tmp_path / "mine.pkl", "female", gender=None), sex="female").name == "SKEL female"


def test_names_of_the_open_body():
    assert load_body("open", "female").name == load_body("open_female").name == load_body("female").name == "open female"
    assert load_body("male", dtype=torch.float32).skin.template.dtype == torch.float32
    for name in ("robot", 300 * "robot"):
        with pytest.raises(SkelError, match=f"There is no body '{name}'"):
            load_body(name)
    with pytest.raises(SkelError, match="can't be read"):
        load_body("missing/skel_male.pkl")
