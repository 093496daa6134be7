# SPDX-License-Identifier: GPL-3.0-or-later
"""What is worked out once and kept: never as tensors of torch's inference mode, as it must serve those who differentiate later too."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache

import torch


def kept(function: Callable) -> Callable:
    """A function that keeps its results, for a few precisions and devices."""
    return lru_cache(maxsize=8)(torch.inference_mode(False)(function))


def kept_property(function: Callable) -> cached_property:
    """A property that is worked out when it is first asked for."""
    return cached_property(torch.inference_mode(False)(function))
