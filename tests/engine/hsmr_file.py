# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints with the structure of HSMR's released one and weights drawn by name, and the stored numbers of the original network on
the small one (tests/data/hsmr_oracle.npz, see NOTICE.md there)."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import torch

from skel_blender.engine.regress.hsmr import Prediction

_DATA = Path(__file__).resolve().parent.parent / "data" / "hsmr_oracle.npz"


def numbers(part: str) -> dict[str, np.ndarray]:
    """A part of the stored numbers: 'network', 'rep', 'crop' or 'keys'; images decoded, RGB."""
    with np.load(_DATA, allow_pickle=False) as file:
        found = {key.removeprefix(part + "/"): file[key] for key in file.files if key.startswith(part + "/")}
    for key in [key for key in found if key.endswith("_png")]:
        image = cv2.imdecode(found.pop(key), cv2.IMREAD_COLOR)[..., ::-1]
        found[key.removesuffix("_png")] = np.ascontiguousarray(image)
    return found


def patches() -> np.ndarray:
    """(2,256,192,3) uint8: what the small network was given."""
    return numbers("network")["patches"].reshape(-1, 256, 192, 3)


def shapes(size: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all entries but the body's: 'small', or 'vith', which is the released network."""
    rows = [str(row).split() for row in numbers("keys")[size]]
    return {name: tuple(map(int, shape)) for name, *shape in rows}


def state() -> OrderedDict[str, torch.Tensor]:
    """The small network's entries; one of those of a body, which a checkpoint carries along, is among them."""
    means, found = numbers("network"), OrderedDict({"skel_model.per_joint_rot": torch.zeros(24, 3, 3)})
    for name, shape in shapes("small").items():
        mean = means.get(name.removeprefix("head."))
        found[name] = torch.from_numpy(_drawn(name, shape) if mean is None else mean.astype(np.float32))
    return found


def write(path: Path, entries: dict | None = None, **beside: object) -> Path:
    """Write a checkpoint as the training framework does, with what else it puts `beside` the weights."""
    rest = {"epoch": 0, "global_step": 0, "pytorch-lightning_version": "2.5.0", "loops": {}, "callbacks": {}, "optimizer_states": []}
    torch.save({**rest, "state_dict": state() if entries is None else entries, **beside}, path)
    return path


def _drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Normal numbers of a seed from the name; spread as weights of their kind are."""
    drawn = np.random.default_rng([1, zlib.crc32(name.encode())]).standard_normal(shape, np.float32)
    if "norm" in name:
        return drawn * np.float32(0.1) + np.float32(name.endswith("weight"))
    if name.endswith("bias"):
        return drawn * np.float32(0.05)
    if "pos_embed" in name:
        return drawn * np.float32(0.2)
    if "decoder.weight" in name:
        return drawn * np.float32(0.3 / shape[-1] ** 0.5)
    return drawn / np.float32(np.prod(shape[1:]) ** 0.5)


class Small:
    """A network whose card holds `most` patches; what it says of a patch is its first byte."""

    device, large = torch.device("cpu"), False

    def __init__(self, most, error=None):
        self.most, self.sizes, self.error = most, [], error or torch.OutOfMemoryError("no room")

    def taken(self, pixels):
        if len(pixels) > self.most:
            raise self.error
        self.sizes.append(len(pixels))

    def of_pixels(self, pixels):
        self.taken(pixels)
        first = pixels[:, 0, 0, :1].float()
        return Prediction(first.expand(-1, 46), first.expand(-1, 10), first.expand(-1, 3), first[..., None].expand(-1, 24, 6))
