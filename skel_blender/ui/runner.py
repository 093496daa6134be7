# SPDX-License-Identifier: GPL-3.0-or-later
"""The one job that runs at a time: polls it from a timer of Blender's and keeps, ready to draw, what the panels show of it.

A timer of the application, not a modal operator: autosave, undo, other windows and other files go on working for the minutes that
a job takes. All of this runs in Blender's main thread.
"""

from __future__ import annotations

import textwrap
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import bpy
from bpy.app.handlers import persistent

from ..job import Job
from ..messages import Done, Event, Failed, Log, Progress, SkelError
from ..status import duration_text

INTERVAL_S = 0.15
_STAGES = {"people": "Finding people", "fit": "Fitting"}
"""What the engine's stages are called for an animator."""
LINE_LENGTH = 30  # characters that fit in the sidebar at its usual width
HEADER_LENGTH = 60  # characters that fit in a viewport's header beside its menus
MAX_LOGS = 4  # more of the engine's lines are in the console only

Finish = Callable[[str], str]  # takes the path that the job made, returns a sentence for the user; may raise SkelError


class Runner:
    """State of the running job. `factor` 0..1 and `text` are of its progress bar, `lines` (icon, text) the messages below it, `failure`
    what went wrong with the last one, cut to what a header has room for."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self.factor, self.text = 0.0, ""
        self.lines: list[tuple[str, str]] = []
        self.failure = ""
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
        self.job, self._finish, self._scratch = job, finish, scratch
        self.clear()
        self.factor, self.text, self._result, self._told = 0.0, title, "", 0
        bpy.app.timers.register(tick, first_interval=INTERVAL_S, persistent=True)
        redraw()

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
        if self.job is not None:
            self.job.stop()
        self._end()
        self.clear()

    def clear(self) -> None:
        """Forget the messages."""
        self.lines, self.failure = [], ""

    def fail(self, text: str) -> None:
        """Add the message of what ended the job."""
        self.failure = textwrap.shorten(text, HEADER_LENGTH, placeholder="\N{HORIZONTAL ELLIPSIS}")
        self.show(text, "ERROR")

    def show(self, text: str, icon: str = "INFO") -> None:
        """Add a message, broken into lines that fit the sidebar."""
        lines = textwrap.wrap(text, LINE_LENGTH) or [""]
        self.lines += [(icon, lines[0]), *(("BLANK1", line) for line in lines[1:])]
        redraw()

    def step(self) -> bool:
        """Take in what the job said and, once it is done, hand on its result. Returns whether there is more to come."""
        if not self.busy:
            return False
        if self.job is None:  # one tick after the last event, so that the window has shown what comes now
            if interrupted():
                self.text = "Waiting until Blender is free"
                return True
            self._hand_on()
            return False
        for event in self.job.poll():
            self._take(event)
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
        self.job = self._finish = None
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
    """The one place where errors end: the user reads a sentence, the console gets the details of what nobody foresaw."""
    try:
        yield
    except SkelError as error:
        show(str(error))
    except Exception as error:
        traceback.print_exc()
        show(f"An error that nobody foresaw ({type(error).__name__}). Please report it with the lines in the system console.")


def interrupted() -> bool:
    """Whether something goes on that a change of the scene would spoil: the user moves an object, or Blender renders."""
    windows = bpy.context.window_manager.windows
    blocked = any("BLOCKING" in operator.bl_options for window in windows for operator in window.modal_operators)
    return blocked or any(map(bpy.app.is_job_running, ("RENDER", "OBJECT_BAKE")))


def bar_text(event: Progress) -> str:
    """One line of progress that fits a sidebar, such as 'Finding people 12/88, 2 min left'."""
    text = f"{_STAGES.get(event.stage, event.stage.capitalize())} {event.done}/{event.total}"
    return text if event.eta_s < 0 else f"{text}, {duration_text(event.eta_s)} left"


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
