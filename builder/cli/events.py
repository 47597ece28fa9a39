"""Progress for programs: one JSON object a line on stderr. Every line has ``event``, one of four; ``null`` is "not known".

    stage     stage, state (begun, ended, stopped), total, seconds
    progress  stage, done, total, seconds, buying; at most once a second, and once more at the end of a stage that got anywhere
    say       line
    warning   line

``buying`` is ``null`` in a stage that buys nothing. Its keys are the fields of ``builder.progress.Status`` (``roles`` a list of objects
with the fields of ``RoleStatus``) and of ``builder.progress.Outlook``; sums are US dollars. A run that fails ends, as ever, with one line
that begins with ``bildung:``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.cli.progress import Stage, Watched

EVENT_SECONDS = 1.0


class Events:
    """Implements ``progress.Face``."""

    def __init__(self, stream: Watched) -> None:
        self._stream, self._last = stream, 0.0

    def begin(self, stage: Stage) -> None:
        """A stage begins."""
        self._last = stage.since
        self._write("stage", stage=stage.name, state="begun", total=stage.total, seconds=0.0)

    def changed(self, stage: Stage, now: float) -> None:
        """How far it is, when it is time."""
        if now - self._last >= EVENT_SECONDS:
            self._last = now
            self._progress(stage, now)

    def end(self, stage: Stage, now: float, whole: bool) -> None:
        """Where it got, and that it is over."""
        if stage.status or stage.steps:
            self._progress(stage, now)
        state = "ended" if whole else "stopped"
        self._write("stage", stage=stage.name, state=state, total=stage.reached[1], seconds=round(now - stage.since, 3))

    def line(self, kind: str, text: str, now: float) -> None:
        """A line."""
        self._write(kind, line=text)

    def _progress(self, stage: Stage, now: float) -> None:
        done, total = stage.reached
        buying = None
        if stage.status and stage.ahead:
            buying = {**stage.status._asdict(), "roles": [role._asdict() for role in stage.status.roles], **stage.ahead._asdict()}
        self._write("progress", stage=stage.name, done=done, total=total, seconds=round(now - stage.since, 3), buying=buying)

    def _write(self, event: str, **keys: Any) -> None:
        self._stream.tell(json.dumps({"event": event, **keys}))
