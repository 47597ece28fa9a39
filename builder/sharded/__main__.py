"""``python -m builder.sharded FOLDER STAGE RANK``: one rank of one stage, for engines that start processes."""

from __future__ import annotations

import sys
from pathlib import Path

from builder.errors import BildungError
from builder.sharded import perform


def main() -> None:
    """Do it; a failure that a person can mend is one line and its exit code."""
    folder, stage, rank = sys.argv[1:]
    try:
        perform(Path(folder), stage, int(rank))
    except BildungError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


main()
