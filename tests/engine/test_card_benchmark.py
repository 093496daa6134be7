# SPDX-License-Identifier: GPL-3.0-or-later
"""What `bin/benchmark hsmr` measures on a card, on one that is pretended: every table gets to the page, whatever becomes of the others."""

import gc
import os
import weakref

import pytest

torch = pytest.importorskip("torch")

from bin.benchmarks import hsmr, hsmr_card, report  # noqa: E402
from skel_blender.engine.regress.hsmr import Hsmr  # noqa: E402
from tests.engine.pretend_card import pretend_card  # noqa: E402

TABLES = ("_networks", "_memory", "_solver", "_lift")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A benchmark that takes no time."""
    sizes = {"BATCHES": (1, 2), "PATCHES": 3, "SIDE": 8, "PRODUCTS": 1, "WARM_S": 0.0, "FRAMES": (4, 5), "MOST": 2}
    for name, value in sizes.items():
        monkeypatch.setattr(hsmr_card, name, value)
    monkeypatch.setattr(Hsmr, "compiled", lambda self: self)


def _run(checkpoint, *more):
    with pretend_card():
        return hsmr.main(["--checkpoint", str(checkpoint), "--batch", "1", "--rounds", "1", *map(str, more)])


@pytest.mark.skipif(not os.environ.get("SKEL_BLENDER_ALL"), reason="six fits and all imports of the benchmarks take half a minute")
def test_the_benchmark_fills_a_cards_tables(checkpoint, tmp_path, capsys):
    """As it runs with a card, on a small network: every row is written to the page."""
    page = tmp_path / "a new folder" / "page.md"
    assert _run(checkpoint, "--write", page) == 0
    rows, told = [line for line in page.read_text().splitlines() if line.startswith("|")], capsys.readouterr().out
    assert len(rows) == 4 * 2 + 7 + 3 + 2 + 1 and all(row in told for row in rows)
    assert rows[4].split(" | ")[7] == "0.000"  # float32 on the card is float32


def test_a_card_without_a_known_sheet_has_empty_cells_and_one_patch_at_a_time_a_row(checkpoint):
    with pretend_card():
        lines = hsmr_card._networks(checkpoint, 1, [])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")][1:]
    assert "unknown on the sheet" in lines[0] and "nan" not in "".join(lines)
    assert len(rows) == 7 and all(len(row) == 9 and row[6] == "" for row in rows)
    assert [row[1] for row in rows] == ["1", "2", "64", "64", "1", "64", "64"]


@pytest.mark.parametrize("measure", [lambda file: hsmr_card._networks(file, 1, []), hsmr_card._memory], ids=["speed", "memory"])
def test_no_network_is_on_the_card_while_another_is_measured(checkpoint, monkeypatch, measure):
    """A compiled one refers to itself, and is there until it is looked for."""
    alive, loaded, load = [], [], hsmr_card.load_hsmr

    def loading(*given):
        alive.append(sum(one() is not None for one in loaded))
        network = load(*given)
        network.__dict__["own"] = network
        loaded.append(weakref.ref(network))
        return network

    monkeypatch.setattr(hsmr_card, "load_hsmr", loading)
    gc.disable()
    try:
        with pretend_card():
            loading(checkpoint, "cuda")
            alive.clear()
            measure(checkpoint)
    finally:
        gc.enable()
    assert alive and not any(alive)


def _made_up(monkeypatch, **failing):
    """Tables of one line, but for those that fail."""
    for name in TABLES:
        def table(*_, name=name):
            if name in failing:
                raise failing[name]
            return [f"table of {name}"]

        monkeypatch.setattr(hsmr_card, name, table)


def test_a_table_that_fails_is_a_sentence_and_the_others_go_on(checkpoint, tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- card: begin -->\nNot measured.\n<!-- card: end -->\nafter\n")
    _made_up(monkeypatch, _memory=RuntimeError("CUDA error: misaligned address\nCompile with TORCH_USE_CUDA_DSA"))
    assert _run(checkpoint, "--card-only", "--write", page) == 1
    said = "Memory: not measured (RuntimeError: CUDA error: misaligned address)."
    told = capsys.readouterr()
    assert said in page.read_text() and said in told.out and "TORCH_USE_CUDA_DSA" in told.err
    assert all(f"table of {name}" in page.read_text() for name in TABLES if name != "_memory")
    assert page.read_text().startswith("before\n") and page.read_text().endswith("after\n") and "Not measured." not in page.read_text()


def test_what_was_measured_before_an_end_is_on_the_page(checkpoint, tmp_path, monkeypatch):
    _made_up(monkeypatch, _solver=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        _run(checkpoint, "--card-only", "--write", tmp_path / "page.md")
    assert "table of _networks\n\ntable of _memory\n" in (tmp_path / "page.md").read_text()


def test_a_row_that_fails_is_a_row(checkpoint, monkeypatch, capsys):
    def compiled(self):
        raise RuntimeError("backend='inductor' raised:\n\nFailed to find C compiler | none")

    monkeypatch.setattr(Hsmr, "compiled", compiled)
    failed = []
    with pretend_card():
        lines = hsmr_card._networks(checkpoint, 1, failed)
    [row] = [line for line in lines if "compiled" in line]
    assert failed == ["engine, compiled"] and row.count("|") == lines[-1].count("|")
    assert "RuntimeError: backend='inductor' raised: Failed to find C compiler / none" in row


def test_the_card_alone_is_measured(checkpoint, monkeypatch, capsys):
    """Without one that is told, and counts as an error, since nothing was measured."""
    monkeypatch.setattr(hsmr, "on_processor", lambda *_: pytest.fail("measured on the processor"))
    _made_up(monkeypatch)
    assert _run(checkpoint, "--card-only") == 0
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert hsmr.main(["--checkpoint", str(checkpoint), "--card-only"]) == 1
    assert "No CUDA card: not measured." in capsys.readouterr().out


def test_a_page_and_its_folder_may_be_new(tmp_path):
    page = tmp_path / "new" / "copy.md"
    for text in ("one", "two"):
        report.write(page, "card", text)
    assert page.read_text() == "<!-- card: begin -->\ntwo\n<!-- card: end -->\n"
