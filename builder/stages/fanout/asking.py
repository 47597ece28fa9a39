"""The calls of a chain: each is rendered, asked, read, and repaired once where it is malformed."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import NamedTuple

from builder.outputs import blank, parse, schema
from builder.prompts import Many, Prompt
from builder.records import Answer, Request, Turn
from builder.rendering import content_hash, filled, render
from builder.stages.fanout.tree import Asking, Chain, Link, Planner, Reply, entries

SAMPLES = 3  # of a call that is answered with nothing
_WHOLE = frozenset({"end_turn", "stop_sequence"})
_FIELD = 100  # tokens for a field of an entry: three sentences, and as much again for those who write more
_BESIDES = 500  # tokens for what is said around the entries
_SHOWN_WORDS = 24  # of an entry, when it is shown so that it is not repeated
_NAMED_BY = {"subdomains": "name", "assertions": "assertion", "types": "type", "ideas": "premise"}


class _Read(NamedTuple):
    rows: list[Mapping[str, object]]
    text: str = ""
    fault: str = ""  # a slug
    told: str = ""  # the same for the model, where it can be mended


def asking(planner: Planner, chain: Chain) -> Asking:
    """Ask every link of a chain; a refused, cut or twice malformed one leaves its place empty, and the chain goes on."""
    known: list[str] = []
    replies = []
    for number, link in enumerate(chain.links):
        name = f"planning-{chain.layer}-{link.place:03d}-{number:03d}"
        reply = yield from _link(planner, chain, link, name, known)
        known += [shown for row in reply.rows if (shown := _shown(chain.layer, row))]
        replies.append(reply)
    return tuple(replies)


def narrowed(prompt: Prompt, choices: Mapping[str, tuple[str, ...]]) -> Prompt:
    """A prompt whose entries may hold only certain words in some of their fields."""
    name, fields = entries(prompt)
    return prompt._replace(output={name: Many({field: choices.get(field) or kind for field, kind in fields.items()})})


def _link(planner: Planner, chain: Chain, link: Link, name: str, known: list[str]) -> Generator[Request, Answer, Reply]:
    values = {"constitution": planner.constitution, **link.values, "known": "\n".join(f"- {line}" for line in known) or "none yet"}
    turns = render(link.prompt, values)
    read = yield from _asked(planner, chain, link, name, turns)
    if read.told:
        fault = filled(planner.repair.text, planner.repair.where, {"fault": read.told, "inside": ""})
        more = (*turns, Turn(role="assistant", content=read.text), Turn(role="user", content=fault))
        read = yield from _asked(planner, chain, link, name, more)
    return Reply(link, read.rows, read.fault)


def _asked(planner: Planner, chain: Chain, link: Link, name: str, turns: tuple[Turn, ...]) -> Generator[Request, Answer, _Read]:
    read = _Read([], fault="empty_answer")
    for sample in range(SAMPLES):
        request = _request(planner, link, name, turns, SAMPLES * chain.sample + sample)
        answer = yield request
        read = _read(link.prompt, answer)
        if read.fault != "empty_answer":
            break
    return read


def _read(prompt: Prompt, answer: Answer) -> _Read:
    if answer.stop_reason == "refusal":
        return _Read([], fault="refused")
    if answer.stop_reason not in _WHOLE:
        return _Read([], fault=f"stopped_{answer.stop_reason}")
    if blank(answer.text):
        return _Read([], fault="empty_answer")
    output = parse(prompt, answer.text)
    if output.fault:
        return _Read([], answer.text, "unparsed", output.fault)
    return _Read(list(output.values[entries(prompt)[0]]))


def _request(planner: Planner, link: Link, name: str, turns: tuple[Turn, ...], sample: int) -> Request:
    """One request."""
    wanted = schema(link.prompt)
    most = _BESIDES + link.wanted * _room(link.prompt)
    return Request(
        hash=content_hash(planner.fingerprint, turns, wanted, most, sample), document_id=name, step="fanout",
        model=planner.model, prompt_hash=link.prompt.hash, turns=turns, sample=sample, max_tokens=most, schema_text=wanted,
    )  # fmt: skip


def _room(prompt: Prompt) -> int:
    """Tokens for one entry; a list in it may hold half a dozen."""
    return sum(_FIELD * (6 if kind == "texts" else 1) for kind in entries(prompt)[1].values())


def _shown(layer: str, row: Mapping[str, object]) -> str:
    """One entry on one line, for those who come after it."""
    if layer == "subtypes":
        subtypes = row["subtypes"]
        return f"{row['type']}: {'; '.join(subtypes)}" if isinstance(subtypes, list) else ""
    words = str(row[_NAMED_BY[layer]]).split() if layer in _NAMED_BY else []
    return " ".join(words[:_SHOWN_WORDS])
