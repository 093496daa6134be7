# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that `torch.save` wrote, read without running anything that it says and without loading what is not asked for.

It is a zip of a pickle and of raw numbers. The pickle is read by the engine's restricted reader, to which come here only torch's
functions that describe a tensor. A training framework leaves its own objects beside the weights (callbacks, settings): such are read
as inert holders, whose classes are never imported; what else is named is refused by name. The numbers stay in the file until a tensor is
asked for, so that nothing is in memory twice.
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...unpickle import Function, Reader, reading, scan, unreadable
from ...unpickle_holders import Holder, Refused

WHAT = "an HSMR checkpoint"
_MOST_PICKLE = 64 << 20  # bytes; HSMR's is under a tenth of a MB
_LOCAL_HEADER = 30  # bytes of a zip entry's header, before its name
_DTYPES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16, "CharStorage": torch.int8,
    "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
# Whose objects a training run may leave in its checkpoint.
_INERT = ("pytorch_lightning", "lightning", "lightning_fabric", "lightning_utilities", "torchmetrics", "omegaconf", "yacs", "hydra",
          "pathlib", "typing", "datetime", "argparse")  # fmt: skip


class Inert(Holder):
    """An object of a class that is not loaded; whatever the file puts into it is dropped."""

    __slots__ = ()

    def __new__(cls, *_args: object, **_named: object) -> Inert:
        return super().__new__(cls)

    def __init__(self, *_args: object, **_named: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        """As a list would."""

    def extend(self, values: object) -> None:
        """As a list would."""


class _Ordered(dict):
    """An OrderedDict; the attributes that torch gives to a module's are dropped."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        pass


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Where the numbers of a tensor lie in a file."""

    path: Path
    start: int  # bytes
    dtype: torch.dtype
    count: int

    def __setstate__(self, state: object) -> None:
        raise Refused("it changes a tensor's numbers")

    def read(self) -> torch.Tensor:
        """(count,) in memory."""
        raw = np.fromfile(self.path, np.uint8, self.count * self.dtype.itemsize, offset=self.start)
        return torch.from_numpy(raw).view(self.dtype)


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor that lies in a file: its shape and type are known, its numbers are read by `read`."""

    numbers: _Numbers
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        lists, total = (self.shape, self.strides), math.prod(self.shape) if isinstance(self.shape, tuple) else 0
        if not all(isinstance(part, tuple) and all(type(n) is int and n >= 0 for n in part) for part in lists):
            raise Refused("a tensor has no shape")
        if not isinstance(self.numbers, _Numbers) or type(self.offset) is not int or self.offset < 0 or len(lists[0]) != len(lists[1]):
            raise Refused("a tensor has no numbers")
        last = self.offset + sum((n - 1) * step for n, step in zip(*lists))
        if total and (last >= self.numbers.count or total > self.numbers.count):
            raise Refused("a tensor reaches beyond its numbers")

    def __setstate__(self, state: object) -> None:
        raise Refused("it changes a tensor")

    @property
    def is_floating_point(self) -> bool:
        """Whether it holds real numbers."""
        return self.numbers.dtype.is_floating_point

    def read(self, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """It in memory."""
        return torch.as_strided(self.numbers.read(), self.shape, self.strides, self.offset).to(dtype).contiguous()


def read_archive(path: Path | str) -> Any:
    """What a file of torch.save holds: dicts, lists, strings, numbers, `Stored` tensors, `Inert` objects.

    Raises SkelError with one sentence for a file that is missing, of another kind, cut off or damaged, and, naming it, for one that asks
    for anything else than data (code 'hostile_file').
    """
    path = Path(path)
    with reading(path, WHAT, "is cut off, damaged or not a file that torch wrote"):
        try:
            with zipfile.ZipFile(path) as archive:
                return _Archive(path, archive).contents()
        except OSError as error:
            raise unreadable(path, WHAT, error) from error


class _Archive:
    """An open file: finds where an entry's bytes lie."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive, self._length = path, archive, path.stat().st_size
        self._entries = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in self._entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1 or len(self._entries) != len(archive.infolist()):
            raise ValueError("not one of torch's files")
        self._folder = pickles[0].removesuffix("data.pkl")

    def contents(self) -> Any:
        """What the pickle says, tensors as `Stored`."""
        if self._folder + "byteorder" in self._entries and self._bytes("byteorder") != b"little":
            raise ValueError("numbers of another byte order")
        data = self._bytes("data.pkl")
        scan(data)
        return _TensorReader(self, data).load()

    def numbers(self, key: object, dtype: torch.dtype, count: object) -> _Numbers:
        """The numbers of a storage."""
        if not isinstance(key, str) or type(count) is not int or count < 0:
            raise Refused("a tensor's numbers have no place")
        start, length = self._place("data/" + key)
        if length != count * dtype.itemsize:
            raise Refused("a tensor's numbers do not fill its place")
        return _Numbers(self._path, start, dtype, count)

    def _bytes(self, name: str) -> bytes:
        start, length = self._place(name)
        if length > _MOST_PICKLE:
            raise Refused("its list of contents is longer")
        return np.fromfile(self._path, np.uint8, length, offset=start).tobytes()

    def _place(self, name: str) -> tuple[int, int]:
        """Where an entry's bytes start and how many they are."""
        info = self._entries[self._folder + name]
        header = np.fromfile(self._path, np.uint8, _LOCAL_HEADER, offset=info.header_offset).tobytes()
        start = info.header_offset + _LOCAL_HEADER + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        if info.compress_type != zipfile.ZIP_STORED or header[:4] != b"PK\x03\x04" or start + info.file_size > self._length:
            raise ValueError("compressed, which torch does not, or cut off")
        return start, info.file_size


class _TensorReader(Reader):
    """The restricted reader, with torch's words for tensors and the inert ones of training frameworks."""

    def __init__(self, archive: _Archive, data: bytes) -> None:
        super().__init__(BytesIO(data))
        self._archive = archive
        self._known = {
            ("collections", "OrderedDict"): Function(lambda *args: _Ordered(*args)),
            ("torch._utils", "_rebuild_tensor"): Function(_tensor), ("torch._utils", "_rebuild_tensor_v2"): Function(_tensor),
            ("torch._utils", "_rebuild_parameter"): Function(lambda data, *_flags: data),
            ("torch._utils", "_rebuild_sparse_tensor"): Function(Inert), ("torch.serialization", "_get_layout"): Function(Inert),
            ("torch", "Size"): Function(tuple), ("torch", "device"): Function(Inert),
            **{("torch", name): dtype for name, dtype in _DTYPES.items()},
            **{("torch", str(dtype).removeprefix("torch.")): Inert for dtype in _DTYPES.values()},
        }  # fmt: skip

    def find_class(self, module: str, name: str) -> object:
        """What stands in for a name."""
        if (module, name) in self._known:
            return self._known[module, name]
        if module.split(".")[0] in _INERT:
            return Inert
        return super().find_class(module, name)

    def persistent_load(self, key: object) -> _Numbers:
        """A storage: ('storage', type, key, device, count)."""
        if not isinstance(key, tuple) or len(key) != 5 or key[0] != "storage" or not isinstance(key[1], torch.dtype):
            raise Refused("it refers to data outside of itself")
        return self._archive.numbers(key[2], key[1], key[4])


def _tensor(numbers: object, offset: object, shape: object, strides: object, *_grad_and_hooks: object) -> Stored:
    return Stored(numbers, offset, shape, strides)
