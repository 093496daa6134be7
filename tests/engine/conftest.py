# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that several files of this tier share. Collecting a file must not need what another one imports: imports are inside."""

import importlib.util

import pytest

if importlib.util.find_spec("torch"):
    from tests.engine.smpl_layouts import folder, model, walk  # noqa: F401


@pytest.fixture(scope="session")
def body():
    """The open male body. Nobody changes it."""
    from skel_blender.engine.body import load_body

    return load_body("open", "male")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """The path of a small HSMR checkpoint."""
    from tests.engine import hsmr_file

    return hsmr_file.write(tmp_path_factory.mktemp("hsmr") / "small.ckpt")


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A folder for the lifting network's labels, which are known there by what they were made from."""
    return tmp_path_factory.mktemp("labels")


@pytest.fixture(scope="session")
def motions(cache):
    """The small set of motion capture, the first 24 frames of each clip, to learn from."""
    from bin.benchmarks.mocap import SMALL_SET
    from bin.lifting.labels import labels, mocap_files
    from bin.lifting.motions import Motions

    return Motions(labels(mocap_files(SMALL_SET, "test"), cache, longest=24))
