# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights as a safetensors file: eight bytes that say how long the header is, a JSON header, numbers. Nothing in it is executed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from ....messages import SkelError

_TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
_METADATA = "__metadata__"
_LONGEST_HEADER = 1 << 20


def write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """In half precision, in order of the names: the same tensors give the same bytes."""
    header: dict[str, object] = {_METADATA: metadata}
    blocks, start = [], 0
    for name in sorted(tensors):
        block = tensors[name].detach().cpu().numpy().astype(_TYPES["F16"]).tobytes()
        header[name] = {"dtype": "F16", "shape": list(tensors[name].shape), "data_offsets": [start, start + len(block)]}
        blocks.append(block)
        start += len(block)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_name(path.name + ".part")
    part.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blocks))
    part.replace(path)


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors in single precision, and the metadata. Raises SkelError for what is no such file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SkelError("no_weights", f"The network's weights {path} could not be read ({error.strerror}).",
                        "Install the add-on again, or choose another regressor.") from error  # fmt: skip
    try:
        length = int.from_bytes(data[:8], "little")
        if not 0 < length <= min(len(data) - 8, _LONGEST_HEADER):
            raise ValueError("no header")
        header = json.loads(data[8 : 8 + length])
        metadata = header.pop(_METADATA, {})
        tensors = {name: _tensor(entry, data[8 + length :]) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise SkelError("bad_weights", f"{path.name} is no safetensors file ({error}).",
                        "Choose a file that bin/train-lift wrote.") from error  # fmt: skip
    return tensors, metadata


def _tensor(entry: dict, data: bytes) -> torch.Tensor:
    kind, (start, end), shape = _TYPES[entry["dtype"]], entry["data_offsets"], entry["shape"]
    values = np.frombuffer(data[start:end], kind).astype(np.float32)
    return torch.from_numpy(values.reshape(shape).copy())
