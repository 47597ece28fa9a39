"""``python driver.py FOLDER ENGINE KEY=VALUE...``: run the job in a folder, as the command line does."""

from __future__ import annotations

import sys
from pathlib import Path

from builder.engines import opened, work_in
from builder.errors import BildungError
from builder.sharded import steps


def main() -> None:
    """Run it; an error is one line and its exit code."""
    folder, engine, *words = sys.argv[1:]
    try:
        module, settings = opened(engine, words)
        module.run(Path(folder), steps(work_in(Path(folder)).job), settings)
    except BildungError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
