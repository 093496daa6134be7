# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights as a safetensors file, in half precision. Nothing in such a file is executed."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ....messages import SkelError


def write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """The file is whole or not there."""
    part = path.with_name(path.name + ".part")
    save_file({name: tensor.detach().cpu().half().contiguous() for name, tensor in tensors.items()}, part, metadata)
    part.replace(path)


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors in single precision, and the metadata. Raises SkelError for what is no such file."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name).float() for name in file.keys()}, file.metadata() or {}
    except OSError as error:
        raise SkelError("no_weights", f"The network's weights {path} could not be read.",
                        "Install the add-on again, or choose another regressor.") from error  # fmt: skip
    except SafetensorError as error:
        raise SkelError("bad_weights", f"{path.name} is not a safetensors file ({error}).",
                        "Choose a file that bin/train-lift wrote.") from error  # fmt: skip
