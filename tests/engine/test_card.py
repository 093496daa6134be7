# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a CUDA card runs on one that is pretended, to the same numbers: no tensor of the processor meets one of the card's."""

import contextlib
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bin.benchmarks.hsmr_plain import draw, images  # noqa: E402
from skel_blender.anatomy import DOF_INDEX  # noqa: E402
from skel_blender.engine import __main__ as engine  # noqa: E402
from skel_blender.engine import card  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.chain import pose_chain, pose_points  # noqa: E402
from skel_blender.engine.body.stance import relaxed_pose  # noqa: E402
from skel_blender.engine.card import choose_device  # noqa: E402
from skel_blender.engine.fit import alone, step  # noqa: E402
from skel_blender.engine.fit.people import STAGES, fit_people  # noqa: E402
from skel_blender.engine.fit.start import first_state  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402
from skel_blender.engine.regress import load_hsmr, load_lift  # noqa: E402
from skel_blender.engine.regress.hsmr.batches import Batches, batch_size  # noqa: E402
from skel_blender.engine.regress.hsmr.checkpoint import Size  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from skel_blender.packages import STAMP  # noqa: E402
from tests import skel_file  # noqa: E402
from tests.engine import hsmr_file  # noqa: E402
from tests.engine.pretend_card import CARD, OnCard, pretend_card  # noqa: E402

FRAMES, K = 9, np.array([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]])
SHORT = tuple(replace(stage, iterations=2) for stage in STAGES)
NO_ROOM = (  # as the driver and NVIDIA's libraries say it
    "CUDA error: out of memory",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasGemmEx(handle, opa, opb)`",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR, when calling `cusolverDnCreate(handle)`",
)


@pytest.fixture(scope="module")
def track(body):
    """Somebody who bends a knee, 4 m away; one frame is not seen."""
    poses = np.tile(relaxed_pose(), (FRAMES, 1))
    poses[:, DOF_INDEX["knee_angle_r"]] = np.linspace(0.2, 1.0, FRAMES)
    shape, owner = body.shape(torch.zeros(1, 10).double()), torch.zeros(FRAMES, dtype=torch.long)
    posed = pose_chain(shape, owner, torch.as_tensor(poses), torch.tensor([[0.0, 1.0, 0.0]]).double().expand(FRAMES, -1))
    seen = pose_points(shape, owner, posed, body.markers)[0].numpy() * [1, -1, -1] + [0, 1, 4]
    imaged = seen @ K.T
    keypoints = np.concatenate([imaged[..., :2] / imaged[..., 2:], np.full((FRAMES, 33, 1), 0.9)], -1)
    return Track(np.arange(FRAMES), keypoints, seen - seen[:, [23, 24]].mean(1, keepdims=True), np.arange(FRAMES) != 4)


MIXED = {
    "sum": lambda here, card: here + card,
    "joined": lambda here, card: torch.cat([card, here]),
    "a number that is joined": lambda here, card: torch.stack([card[0, 0], here[0, 0]]),
    "rows picked from the card's side": lambda here, card: here[card[:, 0].long()],
    "rows filled from the processor": lambda here, card: card.__setitem__([0, 1], here[:2]),
    "added in place": lambda here, card: card.index_add_(0, torch.zeros(3, dtype=torch.long), card),
    "to numpy": lambda here, card: card.numpy(),
    "numpy's own way": lambda here, card: np.asarray(card),
    "a layer that was not moved": lambda here, card: torch.nn.Linear(4, 2)(card),
}  # fmt: skip


@pytest.mark.parametrize("mixed", MIXED.values(), ids=MIXED)
def test_the_pretended_card_refuses_what_a_card_refuses(mixed):
    with pretend_card():
        here, card = torch.ones(3, 4), torch.ones(3, 4, device="cuda")
        with pytest.raises((RuntimeError, TypeError), match="same device|can't convert"):
            mixed(here, card)


def test_the_pretended_card_allows_what_a_card_allows():
    with pretend_card():
        here, card = torch.ones(3, 4), torch.zeros(3, 4, device="cuda")
        card[1] = here[1]
        card += torch.tensor(2.0)
        found = torch.nn.Linear(4, 2).to("cuda")(card[torch.tensor([0, 2])]).sum(0)
        assert isinstance(found, OnCard) and found.device == CARD and card.tolist()[1] == [3.0] * 4
        assert all(type(one) is torch.Tensor for one in (card.cpu(), card.to(here), torch.zeros_like(card, device="cpu")))
        assert all(isinstance(one, OnCard) for one in (here.to(card), card.new_zeros(2), *card, card.max(0).values))
        copy = card.cpu()
        copy += 1
        assert float(card.max()) == 3.0  # memory of its own


NO_CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card")
CARDS = [pytest.param(pretend_card, id="pretended"), pytest.param(contextlib.nullcontext, marks=NO_CARD, id="real")]


@pytest.mark.parametrize("a_card", CARDS)
def test_a_fit_on_the_card_is_the_fit(body, track, a_card):
    """From the network's guess, on the floor: every term of the solver, whose steps are taken by cyclic reduction."""
    guess = load_lift()(track, body, K, 30.0)
    here = fit_people([track], body, K, 30.0, stages=SHORT, guesses=[lambda _: guess])[0][0]
    with a_card():
        lifted = load_lift(device="cuda")(track, body.to("cuda"), K, 30.0)
        there = fit_people([track], body.to("cuda"), K, 30.0, stages=SHORT, guesses=[lambda _: guess])[0][0]
    assert here is not None and here.contacts.any()
    assert np.abs(lifted.poses - guess.poses).max() < 1e-3
    assert np.abs(there.state - here.state).max() < 1e-6 and np.array_equal(there.contacts, here.contacts)


def _start_elsewhere(monkeypatch):
    monkeypatch.setattr(alone, "first_state", lambda body, seen: first_state(body, seen).cpu())


def _lapack_for_all(monkeypatch):
    monkeypatch.setattr(step, "_solve", step._banded)


@pytest.mark.parametrize("forget", [_start_elsewhere, _lapack_for_all])
def test_a_fit_that_forgets_the_card_is_caught(body, track, monkeypatch, forget):
    forget(monkeypatch)
    with pretend_card(), pytest.raises((RuntimeError, TypeError), match="same device|can't convert"):
        fit_people([track], body.to("cuda"), K, 30.0, stages=SHORT)


def test_hsmrs_batches_on_the_card_are_hsmrs(tmp_path):
    patches = [np.random.default_rng(n).integers(0, 256, (256, 192, 3), np.uint8) for n in range(11)]
    checkpoint = hsmr_file.write(tmp_path / "small.ckpt")
    here = Batches(load_hsmr(checkpoint))(patches)
    with pretend_card() as waits:
        network = load_hsmr(checkpoint, "cuda")
        there = Batches(network, 4)(patches)
        waits.clear()
        Batches(network, 4)(patches)
        assert waits == ["cpu"] * 4  # for the answers, after the last batch
        assert batch_size(network) > 1
    assert all(type(part) is torch.Tensor and torch.allclose(part, other, atol=1e-5) for part, other in zip(there, here))


@pytest.mark.parametrize(("free", "wanted"), [(6 << 30, 64), (1 << 30, 32), (100 << 20, 2), (1 << 20, 1)])
def test_the_batch_is_what_the_free_memory_holds(free, wanted):
    """Of a ViT-H; a card of 8 GB has 6 left beside the weights."""
    vit_h = SimpleNamespace(device=CARD, dtype=torch.bfloat16, backbone=SimpleNamespace(pos_embed=torch.empty(1, 193, 1280)))
    with pretend_card(free):
        assert batch_size(vit_h) == wanted


@pytest.mark.parametrize("a_card", CARDS)
def test_a_skel_body_is_posed_on_the_card(tmp_path, a_card):
    body = load_body(skel_file.write(tmp_path / "skel_male.pkl", "male"))
    given = [torch.linspace(-0.2, 0.2, n, dtype=torch.float64).expand(2, -1) for n in (46, 10, 3)]
    here = body.forward(*given, skel=True)
    with a_card():
        there = body.to("cuda").forward(*(part.to("cuda") for part in given), skel=True)
        assert there.skin_verts.is_cuda
        for name in ("skin_verts", "skel_verts"):
            assert torch.allclose(getattr(there, name).cpu(), getattr(here, name), atol=1e-6)


@contextlib.contextmanager
def _room_for_eight(network):
    """As if the card could hold eight patches."""
    whole = network.of_pixels

    def of_pixels(pixels):
        if len(pixels) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(pixels)

    network.of_pixels = of_pixels
    yield


@contextlib.contextmanager
def _room_of_64_mb(_):
    """Beyond what is in use; 64 patches alone take 38 MB in float32, and as much again while their colours are scaled."""
    torch.cuda.empty_cache()
    failures, total = torch.cuda.memory_stats()["num_ooms"], torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (64 << 20)) / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert torch.cuda.memory_stats()["num_ooms"] > failures


@pytest.mark.parametrize(("a_card", "little"), [
    pytest.param(pretend_card, _room_for_eight, id="pretended"),
    pytest.param(contextlib.nullcontext, _room_of_64_mb, marks=NO_CARD, id="real"),
])  # fmt: skip
def test_a_card_that_runs_out_of_memory_goes_on_with_fewer_patches_at_once(tmp_path, a_card, little):
    """A small network that is drawn at random, in bfloat16."""
    checkpoint, patches = draw(tmp_path / "drawn.ckpt", Size(256, 2, 1024, 256, 2, 256, 128)), images(80)
    with a_card():
        network = load_hsmr(checkpoint, "cuda", torch.bfloat16)
        wanted, run = Batches(network, 64)(patches), Batches(network, 64)
        with little(network):
            found = run(patches)
    assert run.size < 64 and torch.isfinite(found.rep).all() and found.rep.std(0).max() > 0.01
    assert (found.rep - wanted.rep).abs().max() < 2e-3


@pytest.mark.parametrize(("error", "todo"), [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "Choose --device cpu"),
    *((RuntimeError(said), "Choose --device cpu") for said in NO_ROOM),
    (RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"), "Reconstruct fewer frames"),
    (MemoryError(), "Reconstruct fewer frames"),
])  # fmt: skip
def test_a_card_or_machine_without_room_is_an_error_of_one_sentence(tmp_path, monkeypatch, capsys, error, todo):
    def full(*_):
        raise error

    monkeypatch.setitem(engine._RUN, "reconstruct", full)
    assert engine.main(["reconstruct", "clip.mp4", "--out", str(tmp_path / "take.npz")]) == 1
    assert f"ran out of memory. {todo}" in capsys.readouterr().err


def test_another_error_is_not_taken_for_a_lack_of_room(tmp_path, monkeypatch):
    def wrong(*_):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setitem(engine._RUN, "reconstruct", wrong)
    with pytest.raises(RuntimeError, match="illegal"):
        engine.main(["reconstruct", "clip.mp4", "--out", str(tmp_path / "take.npz")])


@pytest.mark.parametrize("capability, chosen", [((9, 0), "cuda"), ((7, 5), "cuda"), ((6, 1), "cpu")])
def test_a_card_that_this_build_of_torch_has_no_code_for_is_left_alone(monkeypatch, capability, chosen):
    told = []
    with pretend_card():
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
        assert choose_device("auto", told.append).type == chosen and choose_device("cpu", told.append).type == "cpu"
        assert ["older than any" in log.text for log in told] == [True] * (chosen == "cpu")
        if chosen == "cpu":
            with pytest.raises(SkelError, match="older than any that this build of torch has code for"):
                choose_device("cuda")


@pytest.mark.parametrize(("gpu", "build", "hidden", "ours", "said"), [
    (True, None, None, True, "installed without CUDA.*Press Install Engine Again .*delete the folder"),
    (True, None, None, False, "installed without CUDA.*Install torch with CUDA in"),
    (True, "13.0", None, True, "built for CUDA 13.0.*driver is too old.*Update the driver"),
    (True, "13.0", "", True, None),
    (False, None, None, True, None),
])  # fmt: skip
def test_why_a_gpu_is_not_used_is_said(tmp_path, monkeypatch, gpu, build, hidden, ours, said):
    """An information where the choice is free, the error where it is not."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", build)
    monkeypatch.setattr(card, "has_nvidia_gpu", lambda: gpu)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False) if hidden is None else monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    if ours:
        (tmp_path / STAMP).touch()
    told = []
    assert choose_device("auto", told.append).type == choose_device("cpu", told.append).type == "cpu"
    with pytest.raises(SkelError, match=said or "no GPU that torch can use"):
        choose_device("cuda")
    assert len(told) == bool(said) and all(log.level == "info" and re.search(said, log.text) for log in told)


_ROUGH = [(torch.backends.cudnn, "allow_tf32"), *((torch.backends.cuda.matmul, name) for name in (
    "allow_tf32", "allow_bf16_reduced_precision_reduction", "allow_fp16_reduced_precision_reduction"))]  # fmt: skip


@pytest.fixture
def rough():
    """As if somebody else had allowed all of it."""
    before = [getattr(where, name) for where, name in _ROUGH]
    for where, name in _ROUGH:
        setattr(where, name, True)
    yield
    for (where, name), value in zip(_ROUGH, before):
        setattr(where, name, value)


@pytest.mark.parametrize("begin", [
    pytest.param(lambda _: choose_device("auto"), id="a card is chosen"), pytest.param(lambda _: load_lift(device="cuda"), id="lifting"),
    pytest.param(lambda file: load_hsmr(file, "cuda"), id="HSMR"),
])  # fmt: skip
def test_nothing_on_a_card_is_rounded_to_fewer_bits_than_its_type_has(checkpoint, rough, begin):
    with pretend_card():
        begin(checkpoint)
    assert [getattr(where, name) for where, name in _ROUGH] == [False] * 4
