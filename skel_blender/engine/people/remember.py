# SPDX-License-Identifier: GPL-3.0-or-later
"""What the networks saw in some footage, kept in a file while it is read: a run that was stopped goes on where it was, and the same footage
is looked at once only, however often it is fitted.

Following people asks the networks the same questions whenever the footage is the same, in whatever order its threads come to ask them: a
second run asks again, is answered from the file, and comes to the networks with what the file does not know.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import struct
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..blazepose import LANDMARKS
from .crops import Roi
from .landmarker import Networks, Pose

FOLDER_BYTES = 500e6  # of other footage than the one in work; the least recently used is forgotten first
_KINDS = "*.sqlite", "*.npz"  # of files in the folder; the second are the command line's: Takes of which no scene was written
_FORMAT = 4  # goes up with whatever changes the questions' answers
_KEEP_S = 2.0  # between writes to the disk: as much is lost when the machine goes down
_SAMPLE = 16  # px between the rows that tell one image from another
_ROI = struct.Struct("<4d")
_NO_WINDOW = Roi(np.zeros(2), 0.0, 0.0)  # a question about the whole image


def memory_of(folder: Path, files: Iterable[Path], model: Path) -> Path:
    """The file of `folder` that remembers this footage, all its frames, as this model sees it. Makes the folder, and room in it."""
    stated = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in (*files, model)]
    name = hashlib.sha256(json.dumps([_FORMAT, stated]).encode()).hexdigest()[:24] + ".sqlite"
    with suppress(OSError):  # a folder that cannot be made or cleared costs the memory, see Remembering, never the run
        folder.mkdir(parents=True, exist_ok=True)
        _make_room(folder, name)
    return folder / name


def _make_room(folder: Path, name: str) -> None:
    others = [(path.stat().st_mtime, path.stat().st_size, path) for kind in _KINDS for path in folder.glob(kind) if path.name != name]
    room = FOLDER_BYTES - sum(size for _, size, _ in others)
    for _, size, path in sorted(others):
        if room >= 0:
            break
        room += size
        _forget(path)


def _forget(path: Path) -> None:
    for part in (path, path.with_name(f"{path.name}-journal")):  # the second is what a killed run leaves
        part.unlink(missing_ok=True)


class Remembering:
    """Networks whose answers are kept in `path`, by the questions; what the file knows is not asked again. Several threads may ask at once.

    A file that is damaged is forgotten. Where the file cannot be had or written, by a full disk say, the run goes on and keeps its answers
    to itself. Use as a context.
    """

    def __init__(self, networks: Networks, path: Path) -> None:
        self._networks, self._path = networks, path
        self._written, self._lock = time.monotonic(), threading.Lock()
        self.recalled = 0  # questions that the file has answered

    def __enter__(self) -> Remembering:
        try:
            self._file = self._opened()
        except (sqlite3.Error, OSError):
            self._file = _opened(":memory:")
        return self

    def _opened(self) -> sqlite3.Connection:
        try:
            return _opened(self._path)
        except sqlite3.OperationalError:  # another run has it, or nothing can be written there
            raise
        except sqlite3.DatabaseError:
            _forget(self._path)
            return _opened(self._path)

    def __exit__(self, *_: object) -> None:
        with suppress(sqlite3.Error):
            self._file.commit()
        self._file.close()

    def detect(self, image: np.ndarray, window: Roi, threshold: float) -> list[tuple[Roi, float]]:
        """As the networks'."""
        asked = _digest(b"detect", image, window, threshold)
        answer = self._known(asked)
        if answer is None:
            found = self._networks.detect(image, window, threshold)
            self._keep(asked, b"".join(_packed(roi) + struct.pack("<d", score) for roi, score in found))
            return found
        size = _ROI.size + 8
        return [(_roi(answer[at:]), struct.unpack_from("<d", answer, at + _ROI.size)[0]) for at in range(0, len(answer), size)]

    def upright(self, image: np.ndarray) -> list[Roi]:
        """As the networks'."""
        asked = _digest(b"upright", image, _NO_WINDOW)
        answer = self._known(asked)
        if answer is None:
            windows = self._networks.upright(image)
            self._keep(asked, b"".join(map(_packed, windows)))
            return windows
        return [_roi(answer[at:]) for at in range(0, len(answer), _ROI.size)]

    def landmarks(self, image: np.ndarray, roi: Roi, mirrored: bool = False) -> Pose:
        """As the networks'."""
        asked = _digest(b"mirrored" if mirrored else b"landmarks", image, roi)
        answer = self._known(asked)
        if answer is None:
            pose = self._networks.landmarks(image, roi, mirrored)
            arrays = np.column_stack([pose.keypoints_2d, pose.landmarks_3d, pose.outline]).astype("<f4")
            self._keep(asked, _packed(pose.next_roi) + struct.pack("<d", pose.score) + arrays.tobytes())
            return pose
        arrays = np.frombuffer(answer, "<f4", offset=_ROI.size + 8).reshape(LANDMARKS, 10).copy()
        score = struct.unpack_from("<d", answer, _ROI.size)[0]
        return Pose(arrays[:, :3], arrays[:, 3:6], score, _roi(answer), arrays[:, 6:])

    def _known(self, asked: bytes) -> bytes | None:
        with self._lock:
            try:
                row = self._file.execute("SELECT answer FROM answers WHERE asked = ?", (asked,)).fetchone()
            except sqlite3.Error:
                self._let_go()
                return None
            self.recalled += row is not None
            return row and row[0]

    def _keep(self, asked: bytes, answer: bytes) -> None:
        with self._lock:
            try:
                self._file.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (asked, answer))
                if time.monotonic() - self._written > _KEEP_S:
                    self._file.commit()
                    self._written = time.monotonic()
            except sqlite3.Error:
                self._let_go()

    def _let_go(self) -> None:
        self._file.close()
        self._file = _opened(":memory:")


def _opened(path: Path | str) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=0, check_same_thread=False)
    try:
        file.execute("PRAGMA synchronous = NORMAL")
        file.execute("PRAGMA locking_mode = EXCLUSIVE")
        file.execute(f"PRAGMA user_version = {_FORMAT}")  # a write, so from here on the file is this run's alone
        file.execute("CREATE TABLE IF NOT EXISTS answers (asked BLOB PRIMARY KEY, answer BLOB) WITHOUT ROWID")
        if file.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError
    except sqlite3.Error:
        file.close()
        raise
    return file


def _digest(kind: bytes, image: np.ndarray, roi: Roi, *numbers: float) -> bytes:
    pixels = np.ascontiguousarray(image[::_SAMPLE])
    question = hashlib.blake2b(kind + _packed(roi) + struct.pack(f"<{len(numbers)}d", *numbers), digest_size=16)
    question.update(pixels)
    return question.digest()


def _packed(roi: Roi) -> bytes:
    return _ROI.pack(*roi.center, roi.size, roi.angle)


def _roi(answer: bytes) -> Roi:
    x, y, size, angle = _ROI.unpack_from(answer)
    return Roi(np.array([x, y]), size, angle)
