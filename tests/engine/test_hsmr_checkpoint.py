# SPDX-License-Identifier: GPL-3.0-or-later
"""An HSMR checkpoint is loaded whole by name or not at all, and nothing in it is run."""

import os
import pathlib
import sys
import types
import zipfile
from collections import OrderedDict

import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.regress import load_hsmr  # noqa: E402
from skel_blender.engine.regress.hsmr.archive import Stored, _Numbers, read_archive  # noqa: E402
from skel_blender.engine.regress.hsmr.checkpoint import Size, read_weights, size_of  # noqa: E402
from skel_blender.engine.unpickle_holders import Refused  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from tests.engine import hsmr_file  # noqa: E402


@pytest.fixture(scope="module")
def state():
    return hsmr_file.state()


def _refusal(path):
    with pytest.raises(SkelError) as caught:
        load_hsmr(path)
    return caught.value


def _changed(state, **changes):
    """The entries with some replaced, those of value None left out; '__' stands for '.'."""
    entries = OrderedDict(state)
    for name, value in changes.items():
        entries[name.replace("__", ".")] = value
    return OrderedDict((name, value) for name, value in entries.items() if value is not None)


def test_the_released_networks_entries_are_known():
    shapes = hsmr_file.shapes("vith")
    assert size_of(shapes) == Size(1280, 32, 5120, 1024, 6, 1024, 512)
    assert size_of(shapes).entries() == shapes


def test_entries_are_read_as_they_were_written(tmp_path, state):
    weights = read_weights(hsmr_file.write(tmp_path / "small.ckpt", state))
    assert weights.size.entries() == hsmr_file.shapes("small")
    assert all(torch.equal(weights.read(name), state[name]) for name in weights.entries)


def test_what_is_missing_left_over_or_of_another_shape_is_named(tmp_path, state):
    changes = {
        "backbone__blocks__1__mlp__fc1__bias": None, "head__cam_decoder__weight": torch.zeros(4, 1024), "head__extra": torch.zeros(2),
        "head__betas_decoder__bias": torch.zeros(10, dtype=torch.int64), "head__init_cam": "none",
    }  # fmt: skip
    error = _refusal(hsmr_file.write(tmp_path / "changed.ckpt", _changed(state, **changes)))
    assert error.code == "bad_checkpoint"
    for part in ("1 missing: backbone.blocks.1.mlp.fc1.bias", "1 left over: head.extra",
                 "2 no numbers: head.betas_decoder.bias, head.init_cam",
                 "1 of the wrong shape: head.cam_decoder.weight (4 x 1024 instead of 3 x 1024)"):  # fmt: skip
        assert part in error.what


def test_another_networks_weights_are_refused_in_one_line(tmp_path):
    error = _refusal(hsmr_file.write(tmp_path / "other.ckpt", {"encoder.weight": torch.zeros(2)}))
    assert "503 missing: backbone.pos_embed, " in error.what and "and 499 more" in error.what and len(error.what) < 700
    assert "state_dict" in _refusal(_saved(tmp_path / "none.ckpt", {"weights": 1})).what


def test_values_that_are_no_numbers_are_refused(tmp_path, state):
    broken = state["backbone.last_norm.bias"].clone()
    broken[3] = float("nan")
    path = hsmr_file.write(tmp_path / "nan.ckpt", _changed(state, backbone__last_norm__bias=broken))
    assert "backbone.last_norm.bias" in _refusal(path).what


def test_what_a_training_run_leaves_beside_the_weights_is_passed_over(tmp_path, state, monkeypatch):
    """Objects of frameworks that are not installed here, whose classes are never imported; a module's own OrderedDict with its notes."""
    for name in ("omegaconf", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    Settings = type("Settings", (dict,), {"__module__": "omegaconf"})
    Callback = type("Callback", (), {"__module__": "pytorch_lightning"})
    sys.modules["omegaconf"].Settings, sys.modules["pytorch_lightning"].Callback = Settings, Callback
    callback, entries = Callback(), OrderedDict(state)
    callback.best = torch.ones(2)
    entries._metadata = {"": {"version": 1}}
    entries["skel_model.J_regressor"] = torch.eye(3).to_sparse()
    beside = {
        "callbacks": {"best": callback}, "hyper_parameters": Settings(a=[Settings(b=1)]), "paths": [pathlib.PurePosixPath("a/b")],
        "device": torch.device("cpu"), "dtype": torch.float32, "scores": torch.nn.Parameter(torch.ones(3)), "shape": torch.Size([1, 2]),
    }  # fmt: skip
    path = hsmr_file.write(tmp_path / "trained.ckpt", entries, **beside)
    for name in ("omegaconf", "pytorch_lightning"):
        monkeypatch.delitem(sys.modules, name)
    assert len(load_hsmr(path).backbone.blocks) == 2
    found = read_archive(path)
    assert torch.equal(found["scores"].read(), torch.ones(3)) and found["shape"] == (1, 2)
    assert not {"omegaconf", "pytorch_lightning"} & set(sys.modules)


class _Hostile:
    def __init__(self, call):
        self._call = call

    def __reduce__(self):
        return self._call


@pytest.mark.parametrize(("call", "named"), [
    ((os.system, ("touch hostile",)), "system"), ((eval, ("1",)), "eval"), ((getattr, ("a", "load")), "getattr"),
    ((torch.hub.load, ("a", "b")), "torch.hub"), ((zipfile.ZipFile, ("a",)), "zipfile"),
])  # fmt: skip
def test_what_names_anything_else_is_refused_and_not_run(tmp_path, monkeypatch, state, call, named):
    monkeypatch.chdir(tmp_path)
    error = _refusal(hsmr_file.write(tmp_path / "hostile.ckpt", state, callbacks={"x": _Hostile(call)}))
    assert error.code == "hostile_file" and named in error.what
    assert not (tmp_path / "hostile").exists()


@pytest.mark.parametrize("change", [lambda data: data[:-4], lambda data: data + bytes(4)])
def test_a_tensor_whose_numbers_are_others_is_refused(tmp_path, state, change):
    """The same pickle over a shorter storage, and over a longer one."""
    path, cut = hsmr_file.write(tmp_path / "small.ckpt", state), tmp_path / "cut.ckpt"
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(cut, "w") as other:
        for name in whole.namelist():
            data = whole.read(name)
            other.writestr(name, change(data) if name.endswith("data/0") else data)
    assert _refusal(cut).code == "hostile_file"


@pytest.mark.parametrize(("offset", "shape", "strides"), [
    (1, (2, 2), (2, 1)), (0, (2, 2), (3, 1)), (0, (8,), (0,)), (-1, (2,), (1,)), (0, [2], (1,)), (0, (2,), (-1,)), (0, (2, 2), (1,)),
    (True, (2,), (1,)),
])  # fmt: skip
def test_a_tensor_that_is_not_within_its_numbers_is_refused(tmp_path, offset, shape, strides):
    four = _Numbers(tmp_path / "none", 0, torch.float32, 4)
    assert Stored(four, 0, (2, 2), (2, 1)).shape == (2, 2)
    with pytest.raises(Refused):
        Stored(four, offset, shape, strides)


def test_a_list_of_contents_that_ends_beyond_the_file_is_refused(tmp_path, state):
    data = bytearray(hsmr_file.write(tmp_path / "small.ckpt", state).read_bytes())
    told = data.rindex(b"small/data.pkl") - 46  # in the zip's directory
    data[told + 20 : told + 28] = 2 * (len(data) + 1).to_bytes(4, "little")
    (tmp_path / "small.ckpt").write_bytes(data)
    assert _refusal(tmp_path / "small.ckpt").code == "bad_file"


def test_other_files_get_one_sentence(tmp_path, state):
    whole = hsmr_file.write(tmp_path / "small.ckpt", state)
    (tmp_path / "cut.ckpt").write_bytes(whole.read_bytes()[:1_000_000])
    (tmp_path / "text.ckpt").write_text("<html>not found</html>")
    torch.save(dict(state), tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(tmp_path / "squeezed.ckpt", "w", zipfile.ZIP_DEFLATED) as other:
        other.writestr("archive/data.pkl", archive.read("small/data.pkl"))
    for name in ("cut", "text", "old", "squeezed"):
        assert _refusal(tmp_path / f"{name}.ckpt").code == "bad_file"
    assert _refusal(tmp_path / "absent.ckpt").code == "no_file"


def test_half_precision_and_strided_tensors_are_read(tmp_path):
    tensor = torch.randn(6, 4)
    found = read_archive(_saved(tmp_path / "few.pt", {"half": tensor.half(), "turned": tensor.t(), "row": tensor[2], "none": tensor[:0]}))
    assert all(isinstance(value, Stored) for value in found.values())
    assert torch.equal(found["half"].read(), tensor.half().float()) and torch.equal(found["turned"].read(), tensor.t())
    assert torch.equal(found["row"].read(torch.float64), tensor[2].double()) and found["none"].read().shape == (0, 4)


def _saved(path, value):
    torch.save(value, path)
    return path
