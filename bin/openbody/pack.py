# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes one body as the .npz that the add-on ships."""
from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np

GRID = 2.0**-16
"""Metres: positions are rounded to this grid (15 micrometres) so that they compress."""


def on_grid(x: np.ndarray) -> np.ndarray:
    """float32 positions rounded to GRID."""
    return (np.round(np.asarray(x, float) / GRID) * GRID).astype(np.float32)


def quantised(directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int16 (V,3,K) and scale (K,): directions = q * scale, largest entry 32767."""
    scale = np.abs(directions).max((0, 1)) / 32767
    return np.round(directions / scale).astype(np.int16), scale.astype(np.float32)


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz as np.savez_compressed writes it, but with a fixed date, so that equal arrays give equal bytes.

    Goes through a temporary name: readers never see half a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")
            archive.writestr(entry, buffer.getvalue(), zipfile.ZIP_DEFLATED, 9)
    os.replace(temporary, path)
