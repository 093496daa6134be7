# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped open bodies are what the builder makes of its pinned packages. Slow: only with `bin/test --all`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.synthetic import open_body_file

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not os.environ.get("SKEL_BLENDER_ALL"), reason="takes minutes and the package index: bin/test --all")
@pytest.mark.skipif(sys.platform != "linux", reason="the builder is a shell script for Linux")
def test_the_builder_makes_the_shipped_files_bit_for_bit(tmp_path):
    built = subprocess.run([ROOT / "bin" / "build-open-body", "--out", tmp_path], capture_output=True, text=True,
                           env=os.environ | {"PYTHON": sys.executable})  # fmt: skip
    assert built.returncode == 0, built.stderr
    for sex in ("male", "female"):
        with np.load(tmp_path / f"open_{sex}.npz") as fresh, np.load(open_body_file(sex)) as shipped:
            assert fresh.files == shipped.files
            for name in shipped.files:
                assert fresh[name].dtype == shipped[name].dtype and fresh[name].tobytes() == shipped[name].tobytes(), name
