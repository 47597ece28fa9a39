"""One build on a corpus at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from builder.errors import BildungError, Busy


@contextmanager
def hold(corpus: Path) -> Iterator[None]:
    """Hold a corpus for one build; ``Busy`` at once when another process has it. A killed holder's lock falls with it."""
    lock = FileLock(corpus / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(f"{corpus}: another build is at work on this corpus; wait for it, or stop it, then run this again") from error
    except OSError as error:
        raise BildungError(f"{corpus}: cannot be written ({error.strerror}); a build keeps its ledger there") from error
    try:
        yield
    finally:
        lock.release()
