# SPDX-License-Identifier: GPL-3.0-or-later
"""The graphics card: whether the engine can compute on it, why not, and how exact it is there."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from ..messages import Log, SkelError
from ..packages import STAMP, has_nvidia_gpu


def choose_device(name: str, on_log: Callable[[Log], None] = lambda log: None) -> torch.device:
    """'auto' is the GPU where there is one, 'cpu' or 'cuda' what they say; why a GPU that is there is not used is told `on_log`.

    Raises SkelError if a GPU is asked for and can't be used.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise SkelError("no_device", f"There is no device '{name}'.", "Choose auto, cpu or cuda.")
    if name != "cpu" and torch.cuda.is_available() and _runs_on_card():
        full_precision()
        return torch.device("cuda")
    why = None if name == "cpu" else _unusable()
    if name == "cuda":
        what, todo = why or ("This machine has no GPU that torch can use.", "Choose --device cpu or auto.")
        raise SkelError("no_device", what, todo)
    if why:
        on_log(Log("info", f"{why[0]} The processor computes instead. {why[1]}"))
    return torch.device("cpu")


def full_precision() -> None:
    """Products on a card are as exact as their type: float32 without TF32, sums of 16-bit products in float32. For all of this process."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False


def _runs_on_card() -> bool:
    """Whether this build of torch has code for the card; of one that is too old it says so only in the middle of the work."""
    major, minor = torch.cuda.get_device_capability()
    return 10 * major + minor >= min(int(re.search(r"\d+", name)[0]) for name in torch.cuda.get_arch_list())


def _unusable() -> tuple[str, str] | None:
    """What keeps torch from an NVIDIA GPU and what can be done; None where there is none, or where it is hidden on purpose."""
    if torch.cuda.is_available():
        return "The NVIDIA GPU is older than any that this build of torch has code for.", "Choose --device cpu, or use a newer GPU."
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1") or not has_nvidia_gpu():
        return None
    if torch.version.cuda:
        what = f"torch, which was built for CUDA {torch.version.cuda}, can't use the NVIDIA GPU: most likely its driver is too old."
        return what, "Update the driver, or choose --device cpu."
    again = f"Install torch with CUDA in {sys.prefix}, or choose --device cpu."
    if (Path(sys.prefix) / STAMP).is_file():  # of ours
        again = f"Press Install Engine Again in the add-on's preferences, or delete the folder {sys.prefix} and run again."
    return "There is an NVIDIA GPU, but the engine was installed without CUDA.", again
