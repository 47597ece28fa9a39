"""Live calls: one request, one answer. ``serve`` works a desk with one ``Ask``, and a ``Controller`` keeps to the provider's limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from builder.desk import Tried
from builder.records import Request

Ask = Callable[[Request], Awaitable[Tried]]
