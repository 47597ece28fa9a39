"""``llamacpp/FILE.gguf``: a model on this machine, in this process. No key, no network, no cost; the extra ``local`` brings llama.cpp.

The path is relative to the working folder and may hold slashes. The chat template and the vocabulary are those of the file.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.util
import json
import os
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from builder.backends import BackendContext
from builder.desk import Desk, Failure, FailureKind, Tried
from builder.door import mended
from builder.errors import BildungError, UsageError, no_such
from builder.live.controller import Controller
from builder.live.serve import serve
from builder.records import Answer, Request, Usage, digest

CONTEXT = 8192  # tokens of prompt and answer together in each slot; the model's own context where that is shorter
SLOTS = 8  # at most; more in flight slow each other down more than they gain
CORES_A_SLOT = 4  # without a GPU; on two cores one slot writes as much as four, and keeps its cached prefix
MIB = 2**20


class LlamaCpp:
    """Answers by llama.cpp. The model is loaded when the first desk is worked and let go when the desk is empty."""

    wants_turns = True
    training_grade = True
    window = 0

    def __init__(self, file: Path) -> None:
        self._file = file
        self.fingerprint = f"llamacpp/{file.name}-{_identity(file)}"

    async def work(self, desk: Desk) -> None:
        """Work the desk with as many calls in flight as there are slots; llama.cpp runs in threads, so that Ctrl-C and the ledger go on."""
        engine = importlib.import_module("xllamacpp")
        slots = max(1, min(desk.concurrency, _slots(engine)))
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(slots, "llamacpp") as threads:
            server = await loop.run_in_executor(threads, _loaded, engine, self._file, slots)

            async def ask(request: Request) -> Tried:
                over = threading.Event()
                try:
                    return await loop.run_in_executor(threads, _tried, server, request, over)
                finally:
                    over.set()  # where the call was cancelled: its slot is free after the next token

            await serve(ask, desk, _Slots(slots))


class _Slots(Controller):
    """There is no provider whose limits had to be kept, only so many slots."""

    def __init__(self, slots: int) -> None:
        super().__init__()
        self._most = slots

    def slots(self, concurrency: int) -> int:
        """Calls in flight, of those that are wanted."""
        return super().slots(min(concurrency, self._most))


def open_backend(model: str, context: BackendContext) -> LlamaCpp:
    """Open ``llamacpp/<path of a GGUF file>``; ``UsageError`` where there is no such file, or no llama.cpp."""
    file = Path(model).expanduser()
    if not file.is_file():
        raise UsageError(no_such("GGUF file", str(file), map(str, file.parent.glob("*.gguf"))))
    with file.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise UsageError("this is no GGUF file; llamacpp/ takes the path of a model in that format", file)
    if importlib.util.find_spec("xllamacpp") is None:
        raise UsageError(f"llamacpp/{model} needs llama.cpp; pip install 'bildung[local]'")
    return LlamaCpp(file)


def _identity(file: Path) -> str:
    """16 hex digits over the file's size and its first and last MiB: a matter of milliseconds, and the same wherever the file lies."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        first = opened.read(MIB)
        opened.seek(max(0, size - MIB))
        return hashlib.sha256(str(size).encode() + first + opened.read(MIB)).hexdigest()[:16]


def _slots(engine: Any) -> int:
    """What this machine can write at once to some gain."""
    kinds = engine.ggml_backend_dev_type
    gpus = (kinds.GGML_BACKEND_DEVICE_TYPE_GPU, kinds.GGML_BACKEND_DEVICE_TYPE_IGPU)
    if any(device["type"] in gpus for device in engine.get_device_info()):
        return SLOTS
    return max(1, min(SLOTS, (os.cpu_count() or 1) // CORES_A_SLOT))


def _loaded(engine: Any, file: Path, slots: int) -> Any:
    """The model, ready to answer. Blocks for as long as it takes to read it."""
    params = engine.CommonParams()
    params.model.path = str(file)
    params.n_parallel, params.n_ctx = slots, slots * CONTEXT
    params.verbosity = -1  # llama.cpp tells everything it does on stderr
    params.cache_ram_mib, params.cache_idle_slots = 0, False  # else prompts of old are kept in up to 8 GiB of memory
    # The engine listens on a port of loopback too, and nothing can be set against that: only this process knows the key.
    params.ui, params.api_keys, params.n_threads_http = False, [secrets.token_hex(32)], 1
    try:
        return engine.Server(params)
    except RuntimeError as error:
        cause = "the file is broken, of a kind that this llama.cpp does not know, or too large for the memory here"
        raise BildungError(f"{file}: llama.cpp cannot load this model; {cause}") from error


def _tried(server: Any, request: Request, over: threading.Event) -> Tried:
    """One call, in a thread."""
    chunks: list[dict[str, Any]] = []

    def heard(chunk: dict[str, Any]) -> bool:
        chunks.append(chunk)
        return over.is_set()  # true ends the stream

    try:
        server.handle_chat_completions(_body(request), heard)
    except (ValueError, TypeError, RuntimeError) as error:  # a template or a schema that llama.cpp cannot follow
        return Tried(None, Failure("invalid", f"llama.cpp: {error}"))
    return _outcome(request, chunks)


def _body(request: Request) -> dict[str, Any]:
    """The call. The seed comes from the request's hash: asked again, it is written as before, as far as llama.cpp can promise that."""
    body: dict[str, Any] = {
        "messages": [{"role": turn.role, "content": turn.content} for turn in request.turns],
        "max_tokens": request.max_tokens,
        "seed": int(digest(request.hash, 7), 16),  # 28 bits: 32 set ones would mean a random seed
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.schema_text:
        body["response_format"] = {"type": "json_schema", "json_schema": {"schema": json.loads(request.schema_text)}}
    return body


def _outcome(request: Request, chunks: list[dict[str, Any]]) -> Tried:
    """What the stream came to."""
    text, finish, usage = [], "", None
    for chunk in chunks:
        if (fault := chunk.get("error")) is not None:
            kind: FailureKind = "invalid" if fault.get("code") == 400 else "server"
            return Tried(None, Failure(kind, f"llama.cpp: {fault.get('message')}", fault.get("code"), fault.get("type") or ""))
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices", ()):
            text.append(choice["delta"].get("content") or "")
            finish = choice.get("finish_reason") or finish
    if not finish or usage is None:
        return Tried(None, Failure("dropped", "llama.cpp: the answer broke off"))
    whole, mends = mended("".join(text))
    used = Usage(
        tokens_in=usage["prompt_tokens"], tokens_out=usage["completion_tokens"],
        tokens_cached=(usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0), cost=0.0,
    )  # fmt: skip
    stop_reason = "end_turn"
    if finish == "length":
        stop_reason = "max_tokens" if used.tokens_out >= request.max_tokens else "model_context_window_exceeded"
    return Tried(Answer(request_hash=request.hash, text=whole, stop_reason=stop_reason, mended=mends, usage=used))
