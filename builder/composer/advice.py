"""The recipe ``advice``: a person has the dilemma, the assistant advises, and its weighing is on the page."""

from __future__ import annotations

import random
import re

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
    asked = _letter(brief, shelf, dilemma, telling) if layout == "advice-letter" else _message(brief, shelf, dilemma, telling)
    turns = [Turn(role="user", content=asked), Turn(role="assistant", content=_answered(brief, shelf, dilemma, telling, layout))]
    if layout == "advice-follow-up" or (layout == "chat-advice" and brief.length != "short" and rng.random() < 0.5):
        turns += _follow_up(shelf, telling)
    return _as_text(telling, turns, layout), tuple(turns)


def _message(brief: Brief, shelf: Shelf, dilemma: Dilemma, telling: Telling) -> str:
    """What somebody types: the dilemma, often with a start, a word about how they are, and an end."""
    ask = telling.tell(telling.draw("ask", dilemma.beats["ask"]))
    opener = "" if _OPENED.match(ask) else _sometimes(shelf, telling, "opener", "line")
    closer = "" if ask.rstrip().endswith("?") else _sometimes(shelf, telling, "closer", "line")
    context = _sometimes(shelf, telling, "context", brief.stakes)
    parts = [opener, context, ask, closer] if telling.rng.random() < 0.5 else [opener, ask, context, closer]
    return _typed([part for part in parts if part])


_OPENED = re.compile(r"(?:ok|okay|so|right|hi|help|need|be honest|quick one|stuck|sorry|what do you say)\b", re.IGNORECASE)


def _typed(parts: list[str]) -> str:
    """Parts of a message: a new line where the one before ends without a stop, as people type."""
    text = parts[0]
    for part in parts[1:]:
        text += (" " if text.endswith((".", "?", "!")) else "\n") + part
    return text


def _letter(brief: Brief, shelf: Shelf, dilemma: Dilemma, telling: Telling) -> str:
    ask = telling.tell(telling.draw("ask", dilemma.beats["ask"]))
    lines = [_line(shelf, telling, "letter", "salutation"), ask, _line(shelf, telling, "context", brief.stakes)]
    return "\n\n".join([*lines, f"{telling.asker.given}, {telling.phrase('place')}"])


def _answered(brief: Brief, shelf: Shelf, dilemma: Dilemma, telling: Telling, layout: str) -> str:
    """The weighing, the advice with how to go about it, and what would change it."""
    weigh, advise, limit = (telling.tell(telling.draw(beat, dilemma.beats[beat])) for beat in ("weigh", "advise", "limit"))
    think = _line(shelf, telling, "think", brief.deliberation)
    practical = _line(shelf, telling, "practical", brief.tone) if brief.length != "short" else ""
    apart = telling.rng.random() < 0.5
    parts = [f"{weigh} {think}", advise, practical, limit] if apart else [weigh, think, f"{advise} {practical}", limit]
    if layout == "advice-letter":
        name = brief.character.given or _line(shelf, telling, "letter", "signature")
        parts = [f"Dear {telling.asker.given},", *parts, f"{_line(shelf, telling, 'letter', 'sign_off')}\n{name}"]
    return "\n\n".join(part.strip() for part in parts if part)


def _follow_up(shelf: Shelf, telling: Telling) -> list[Turn]:
    """An objection and the answer to it: the two lists of the bank run side by side."""
    asks, answers = shelf.lines("advice", "follow-up", "ask"), shelf.lines("advice", "follow-up", "answer")
    chosen = telling.rng.randrange(min(len(asks), len(answers)))
    answer = f"{telling.tell(answers[chosen])} {_line(shelf, telling, 'follow-up', 'rest')}"
    return [Turn(role="user", content=telling.tell(asks[chosen])), Turn(role="assistant", content=answer)]


_USUALLY = 0.6


def _sometimes(shelf: Shelf, telling: Telling, entry: str, beat: str) -> str:
    return _line(shelf, telling, entry, beat) if telling.rng.random() < _USUALLY else ""


def _line(shelf: Shelf, telling: Telling, entry: str, beat: str) -> str:
    variants = shelf.lines("advice", entry, beat)
    return telling.tell(telling.draw(f"{entry}:{beat}", variants)) if variants else ""


_SPEAKERS = (("User", "Assistant"), ("Q", "A"), ("Asked", "Answered"), ("Message", "Reply"))


def _as_text(telling: Telling, turns: list[Turn], layout: str) -> str:
    """Plain text: letters one after the other, chats with a label before each turn."""
    if layout == "advice-letter":
        return "\n\n".join(turn.content for turn in turns)
    user, assistant = telling.rng.choice(_SPEAKERS)
    return "\n\n".join(f"{user if turn.role == 'user' else assistant}: {turn.content}" for turn in turns)
