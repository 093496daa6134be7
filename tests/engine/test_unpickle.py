# SPDX-License-Identifier: GPL-3.0-or-later
"""Model files are read without running what they say: everything plain comes through, everything else is refused by name."""

import collections
import io
import os
import pickle
import struct
import sys
import types

import numpy as np
import pytest
import scipy.sparse

from skel_blender.engine import unpickle
from skel_blender.engine.unpickle import need, read_arrays, read_pickle
from skel_blender.messages import SkelError

_RNG = np.random.default_rng(0)
_VALUES = {
    "double": _RNG.normal(size=(3, 4)), "fortran": np.asfortranarray(_RNG.normal(size=(3, 4))), "single": np.float32([1, 2]),
    "big endian": np.arange(3, dtype=">i4"), "bool": np.array([True, False]), "empty": np.zeros((0, 3)), "point": np.array(2.5),
    "text": np.array(["ab", "c"]), "bytes": np.array([b"ab"]), "objects": np.array([1, "x", None], dtype=object),
    "number": np.float64(1.5), "long": np.int32(7), "nested": {"a": [1, (2.0, "x")], "b": None}, "raw": b"\x00\xff",
    "ordered": collections.OrderedDict(x=1, y=np.ones(2)), "default": collections.defaultdict(list, {"k": [1]}),
}  # fmt: skip


def _same(found: object, wanted: object) -> bool:
    if isinstance(wanted, np.ndarray):
        return found.dtype == wanted.dtype and found.shape == wanted.shape and bool(np.all(found == wanted))
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and all(_same(found[key], wanted[key]) for key in wanted)
    return type(found) is type(wanted) and found == wanted


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", _VALUES)
def test_plain_values_come_through(tmp_path, name, protocol):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"value": _VALUES[name]}, protocol=protocol))
    assert _same(read_pickle(path)["value"], _VALUES[name])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("form", ["coo_matrix", "csr_matrix", "csc_matrix", "coo_array", "csr_array", "csc_array"])
def test_sparse_matrices_come_through(tmp_path, form, protocol):
    matrix = getattr(scipy.sparse, form)(np.array([[0, 1.5, 0], [2, 0, 0]]))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(matrix, protocol=protocol))
    assert np.array_equal(read_pickle(tmp_path / "a.pkl").toarray(), matrix.toarray())


def test_old_spellings_come_through(tmp_path):
    """As numpy 1, scipy before 1.8 and Python 2 wrote them."""
    data = pickle.dumps({"a": np.arange(3.0), "m": scipy.sparse.csc_matrix(np.eye(2)), "n": np.float64(2)}, protocol=2)
    for new, old in ((b"numpy._core", b"numpy.core"), (b"scipy.sparse._csc", b"scipy.sparse.csc"), (b"copyreg", b"copy_reg")):
        data = data.replace(new, old)
    (tmp_path / "a.pkl").write_bytes(data)
    found = read_pickle(tmp_path / "a.pkl")
    assert np.array_equal(found["a"], np.arange(3.0)) and np.array_equal(found["m"].toarray(), np.eye(2)) and found["n"] == 2
    raw = np.arange(2.0).tobytes().decode("latin1").encode("unicode_escape").replace(b"'", b"\\x27")
    python2 = (b"(dp0\nS'w'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n"
               b"(I1\n(I2\ntp8\ncnumpy\ndtype\np9\n(S'f8'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\nS'"
               + raw + b"'\np15\ntp16\nbs.")  # fmt: skip
    (tmp_path / "b.pkl").write_bytes(python2)
    assert np.array_equal(read_pickle(tmp_path / "b.pkl")["w"], [0.0, 1.0])


def test_chumpy_arrays_become_numpy_without_chumpy(tmp_path, monkeypatch):
    for name in ("chumpy", "chumpy.ch", "chumpy.reordering"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    ch, select = type("Ch", (), {"__module__": "chumpy.ch"}), type("Select", (), {"__module__": "chumpy.reordering"})
    sys.modules["chumpy.ch"].Ch, sys.modules["chumpy.reordering"].Select = ch, select
    plain, picked = ch(), select()
    plain.x = np.arange(12.0).reshape(4, 3)
    picked.a, picked.idxs, picked.preferred_shape = plain, np.array([2, 1, 0, 5]), (2, 2)
    data = pickle.dumps({"x": plain, "s": picked}, protocol=2)
    monkeypatch.undo()
    assert "chumpy" not in sys.modules
    (tmp_path / "a.pkl").write_bytes(data)
    found = read_pickle(tmp_path / "a.pkl")
    assert np.array_equal(found["x"], np.arange(12.0).reshape(4, 3)) and np.array_equal(found["s"], [[2, 1], [0, 5]])


class _Calls:
    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


def _global(module: str, name: str) -> bytes:
    """The opcode that fetches a name, dots and all."""
    return b"".join(b"\x8c" + struct.pack("<B", len(text)) + text.encode() for text in (module, name)) + b"\x93"


_FRAME = b"\x80\x04"
_NUMPY, _NUMERIC = "numpy._core.multiarray", "numpy._core.numeric"
_HOSTILE = {
    "system": (pickle.dumps(_Calls(os.system, "touch {touched}")), "posix.system|nt.system"),
    "eval": (pickle.dumps(_Calls(eval, "open('{touched}', 'w')")), "builtins.eval"),
    "eval of Python 2": (b"c__builtin__\neval\n(S\"open('{touched}', 'w')\"\ntR.", "__builtin__.eval"),
    "getattr": (_FRAME + _global("builtins", "getattr") + b".", "builtins.getattr"),
    "dotted": (_FRAME + _global("numpy", "core.multiarray._reconstruct") + b".", "numpy.core.multiarray._reconstruct"),
    "dotted method": (_FRAME + _global("numpy", "ndarray.tofile") + b".", "numpy.ndarray.tofile"),
    "dotted chumpy": (_FRAME + _global("chumpy.ch", "Ch.__init__") + b".", "chumpy.ch.Ch.__init__"),
    "numpy's loader": (_FRAME + _global("numpy", "load") + b"\x8c\x01x\x85R.", "numpy.load"),
    "scipy's helper": (_FRAME + _global("scipy.sparse._coo", "np") + b".", "scipy.sparse._coo.np"),
    "array class called": (_FRAME + _global("numpy", "ndarray") + b"J\x00\x00\x00\x7f\x85\x85R.", None),
    "function changed": (_FRAME + _global(_NUMPY, "scalar") + b"}\x8c\x08__code__N\x73b.", "changes a function"),
    "class changed": (_FRAME + _global("numpy", "dtype") + b"}\x8c\x01aNsb.", None),
    "builtin class changed": (_FRAME + _global("builtins", "object") + b"}b.", "changes one of Python's own classes"),
    "object scalar": (_FRAME + _global(_NUMPY, "scalar") + _global("numpy", "dtype") + b"\x8c\x01O\x85RC\x08AAAAAAAA\x86R.", "no list"),
    "objects of bytes": (
        _FRAME + _global(_NUMERIC, "_frombuffer") + b"(C\x08AAAAAAAA" + _global("numpy", "dtype") + b"\x8c\x01O\x85RK\x01\x85\x8c\x01CtR.",
        "no list",
    ),
    "fields": (_FRAME + _global("numpy", "dtype") + b"](\x8c\x01a\x8c\x01Oe\x85R.", "type is not one of"),
    "state twice": (_FRAME + _global("numpy", "dtype") + b"\x8c\x02f8\x85R" + 2 * b"(K\x03\x8c\x01<NNNNNK\x00tb" + b".", "contents twice"),
    "too few bytes": (
        _FRAME + _global(_NUMERIC, "_frombuffer") + b"(C\x08AAAAAAAA" + _global("numpy", "dtype")
        + b"\x8c\x02f8\x85RJ\xff\xff\xff\x7f\x85\x8c\x01CtR.",
        "do not fill its shape",
    ),
    "another class": (b"ccopy_reg\n_reconstructor\n(cnumpy\nndarray\nc__builtin__\nobject\nNtR.", "class that no body model has"),
    "persistent": (b"\x80\x04\x8c\x01xQ.", "outside of itself"),
    "extension": (b"\x80\x04\x82\x01.", "extension registry"),
    "huge slot": (b"\x80\x04Nr\xff\xff\xff\x7f.", "more memory than"),
    "tower": (b"\x80\x04)" + b"\x85" * 200_000 + b".", "nests more values"),
    "circle": (b"\x80\x04]\x94h\x00a.", "contain themselves"),
    "codec": (_FRAME + _global("_codecs", "encode") + b"\x8c\x01x\x8c\x03zip\x86R.", "converts text"),
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_what_no_model_needs_is_refused_by_name(tmp_path, name):
    payload, said = _HOSTILE[name]
    path, touched = tmp_path / "a.pkl", tmp_path / "t"
    spot, mark = str(touched).encode(), b"{touched}"
    if mark in payload and payload[:2] == b"\x80\x04":  # lengths are part of the text: have it pickled anew
        function, text = (os.system, f"touch {touched}") if name == "system" else (eval, f"open({str(touched)!r}, 'w')")
        payload = pickle.dumps(_Calls(function, text))
    path.write_bytes(payload.replace(mark, spot))
    with pytest.raises(SkelError, match=said) as caught:
        read_pickle(path, "a SKEL model")
    assert str(path) in caught.value.what and not touched.exists()
    assert caught.value.code == ("bad_file" if said is None else "hostile_file")


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "is not a pickle"), (b"hello there", "is not a pickle"), (b"\x89PNG\r\n", "is not a pickle"),
     (b"PK\x03\x04zip", "is not a pickle"),
     (pickle.dumps(np.arange(100.0))[:-40], "is cut off"), (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fab", "is cut off")],
)  # fmt: skip
def test_damaged_files_are_named_as_such(tmp_path, data, said):
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    with pytest.raises(SkelError, match=f"{said}.*where a SKEL model was expected") as caught:
        read_pickle(path, "a SKEL model")
    assert caught.value.code == "bad_file"


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix"])
@pytest.mark.parametrize(("name", "value"), [("indices", 7), ("indices", -1), ("indptr", 100)])
def test_sparse_matrices_that_reach_beyond_their_shape_are_refused(tmp_path, form, name, value):
    """scipy would write there."""
    matrix = getattr(scipy.sparse, form)(np.eye(3))
    getattr(matrix, name)[-1] = value
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(matrix))
    with pytest.raises(SkelError, match="is damaged"):
        read_pickle(tmp_path / "a.pkl")


def test_files_that_cannot_be_read_are_named(tmp_path):
    for path in (tmp_path / "none.pkl", tmp_path):
        with pytest.raises(SkelError, match="can't be read"):
            read_pickle(path)
    with pytest.raises(SkelError, match="can't be read"):
        read_arrays(tmp_path / "none.npz")


def test_random_damage_never_ends_in_another_error(tmp_path):
    data = bytearray(pickle.dumps({"a": np.arange(20.0), "m": scipy.sparse.coo_matrix(np.eye(3)), "s": ["x", (1, 2)]}))
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(400):
        changed = bytearray(data)
        for where in rng.integers(0, len(data), 3):
            changed[where] = rng.integers(256)
        (tmp_path / "a.pkl").write_bytes(changed)
        try:
            read_pickle(tmp_path / "a.pkl")
        except SkelError:
            refused += 1
    assert refused > 100


def test_shared_parts_are_read_once(tmp_path):
    """A list of the same list twice, thirty deep, would be a thousand million items written out."""
    value: list = [1]
    for _ in range(30):
        value = [value, value]
    objects = np.array([None, None], dtype=object)
    for _ in range(30):
        objects, inner = np.array([None, None], dtype=object), objects
        objects[0] = objects[1] = inner
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([value, objects]))
    assert len(read_pickle(tmp_path / "a.pkl")) == 2


def test_npz_is_read_without_its_pickles(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    np.save(tmp_path / "a.npy", np.arange(2))
    assert np.array_equal(read_arrays(tmp_path / "a.npz")["x"], np.arange(3)) and len(read_arrays(tmp_path / "a.npy")) == 2
    np.savez(tmp_path / "b.npz", x=np.array([{}], dtype=object))
    with pytest.raises(SkelError, match="pickled objects"):
        read_arrays(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:60])
    (tmp_path / "c.npy").write_bytes(pickle.dumps(1))
    for name in ("c.npz", "c.npy"):
        with pytest.raises(SkelError, match="is damaged"):
            read_arrays(tmp_path / name)
    buffer = io.BytesIO()
    pickle.dump({"x": np.arange(3)}, buffer)
    (tmp_path / "d.pkl").write_bytes(buffer.getvalue())
    assert np.array_equal(read_arrays(tmp_path / "d.pkl")["x"], np.arange(3))


def test_what_unpacks_to_more_than_a_machine_holds_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros(100_000))
    assert (tmp_path / "bomb.npz").stat().st_size < 2000
    monkeypatch.setattr(unpickle, "MOST_BYTES", 700_000)
    with pytest.raises(SkelError, match="unpacks to more") as caught:
        read_arrays(tmp_path / "bomb.npz")
    assert caught.value.code == "hostile_file"


@pytest.mark.parametrize(
    ("value", "said"),
    [(np.zeros((2, 4)), "must be 2 x 3 numbers, not 2 x 4 of float64"), ("text", "must be 2 x 3 numbers"), (np.zeros(6), "not 6 of"),
     ([[1.0, 2.0], [3.0]], "must be 2 x 3 numbers"), ([[1, 2, 10**40]] * 2, "must be 2 x 3 numbers"),
     (np.full((2, 3), np.inf), "values that are not numbers"), (np.array([["a"] * 3] * 2), "must be 2 x 3 numbers")],
)  # fmt: skip
def test_entries_of_another_shape_are_refused_by_name(value, said):
    with pytest.raises(SkelError, match=f"m.pkl.*'w'.*{said}"):
        need({"w": value}, "w", (2, 3), "m.pkl")


def test_sparse_entries_that_would_fill_the_memory_are_refused():
    for form in (scipy.sparse.coo_matrix, scipy.sparse.csc_matrix):
        with pytest.raises(SkelError, match="not 8589934592 x 24"):
            need({"w": form(([1.0], ([0], [0])), shape=(2**33, 24))}, "w", (None, 24), "m.pkl")


def test_entries_come_dense_in_one_precision():
    assert need({"w": scipy.sparse.coo_matrix(np.eye(2, dtype=np.float32))}, "w", (2, None), "m.pkl").dtype == np.float64
    assert need({"w": [[1, 2]]}, "w", (None, 2), "m.pkl").dtype == np.int64
    with pytest.raises(SkelError, match="no entry 'v', which a SKEL model must have"):
        need({"w": 1}, "v", (), "m.pkl", "a SKEL model")
