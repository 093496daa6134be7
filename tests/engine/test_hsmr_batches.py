# SPDX-License-Identifier: GPL-3.0-or-later
"""Many patches through HSMR: batches, cores, the card's memory, and items that are made ahead."""

import contextlib
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skel_blender.engine.regress import load_hsmr  # noqa: E402
from skel_blender.engine.regress.hsmr import batches, network  # noqa: E402
from skel_blender.engine.regress.hsmr.batches import Batches  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from tests.engine.hsmr_file import Small  # noqa: E402


def _marked(count):
    return [np.full((256, 192, 3), number, np.uint8) for number in range(count)]


def test_patches_keep_their_order_in_batches():
    small = Small(100)
    assert Batches(small, 8)(_marked(21)).cam[:, 0].tolist() == list(range(21))
    assert small.sizes == [8, 8, 5]


def test_every_idle_core_works_on_a_batch_of_a_large_network(monkeypatch):
    """Three at once: each waits until the others have come."""
    monkeypatch.setattr(batches, "_idle_cores", lambda: 3)
    large, together = Small(4), threading.Barrier(3, timeout=10)
    large.large = True
    taken = large.taken
    monkeypatch.setattr(large, "taken", lambda pixels: (together.wait(), taken(pixels)))
    assert Batches(large, 4)(_marked(24)).cam[:, 0].tolist() == list(range(24))
    assert large.sizes == [4] * 6


def test_cores_that_torch_uses_are_not_idle(monkeypatch):
    monkeypatch.setattr(batches, "cores", lambda: 8)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"num_physical_cores": 6}, raising=False)
    found = []
    for threads in (1, 2, 6, 12):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        found.append(batches._idle_cores())
    assert found == [6, 3, 1, 1]


def test_a_torch_that_does_not_know_the_processor_takes_all_cores_and_float32(monkeypatch):
    monkeypatch.setattr(batches, "cores", lambda: 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert batches._idle_cores() == 8 and not network.multiplies_bfloat16(torch.device("cpu"))


@pytest.mark.parametrize("said", [
    None, "CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
])  # fmt: skip
def test_a_batch_without_room_is_halved_and_so_are_the_next(said):
    small = Small(3, said and RuntimeError(said))
    run = Batches(small, 16)
    assert run(_marked(37)).poses[:, 5].tolist() == list(range(37))
    assert run.size == 2 and max(small.sizes) == 2
    assert small.sizes == [2] * 18 + [1]


def test_another_error_is_not_taken_for_a_lack_of_room():
    with pytest.raises(RuntimeError, match="mat1"):
        Batches(Small(0, RuntimeError("mat1 and mat2 shapes cannot be multiplied")), 4)(_marked(2))


def test_a_card_without_room_for_one_patch_is_an_error_of_one_sentence():
    with pytest.raises(SkelError) as caught:
        Batches(Small(0), 4)(_marked(2))
    assert caught.value.code == "no_memory"


def test_a_place_on_the_card_is_filled_only_when_it_was_read(monkeypatch):
    """The order of what is put on the two streams, which are written down instead of run."""
    told, real = [], torch.empty

    class Stream:
        def wait_event(self, event):
            told.append(("wait", self.name, event.number))

        def wait_stream(self, other):
            told.append(("wait", self.name, other.name))

    class Event:
        count = 0

        def __init__(self):
            self.number, Event.count = Event.count, Event.count + 1

        def record(self, stream):
            told.append(("record", stream.name, self.number))

        def synchronize(self):
            told.append(("synchronize", "", self.number))

    own, main = Stream(), Stream()
    own.name, main.name = "copy", "main"
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: own)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: main)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch, "empty", lambda *size, pin_memory=False, **named: real(*size, **named))
    run = Batches(Small(100), 4)
    run._slots = batches._Slots(4, torch.device("cpu"))
    assert run(_marked(10)).cam[:, 0].tolist() == list(range(10))
    copied, used = {1: 1, 0: 0}, {1: 3, 0: 2}  # the numbers of the two places' events
    wanted = [("wait", "copy", "main")]  # the places' memory may have been somebody else's
    for place in (1, 0, 1):
        wanted += [("synchronize", "", copied[place]), ("wait", "copy", used[place]), ("record", "copy", copied[place]),
                   ("wait", "main", copied[place]), ("record", "main", used[place])]  # fmt: skip
    assert told == wanted


def test_a_card_without_room_for_the_network_is_an_error_of_one_sentence(checkpoint, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(network, "load_backbone", full)
    with pytest.raises(SkelError) as caught:
        load_hsmr(checkpoint)
    assert caught.value.code == "no_memory"


def test_no_patches_give_empty_predictions():
    assert [part.shape for part in Batches(Small(1), 4)([])] == [(0, 46), (0, 10), (0, 3), (0, 24, 6)]
