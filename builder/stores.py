"""Files that are whole or absent: written to a temporary name, synced, renamed."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.errors import BildungError

UNFINISHED = ".unfinished"  # of files and folders that a killed run may leave behind


def sweep(folder: Path) -> None:
    """Remove what killed runs left unfinished below ``folder``. Only whoever holds the corpus may call this."""
    for left in sorted(folder.rglob(f"*{UNFINISHED}")):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is synced and takes the final name, on failure it is removed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _failure(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        raise _failure(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _failure(path: Path, error: OSError) -> BildungError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "free some space and run this again" if full else "check the folder and its permissions"
    return BildungError(f"{path}: cannot be written ({error.strerror}); {advice}")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines whole, each ended by ``\\n``."""
    with writing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(f"{line}\n" for line in lines)


def sync(path: Path) -> None:
    """Have a file, or the entries of a folder, on disk before returning."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
