"""Ctrl-C and its kin: the first one winds a run up, the second one stops it at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # the last is a closed terminal; Windows has none


@contextmanager
def interruptible(interrupted: Callable[[], None]) -> Iterator[None]:
    """The first signal calls ``interrupted``; the second one does what it would if nothing had been set.

    What is to be ignored (``nohup``, ``&`` in a script) stays ignored.
    """
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    known = {name: getattr(signal, name) for name in _NAMES if hasattr(signal, name)}
    before = {number: handler for number in known.values() if (handler := signal.getsignal(number)) is not signal.SIG_IGN}

    def once() -> None:
        for number in before:
            loop.remove_signal_handler(number)
        if signal.SIGINT in before:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupted()

    for number in before:
        loop.add_signal_handler(number, once)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
