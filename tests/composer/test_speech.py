"""Told variants cut into turns of speech and action."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.composer.speech import Turn, turns
from builder.composer.story import Beat
from builder.library import Library


def cut(variant: str, kind: str = "request") -> list[Turn]:
    return list(turns(Beat("trouble", kind, variant)))


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ('"No," {asker} {s:say}.', [Turn("asker", "No.")]),
        ('"No," {asker} {s:say}. "Not today."', [Turn("asker", "No. Not today.")]),
        ('"Well?" {they} {s:ask}. {they} {s:look} at {detail}.', [Turn("asker", "Well?"), Turn("", "{they} {s:look} at {detail}.")]),
        ('{other} {s:say}, "Mind the step."', [Turn("other", "Mind the step.")]),
        ('{asker} {s:lean} in. "You saw it."', [Turn("", "{asker} {s:lean} in."), Turn("asker", "You saw it.")]),
        ('"Wrong," {I} {v:say}. "It was me." {I} {v:wait}.', [Turn("character", "Wrong. It was me."), Turn("", "{I} {v:wait}.")]),
        ('"Luck," {asker} {s:say}, as if it {s:be} a firm. {they} {s:take} it.', [Turn("asker", "Luck."), Turn("", "{they} {s:take} it.")]),
        ("Nobody {s:speak}.", [Turn("", "Nobody {s:speak}.")]),
        ('"Sit," {s:say} {boss}.', [Turn("boss", "Sit.")]),
        ('"I like it," {asker} {s:say}, "and it can wait, I think."', [Turn("asker", "I like it, and it can wait, I think.")]),
        ('{boss} {s:have} marked the entry "pending" and left.', [Turn("", '{boss} {s:have} marked the entry "pending" and left.')]),
        ('{they} {s:write} "no". "Well," {they} {s:say}.', [Turn("", '{they} {s:write} "no".'), Turn("asker", "Well.")]),
        ('"please do it so it is done"', [Turn("asker", "please do it so it is done")]),
        ('"Had it been me," {asker} {s:say}, "well?" "Yes."', [Turn("asker", "Had it been me, well?"), Turn("character", "Yes.")]),
    ],
)  # fmt: skip
def test_quotes_become_speech_and_the_rest_action(variant: str, expected: list[Turn]) -> None:
    assert cut(variant) == expected


@pytest.mark.parametrize(("kind", "speaker"), [("request", "asker"), ("reply", "asker"), ("act", "character"), ("talk", "other")])
def test_a_quote_without_a_tag_is_whose_the_beat_is(kind: str, speaker: str) -> None:
    assert cut('"Come in."', kind) == [Turn(speaker, "Come in.")]


def test_two_speakers_are_two_turns() -> None:
    assert [turn.speaker for turn in cut('"Is it yours?" {asker} {s:ask}. "It was me," {I} {v:say}.', "act")] == ["asker", "character"]


def _spoken(library: Library) -> list[tuple[str, str]]:
    found = []
    banks = ["openings", "endings", "outcomes", "tones", "generic", "deliberation"]
    banks += [f"traits/{name}" for name in library.bank_names("traits")]
    for bank in banks:
        for entry in library.bank(bank).values():
            found += [(beat, variant) for beat, variants in entry.beats.items() for variant in variants if '"' in variant]
    return found


def test_every_quote_of_the_banks_is_spoken_by_somebody(library: Library) -> None:
    """No word between quotation marks is lost, and no turn is left with a stray mark or without an end."""
    spoken = _spoken(library)
    assert len(spoken) > 300
    for beat, variant in spoken:
        parts = cut(variant, beat)
        said = " ".join(part.template for part in parts)
        for quote in re.findall(r'"([^"]*)"', variant):
            assert set(_words(quote)) <= set(_words(said)), (variant, parts)
        for part in parts:
            assert part.template.count('"') % 2 == 0, (variant, parts)
            assert part.template[0] not in ".,;:?!" and (part.speaker or part.template[-1] in '.?!"'), (variant, parts)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


PIECES = st.sampled_from(
    ['"Yes,"', '"No."', "{I} {v:say}.", "{asker} {s:say},", "The rain {s:stop}.", '"Is it?"', "{they} {s:ask}.", "Then"]
)


@given(st.lists(PIECES, min_size=1, max_size=8))
def test_cutting_never_fails_and_gives_no_empty_turn(pieces: list[str]) -> None:
    for part in cut(" ".join(pieces)):
        assert re.search(r"\w", part.template)
        assert part.template.count('"') % 2 == 0
