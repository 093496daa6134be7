# SPDX-License-Identifier: GPL-3.0-or-later
"""job.py against small programs that behave well and badly. Nothing here needs the engine's libraries."""

import os
import subprocess
import sys
import threading
import time

import pytest

from skel_blender import job, messages

# ASK is the signal that asks a process to stop.
EVENTS = """from skel_blender import messages as m, job; import sys, time, os, signal, subprocess
def say(e): m.write(e, sys.stdout)
ASK = getattr(signal, 'SIGBREAK', signal.SIGINT)
signal.signal(ASK, signal.default_int_handler)
"""

POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and process groups")


def start(body: str) -> job.Job:
    return job.Job([sys.executable, "-c", EVENTS + body])


def end(running: job.Job, limit_s: float = 30.0) -> list[messages.Event]:
    """All events of a run that must end in time, polled as a user interface polls."""
    events, until = [], time.monotonic() + limit_s
    while running.result is None:
        assert time.monotonic() < until, f"the job did not end: {running.log()}"
        began = time.monotonic()
        events += running.poll()
        assert time.monotonic() - began < 0.5, "poll waited"
        time.sleep(0.02)
    assert events[-1] is running.result
    assert running.poll() == []
    return events


def wait_for(running: job.Job, kind: type) -> messages.Event:
    until = time.monotonic() + 30.0
    while time.monotonic() < until:
        for event in running.poll():
            if isinstance(event, kind):
                return event
        time.sleep(0.02)
    raise AssertionError(f"no {kind.__name__}: {running.log()}")


def test_events_arrive_in_order_and_noise_goes_to_the_log():
    running = start(
        "say(m.Progress('detect', 1, 2, 3.5)); print('a library talks'); print('warned', file=sys.stderr)\n"
        "say(m.Log('info', 'caf\\u00e9')); say(m.Done('/x/take.npz'))"
    )
    assert end(running) == [
        messages.Progress("detect", 1, 2, 3.5), messages.Log("info", "caf\u00e9"), messages.Done("/x/take.npz")
    ]  # fmt: skip
    assert {"a library talks", "warned"} <= set(running.log().splitlines())


def test_more_output_than_a_pipe_holds_does_not_block():
    running = start("for i in range(20000): say(m.Progress('fit', i, 20000))\nsys.stderr.write('e' * 300000)\nsay(m.Done('t'))")
    assert len(end(running)) == 20001


def test_failure_keeps_its_three_fields():
    assert end(start("say(m.Failed('no_person', 'Nobody.', 'Film one.')); sys.exit(1)"))[-1] == messages.Failed(
        "no_person", "Nobody.", "Film one."
    )


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("raise RuntimeError('tensor went away')", "RuntimeError: tensor went away"),
        ("sys.exit(3)", "exit code 3"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", "signal 9", marks=POSIX),
    ],
)
def test_a_process_that_dies_becomes_one_sentence(body, hint):
    failed = end(start(body))[-1]
    assert failed.code == "crashed" and hint in failed.what
    assert "\n" not in failed.what and failed.what.endswith(".") and failed.todo.endswith(".")


def test_a_process_that_says_nothing_at_exit_zero_has_failed():
    assert end(start("pass"))[-1].code == "crashed"


def test_cancel_ends_a_process_that_listens():
    running = start(
        "try:\n    say(m.Progress('detect', 0, 9)); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    say(m.Failed('cancelled', 'a', 'b')); sys.exit(130)"
    )
    wait_for(running, messages.Progress)
    began = time.monotonic()
    running.cancel()
    running.cancel()
    assert end(running)[-1].code == "cancelled"
    assert time.monotonic() - began < job.GRACE_S / 2


def test_cancel_kills_a_process_that_does_not_listen(monkeypatch):
    monkeypatch.setattr(job, "GRACE_S", 0.3)
    running = start("signal.signal(ASK, signal.SIG_IGN); say(m.Progress('fit', 0, 1)); time.sleep(60)")
    wait_for(running, messages.Progress)
    running.cancel()
    assert end(running, 10.0)[-1].code == "cancelled"


def test_a_result_that_races_with_cancel_stays_cancelled():
    running = start("signal.signal(ASK, lambda *a: (say(m.Done('t')), os._exit(0)))\nsay(m.Progress('fit', 0, 1)); time.sleep(60)")
    wait_for(running, messages.Progress)
    running.cancel()
    assert [type(e) for e in end(running)] == [messages.Failed]


@pytest.mark.parametrize("does", ["import time; time.sleep(60)", "while True: print('and on')"], ids=["waits", "talks"])
def test_nothing_that_the_engine_started_survives_it(monkeypatch, does):
    monkeypatch.setattr(job, "LINGER_S", 0.3)
    body = f"p = subprocess.Popen([sys.executable, '-c', {does!r}])\nsay(m.Log('info', str(p.pid))); say(m.Done('t'))"
    events = end(start(body), 10.0)
    assert events[-1] == messages.Done("t")
    assert gone(int(events[0].text))


def test_a_process_that_hangs_after_its_last_word_is_ended(monkeypatch):
    monkeypatch.setattr(job, "LINGER_S", 0.3)
    assert end(start("say(m.Done('t')); time.sleep(60)"), 10.0)[-1] == messages.Done("t")


def test_stop_leaves_no_process_even_a_deaf_one():
    running = start("signal.signal(ASK, signal.SIG_IGN); say(m.Log('info', str(os.getpid()))); time.sleep(60)")
    pid = int(wait_for(running, messages.Log).text)
    running.stop(wait_s=0.2)
    assert running.result.code == "cancelled" and gone(pid)


def test_an_unstartable_program_is_a_skel_error(tmp_path):
    with pytest.raises(messages.SkelError, match="could not be started") as caught:
        job.Job([str(tmp_path / "python")])
    assert caught.value.code == "no_engine"


def test_the_child_imports_this_package_only_and_not_the_callers_python(monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text("raise ImportError('taken from the working folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert end(start("say(m.Done(os.path.dirname(job.__file__)))"))[-1] == messages.Done(str(job.PACKAGE))


def test_run_blocks_and_hands_on_all_but_the_last_event():
    seen = []
    assert job.run(start("say(m.Progress('fit', 1, 1)); say(m.Done('t'))"), seen.append) == messages.Done("t")
    assert seen == [messages.Progress("fit", 1, 1)]


@POSIX
def test_run_turns_ctrl_c_into_a_cancel():
    child = "from skel_blender import messages as m; import sys, time; m.write(m.Progress('fit', 0, 1), sys.stdout); time.sleep(60)"
    script = (
        "from skel_blender import job; import sys\n"
        f"started = job.Job([sys.executable, '-c', {child!r}])\n"
        "print(job.run(started, lambda e: print('started', flush=True)).code)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=job.child_environment())
    watchdog = threading.Timer(30.0, process.kill)
    watchdog.start()
    assert process.stdout.readline() == "started\n"
    process.send_signal(2)
    assert process.communicate()[0] == "cancelled\n"
    watchdog.cancel()


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie that nobody has collected yet has)."""
    if os.name == "nt":
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x100000, False, pid)  # to wait for it
        return not handle or ctypes.windll.kernel32.WaitForSingleObject(handle, 5000) == 0
    until = time.monotonic() + 5.0
    while time.monotonic() < until:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return True
        time.sleep(0.05)
    return False
