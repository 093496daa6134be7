# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of torch's errors say that there was too little memory. Standard library only: who asks may never have imported torch."""

from __future__ import annotations

# The driver and NVIDIA's libraries say so in words only; the first use of a library, which then makes its handle, may not even say why.
_OF_CARD = ("out of memory", "ALLOC_FAILED", "cublasCreate", "cublasLtCreate", "cusolverDnCreate")
_OF_MACHINE = "DefaultCPUAllocator"


def of_card(error: RuntimeError) -> bool:
    """Whether a graphics card's memory was short."""
    told = str(error)
    return type(error).__name__ == "OutOfMemoryError" or _OF_MACHINE not in told and any(word in told for word in _OF_CARD)


def of_machine(error: RuntimeError) -> bool:
    """Whether the processor's memory was short."""
    return _OF_MACHINE in str(error)
