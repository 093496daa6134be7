# SPDX-License-Identifier: GPL-3.0-or-later
"""Many patches through the network: as large a batch as the card holds, the next one on its way while one is worked on.

On a CUDA card patches travel as bytes from pinned memory on a stream of their own, two batches in turn; a batch that does not fit into
the card's memory is halved, and so are all that follow. Nothing here waits for the card but the two slots and the end. On a processor
every idle core works on a batch of its own, which shares nothing but the weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice

import numpy as np
import torch

from ... import out_of_memory
from ...threads import cores
from .network import Hsmr, Prediction, no_memory, processor
from .patches import SEEN, SIDE

MOST = 64  # patches; 12,000 rows fill the matrix units of any card
ON_PROCESSOR = 4  # patches; more are no faster
_BYTES = 64  # of card memory for each number of a patch's vectors: sums, norms, q, k, v and the MLP, and as much again to spare
_SHARE = 0.6  # of the free memory that a batch may take
_PATCH = (SIDE, SEEN.stop - SEEN.start, 3)


def batch_size(network: Hsmr) -> int:
    """How many patches to work on at once: a power of two, of what memory is free on the network's device."""
    if network.device.type != "cuda":
        return ON_PROCESSOR
    free, _ = torch.cuda.mem_get_info(network.device)
    tokens, width = network.backbone.pos_embed.shape[1:]
    each = tokens * width * _BYTES * (2 if network.dtype == torch.float32 else 1)
    return min(MOST, 1 << max(int(_SHARE * free / each), 1).bit_length() - 1)


class Batches:
    """Runs patches through a network; `size` is how many at once, halved whenever the card's memory is short."""

    def __init__(self, network: Hsmr, size: int | None = None) -> None:
        self.network, self.size = network, size or batch_size(network)
        cuda = network.device.type == "cuda"
        self._slots = _Slots(self.size, network.device) if cuda else None
        self._workers = _idle_cores() if network.large and not cuda else 1

    @property
    def together(self) -> int:
        """How many patches are taken at a time."""
        return self._workers * self.size

    def __call__(self, patches: Iterable[np.ndarray]) -> Prediction:
        """Predictions, on the processor, of patches (256,192,3) uint8 RGB (`patches.cut`, its columns `SEEN`), in their order.

        Raises SkelError if not even one fits into the card's memory.
        """
        waiting, answers = iter(patches), []
        with ThreadPoolExecutor(self._workers) as pool:
            while chunk := list(islice(waiting, self.together)):
                if self._slots is None:
                    parts = torch.from_numpy(np.stack(chunk)).split(self.size)
                    answers += chain.from_iterable(pool.map(self._answers, parts))
                else:
                    pixels = self._slots.send(chunk)
                    answers += self._answers(pixels)
                    self._slots.used()
        if not answers:
            return Prediction(*(torch.zeros(0, *shape) for shape in ((46,), (10,), (3,), (24, 6))))
        return Prediction(*(torch.cat(parts).float().cpu() for parts in zip(*answers)))

    def _answers(self, pixels: torch.Tensor) -> list[Prediction]:
        """Those of one batch (N,256,192,3), in as many parts as it takes."""
        for size in self._sizes():
            try:
                return [self.network.of_pixels(part) for part in pixels.split(size)]
            except RuntimeError as error:  # the parts that were done are freed with it, before the cache is emptied
                if not out_of_memory.of_card(error):
                    raise
            if pixels.is_cuda:
                torch.cuda.empty_cache()
        raise no_memory()

    def _sizes(self) -> Iterator[int]:
        while True:
            yield self.size
            if self.size == 1:
                return
            self.size //= 2


def _idle_cores() -> int:
    """How many batches a processor can work on at once: the engine runs on one core, as its other products are small."""
    own = cores()
    return max(min(own, processor().get("num_physical_cores", own)) // torch.get_num_threads(), 1)


class _Slots:
    """Two places in pinned memory and on the card, used in turn: while the network reads one, the other is filled."""

    def __init__(self, size: int, device: torch.device) -> None:
        self._device, self._stream, self._turn = device, torch.cuda.Stream(device), 0
        self._host = [torch.empty(size, *_PATCH, dtype=torch.uint8, pin_memory=True) for _ in range(2)]
        self._card = [torch.empty(size, *_PATCH, dtype=torch.uint8, device=device) for _ in range(2)]
        self._copied, self._used = ([torch.cuda.Event() for _ in range(2)] for _ in range(2))
        self._stream.wait_stream(torch.cuda.current_stream(device))  # what was in this memory before may still be read

    def send(self, chunk: list[np.ndarray]) -> torch.Tensor:
        """The chunk on the card, for the current stream; waits till this place's last chunk has left the pinned memory."""
        self._turn ^= 1
        host, card, copied, used = (parts[self._turn] for parts in (self._host, self._card, self._copied, self._used))
        copied.synchronize()
        np.stack(chunk, out=host.numpy()[: len(chunk)])
        with torch.cuda.stream(self._stream):
            self._stream.wait_event(used)
            card[: len(chunk)].copy_(host[: len(chunk)], non_blocking=True)
            copied.record(self._stream)
        torch.cuda.current_stream(self._device).wait_event(copied)
        return card[: len(chunk)]

    def used(self) -> None:
        """The network has been given what it needs of the chunk that was sent last."""
        self._used[self._turn].record(torch.cuda.current_stream(self._device))
