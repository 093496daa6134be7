# SPDX-License-Identifier: GPL-3.0-or-later
"""install.py, the process behind the add-on's button; the installation itself is stood in for."""

import os
import sys

import pytest

from skel_blender import environment, install, messages


def events(capsys) -> list[messages.Event]:
    return [messages.decode(line) for line in capsys.readouterr().out.splitlines()]


def stand_in(monkeypatch, lines: list[str], end: BaseException | None = None) -> None:
    def installed(root, python, on_line, again):
        for line in lines:
            on_line(line)
        if end is not None:
            raise end
        return root / "bin" / "python"

    monkeypatch.setattr(environment, "install", installed)


def test_pips_lines_become_progress_over_the_locked_packages(monkeypatch, capsys, tmp_path):
    stand_in(monkeypatch, ["Making it", "Collecting numpy==2.1 (from -r x)", "  Downloading numpy", "Collecting torch"])
    assert install.main(str(tmp_path)) == 0
    first, second, last = events(capsys)
    assert (first.stage, first.done, second.stage, second.done) == ("fetching numpy", 1, "fetching torch", 2)
    assert first.total == second.total > 20
    assert last == messages.Done(str(tmp_path / "bin" / "python"))


@pytest.mark.parametrize(
    ("end", "code", "exit_code"),
    [(messages.SkelError("disk_full", "The disk is full.", "Free some."), "disk_full", 1), (KeyboardInterrupt(), "cancelled", 130)],
)
def test_an_end_without_an_engine_is_told(monkeypatch, capsys, tmp_path, end, code, exit_code):
    stand_in(monkeypatch, [], end)
    assert install.main(str(tmp_path)) == exit_code
    assert [event.code for event in events(capsys)] == [code]


@pytest.mark.parametrize("ready", [True, False])
def test_an_engine_that_is_there_is_installed_again(monkeypatch, tmp_path, ready):
    asked = []
    monkeypatch.setattr(environment, "is_ready", lambda root: ready)
    monkeypatch.setattr(environment, "install", lambda *_, again: asked.append(again))
    assert install.main(str(tmp_path)) == 0 and asked == [ready]


@pytest.mark.skipif(os.name == "nt", reason="programs made as shell scripts")
def test_another_python_is_looked_for_if_blenders_has_no_wheels(monkeypatch, tmp_path):
    assert install.suitable_python() == sys.executable
    monkeypatch.setattr(environment, "PYTHONS", ((3, 7),))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.suitable_python() == sys.executable
    found = tmp_path / "python3.7"
    found.write_text("#!/bin/sh\n")
    found.chmod(0o755)
    assert install.suitable_python() == str(found)
