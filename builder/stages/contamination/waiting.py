"""What is known about candidates until the last one was read: in memory while it is little, then in a temporary file without a name."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator

from builder.errors import BildungError
from builder.stages.contamination.evidence import Seen

_IN_MEMORY = 1 << 24  # bytes

Known = tuple[str, tuple[str, ...], Seen | None]  # id, evaluation traits, what was met of a benchmark


class Waiting:
    """Written batch by batch, then read once in the same order. A context manager; the file goes with it."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by ``__exit__``

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, batch: list[Known]) -> None:
        """Append the candidates of a batch."""
        try:
            pickle.dump(batch, self._file, pickle.HIGHEST_PROTOCOL)
        except OSError as error:
            raise BildungError(f"{tempfile.gettempdir()}: cannot be written ({error.strerror}); free some space or set TMPDIR") from error

    def all(self) -> Iterator[Known]:
        """Every candidate."""
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            yield from pickle.load(self._file)
