# SPDX-License-Identifier: GPL-3.0-or-later
"""Every benchmark can be started: what it imports is there, and it says what it takes."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("av")

from bin.benchmarks import lens, mocap  # noqa: E402


@pytest.fixture(scope="module")
def names(repository) -> list[str]:
    """Of the benchmarks, as bin/benchmark lists them."""
    told = subprocess.run([sys.executable, repository / "bin" / "benchmark"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in told.splitlines()]


def test_every_benchmark_says_what_it_takes(names, capsys):
    assert {"ablation", "footage", "solver", "travel"} <= set(names)
    for name in names:
        with pytest.raises(SystemExit) as end:
            importlib.import_module(f"bin.benchmarks.{name}").main(["--help"])
        assert end.value.code == 0 and capsys.readouterr().out.startswith("usage: "), name


def test_landmarks_that_are_made_up_are_not_corrected_once_more(body, monkeypatch):
    """Their errors were measured of corrected ones."""
    made, synthesize = [], lens.synthesize
    monkeypatch.setattr(lens, "synthesize", lambda *given: made.append(synthesize(*given)) or made[-1])
    motion = mocap.to_body(mocap.read_clips(mocap.SMALL_SET)[0].part(0, 40), body)
    [track] = lens.film([motion], body, 1, np.random.default_rng(0)).tracks
    assert np.array_equal(track.landmarks_3d, made[-1][1][track.frames])
