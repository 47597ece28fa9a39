"""A llama of two layers with random weights, written as a GGUF file: 0.5 MB, no download; it writes letters up to a full stop, or for ever.

The format is laid out in https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import random
import string
import struct
from array import array
from collections.abc import Sequence
from pathlib import Path

ALIGNED = 32
CONTEXT = 512
_WIDTH, _INNER, _LAYERS, _HEADS = 64, 96, 2, 4
_FIRST_BYTE = 3  # tokens: unknown, begin, end, then the 256 bytes
_WRITTEN = frozenset(_FIRST_BYTE + ord(sign) for sign in string.ascii_lowercase + ' \n{}[]",:0123456789')
_END, _STOP = 2, _FIRST_BYTE + ord(".")
_TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:"

Value = int | float | str | Sequence[int] | Sequence[float] | Sequence[str]


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _typed(value: Value) -> tuple[int, bytes]:
    """The number of a value's type in the format, and its bytes."""
    if isinstance(value, str):
        return 8, _text(value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    parts = [(5, struct.pack("<i", part)) if isinstance(part, int) else _typed(part) for part in value]
    return 9, struct.pack("<IQ", parts[0][0], len(parts)) + b"".join(body for _, body in parts)


def _metadata() -> dict[str, Value]:
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    return {
        "general.architecture": "llama", "general.alignment": ALIGNED, "llama.context_length": CONTEXT, "llama.embedding_length": _WIDTH,
        "llama.block_count": _LAYERS, "llama.feed_forward_length": _INNER, "llama.attention.head_count": _HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.dimension_count": _WIDTH // _HEADS,
        "llama.vocab_size": len(tokens), "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens), "tokenizer.ggml.token_type": [2, 3, 3, *[6] * 256],
        "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2, "tokenizer.chat_template": _TEMPLATE,
    }  # fmt: skip


def _tensors(draw: random.Random, ends: bool) -> dict[str, tuple[tuple[int, ...], array[float]]]:
    def weights(rows: int, columns: int) -> tuple[tuple[int, ...], array[float]]:
        return (columns, rows), array("f", (draw.gauss(0, columns**-0.5) for _ in range(rows * columns)))

    norm = ((_WIDTH,), array("f", [1.0] * _WIDTH))
    tokens = _FIRST_BYTE + 256
    embeddings, output = weights(tokens, _WIDTH), weights(tokens, _WIDTH)
    for token in range(tokens):  # the first column is a bias: what is not to be written gets next to no chance
        embeddings[1][token * _WIDTH] = 4.0
        output[1][token * _WIDTH] = 3.0 if token in _WRITTEN else -3.0
    if ends:  # a full stop comes often, and nothing but the end has a chance after one: so on every processor
        output[1][_STOP * _WIDTH] = 3.7
        embeddings[1][_STOP * _WIDTH + 1] = 40.0
        output[1][_END * _WIDTH : _END * _WIDTH + 2] = array("f", [-30.0, 40.0])
    tensors = {"token_embd.weight": embeddings, "output_norm.weight": norm, "output.weight": output}
    for layer in range(_LAYERS):
        shapes = {f"attn_{part}": (_WIDTH, _WIDTH) for part in ("q", "k", "v", "output")}
        shapes |= {"ffn_gate": (_INNER, _WIDTH), "ffn_up": (_INNER, _WIDTH), "ffn_down": (_WIDTH, _INNER)}
        tensors |= {f"blk.{layer}.{name}.weight": weights(*shape) for name, shape in shapes.items()}
        tensors |= {f"blk.{layer}.{name}.weight": norm for name in ("attn_norm", "ffn_norm")}
    return tensors


def write_tiny_gguf(path: Path, seed: int = 1, ends: bool = True) -> Path:
    """Write the model, which ends its answers or writes on to the limit; the same seed gives the same bytes on a little-endian machine."""
    metadata, tensors = _metadata(), _tensors(random.Random(seed), ends)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        number, body = _typed(value)
        head += _text(key) + struct.pack("<I", number) + body
    offset, bodies = 0, []
    for name, (shape, numbers) in tensors.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        bodies.append(numbers.tobytes() + bytes(-len(numbers.tobytes()) % ALIGNED))
        offset += len(bodies[-1])
    path.write_bytes(head + bytes(-len(head) % ALIGNED) + b"".join(bodies))
    return path
