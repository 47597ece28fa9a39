"""What one document remembers: who has been named, which words are fixed, which phrases are spent."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest

from builder.composer.grammar import Voice
from builder.composer.telling import PRONOUNS, Telling, is_plural, without_address
from builder.errors import UsageError
from builder.records import Person

WORDS: Mapping[str, Sequence[str]] = {
    "record": ["the log", "the day book", "the register"],
    "spot": ["on the slip", "under the stairs", "by the door"],
    "weather": ["the rain {s:arrive}", "dust {s:hang} in the air"],
    "place": ["Skerrow"],
}


THIRD_PAST = Voice("third", "past")


def opened(voice: Voice = THIRD_PAST, seed: int = 1, given: str = "Aule") -> Telling:
    character = Person(given=given, family="", pronoun="it")
    asker, other = Person(given="Benedikta", family="Aulie", pronoun="she"), Person(given="Ruus", family="Ruusunen", pronoun="he")
    return Telling(random.Random(seed), voice, character, asker, other, WORDS)


def test_a_word_of_the_work_is_drawn_once_and_kept() -> None:
    telling = opened()
    assert len({telling.phrase("record") for _ in range(20)}) == 1


def test_words_of_the_place_come_fresh_and_none_twice_before_all_came() -> None:
    telling = opened()
    first_round = [telling.tell("{spot}") for _ in range(3)]
    assert len(set(first_round)) == 3
    assert set(first_round) == {telling.tell("{spot}") for _ in range(3)}


def test_a_deck_gives_each_variant_once_a_round() -> None:
    telling = opened()
    drawn = [telling.draw("lead", ["a", "b", "c", "d"]) for _ in range(8)]
    assert sorted(drawn[:4]) == sorted(drawn[4:]) == ["a", "b", "c", "d"]


def test_slots_inside_words_are_told_too() -> None:
    assert opened(Voice("third", "present")).tell("Outside {weather}.") in ("Outside the rain arrives.", "Outside dust hangs in the air.")


def test_what_is_kept_is_said() -> None:
    telling = opened()
    telling.keep("because", "{my} word {s:be} worth something")
    telling.tell("{I} {v:pause}.")
    assert telling.tell("All the same, {because}.") == "All the same, its word was worth something."


def test_in_the_third_person_the_character_is_named_again_now_and_then() -> None:
    telling = opened()
    text = " ".join(telling.tell("{I} {v:wait}.") for _ in range(20))
    assert text.startswith("Aule waited. It waited.")
    assert 3 <= text.count("Aule") <= 6


def test_a_paragraph_names_the_character_afresh() -> None:
    telling = opened()
    assert telling.paragraph("{I} {v:wait}.", "{I} {v:look}.") == "Aule waited. It looked."
    assert telling.paragraph("{my} log {s:be} shut. {I} {v:look}.") == "Aule's log was shut. It looked."


def test_in_the_first_person_the_character_is_never_named_by_itself() -> None:
    telling = opened(Voice("first", "past"))
    assert "Aule" not in " ".join(telling.tell("{I} {v:keep} {my} log by {myself}.") for _ in range(20))


def test_an_unnamed_character_starts_a_sentence_with_a_capital() -> None:
    assert opened(given="the desk").paragraph("{I} {v:wait}. Then {I} {v:look}.") == "The desk waited. Then it looked."


def test_a_voice_may_be_borrowed_for_one_variant() -> None:
    telling = opened(Voice("third", "past"))
    assert telling.tell("{I} {v:be} here.", Voice("first", "present")) == "I am here."
    assert telling.voice == Voice("third", "past")


@pytest.mark.parametrize(
    ("phrase", "plural"),
    [("the handover notes", True), ("the gauge at the next quay", False), ("the boss", False), ("the trustees of the hall", True),
     ("the people upstairs", True), ("the list of calls", False), ("the women who ran the quay", True), ("the bus", False),
     ("the woman who ran the classes", False), ("the glasses", True), ("bean cakes from the corner", True)],
)  # fmt: skip
def test_a_plural_thing_takes_a_plural_verb(phrase: str, plural: bool) -> None:
    telling = opened(Voice("third", "present"))
    telling.keep("record", phrase)
    assert is_plural(phrase) is plural
    assert telling.tell("{record} still {s:say} so.") == f"T{phrase[1:]} still {'say' if plural else 'says'} so.".replace("Tean", "Bean")
    assert telling.tell("Near {record} a clerk {s:wait}.").endswith(" a clerk waits.")


def test_one_without_a_name_is_not_called_by_it() -> None:
    assert without_address('"Well, {name}? Tell {name} so."') == '"Well? Tell {name} so."'
    assert opened(given="the desk").tell('"{name}, look," {they} {s:say}. "Thanks, {name}."') == '"Look," she said. "Thanks."'
    assert opened().tell('"{name}, look," {they} {s:say}. "Thanks, {name}."') == '"Aule, look," she said. "Thanks, Aule."'


@pytest.mark.parametrize("pronoun", PRONOUNS)
def test_every_pronoun_has_every_case(pronoun: str) -> None:
    assert set(PRONOUNS[pronoun]) == {"they", "them", "their", "theirs", "themself"}


def test_a_slot_that_nothing_fills_is_named() -> None:
    with pytest.raises(UsageError, match=r"\{gauge\}.*story_prompts/offline/README.md"):
        opened().tell("It read {gauge}.")


def test_the_same_seed_tells_the_same_and_another_seed_does_not() -> None:
    def told(seed: int) -> str:
        telling = opened(seed=seed)
        return " ".join(telling.tell("<One|Two|Three|Four> stood {spot} with {record}.") for _ in range(8))

    assert told(7) == told(7)
    assert told(7) != told(8)
