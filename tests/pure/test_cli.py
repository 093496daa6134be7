# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `skel-blender`, with tests/fake_engine.py in the engine's place: nothing half-written, nothing lost, one sentence."""

from __future__ import annotations

import importlib.util
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skel_blender import cli, environment, take
from skel_blender.cli import options
from skel_blender.messages import Log, Progress, SkelError
from skel_blender.status import Status, duration_text, progress_text

REPOSITORY = Path(__file__).resolve().parents[2]
POSIX = pytest.mark.skipif(os.name == "nt", reason="the engine's Python is played by a shell script")


def reconstruct(folder: Path, out: str, *options: str) -> int:
    return cli.main(["reconstruct", str(folder / "clip.mp4"), "-o", str(folder / out), *options])


@POSIX
def test_a_take_is_written(place, capfd):
    assert reconstruct(place, "shot.npz", "--people", "1") == 0
    assert sorted(os.listdir(place)) == ["clip.mp4", "shot.npz"]
    assert len(take.load(place / "shot.npz").people) == 1
    assert (place / "shot.npz").stat().st_mode == (place / "clip.mp4").stat().st_mode
    said = capfd.readouterr().err
    assert "Two frames could not be decoded" in said and "Found: Person 1 in frames 0 to 9." in said
    assert "detect" in said


@POSIX
def test_heights_and_who_is_who_reach_the_engine(place, monkeypatch, capfd):
    asked, command = [], cli.commands.engine_command
    monkeypatch.setattr(cli.commands, "engine_command", lambda python, request: asked.append(request) or command(python, request))
    for given in ([], ["--stature", "1.8,,1.655"], ["--who", "1+4, 5-"]):
        assert reconstruct(place, "shot.npz", "--overwrite", *given) == 0
    assert [(request.stature, request.who) for request in asked] == [("", ""), ("1.8,,1.655", ""), ("", "1+4,5-")]
    capfd.readouterr()
    assert reconstruct(place, "shot.npz", "--overwrite", "--who", "1+") == 1
    assert "'1+' is not a correction of who is who. Use" in capfd.readouterr().err and len(asked) == 3


@POSIX
def test_bodies_reach_the_engine_and_files_by_their_whole_paths(place, monkeypatch):
    asked, command = [], cli.commands.engine_command
    monkeypatch.setattr(cli.commands, "engine_command", lambda python, request: asked.append(request) or command(python, request))
    monkeypatch.chdir(place)
    (place / "skel_male.pkl").touch()
    for given in ([], ["--body", "female"], ["--body", "skel_male.pkl,,female"]):
        assert reconstruct(place, "shot.npz", "--overwrite", *given) == 0
    assert [request.body for request in asked] == ["", "female", f"{place / 'skel_male.pkl'},,female"]


@POSIX
@pytest.mark.parametrize("ending", [".blend", ".fbx", ".glb", ".BLEND"])
def test_a_scene_is_built_from_the_take(place, ending):
    assert reconstruct(place, f"shot{ending}") == 0
    assert sorted(os.listdir(place)) == ["clip.mp4", f"shot{ending}"]
    made = (place / f"shot{ending}").read_text()
    assert made.startswith("scene of ") and f"--folder={place}" in made.split(), "where it will lie"


@POSIX
def test_the_camera_that_was_filmed_with_is_not_the_one_that_is_exported(place):
    assert reconstruct(place, "one.fbx", "--camera", "still") == reconstruct(place, "two.fbx", "--take-camera", "--camera", "auto") == 0
    assert ["--take-camera" in (place / name).read_text().split() for name in ("one.fbx", "two.fbx")] == [False, True]


@POSIX
@pytest.mark.parametrize("fake, sentence", [
    ({"FAKE_ENGINE": "fail"}, "Nobody was found in clip.mp4. Choose a clip that shows a person."),
    ({"FAKE_ENGINE": "crash"}, "the tensor is gone"),
    ({"FAKE_BUILDER": "sentence"}, "Body 3 has no bones. Use another body."),
    ({"FAKE_BUILDER": "full"}, "The disk is full. Make room and run again."),
    ({"FAKE_BUILDER": "trace"}, "shot.blend could not be made (KeyError: 0)."),
    ({"FAKE_BUILDER": "nothing"}, "shot.blend could not be made"),
])  # fmt: skip
def test_a_failure_is_one_sentence_and_leaves_what_was_there(place, monkeypatch, capfd, fake, sentence):
    (place / "shot.blend").write_text("precious")
    for name, value in fake.items():
        monkeypatch.setenv(name, value)
    assert reconstruct(place, "shot.blend", "--overwrite") == 1
    said = capfd.readouterr().err
    assert sentence in said.splitlines()[-1]
    assert "Traceback" not in said
    assert sorted(os.listdir(place)) == ["clip.mp4", "shot.blend", *["shot.npz"] * ("FAKE_BUILDER" in fake)]
    assert (place / "shot.blend").read_text() == "precious"


@POSIX
def test_what_was_reconstructed_outlives_a_scene_that_could_not_be_built(place, monkeypatch, capfd):
    """The work of hours: it is kept, nothing there is replaced, and the scene can be built from it later."""
    (place / "shot.npz").write_text("precious")
    monkeypatch.setenv("FAKE_BUILDER", "trace")
    assert reconstruct(place, "shot.blend") == 1
    assert f"The reconstruction is kept as {place / 'shot_2.npz'}." in capfd.readouterr().err
    assert (place / "shot.npz").read_text() == "precious"
    monkeypatch.delenv("FAKE_BUILDER")
    assert cli.main(["export", str(place / "shot_2.npz"), "-o", str(place / "shot.blend")]) == 0
    assert sorted(os.listdir(place)) == ["clip.mp4", "shot.blend", "shot.npz", "shot_2.npz"]
    assert cli.main(["export", str(place / "shot.blend"), "-o", str(place / "again.blend")]) == 1
    assert "An export of shot.blend ends in one of .fbx" in capfd.readouterr().err


@POSIX
def test_what_a_scene_lacks_is_told(place, monkeypatch, capfd):
    monkeypatch.setenv("FAKE_BUILDER", "less")
    assert cli.main(["reconstruct", str(place / "clip.mp4"), "-o", str(place / "shot.fbx")]) == 0
    said = capfd.readouterr().err
    assert "Left out: Fewer. Apply it." in said and "noise" not in said


def test_what_exists_is_replaced_only_on_request(place, capfd):
    (place / "shot.blend").write_text("precious")
    assert reconstruct(place, "shot.blend") == 1
    assert "exists already" in capfd.readouterr().err
    assert (place / "shot.blend").read_text() == "precious"
    assert reconstruct(place, "shot.blend", "--overwrite") == 0
    assert (place / "shot.blend").read_text() != "precious"


@POSIX
@pytest.mark.parametrize("end", ["done", "deaf"])
def test_ctrl_c_ends_everything_and_leaves_nothing(place, end, monkeypatch):
    driver = (
        "import signal, sys; from pathlib import Path; from skel_blender import cli, environment, job\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which tests that run in the background inherit as ignored
        "job.GRACE_S = 1.0\n"
        f"environment.install = lambda *a: Path({str(place.parent / 'tools' / 'python')!r})\n"
        "environment.landmark_model = lambda root: Path('model')\n"
        f"sys.exit(cli.main(['reconstruct', {str(place / 'clip.mp4')!r}, '-o', {str(place / 'shot.npz')!r}]))"
    )
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "FAKE_ENGINE": end, "FAKE_ENGINE_SECONDS": "60"}
    process = subprocess.Popen([sys.executable, "-c", driver], env=environ, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "detect" in line:  # the engine runs
            break
    assert [name for name in sorted(os.listdir(place)) if name.startswith(".shot.npz.")]
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert said.splitlines()[-1] == "Cancelled; nothing was written."
    assert sorted(os.listdir(place)) == ["clip.mp4"]


@pytest.mark.parametrize("arguments, sentence", [
    (["reconstruct"], "arguments are required"),
    (["reconstruct", "nowhere.mp4", "-o", "{}/a.blend"], "There is no file nowhere.mp4"),
    (["reconstruct", "{}/empty", "-o", "{}/a.blend"], "is empty"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.obj"], "must end in one of .blend, .fbx, .glb"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/nowhere/a.blend"], "There is no folder"),
    (["reconstruct", "{}/clip.npz", "-o", "{}/clip.npz", "--overwrite"], "is the input itself"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/folder.blend", "--overwrite"], "is a folder"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--frames", "9:3"], "not a range of frames"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--frames", ":0"], "not a range of frames"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--seed", "9" * 30], "is not a whole number"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--frames", "-3:9"], "'-3:9' is not a range of frames"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--people", "0"], "not a number of people"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--fov", "200"], "between 0 and 180"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--fov", "nan"], "between 0 and 180"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--stature", "180"], "'180' is not a height between 0.5 and 2.5 metres"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--stature", "1.8,tall"], "'tall' is not a height"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--fov", "50", "--focal-length", "900"], "not allowed with"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--device", "tpu"], "invalid choice"),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--hsmr", "h.ckpt"], "Add --regressor hsmr, or leave --hsmr out."),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--out", "{}/a.fbx"], "Argument -o/--out: given twice."),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.npz", "--who", "1+4", "--who", "5-"], "Argument --who: given twice."),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.blend", "--no-skin"], "Export options have no effect on a .blend."),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.bvh", "--take-camera"], "A .bvh holds no camera."),
    (["reconstruct", "{}/clip.mp4", "-o", "{}/a.glb", "--take-camera", "--travel=none"], "people are not where the camera sees them."),
    (["export", "{}/clip.npz", "-o", "{}/a.osim", "--take-camera"], "have no effect on a .osim."),
    (["export", "{}/clip.npz", "-o", "{}/a.mot", "--preset", "unity"], "have no effect on a .mot."),
    (["export", "{}/clip.npz", "-o", "{}/a.fbx", "--mass", "70"], "--mass has no effect on a .fbx."),
    (["export", "{}/clip.npz", "-o", "{}/a.blend", "--person", "2"], "--person has no effect on a .blend."),
    (["picture", "{}/a.blend", "--frames", "first"], "not a list of frames"),
    (["picture", "{}/a.blend", "--samples", "0"], "not a number of samples"),
    (["dance"], "invalid choice"),
])  # fmt: skip
def test_what_cannot_work_is_said_before_any_work(tmp_path, monkeypatch, capfd, arguments, sentence):
    def no_work(*arguments: object) -> None:
        raise AssertionError("work was done")

    monkeypatch.setattr(environment, "install", no_work)
    for name in ("clip.mp4", "clip.npz"):
        (tmp_path / name).write_bytes(b"footage")
    for name in ("empty", "folder.blend"):
        (tmp_path / name).mkdir()
    before = sorted(os.listdir(tmp_path))
    assert cli.main([word.format(tmp_path) for word in arguments]) == 1
    said = capfd.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is a folder that takes no files, even from root")
def test_a_folder_that_takes_no_files_is_named(tmp_path, capfd):
    (tmp_path / "clip.mp4").write_bytes(b"footage")
    assert cli.main(["reconstruct", str(tmp_path / "clip.mp4"), "-o", "/proc/shot.blend"]) == 1
    assert "The folder /proc cannot be written to" in capfd.readouterr().err


def test_env_prints_a_path_and_nothing_else(place, capfd):
    assert cli.main(["env"]) == 0
    assert capfd.readouterr().out == f"{environment.install(None, None, None)}\n"


@POSIX
def test_a_motion_is_imported_with_a_model_file_or_without(place, capfd):
    for name in ("dance.pkl", "SMPL_MALE.pkl"):
        (place / name).write_bytes(b"")
    words = ["import", str(place / "dance.pkl"), "-o"]
    assert cli.main([*words, str(place / "plain.npz"), "--people", "1"]) == 0
    assert cli.main([*words, str(place / "exact.npz"), "--model", str(place / "SMPL_MALE.pkl")]) == 0
    assert [len(take.load(place / f"{name}.npz").people) for name in ("plain", "exact")] == [1, 2]
    assert cli.main([*words, str(place / "none.npz"), "--model", str(place / "SMPL_FEMALE.pkl")]) == 1
    assert "There is no file" in capfd.readouterr().err and not (place / "none.npz").exists()


@pytest.mark.parametrize("axis", ["y", "z", "-y"])
def test_an_axis_is_taken_with_its_sign(axis):
    for words in (["--up", axis], [f"--up={axis}"]):
        assert options.parser().parse_args(["import", "a.npz", *words, "-o", "a.npz"]).up == axis


@POSIX
def test_pictures_are_rendered_and_a_failure_is_one(place):
    assert cli.main(["picture", str(place / "clip.mp4"), str(place / "pictures")]) == 0
    assert sorted(os.listdir(place)) == ["clip.mp4", "pictures"]
    assert cli.main(["picture", str(place / "none.blend"), str(place / "more")]) == 1


@POSIX
def test_options_of_pictures_reach_the_renderer(place, monkeypatch):
    asked, run = [], cli.commands.subprocess.run
    monkeypatch.setattr(cli.commands.subprocess, "run", lambda command, **more: asked.append(command) or run(command, **more))
    for given in ([], ["--frames", "-3,5", "--samples", "256"]):
        assert cli.main(["picture", str(place / "clip.mp4"), str(place / f"pictures{len(given)}"), *given]) == 0
    assert [[word for word in command if word.startswith("--")] for command in asked] == [[], ["--frames=-3,5", "--samples=256"]]


def test_a_failed_setup_is_one_sentence(place, monkeypatch, capfd):
    def fails(*arguments: object) -> None:
        raise SkelError("network", "A package could not be fetched: numpy.", "Check the network connection and run again.")

    monkeypatch.setattr(environment, "install", fails)
    assert reconstruct(place, "shot.blend") == 1
    assert capfd.readouterr().err == "A package could not be fetched: numpy. Check the network connection and run again.\n"
    assert sorted(os.listdir(place)) == ["clip.mp4"]


def test_progress_shows_stage_count_and_time_left():
    assert progress_text(Progress("fit", 30, 120, 130.0)) == "fit  30/120 (25 %), about 2 min left"
    assert progress_text(Progress("fit", 120, 120)) == "fit  120/120 (100 %)"
    assert progress_text(Progress("fit", 0, 0)) == "fit"
    assert [duration_text(seconds) for seconds in (0.4, 40, 89, 100, 7500)] == ["0 s", "40 s", "89 s", "2 min", "2 h 5 min"]


def test_a_log_file_gets_lines_and_a_terminal_one_that_changes():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    plain, terminal = io.StringIO(), Terminal()
    for stream in (plain, terminal):
        status = Status(stream)
        for done in range(50):
            status.event(Progress("detect", done, 50))
        status.event(Log("warning", "Frame 7 is damaged."))
        status.event(Progress("fit", 1, 3))
    assert plain.getvalue().splitlines() == ["detect  0/50 (0 %)", "Warning: Frame 7 is damaged.", "fit  1/3 (33 %)"]
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().split("\r")[-1].rstrip() == "fit  1/3 (33 %)" and "\x1b" not in terminal.getvalue()


class Closed(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


@POSIX
@pytest.mark.parametrize("stream", [None, Closed()], ids=["none", "closed"])
def test_a_run_does_not_end_because_nobody_reads_what_it_says(place, monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    assert reconstruct(place, "shot.npz") == 0
    assert reconstruct(place, "shot.npz") == 1, "it exists"
    assert sorted(os.listdir(place)) == ["clip.mp4", "shot.npz"]


@pytest.mark.parametrize("name", ["benchmark", "test", pytest.param("build-open-body", marks=POSIX), "skel-blender"])
def test_programs_of_bin_say_what_they_are_and_do_nothing_else(tmp_path, name):
    run = [sys.executable] if name != "build-open-body" else []
    told = subprocess.run([*run, REPOSITORY / "bin" / name, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)})  # fmt: skip
    assert (told.returncode, told.stderr) == (0, "") and 3 < len(told.stdout.splitlines()) < 40
    assert not list(tmp_path.iterdir())


def test_what_ends_a_program_of_bin_is_one_sentence(tmp_path, monkeypatch, capfd):
    spec = importlib.util.spec_from_file_location("_engine", REPOSITORY / "bin" / "_engine.py")
    spec.loader.exec_module(engine := importlib.util.module_from_spec(spec))
    ending = "from skel_blender.messages import SkelError\ndef main(words):\n    if words: raise SkelError('x', *words)\n    return 3\n"
    (tmp_path / "ending.py").write_text(ending)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(environment, "install", lambda *given: sys.executable)
    for words, code, said in (([], 3, ""), (["It broke.", "Mend it."], 1, "It broke. Mend it.\n")):
        with pytest.raises(SystemExit) as ended:
            engine.end_with("ending", words)
        assert (ended.value.code, capfd.readouterr().err) == (code, said)


def test_bin_runs_from_anywhere(tmp_path):
    result = subprocess.run([sys.executable, REPOSITORY / "bin" / "skel-blender", "reconstruct", "none.mp4", "-o", "a.blend"],
                            cwd=tmp_path, capture_output=True, text=True)  # fmt: skip
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "There is no file none.mp4. Check the path.\n"
