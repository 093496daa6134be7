# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever motion files are wrapped in (npz, npy, pickle, joblib, torch), opened into dicts, lists and numpy arrays.

What the first bytes say decides, never the name. Such files are pickles from strangers: they are read with the names that unpickle.py
admits, to which come here only joblib's wrapper of an array and the two functions that build a torch tensor, all re-made from plain
bytes; torch's own files go through torch's reader of weights.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
import pickle
import zipfile
import zlib
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from ...messages import SkelError
from ..unpickle import MOST_BYTES, Function, Reader, read_bytes, reading, unzipped
from ..unpickle_holders import Dtype, Holder, Refused, plain

_MOST_NESTED = 16  # tuples within tuples; a tower of them would overflow Python's own hash
_TORCH_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # what torch's files of before 2020 start with, after the protocol
_COMPRESSED: dict[bytes, Callable[[bytes], Any]] = {
    b"\x1f\x8b": lambda data: gzip.GzipFile(fileobj=BytesIO(data)),
    b"BZh": lambda data: bz2.BZ2File(BytesIO(data)),
    b"\xfd7zXZ": lambda data: lzma.LZMAFile(BytesIO(data)),
}


def read_tree(path: Path | str, what: str = "a motion file") -> Any:
    """The plain data in a file. Raises SkelError with one sentence for a file that is missing, of another kind, or hostile; `what` says
    what it should be."""
    path, data = Path(path), read_bytes(path, what)
    with reading(path, what, "is damaged or of another kind"):
        return _tree(data, path)


def _tree(data: bytes, path: Path) -> Any:
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(BytesIO(data)) as file:
            if any(name.endswith("data.pkl") for name in file.namelist()):
                return _torch(data, path)
            return {name.removesuffix(".npy"): _array(content) for name, content in unzipped(file)}
    if data[:6] == b"\x93NUMPY":
        return _array(BytesIO(data))
    if data[2:].startswith(_TORCH_MAGIC):
        return _torch(data, path)
    for magic, opened in _COMPRESSED.items():
        if data.startswith(magic):
            return unpickled(BytesIO(_bounded(opened(data).read)))
    if data[:1] == b"\x78" and int.from_bytes(data[:2], "big") % 31 == 0:
        return unpickled(BytesIO(_bounded(lambda most: zlib.decompressobj().decompress(data, most))))
    return unpickled(BytesIO(data))


def _bounded(read: Callable[[int], bytes]) -> bytes:
    data = read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Refused("it unpacks to more than 4 GB")
    return data


def _array(stream: BinaryIO) -> Any:
    """One .npy: an array, or the object in one (numpy saves a dict as an array of one object)."""
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, dtype = header(stream)
    if not dtype.hasobject:
        stream.seek(0)
        return np.load(stream, allow_pickle=False)
    value = unpickled(stream)
    return value.item() if isinstance(value, np.ndarray) and value.size == 1 else value


def _torch(data: bytes, path: Path) -> Any:
    try:
        return _numpy(torch.load(BytesIO(data), map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:
        raise SkelError("hostile_file", f"{path} is refused because it holds more than torch's tensors and plain values.",
                        "Save the tensors alone, or export an .npz.") from error  # fmt: skip


def _numpy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        _check_size(value.shape, value.element_size())
        return value.detach().cpu().numpy()  # a sparse one, whose indices torch takes on trust, is refused here
    if isinstance(value, dict):
        return {key: _numpy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_numpy(item) for item in value)
    return value


def _check_size(shape: Iterable[int], bytes_each: int) -> None:
    """A tensor that repeats a few numbers may be as large as it likes in a file of a few bytes."""
    if math.prod(shape) * bytes_each > MOST_BYTES:
        raise Refused("it unpacks to more than 4 GB")


def unpickled(stream: BinaryIO) -> Any:
    """The plain data of a pickle, joblib's arrays and torch's tensors included. Raises Refused for whatever else it names."""
    return _numpy(plain(_MotionReader(stream).load()))


class _MotionReader(pickle._Unpickler):
    """Python's own unpickler in Python, as joblib puts raw arrays between the opcodes, which only this one can stop to read."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, encoding="latin1")
        self._stream = stream
        self._tensors = {
            ("torch._utils", "_rebuild_tensor_v2"): Function(_tensor),
            ("torch._utils", "_rebuild_tensor"): Function(_tensor),
            ("torch.storage", "_load_from_bytes"): Function(_storage),
        }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in self._tensors:
            return self._tensors[module, name]
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return type("JoblibArray", (_JoblibArray,), {"__slots__": (), "stream": self._stream})
        return Reader.find_class(self, module, name)

    def persistent_load(self, key: object) -> object:
        raise Refused("it refers to data outside of itself")

    def _flat(self) -> None:
        if _nested(self.stack[-1]) > _MOST_NESTED:
            raise Refused("it nests values without end")

    dispatch = dict(pickle._Unpickler.dispatch)


def _watched(load: Callable) -> Callable:
    def watching(reader: _MotionReader) -> None:
        load(reader)
        reader._flat()

    return watching


for _code in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.FROZENSET):
    _MotionReader.dispatch[_code[0]] = _watched(pickle._Unpickler.dispatch[_code[0]])


def _nested(value: object) -> int:
    return 1 + max(map(_nested, value), default=0) if isinstance(value, tuple | frozenset) else 0


class _JoblibArray(Holder):
    """joblib.numpy_pickle.NumpyArrayWrapper: its state speaks of an array whose bytes follow in the stream."""

    __slots__ = ()
    stream: BinaryIO

    def __setstate__(self, state: Any) -> None:
        fields = state if isinstance(state, dict) else {}
        shape, dtype = fields.get("shape"), fields.get("dtype")
        if not isinstance(dtype, Dtype) or not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise Refused("an array has no shape or type")
        kind = dtype.dtype()
        if kind.hasobject:
            return super().__setstate__({"x": unpickled(self.stream)})
        if fields.get("numpy_array_alignment_bytes") is not None:
            self.stream.read(self.stream.read(1)[0])
        count = int(np.prod(shape, dtype=object))
        raw = self.stream.read(count * kind.itemsize)
        if len(raw) != count * kind.itemsize:
            raise Refused("it is cut off")
        order = "F" if fields.get("order") == "F" else "C"
        return super().__setstate__({"x": np.frombuffer(raw, kind).reshape(shape, order=order).copy()})

    def array(self, fields: dict[str, Any]) -> Any:
        """The array that was read."""
        return fields["x"]


def _storage(raw: object) -> torch.Tensor:
    """What torch wrote of a tensor's numbers, as one flat tensor."""
    if not isinstance(raw, bytes):
        raise Refused("a tensor has no bytes")
    try:
        stored = torch.load(BytesIO(raw), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise Refused("a tensor holds more than numbers") from error
    return torch.tensor([], dtype=stored.dtype).set_(stored)


def _tensor(storage: object, offset: object, size: object, stride: object, *_gradients: object) -> np.ndarray:
    """A view of a storage, copied; torch itself refuses a view that leaves it."""
    if not isinstance(storage, torch.Tensor):
        raise Refused("a tensor has no numbers")
    _check_size(size, storage.element_size())
    return torch.as_strided(storage, size, stride, offset).clone().numpy()
