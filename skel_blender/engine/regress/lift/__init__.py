# SPDX-License-Identifier: GPL-3.0-or-later
"""The lifting network, the regressor that needs no licence: landmarks of a track to SKEL poses with their uncertainty.

Trained by `bin/train-lift` on motion capture; its weights are in the package. docs/lifting.md tells of data, errors and results.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from ....messages import SkelError
from ...card import full_precision
from .lift import Lift, LiftRegressor
from .network import LiftNetwork, Size
from .weights import read, write

__all__ = ["WEIGHTS", "Lift", "LiftNetwork", "LiftRegressor", "Size", "load_lift", "save_lift"]

WEIGHTS = Path(__file__).parent / "data" / "lift.safetensors"


def load_lift(path: Path | str | None = None, device: torch.device | str = "cpu") -> Lift:
    """The network with the weights of a file that bin/train-lift wrote, by default the package's. Raises SkelError."""
    full_precision()
    tensors, info = read(Path(path or WEIGHTS))
    try:
        size = json.loads(info["size"])
        network = LiftNetwork(Size(**size | {"dilations": tuple(size["dilations"])}))
        network.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SkelError("bad_weights", f"{Path(path or WEIGHTS).name} does not hold a lifting network ({str(error).splitlines()[0]}).",
                        "Choose a file that bin/train-lift wrote.") from error  # fmt: skip
    return Lift(network.to(device), info)


def save_lift(path: Path, network: LiftNetwork, info: dict[str, str]) -> None:
    """Write weights in half precision, with the network's size."""
    write(path, network.state_dict(), info | {"size": json.dumps(network.size.as_dict())})
