# SPDX-License-Identifier: GPL-3.0-or-later
"""What jobs say, as lines that fit where they are shown. Draws nothing."""

from __future__ import annotations

import textwrap

from ..messages import Progress
from ..status import duration_text

_STAGES = {"people": "Finding people", "fit": "Fitting"}
"""What the engine's stages are called for an animator."""
_LINE_LENGTH = 30  # characters that fit in the sidebar at its usual width
_HEADER_LENGTH = 60  # characters that fit in a viewport's header beside its menus


def wrapped(text: str, icon: str) -> list[tuple[str, str]]:
    """Icon and text of lines that fit the sidebar."""
    first, *more = textwrap.wrap(text, _LINE_LENGTH) or [""]
    return [(icon, first), *(("BLANK1", line) for line in more)]


def shortened(text: str) -> str:
    """A sentence cut to what a header has room for."""
    return textwrap.shorten(text, _HEADER_LENGTH, placeholder="\N{HORIZONTAL ELLIPSIS}")


def bar_text(event: Progress) -> str:
    """One line of progress that fits a sidebar, such as 'Finding people 12/88, 2 min left'."""
    text = f"{_STAGES.get(event.stage, event.stage.capitalize())} {event.done}/{event.total}"
    return text if event.eta_s < 0 else f"{text}, {duration_text(event.eta_s)} left"
