# SPDX-License-Identifier: GPL-3.0-or-later
"""Results that are computed once and kept. Never as tensors of torch's inference mode: later callers may need gradients through them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache

import torch


def memoised(function: Callable) -> Callable:
    """A function that remembers its results for its last few arguments, as one for each precision and device."""
    return lru_cache(maxsize=8)(torch.inference_mode(False)(function))


def memoised_property(function: Callable) -> cached_property:
    """A property that is computed when it is first read."""
    return cached_property(torch.inference_mode(False)(function))
