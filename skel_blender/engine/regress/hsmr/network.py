# SPDX-License-Identifier: GPL-3.0-or-later
"""HSMR's network: patches in; pose, shape and camera out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from ....anatomy import J
from ....messages import SkelError
from ... import out_of_memory
from ...card import full_precision
from .checkpoint import read_weights
from .head import Head
from .patches import SEEN, SIDE, normalised
from .rotations import REP, rep_to_poses
from .vit import Backbone, load_backbone

_LARGE = 1024  # a narrower backbone is quick in any precision and on one core


class Prediction(NamedTuple):
    """What HSMR says of B patches: poses (B,46) rad, betas (B,10), cam (B,3) scale and shift, rep (B,24,6); also by name, as in a dict."""

    poses: torch.Tensor
    betas: torch.Tensor
    cam: torch.Tensor
    rep: torch.Tensor

    def __getitem__(self, key: str | int | slice) -> torch.Tensor:
        return getattr(self, key) if isinstance(key, str) else tuple.__getitem__(self, key)


class Hsmr(nn.Module):
    """The network, for inference. `dtype` is that of the backbone's matrix products."""

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self.dtype = backbone.dtype

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.head.token.device

    @property
    def large(self) -> bool:
        """Whether it is a ViT-L or larger."""
        return self.backbone.pos_embed.shape[-1] >= _LARGE

    @torch.inference_mode()
    def forward(self, patches: torch.Tensor) -> Prediction:
        """Normalised patches (B,3,256,256) float, or only the 192 columns that it looks at (B,3,256,192). Raises ValueError."""
        if patches.dim() != 4 or patches.shape[1:3] != (3, SIDE) or patches.shape[3] not in (SIDE, SEEN.stop - SEEN.start):
            raise ValueError(f"patches must be (B, 3, {SIDE}, {SIDE}), not {tuple(patches.shape)}")
        seen = patches[..., SEEN] if patches.shape[-1] == SIDE else patches
        rep, betas, cam = self.head(self.backbone(seen.to(self.device, torch.float32)))
        return Prediction(rep_to_poses(rep), betas, cam, rep.view(-1, J, REP))

    def of_pixels(self, pixels: torch.Tensor) -> Prediction:
        """Patches as they are cut, (B,256,256,3) uint8 RGB, or their middle 192 columns."""
        return self(normalised(pixels.to(self.device)))

    def compiled(self, backend: str | Callable = "inductor") -> Hsmr:
        """This network, one compiled graph for all its blocks; compiling takes half a minute to minutes, when it first runs and
        when a batch of another size first comes."""
        for block in self.backbone.blocks:
            block.compile(backend=backend)
        return self


def load_hsmr(path: Path | str, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> Hsmr:
    """HSMR from its checkpoint. Callable on normalised patches (B,3,256,256); see `Hsmr` and `Prediction`.

    The backbone multiplies in `dtype`; None takes bfloat16 for a ViT-L or larger where the device has units for it, else float32.
    Raises SkelError for a file that is missing, hostile, damaged, or not HSMR's in every name and shape, and where memory is short.
    """
    full_precision()
    weights, device = read_weights(path), torch.device(device)
    if dtype is None:
        dtype = torch.bfloat16 if weights.size.dim >= _LARGE and multiplies_bfloat16(device) else torch.float32
    try:
        backbone = load_backbone(weights, device, dtype)
        with torch.no_grad():
            head = Head(weights).to(device)
    except RuntimeError as error:
        if not out_of_memory.of_card(error):
            raise
        raise no_memory() from error
    return Hsmr(backbone, head).requires_grad_(False).eval()


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device has units for products of bfloat16, which then are about twice as quick as float32's or more.

    Asked, not timed: one machine always chooses alike. ARM processors stay with float32, as not all builds of torch use their units.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = processor()
    return torch.backends.mkldnn.is_available() and bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def processor() -> dict:
    """What torch tells of the processor; nothing where it is a torch that can't."""
    return torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}


def no_memory() -> SkelError:
    """What the user is told then."""
    return SkelError("no_memory", "The graphics card has too little free memory for HSMR.",
                     "Close what else uses the card, or choose the processor as the device.")  # fmt: skip
