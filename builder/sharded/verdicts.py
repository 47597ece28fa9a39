"""The last stage of every job: a shard's verdicts, and the shards' verdicts in one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from builder.gates import Tally
from builder.records import Verdict
from builder.sharded.perform import Work

VERDICTS = "verdicts"

_LINES, _COUNTED = "verdicts.jsonl", "counted.json"


def write_verdicts(out: Path, verdicts: Iterable[Verdict]) -> None:
    """Write one line a verdict, and beside them what was counted."""
    tally = Tally()
    with (out / _LINES).open("w", encoding="utf-8", newline="\n") as lines:
        lines.writelines(f"{line}\n" for line in tally.lines(verdicts))
    (out / _COUNTED).write_text(json.dumps([tally.reasons, tally.removed_share]) + "\n", encoding="utf-8")


def collect(work: Work, out: IO[bytes]) -> Tally:
    """Write the verdicts of all shards, in the order of the input; what they come to."""
    tally = Tally()
    for rank in range(work.world(VERDICTS)):
        made = work.made(VERDICTS, rank)
        with (made / _LINES).open("rb") as lines:
            shutil.copyfileobj(lines, out)
        tally.add(Tally(*json.loads((made / _COUNTED).read_text(encoding="utf-8"))))
    return tally
