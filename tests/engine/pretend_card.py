# SPDX-License-Identifier: GPL-3.0-or-later
"""A CUDA card that is not there: code for one runs with real values on the processor, and fails where a card would refuse.

Within `pretend_card()` a tensor that is made on or moved to the card is an `OnCard`, an ordinary tensor that says where it is. To mix such
with tensors in the processor's memory raises, as does reading them as numpy without `.cpu()`; what a card allows is allowed: numbers,
indices from either side, copies. What would let the processor wait for the card is written down: numbers that are sent or read, places
given as lists. Not seen: speed, rounding, the order of streams, and operations that have no CUDA kernel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

CARD = torch.device("cuda", 7)  # a number that no real card has, as constants may be kept by device
_ACROSS = {"to", "copy_", "type_as", "as_tensor", "__getitem__", "__setitem__"}  # may be given tensors of both sides
_JOINING = {"cat", "stack", "einsum"}  # where a tensor without dimensions is no number
_TO_NUMPY = {"numpy", "__array__", "from_dlpack", "__dlpack__"}
_WAITING = {"item", "tolist", "__bool__", "__int__", "__float__", "__index__", "nonzero", "new_tensor", "tensor", "cpu", "cuda"}


class OnCard(torch.Tensor):
    """A tensor in the card's memory."""

    device = property(lambda self: CARD)
    is_cuda = property(lambda self: True)
    __torch_function__ = torch._C._disabled_torch_function_impl  # `_Card` sees to it


@contextlib.contextmanager
def pretend_card(free: int = 8 << 30) -> Iterator[list[str]]:
    """As if there were a card with `free` bytes of memory; `device="cuda"` and `CARD` are it. Gives what the processor waited for."""
    with contextlib.ExitStack() as stack:
        nothing, none = lambda *_: None, lambda *_: 0
        for name, value in {
            "is_available": lambda: True, "get_device_capability": lambda *_: (9, 0), "get_arch_list": lambda: ["sm_75", "sm_100a"],
            "is_bf16_supported": lambda **_: True, "get_device_name": lambda *_: "pretended",
            "mem_get_info": lambda *_: (free, free), "get_device_properties": lambda *_: SimpleNamespace(total_memory=free),
            "memory_reserved": none, "max_memory_reserved": none, "reset_peak_memory_stats": nothing, "empty_cache": nothing,
            "set_per_process_memory_fraction": nothing, "synchronize": nothing, "Stream": _Event, "Event": _Event,
            "current_stream": _Event, "stream": contextlib.nullcontext,
        }.items():  # fmt: skip
            stack.enter_context(mock.patch.object(torch.cuda, name, value))
        card = stack.enter_context(_Card())
        yield card.waits


class _Event:
    """A stream or an event of a card that does everything at once."""

    def __init__(self, *_: object, **__: object) -> None:
        self.record = self.wait_event = self.wait_stream = self.synchronize = lambda *_: None


class _Card(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs, name, given = dict(kwargs or {}), func.__name__, list(_tensors((args, *(kwargs or {}).values())))
        card = any(isinstance(one, OnCard) for one in given)
        self._note(name, args, kwargs, card)
        kwargs.pop("pin_memory", None), kwargs.pop("non_blocking", None)
        if name in ("cpu", "cuda"):
            return _moved(args[0], name == "cuda")
        if name == "to":
            return _to(*args, **kwargs)
        if card and name in _TO_NUMPY:
            raise TypeError("can't convert a tensor on the card to numpy; use .cpu() first")
        where = kwargs.get("device")
        if where is not None and _is_card(where) or card and where is not None and torch.device(where).type == "cpu":
            kwargs.pop("device")
            card = _is_card(where)
        if name == "_has_compatible_shallow_copy_type":  # may a module's parameter take the other's place
            return all(isinstance(one, OnCard) for one in given) or not card
        _refuse_mixed(name, args, given)
        result = func(*args, **kwargs)
        return _on_card(result) if card and not (args and result is args[0]) else result

    def _note(self, name: str, args: tuple, kwargs: dict, card: bool) -> None:
        where = kwargs.get("device")
        sides = {isinstance(one, OnCard) for one in _tensors(args)}
        across = name in ("to", "copy_") and len(sides) == 2 and not kwargs.get("non_blocking")
        places = _places(args) if card and name in ("__getitem__", "__setitem__") else ()
        listed = any(isinstance(one, (list, tuple, np.ndarray, torch.Tensor)) and not isinstance(one, OnCard) for one in places)
        if across or listed or name in _WAITING and (card or where is not None and _is_card(where)):
            self.waits.append(name)


def _refuse_mixed(name: str, args: tuple, given: list[torch.Tensor]) -> None:
    cards = [isinstance(one, OnCard) for one in given]
    if name == "__getitem__":
        bad = not cards[0] and any(cards[1:])
    elif name == "__setitem__":
        index, value = list(_tensors(args[1])), args[2]
        picked = index or any(isinstance(one, (list, tuple, np.ndarray)) for one in _places(args))  # a slice may be filled from anywhere
        of_both = isinstance(value, torch.Tensor) and value.dim() and isinstance(value, OnCard) != cards[0]
        bad = picked and of_both or not cards[0] and any(isinstance(one, OnCard) for one in index)
    else:
        counted = [on for on, one in zip(cards, given) if on or one.dim() or name in _JOINING]
        bad = name not in _ACROSS and any(counted) and not all(counted)
    if bad:
        raise RuntimeError(f"Expected all tensors to be on the same device: {name} of tensors on the card and on the processor")


def _places(args: tuple) -> tuple:
    return args[1] if isinstance(args[1], tuple) else (args[1],)


def _to(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """`Tensor.to`: to a device, a type, both, or as another tensor is."""
    where, types = [], []
    for word in (*args, *kwargs.values()):
        where += [word.device] if isinstance(word, torch.Tensor) else [word] if isinstance(word, (torch.device, str)) else []
        types += [word.dtype] if isinstance(word, torch.Tensor) else [word] if isinstance(word, torch.dtype) else []
    result = tensor.as_subclass(torch.Tensor).to(types[0]) if types and types[0] != tensor.dtype else tensor
    return _moved(result, _is_card(where[0]) if where else isinstance(tensor, OnCard))


def _moved(tensor: torch.Tensor, to_card: bool) -> torch.Tensor:
    """The same where it is there already, else a copy."""
    if isinstance(tensor, OnCard) == to_card:
        return tensor
    copy = tensor.as_subclass(torch.Tensor).clone()
    return copy.as_subclass(OnCard) if to_card else copy


def _is_card(where: Any) -> bool:
    return torch.device(where).type == "cuda"


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    for one in value if isinstance(value, (list, tuple)) else ():
        yield from _tensors(one)


def _on_card(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value if isinstance(value, OnCard) else value.as_subclass(OnCard)
    if isinstance(value, (list, tuple)):
        return type(value)([_on_card(one) for one in value])
    return map(_on_card, value) if isinstance(value, Iterator) else value
