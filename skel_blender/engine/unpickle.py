# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the pickles that body models come in without running anything that they say.

A pickle is a program. Here it may only build numbers, strings, lists and dicts: every class that model files name (numpy arrays, scipy
sparse matrices, ordered dicts, chumpy's arrays) is replaced by a holder of plain data, from which the arrays are made afterwards out of
their bytes. numpy's own constructors never see the file, as they trust its dtypes and flags. Whatever else is named is refused by name.
"""

from __future__ import annotations

import math
import pickle
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..messages import SkelError
from .unpickle_holders import Chumpy, Dtype, Holder, PlainArray, Refused, Sparse, decoded, frombuffer, plain, scalar

MOST_BYTES = 4 << 30  # of an archive, unpacked
_MOST_TUPLES = 5_000  # model files hold under a thousand; a tower of them would overflow Python's own hash
_SPARSE = {f"{kind}_{form}": kind for kind in ("csc", "csr", "coo") for form in ("matrix", "array")}


class _Token:
    """A name that a file may mention but not use."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise Refused("it changes one of Python's own classes")


_NDARRAY = _Token()


class Function:
    """A function that a file may call; unlike a plain function it has no attributes that a file could set."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable) -> None:
        self._run = run

    def __call__(self, *args: object) -> object:
        return self._run(*args)

    def __setstate__(self, state: object) -> None:
        raise Refused("it changes a function")


def _reconstruct(kind: object, *_shape_and_type: object) -> PlainArray:
    if kind is not _NDARRAY:
        raise Refused("it makes an array of another class than numpy's")
    return PlainArray()


def _reconstructor(cls: object, *_base_and_state: object) -> Holder:
    if not (isinstance(cls, type) and issubclass(cls, Holder)):
        raise Refused("it makes an object of a class that no body model has")
    return cls()


def _ordered(*args: object) -> dict:
    return dict(*args)


def _bytes(*args: object) -> bytes:
    return decoded(args[0], "latin1") if args else b""


def _admitted() -> dict[tuple[str, str], object]:
    """(module, name) -> what stands in for it, in the spellings of Python 2 and 3, numpy 1 and 2, scipy old and new."""
    names: dict[tuple[str, str], object] = {("numpy", "ndarray"): _NDARRAY, ("numpy", "dtype"): Dtype}
    for core in ("numpy.core", "numpy._core"):
        names[core + ".multiarray", "_reconstruct"] = Function(_reconstruct)
        names[core + ".multiarray", "scalar"] = Function(scalar)
        names[core + ".numeric", "_frombuffer"] = Function(frombuffer)
    for builtins in ("builtins", "__builtin__"):
        # what an object's class is based on, and what a defaultdict makes
        names.update({(builtins, name): _Token() for name in ("object", "list", "dict", "set", "int", "float")})
        names[builtins, "bytes"] = names[builtins, "bytearray"] = Function(_bytes)
    for copyreg in ("copyreg", "copy_reg"):
        names[copyreg, "_reconstructor"] = Function(_reconstructor)
    names["_codecs", "encode"] = Function(decoded)
    names["collections", "OrderedDict"] = Function(_ordered)
    names["collections", "defaultdict"] = Function(lambda *_factory: {})
    for name, kind in _SPARSE.items():
        for module in (f"scipy.sparse.{kind}", f"scipy.sparse._{kind}", "scipy.sparse"):
            names[module, name] = type(f"Sparse{kind.title()}", (Sparse,), {"__slots__": (), "kind": kind})
    return names


_ADMITTED = _admitted()


class Reader(pickle.Unpickler):
    """Builds holders, which `plain` turns into data; a subclass may admit more names before it asks this one."""

    def find_class(self, module: str, name: str) -> object:
        """What stands in for a name; Python 2's names are not translated, so that a refusal speaks of what the file says."""
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        if module.split(".")[0] == "chumpy" and "." not in name:
            return type("ChumpyArray", (Chumpy,), {"__slots__": (), "name": f"{module}.{name}"})
        raise Refused(f"it asks for {module}.{name}")

    def persistent_load(self, key: object) -> object:
        raise Refused("it refers to data outside of itself")


def read_bytes(path: Path | str, what: str) -> bytes:
    """A file's bytes. Raises SkelError with one sentence if it can't be read; `what` says what it should be."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise unreadable(path, what, error) from error


def unreadable(path: Path | str, what: str, error: OSError) -> SkelError:
    """What the user is told of a file that the system does not give."""
    return SkelError("no_file", f"The file {path}, {what}, can't be read ({error.strerror}).", "Check its name.")


@contextmanager
def reading(path: Path | str, what: str, state: str) -> Iterator[None]:
    """What the context raises as one sentence: a refusal (code 'hostile_file'), and anything else, as a damaged file can raise anything, as
    a file that `state` says the state of ('bad_file')."""
    try:
        yield
    except Refused as error:
        raise SkelError("hostile_file", f"{path} is refused because {error}, which {what} does not need.",
                        "Get the file from where it is published.") from error  # fmt: skip
    except SkelError:
        raise
    except Exception as error:
        raise SkelError("bad_file", f"{path} {state}, where {what} was expected.",
                        "Get the file again, or unpack it if it is an archive.") from error  # fmt: skip


def read_pickle(path: Path | str, what: str = "a body model") -> Any:
    """The plain data in a pickle: dicts, lists, strings, numbers, numpy arrays, scipy sparse matrices. Python 2's are read as latin1.

    Chumpy's arrays become numpy's, without chumpy. Raises SkelError with one sentence for a file that is missing, no pickle, cut off
    or damaged, or that names anything else than such data (code 'hostile_file'); `what` says what the file should be.
    """
    data = read_bytes(path, what)
    cut = data.startswith((b"\x80", b"(dp", b"(lp", b"cnumpy")) and not data.endswith((b".", b".\n"))
    with reading(path, what, "is cut off" if cut else "is not a pickle or is damaged"):
        scan(data)
        return plain(Reader(BytesIO(data), encoding="latin1").load())


def scan(data: bytes) -> None:
    """Refuse what would only exhaust this machine: lengths and memory slots that the file can't fill, towers of tuples."""
    stream, name, steps, tuples = BytesIO(data), "", 0, 0
    while name != "STOP":
        opcode = pickletools.code2op[stream.read(1).decode("latin1")]
        name, argument = opcode.name, None
        if name == "STRING":  # Python 2's: escapes beyond ASCII, which pickletools does not read
            stream.readline()
        elif opcode.arg is not None:
            argument = opcode.arg.reader(stream)
        steps += 1
        tuples += name.startswith(("TUPLE", "FROZENSET"))
        if name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > 2 * steps + 256:
            raise Refused("it asks for more memory than its contents fill")
        if tuples > _MOST_TUPLES:
            raise Refused("it nests more values")
        if name in ("EXT1", "EXT2", "EXT4"):
            raise Refused("it uses Python's extension registry")


def read_arrays(path: Path | str, what: str = "a body model") -> Any:
    """What is in a .npz (dict), .npy (array) or pickle, by its name's ending; never through numpy's own pickles. Raises SkelError."""
    path = Path(path)
    if path.suffix.lower() not in (".npz", ".npy"):
        return read_pickle(path, what)
    stream = BytesIO(read_bytes(path, what))
    with reading(path, what, "is damaged"):
        if path.suffix.lower() == ".npy":
            return _plain_array(stream)
        with zipfile.ZipFile(stream) as file:
            return {name.removesuffix(".npy"): _plain_array(content) for name, content in unzipped(file)}


def unzipped(file: zipfile.ZipFile) -> Iterator[tuple[str, BytesIO]]:
    """The name and contents of each member, one after the other. Raises Refused for what unpacks to more than MOST_BYTES."""
    if sum(item.file_size for item in file.infolist()) > MOST_BYTES:
        raise Refused("it unpacks to more than 4 GB")
    return ((name, BytesIO(file.read(name))) for name in file.namelist())


def _plain_array(stream: BytesIO) -> np.ndarray:
    """A .npy; the first bytes are asked for, as numpy takes what does not start so for a pickle."""
    if not stream.getvalue().startswith(np.lib.format.MAGIC_PREFIX):
        raise ValueError("no .npy")
    try:
        return np.load(stream, allow_pickle=False)
    except ValueError as error:
        if "Object arrays" in str(error):
            raise Refused("it holds pickled objects") from error
        raise


def need(data: Any, key: str, shape: tuple[int | None, ...], path: Path | str, what: str = "a body model") -> np.ndarray:
    """data[key] as a dense float64 or int64 array of a shape (None: any length). Raises SkelError naming file, key and shape."""
    if not isinstance(data, dict) or key not in data:
        raise SkelError("bad_model", f"{path} has no entry '{key}', which {what} must have.", "Check that it is the right file.")
    value = data[key]
    if not isinstance(value, np.ndarray) and not hasattr(value, "toarray"):
        value = _array_of(value)
    fits = len(value.shape) == len(shape) and all(want in (None, have) for want, have in zip(shape, value.shape))
    if not fits or value.dtype.kind not in "fiub" or math.prod(value.shape) * value.dtype.itemsize > MOST_BYTES:
        wanted = " x ".join("any" if n is None else str(n) for n in shape)
        have = " x ".join(str(n) for n in value.shape)
        raise SkelError("bad_model", f"In {path} the entry '{key}' must be {wanted} numbers, not {have} of {value.dtype}.",
                        "Check that it is the right file.")  # fmt: skip
    value = value.toarray() if hasattr(value, "toarray") else value
    value = value.astype(np.float64 if value.dtype.kind == "f" else np.int64)
    if not np.isfinite(value).all():
        raise SkelError("bad_model", f"In {path} the entry '{key}' holds values that are not numbers.", "Download the file again.")
    return value


def _array_of(value: Any) -> np.ndarray:
    """Of a list or a number; of anything else, and of lists that are no table, one without numbers."""
    try:
        return np.asarray(value) if isinstance(value, list | tuple | int | float) else np.empty(0, object)
    except ValueError:
        return np.empty(0, object)
