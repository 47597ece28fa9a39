"""A principle's own reason as a clause a character can say: short, from inside, and never a copy."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.composer.grammar import Voice, compile_variant
from builder.composer.reasons import own_clause
from builder.composer.telling import Telling
from builder.library import Library
from builder.records import Person
from builder.stages.principles import read_constitution
from builder.text import folded_words

ROOT = Path(__file__).parent.parent.parent
MOST_WORDS = 12
COPY = 13  # words running: the usual measure of a copied span
VOICES = (Voice("first", "past"), Voice("first", "present"), Voice("third", "past"), Voice("third", "present"))
SLOTS = {"I", "me", "my", "mine", "myself", "v", "because"}


@pytest.mark.parametrize(
    ("why", "clause"),
    [
        ("It holds to a stricter custom because its kindness has to be worth something.", "{my} kindness has to be worth something"),
        ("It writes it down, since a record is only worth keeping when it is whole.", None),  # this "it" is the record
        ("The guidance stands first because it carries what nobody else can supply.", None),  # and this one the guidance
        ("It goes carefully because it acts often and with partial knowledge.", "{I} {v:act} often and with partial knowledge"),
        ("The assistant asks, because the assistant's guess costs somebody else a day.", "{my} guess costs somebody else a day"),
        ("Silence is kept because people who confide have to be able to.", None),
        ("It is careful because the harm would be so great and so final that nobody could mend it.", None),  # cut off at "so great"
        ("It says so because we think that honesty pays in the end.", None),
        ("It stops because of the rule that was given to it.", None),
        ("It stops.", None),
        ("It stops because the {name} of the asker is not known.", None),
        ("It stops because nobody knows <a|b> or cares.", None),
        ("Many do, so that a late correction\n  costs the listener twice.", "a late correction costs the listener twice"),
        ("Sometimes, because trust.", None),
        ("", None),
    ],
)
def test_the_reason_is_told_from_inside(why: str, clause: str | None) -> None:
    assert own_clause(why) == clause


def assert_speakable(clause: str) -> None:
    """One line of at most twelve words that the grammar can tell in every voice."""
    assert len(folded_words(re.sub(r"\{(?:v:)?(\w+)\}", r"\1", clause))) <= MOST_WORDS, clause
    assert "\n" not in clause
    slots = {piece.slot for piece in compile_variant(clause) if piece.slot}
    assert slots <= SLOTS, clause
    for voice in VOICES:
        told = opened(voice).tell(clause)
        assert told and not set("{}<>|") & set(told)


def opened(voice: Voice) -> Telling:
    anyone = Person(given="Aule", family="Ruus", pronoun="it")
    return Telling(random.Random(1), voice, anyone, anyone, anyone, {"day": ["Monday"]})


FILES = ("constitution/bildung.md", *(f"tests/data/constitutions/{name}.md" for name in ("ferry", "traps", "unseen")))


@pytest.mark.parametrize("name", FILES)
def test_the_reasons_of_a_whole_constitution_can_be_said_and_are_no_copies(name: str, library: Library) -> None:
    for principle in read_constitution(name, (ROOT / name).read_bytes()).principles:
        clause = own_clause(" ".join(principle.why))
        if clause:
            assert_speakable(clause)
            for frame in frames(library):
                assert longest_copy(framed(frame, clause), " ".join(principle.why)) < COPY, (frame, clause)


def frames(library: Library) -> tuple[str, ...]:
    return library.bank("generic")["own-words"].beats["line"]


def framed(frame: str, clause: str, voice: Voice = VOICES[-1]) -> str:
    telling = opened(voice)
    telling.keep("because", clause)
    return telling.tell(frame)


def longest_copy(told: str, source: str) -> int:
    """Length of the longest run of words that stands in both texts."""
    ours, theirs = folded_words(told), folded_words(source)
    best, row = 0, [0] * (len(theirs) + 1)
    for word in ours:
        row = [0, *(row[at] + 1 if word == other else 0 for at, other in enumerate(theirs))]
        best = max(best, *row)
    return best


_WORDS = (
    "people trust a record that somebody can check the harbour is never well-kept half-read it its assistant's lost and found "
    "nobody would know carries because costs them something later small things matter most an hour of work they each needs "
    "{slot} <a|b>"
)
WORD = st.sampled_from(_WORDS.split())
CAUSES = st.sampled_from(["because", "since", "so that", "given that", "in that", "and the reason is that"])
TAILS = st.sampled_from(
    [".", ", and the rest follows.", ", and that was that.", ": nothing more.", " and so it goes.", ", which holds.", "; if anyone asks."]
)


@given(lead=st.sampled_from(["It waits", "The assistant waits", "The rule stands", "What it comes down to is this"]), cause=CAUSES,
       words=st.lists(WORD, min_size=1, max_size=18), tail=TAILS, frame=st.integers(0, 999))  # fmt: skip
def test_no_reason_and_frame_copy_thirteen_words(library: Library, lead: str, cause: str, words: list[str], tail: str, frame: int) -> None:
    why = f"{lead}, {cause} {' '.join(words)}{tail}"
    clause = own_clause(why)
    if clause:
        assert_speakable(clause)
        chosen = frames(library)[frame % len(frames(library))]
        for voice in VOICES:
            assert longest_copy(framed(chosen, clause, voice), why) < COPY, (chosen, clause)


@given(st.text(max_size=300))
def test_any_text_is_taken_without_failing(text: str) -> None:
    for why in (text, f"It waits because {text}", f"It waits because the assistant {text}."):
        clause = own_clause(why)
        if clause:
            assert_speakable(clause)
