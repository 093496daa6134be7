# SPDX-License-Identifier: GPL-3.0-or-later
"""requests.py: command lines hold what was asked, and no more."""

from skel_blender import requests


def test_what_was_not_chosen_is_left_to_the_engine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begin = ["py", "-m", "skel_blender.engine"]
    plain = requests.engine_command("py", requests.Request(("clip.mp4",), "t.npz"))
    assert plain == [*begin, "reconstruct", str(tmp_path / "clip.mp4"), "--out=t.npz", "--events"]
    motion = requests.engine_command("py", requests.ImportRequest("dance.npz", "t.npz"))
    assert motion == [*begin, "import", str(tmp_path / "dance.npz"), "--out=t.npz", "--events"]
    again = requests.engine_command("py", requests.RefitRequest("shot.npz", "set.npz", "t.npz"))
    assert again == [*begin, "refit", str(tmp_path / "shot.npz"), "--set=set.npz", "--out=t.npz", "--person=0", "--events"]


def test_all_that_was_chosen_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    full = requests.Request(("a", "b"), "t", "3:9", 2, "open_male", "cpu", 50.0, 900.0, "still", 0, "m.task", "hsmr", "h.ckpt", "memory")
    assert full.arguments()[3:] == [
        "--out=t", "--frames=3:9", "--people=2", "--body=open_male", "--device=cpu", "--fov=50.0", "--focal-length=900.0",
        "--camera=still", "--seed=0", "--model=m.task", "--regressor=hsmr", f"--hsmr={tmp_path / 'h.ckpt'}", "--memory=memory", "--events",
    ]  # fmt: skip
    motion = requests.ImportRequest("m.npz", "t", "SMPL.pkl", 1, "female", 59.94, "-y", True)
    assert motion.arguments()[2:] == [
        "--out=t", f"--model={tmp_path / 'SMPL.pkl'}", "--people=1", "--body=female", "--fps=59.94", "--up=-y", "--limits", "--events",
    ]  # fmt: skip
