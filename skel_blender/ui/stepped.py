# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators whose work takes seconds to minutes in Blender itself: they show how far they are, and Esc ends them."""

import time
from typing import Any

import bpy

from ..rig.editing.steps import Steps
from .operators import SkelOperator
from .runner import guarded

_SLICE_S = 0.2  # of work between two looks at the keyboard


class SteppedOperator(SkelOperator):
    """Base of operators that do their work in steps. From a script, and without a window, they do all of it at once."""

    _steps = None  # the work, once it has begun

    def steps(self, context: bpy.types.Context) -> Steps[Any]:
        """The work, which leaves no trace if it is closed before its end. What it raises becomes one sentence for the user."""
        raise NotImplementedError

    def done(self, context: bpy.types.Context, made: Any) -> None:
        """Report what the steps have made."""
        raise NotImplementedError

    def run(self, context: bpy.types.Context) -> None:
        self._prepare(context)
        while not self._work(context, time.monotonic() + _SLICE_S):
            pass

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return self.execute(context) if bpy.app.background or context.window is None else self.begin(context)

    def begin(self, context: bpy.types.Context) -> set[str]:
        """Do the work while the window lives on."""
        self._prepare(context)
        self._timer = context.window_manager.event_timer_add(0.01, window=context.window)
        context.window_manager.progress_begin(0.0, 1.0)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Nothing else gets the user's keys and clicks meanwhile, so that what is worked on stays as it is."""
        if event.type == "ESC" and event.value == "PRESS":
            self.cancel(context)
            self.report({"INFO"}, "Cancelled, nothing was changed.")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"RUNNING_MODAL"}
        failures: list[str] = []
        over = True
        with guarded(failures.append):
            over = self._work(context, time.monotonic() + _SLICE_S)
        if not over:
            return {"RUNNING_MODAL"}
        self._end(context)
        for text in failures:
            self.report({"ERROR"}, text)
        return {"CANCELLED"} if failures else {"FINISHED"}

    def cancel(self, context: bpy.types.Context) -> None:
        """End it before its time, as Blender also does when the window is closed or another file is opened, and before it has begun when no
        file is chosen for it."""
        if self._steps is not None:
            self._steps.close()
            self._end(context)

    def _prepare(self, context: bpy.types.Context) -> None:
        self._steps, self._timer = self.steps(context), None

    def _work(self, context: bpy.types.Context, until: float) -> bool:
        """Work until then; whether it is over."""
        try:
            step = next(self._steps)
            while time.monotonic() < until and not step.blocks:
                step = next(self._steps)
        except StopIteration as end:
            self.done(context, end.value)
            return True
        if self._timer is not None:
            context.workspace.status_text_set(f"{step.what}: {100.0 * step.done:.0f} %    (Esc: cancel)")
            context.window_manager.progress_update(step.done)
        return False

    def _end(self, context: bpy.types.Context) -> None:
        context.window_manager.event_timer_remove(self._timer)
        context.window_manager.progress_end()
        context.workspace.status_text_set(None)
