# SPDX-License-Identifier: GPL-3.0-or-later
"""Every benchmark can be started: what it imports is there, and it says what it takes."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("av")


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
