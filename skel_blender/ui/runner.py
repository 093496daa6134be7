# SPDX-License-Identifier: GPL-3.0-or-later
"""The one job that runs at a time, and those that wait for it: polls it from a timer of Blender's and keeps, ready to draw, what the
panels show of it.

A timer of the application, not a modal operator: autosave, undo, other windows and other files go on working for the minutes that
a job takes. All of this runs in Blender's main thread.
"""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory

import bpy
from bpy.app.handlers import persistent

from ..job import Job
from ..messages import Done, Event, Failed, Log, Progress, SkelError
from .lines import bar_text, shortened, wrapped

INTERVAL_S = 0.15
_STARTING = "Starting the engine"
MAX_LOGS = 4  # more of the engine's lines are in the console only

Finish = Callable[[str], str]  # takes the path that the job made, returns a sentence for the user; may raise SkelError


@dataclass(frozen=True)
class Asked:
    """A job that can wait until others are over: all that it needs was read off the scene when it was asked for."""

    label: str  # the footage's name
    launch: Callable[[], Job]  # starts it; may raise SkelError
    finish: Finish
    note: str = ""  # to be told of it
    number: int = field(default_factory=itertools.count(1).__next__)  # by which it is told from others


class Runner:
    """State of the running job, and what waits for its end. `factor` 0..1 and `text` are of its progress bar, `lines` (icon, text) the
    messages below it, `failure` what went wrong with the last one, cut to what a header has room for."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self.factor, self.text = 0.0, ""
        self.lines: list[tuple[str, str]] = []
        self.failure = ""
        self.waiting: list[Asked] = []
        self.asked: Asked | None = None  # what runs, if it was asked for by `ask`
        self._begin, self._headed = 0, False  # number of the running job's first line, and whether that says what it is
        self._finish: Finish | None = None
        self._result = ""
        self._told = 0
        self._scratch: TemporaryDirectory | None = None

    @property
    def busy(self) -> bool:
        """Whether a job runs or its result is being built."""
        return self._finish is not None

    def start(self, title: str, job: Job, finish: Finish, scratch: TemporaryDirectory | None = None) -> None:
        """Follow `job` until it ends, then give its result to `finish`; `scratch` is a folder that is needed no longer than the job."""
        self.clear()
        self._follow(title, job, finish, scratch)

    def ask(self, asked: Asked) -> None:
        """Start a job, or let it wait for those that were asked for before. Raises SkelError if it can't be started now."""
        if self.busy:
            self._head(self.asked)
            self.waiting.append(asked)
            redraw()
            return
        self.start(_STARTING, asked.launch(), asked.finish)
        self._now(asked)

    def forget(self, number: int) -> None:
        """Take out the one of this number of those that wait. Raises SkelError if it does not wait any more."""
        left = [one for one in self.waiting if one.number != number]
        if len(left) == len(self.waiting):
            raise SkelError("not_waiting", "That clip is no longer waiting.", "If it is running, cancel it.")
        self.waiting = left
        redraw()

    def _follow(self, title: str, job: Job, finish: Finish, scratch: TemporaryDirectory | None = None) -> None:
        self.job, self._finish, self._scratch = job, finish, scratch
        self.factor, self.text, self._result, self._told = 0.0, title, "", 0
        if not bpy.app.timers.is_registered(tick):
            bpy.app.timers.register(tick, first_interval=INTERVAL_S, persistent=True)
        redraw()

    def _now(self, asked: Asked) -> None:
        self.asked = asked
        if asked.note:
            self.show(asked.note, "ERROR")

    def _head(self, asked: Asked | None) -> None:
        """Put what a job is above its messages, which are not the only ones."""
        if asked is not None and not self._headed:
            self.lines[self._begin : self._begin] = wrapped(asked.label, "FILE_MOVIE")
            self._headed = True

    def _next(self) -> None:
        """Start the first of those that wait that can be started; messages of those before stay."""
        while self.waiting and not self.busy:
            asked, self._begin, self._headed = self.waiting.pop(0), len(self.lines), False
            self._head(asked)
            with guarded(self.fail):
                self._follow(_STARTING, asked.launch(), asked.finish)
                self._now(asked)

    def cancel(self) -> None:
        """Ask the job to stop; the timer sees its end."""
        if self.job is not None:
            self.text = "Cancelling"
            self.job.cancel()
            redraw()

    def stop(self) -> None:
        """End the job now, for an add-on that goes away."""
        if bpy.app.timers.is_registered(tick):
            bpy.app.timers.unregister(tick)
        self.waiting.clear()
        if self.job is not None:
            self.job.stop()
        self._end()
        self.clear()

    def clear(self) -> None:
        """Forget the messages."""
        self.lines, self.failure, self._begin, self._headed = [], "", 0, False

    def fail(self, text: str) -> None:
        """Add the message of what ended the job."""
        self.failure = shortened(text)
        self.show(text, "ERROR")

    def show(self, text: str, icon: str = "INFO") -> None:
        """Add a message, broken into lines that fit the sidebar."""
        self.lines += wrapped(text, icon)
        redraw()

    def step(self) -> bool:
        """Take in what the job said and, once it is done, hand on its result; then start the next one. Returns whether there is more to
        come."""
        if not self.busy:
            return False
        if self.job is None:  # one tick after the last event, so that the window has shown what comes now
            if interrupted():
                self.text = "Waiting until Blender is free"
                return True
            self._hand_on()
        else:
            for event in self.job.poll():
                self._take(event)
        self._next()
        return self.busy

    def _take(self, event: Event) -> None:
        if isinstance(event, Progress):
            if self.text != "Cancelling":
                self.factor, self.text = event.done / max(event.total, 1), bar_text(event)
        elif isinstance(event, Log):
            self._tell(event)
        elif isinstance(event, Failed):
            print(f"skel_blender: {event.what}\n{self.job.log()}")
            if event.code == "cancelled":
                self.show("Cancelled.")
            else:
                self.fail(f"{event.what} {event.todo}")
            self._end()
        elif isinstance(event, Done):
            self._result, self.job = event.path, None
            self.factor, self.text = 1.0, "Building the scene"
        redraw()

    def _tell(self, event: Log) -> None:
        print(f"skel_blender: {event.text}")
        if event.level != "detail" and self._told < MAX_LOGS:
            self._told += 1
            self.show(event.text, "ERROR" if event.level == "warning" else "INFO")

    def _end(self) -> None:
        self.job = self._finish = self.asked = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def _hand_on(self) -> None:
        finish = self._finish
        self._end()
        with guarded(self.fail):
            self.show(finish(self._result), "CHECKMARK")
            return
        self.show(f"The Take is saved as {self._result}. Load Take brings it in.")


runner = Runner()


def tick() -> float | None:
    """The timer: seconds until the next call, None when the job is over."""
    more = runner.step()
    redraw()
    return INTERVAL_S if more else None


@persistent
def on_load(path: str) -> None:
    """Handler of another file that was opened: messages were of the last one, unless the job goes on."""
    if not runner.busy:
        runner.clear()


@contextmanager
def guarded(show: Callable[[str], None]) -> Iterator[None]:
    """The one place where errors end: the user reads a sentence, the console gets the details of what was not expected."""
    try:
        yield
    except SkelError as error:
        show(str(error))
    except Exception as error:
        traceback.print_exc()
        show(f"An unexpected error ({type(error).__name__}). Please report it with the lines in the system console.")


def interrupted() -> bool:
    """Whether something goes on that a change of the scene would spoil: the user moves an object, or Blender renders."""
    windows = bpy.context.window_manager.windows
    blocked = any("BLOCKING" in operator.bl_options for window in windows for operator in window.modal_operators)
    return blocked or any(map(bpy.app.is_job_running, ("RENDER", "OBJECT_BAKE")))


def redraw() -> None:
    """Draw the sidebars, the viewports' headers and the preferences again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type in ("UI", "HEADER"):
                        region.tag_redraw()
            elif area.type == "PREFERENCES":
                area.tag_redraw()
