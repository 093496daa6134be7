# SPDX-License-Identifier: GPL-3.0-or-later
"""A program of this package in a process of its own: start it, read its events, ask it to stop, kill it. Standard library only.

Contract. `Job.poll` never waits. Its last event of a run is one `Done` or one `Failed`, delivered after the process has ended, so
that nothing is left running behind it; a process that dies without a word becomes a `Failed` too. A job is used by one thread.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from .messages import Done, Event, Failed, SkelError, decode

PACKAGE = Path(__file__).resolve().parent
GRACE_S = 8.0  # between asking a process to stop and killing it
LINGER_S = 3.0  # for a process that has said its last word, and for pipes that a grandchild keeps open
LOG_LINES = 40
_LINES_A_POLL = 1000  # so that a program that talks fast does not hold up who polls

_WINDOWS = os.name == "nt"
# A process group of its own. On Windows it shares the caller's console, through which alone it can be asked to stop; where there is none,
# it gets one that nobody sees.
_GROUP = {"start_new_session": True}
if _WINDOWS:
    _GROUP = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP,
              "startupinfo": subprocess.STARTUPINFO(dwFlags=subprocess.STARTF_USESHOWWINDOW, wShowWindow=subprocess.SW_HIDE)}  # fmt: skip
# What the caller's Python was told about itself must not reach another Python.
_DROPPED = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONPLATLIBDIR", "__PYVENV_LAUNCHER__")


class Job:
    """One run of `command`, a program that writes events (messages.py) on its standard output.

    Raises SkelError if it can't be started. `result` is the final event, None until the run is over; `log()` gives the last lines
    that it wrote besides events.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.result: Done | Failed | None = None  # the final event, once the run is over
        self._cancelled_at: float | None = None
        self._last: Done | Failed | None = None
        self._ended_at: float | None = None
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        try:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                encoding="utf-8", errors="replace", env=child_environment(), **_GROUP,
            )  # fmt: skip
        except OSError as error:
            raise SkelError("no_engine", f"{command[0]} could not be started ({error.strerror or error}).",
                            "Install the engine again or choose another Python for it.") from error  # fmt: skip
        self._tree = _tree(self._process) if _WINDOWS else None
        self._readers = [_reader(self._process.stdout, self._lines.put), _reader(self._process.stderr, self._log.append)]

    def poll(self) -> list[Event]:
        """What happened since the last call, without waiting; nothing after the final event."""
        if self.result is not None:
            return []
        self._enforce()
        ended = self._process.poll() is not None  # asked before the lines are taken, so that none is missed
        drained = not any(reader.is_alive() for reader in self._readers)
        events = self._take_lines()
        if ended and (self._lines.empty() if drained else self._overdue()):
            if not drained:
                self._signal(kill=True)  # something that it started and left behind
            self.result = self._final()
            events.append(self.result)
        return events

    def cancel(self) -> None:
        """Ask the process to stop; later polls kill it if it is still there after GRACE_S. The run then ends as 'cancelled'."""
        if self._cancelled_at is None and self.result is None:
            self._cancelled_at = time.monotonic()
            if self._process.poll() is None:
                self._signal()

    def stop(self, wait_s: float = 2.0) -> None:
        """End the process now: ask, wait up to `wait_s` seconds, kill. For a caller that goes away itself."""
        self.cancel()
        try:
            self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self._signal(kill=True)
            self._process.wait()
        self.result = self.result or self._final()

    def log(self) -> str:
        """The last lines of standard error and of what was no event."""
        return "\n".join(self._log)

    def _take_lines(self) -> list[Event]:
        events: list[Event] = []
        for _ in range(min(self._lines.qsize(), _LINES_A_POLL)):
            line = self._lines.get()
            event = decode(line)
            if event is None:
                self._log.append(line)
            elif isinstance(event, (Done, Failed)):
                self._last = event
            elif self._last is None:
                events.append(event)
        return events

    def _enforce(self) -> None:
        """Kill a process that was asked to stop, or has said that it is finished, and still runs."""
        deaf = self._cancelled_at is not None and time.monotonic() - self._cancelled_at > GRACE_S
        if deaf or (self._last is not None and self._overdue()):
            self._signal(kill=True)

    def _overdue(self) -> bool:
        """Whether LINGER_S have passed since this was first asked."""
        now = time.monotonic()
        self._ended_at = self._ended_at or now
        return now - self._ended_at > LINGER_S

    def _final(self) -> Done | Failed:
        if self._cancelled_at is not None:
            return Failed("cancelled", "The run was cancelled.", "Start it again when you like.")
        if self._last is not None:
            return self._last
        code = self._process.returncode
        how = f"killed by signal {-code}, as when memory runs out" if code < 0 else f"exit code {code if code < 1 << 31 else hex(code)}"
        said = f": {self._log[-1].strip()}" if self._log else ""
        return Failed("crashed", f"The engine stopped before it was finished ({how}){said.rstrip('.')}.",
                      "Try a shorter range of frames; if that fails too, install the engine again.")  # fmt: skip

    def _signal(self, kill: bool = False) -> None:
        """To the process and all that it started, which share its process group, on Windows also its job object."""
        try:
            if not _WINDOWS:
                os.killpg(self._process.pid, signal.SIGKILL if kill else signal.SIGINT)
            elif kill:
                ctypes.windll.kernel32.TerminateJobObject(ctypes.c_void_p(self._tree), 1)
                self._process.kill()
            elif not ctypes.windll.kernel32.GenerateConsoleCtrlEvent(signal.CTRL_BREAK_EVENT, self._process.pid):
                self._signal(kill=True)  # no console to ask through, where os.kill would end it too, but raise a SystemError
        except OSError:
            pass  # it has ended already


def _tree(process: subprocess.Popen) -> int:
    """The handle of a Windows job object that holds a process and whatever it will start, so that all of it can be ended."""
    kernel = ctypes.windll.kernel32
    kernel.CreateJobObjectW.restype = ctypes.c_void_p
    tree = subprocess.Handle(kernel.CreateJobObjectW(None, None))
    kernel.AssignProcessToJobObject(ctypes.c_void_p(tree), ctypes.c_void_p(process._handle))
    return tree


def child_environment() -> dict[str, str]:
    """The environment of a process that imports this package from where it lies, and nothing else of the caller's Python.

    As an extension the package's folder is `.../extensions/user_default/skel_blender`: importable by that name from its parent.
    """
    environ = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    environ |= {"PYTHONPATH": str(PACKAGE.parent), "PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1",
                "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    return environ


def run(job: Job, on_event: Callable[[Event], None], interval_s: float = 0.05) -> Done | Failed:
    """Run a job to its end, give every event but the last to `on_event` and return that one. Ctrl-C cancels the job."""
    while job.result is None:
        try:
            for event in job.poll():
                if event is not job.result:
                    on_event(event)
            time.sleep(interval_s)
        except KeyboardInterrupt:
            job.cancel()
    return job.result


def _reader(stream: IO[str], put: Callable[[str], None]) -> threading.Thread:
    """A thread that hands on each line without its end: the only way to read a pipe without waiting on every system."""

    def read() -> None:
        with stream:
            for line in stream:
                if line.strip():
                    put(line.rstrip("\r\n"))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread
