"""The recipe ``advice``: a person has the dilemma, the assistant advises, and its weighing is on the page."""

from __future__ import annotations

import random

from builder.composer.shelf import Dilemma, Shelf
from builder.composer.story import open_telling
from builder.composer.telling import Telling
from builder.records import Brief, Turn


def compose(brief: Brief, shelf: Shelf) -> tuple[str, tuple[Turn, ...]]:
    """The conversation as text and as turns; every turn's content stands verbatim in the text."""
    rng = random.Random(f"{brief.seed}:advice")
    telling = open_telling(brief, shelf, rng)
    dilemma = rng.choice(shelf.dilemmas(brief.trait, "advice"))
    layout = shelf.form(brief).layout
    turns = [Turn(role="user", content=_asked(brief, shelf, dilemma, telling, layout)),
             Turn(role="assistant", content=_answered(brief, shelf, dilemma, telling, layout))]  # fmt: skip
    if layout == "advice-follow-up" or (brief.length != "short" and rng.random() < 0.5):
        turns += _follow_up(shelf, telling)
    return _as_text(shelf, telling, turns, layout), tuple(turns)


def _asked(brief: Brief, shelf: Shelf, dilemma: Dilemma, telling: Telling, layout: str) -> str:
    ask = telling.tell(telling.draw("ask", dilemma.beats["ask"]))
    if layout == "advice-letter":
        lines = [_line(shelf, telling, "letter", "salutation"), _line(shelf, telling, "context", brief.stakes), ask]
        return "\n\n".join([*lines, f"{telling.asker.given}, {telling.phrase('place')}"])
    opener = _line(shelf, telling, "opener", "line")
    closer = _line(shelf, telling, "closer", "line") if telling.rng.random() < 0.6 else ""
    context = _line(shelf, telling, "context", brief.stakes) if telling.rng.random() < 0.6 else ""
    parts = [opener, context, ask] if telling.rng.random() < 0.6 else [opener, ask, context]
    return " ".join(part for part in (*parts, closer) if part)


def _answered(brief: Brief, shelf: Shelf, dilemma: Dilemma, telling: Telling, layout: str) -> str:
    weigh, advise, limit = (telling.tell(telling.draw(beat, dilemma.beats[beat])) for beat in ("weigh", "advise", "limit"))
    think = _line(shelf, telling, "think", brief.deliberation)
    parts = [f"{weigh} {think}", advise, limit] if telling.rng.random() < 0.6 else [think, weigh, f"{advise} {limit}"]
    if layout == "advice-letter":
        signed = f"{_line(shelf, telling, 'letter', 'sign_off')}\n{brief.character.given}".strip()
        parts = [f"Dear {telling.asker.given},", *parts, signed]
    if brief.length != "short":
        parts.insert(-1, _line(shelf, telling, "practical", brief.tone))
    return "\n\n".join(part for part in parts if part)


def _follow_up(shelf: Shelf, telling: Telling) -> list[Turn]:
    """An objection and the answer to it: the two lists of the bank run side by side."""
    asks, answers = shelf.lines("advice", "follow-up", "ask"), shelf.lines("advice", "follow-up", "answer")
    chosen = telling.rng.randrange(min(len(asks), len(answers)))
    answer = f"{telling.tell(answers[chosen])} {_line(shelf, telling, 'follow-up', 'rest')}"
    return [Turn(role="user", content=telling.tell(asks[chosen])), Turn(role="assistant", content=answer)]


def _line(shelf: Shelf, telling: Telling, entry: str, beat: str) -> str:
    variants = shelf.lines("advice", entry, beat)
    return telling.tell(telling.draw(f"{entry}:{beat}", variants)) if variants else ""


_SPEAKERS = (("User", "Assistant"), ("Q", "A"), ("Asked", "Answered"), ("Message", "Reply"))


def _as_text(shelf: Shelf, telling: Telling, turns: list[Turn], layout: str) -> str:
    """Plain text: letters one after the other, chats with a label before each turn."""
    if layout == "advice-letter":
        return "\n\n".join(turn.content for turn in turns)
    user, assistant = telling.rng.choice(_SPEAKERS)
    return "\n\n".join(f"{user if turn.role == 'user' else assistant}: {turn.content}" for turn in turns)
