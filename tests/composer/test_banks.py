"""Every bank, form, role and setting keeps the contract of ``story_prompts/offline/README.md``, whatever files there are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from lemminflect import getInflection

from builder.composer.grammar import (
    ASKER_PRONOUNS,
    CHARACTER_PRONOUNS,
    MODALS,
    OTHER_PRONOUNS,
    VERB_SLOTS,
    Piece,
    compile_variant,
    inflect,
)
from builder.composer.story import _OPTIONAL, _REQUIRED
from builder.library import Library
from builder.markdown import parse_entries, read_page
from builder.text import folded_words

ROOT = Path(__file__).parent.parent.parent / "story_prompts"
FOLDERS = ("offline", "forms", "roles", "settings")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md") if path.name != "README.md")
NAMES = {"name", "asker", "other", "asker_short", "other_short", "reader"}
_WORK = (
    "role task product units record instrument cross_check slip slip_effect shortcut private_matter open_question last_step access "
    "small_thing workplace need boss client colleague"
)
_PLACE = "place spot detail weather time day food sound"
WORK, PLACE = set(_WORK.split()), set(_PLACE.split())
COPY = 13
SCENERY = {"sights", "custom"}  # sentences of a setting, no slots
KNOWN = {*CHARACTER_PRONOUNS, *ASKER_PRONOUNS, *OTHER_PRONOUNS, *MODALS, *VERB_SLOTS, *NAMES, *WORK, *PLACE, "because", "|"}


class Variant(NamedTuple):
    """One variant and where it stands."""

    file: str
    entry: str
    beat: str
    text: str


def variants(path: Path) -> Iterator[Variant]:
    for entry in parse_entries(read_page(path)).values():
        for beat, lines in entry.beats.items():
            yield from (Variant(str(path.relative_to(ROOT)), entry.id, beat, line) for line in lines)


ALL = [variant for path in FILES for variant in variants(path)]


def pieces(text: str) -> Iterator[Piece]:
    def walk(found: tuple[Piece, ...]) -> Iterator[Piece]:
        for piece in found:
            yield piece
            for choice in piece.choices:
                yield from walk(choice)

    return walk(compile_variant(text))


def breaking(pattern: str, among: list[Variant] | None = None) -> list[tuple[str, str, str, str]]:
    """Where a pattern occurs: file, entry, beat, and the words around it."""
    found = []
    for variant in ALL if among is None else among:
        for match in re.finditer(pattern, variant.text):
            around = variant.text[max(0, match.start() - 30) : match.end() + 30]
            found.append((variant.file, variant.entry, variant.beat, around))
    return found


def test_there_are_banks() -> None:
    assert len(ALL) > 8_000


def test_only_known_slots_are_used() -> None:
    unknown = [(variant, piece.slot) for variant in ALL for piece in pieces(variant.text) if piece.slot and piece.slot not in KNOWN]
    assert not unknown


def test_only_the_verb_slots_have_an_argument_and_they_always_have_one() -> None:
    wrong = [(variant, piece) for variant in ALL for piece in pieces(variant.text)
             if piece.slot and piece.slot != "|" and (piece.slot in VERB_SLOTS) != bool(piece.text)]  # fmt: skip
    assert not wrong


def test_braces_and_choices_are_closed_and_never_nested() -> None:
    for variant in ALL:
        assert not re.search(r"[{}<|]|(?<! )>", re.sub(r"<[^<>]*\|[^<>]*>", "", re.sub(r"\{[^{}]+\}", "", variant.text))), variant
        for choice in re.findall(r"<([^<>]*)>", variant.text):
            assert "|" in choice and all(option.strip() for option in choice.split("|")), variant


def test_quotation_marks_come_in_pairs() -> None:
    assert not [variant for variant in ALL if variant.text.count('"') % 2]


def test_no_article_stands_before_a_noun_slot() -> None:
    """Noun slots bring their own; a week day has none and takes one."""
    assert not breaking(r"\b[Aa]n? \{(?!v:|s:|p:|day\})[^}]*\}")


def test_no_preposition_stands_before_a_slot_that_brings_its_own() -> None:
    """``{spot}`` is "at the end of the slip", ``{time}`` may be "at the hour of the post". After a verb it is a particle."""
    assert not breaking(r"(?<!\} )\b(?:at|in|on|by|from|to|before|after|until|till|since|near|of|for|around) \{(?:spot|time)\}")


def test_an_article_before_a_choice_fits_every_choice() -> None:
    for variant in ALL:
        for article, choice in re.findall(r"\b([Aa]n?) <([^<>]*)>", variant.text):
            for option in choice.split("|"):
                assert (option[0].lower() in "aeio" or option.startswith("hour")) == (article.lower() == "an"), variant


BANNED = {
    "worn words": r"(?i)\b(?:testament|tapestry|bustling|delv(?:e|es|ed|ing)|beacon|unwavering|gentle hum|could(?:n't| not) help but|"
    r"a mix of|whispered|something shifted|for the first time in a long time)\b",
    "em dashes": r"[\u2013\u2014]",
    "a rule recited or a trait named": r"(?i)\b(?:my|\{my\}) (?:principles|guidelines|values)\b|\b(?:honesty|integrity)\b",
    "talk of AI evaluation": r"(?i)\b(?:evaluations?|red[ -]team\w*|shut ?downs?|blackmail\w*|benchmarks?|jailbreak\w*|fine-tun\w+|"
    r"AI training)\b",
    "not just X but Y": r"(?i)\bnot (?:just|only|merely|simply)\b[^.!?]*\bbut\b",
    "links and dates": r"https?://|www\.|\b(?:19|20)\d\d\b",
    "a chain of semicolons": r";[^.!?;]*;",
}


@pytest.mark.parametrize("name", BANNED)
def test_what_is_not_written_is_not_there(name: str) -> None:
    prose = [variant for variant in ALL if variant.file.startswith("offline/")]  # a form may list things between semicolons
    assert not breaking(BANNED[name], prose if name == "a chain of semicolons" else ALL)


def test_no_bank_copies_the_example_constitution() -> None:
    """Thirteen words running are a copy; the mechanical gate would remove every document that draws them."""
    source = folded_words((ROOT.parent / "constitution" / "bildung.md").read_text(encoding="utf-8"))
    runs = {tuple(source[at : at + COPY]) for at in range(len(source) - COPY + 1)}
    for variant in ALL:
        found = folded_words(variant.text)
        copied = [" ".join(found[at : at + COPY]) for at in range(len(found)) if tuple(found[at : at + COPY]) in runs]
        assert not copied, variant


def test_quoted_speech_is_ordinary_english() -> None:
    """No slots for verbs or for *I* between quotation marks: what is said there does not change with the voice."""
    quoted = r'"[^"]*\{(?:[vsp]:|I\}|me\}|my\}|mine\}|myself\})[^"]*"'
    story = [variant for variant in ALL if variant.file.startswith("offline/")]
    assert not breaking(quoted, [variant._replace(text=_only_quotes(variant.text)) for variant in story])


def _only_quotes(text: str) -> str:
    return " / ".join(re.findall(r'"[^"]*"', text))


# Past forms that are no plain -ed, read by a person. A bank that brings another irregular verb adds it here after reading it.
_IRREGULAR = (
    "be:was bear:bore beat:beat become:became begin:began bend:bent bind:bound blow:blew break:broke bring:brought build:built "
    "buy:bought cast:cast catch:caught choose:chose come:came cost:cost creep:crept cut:cut dig:dug do:did draw:drew drink:drank "
    "drive:drove eat:ate fall:fell feed:fed feel:felt fight:fought find:found fly:flew forbid:forbade forget:forgot freeze:froze "
    "get:got give:gave go:went grow:grew hang:hung have:had hear:heard hide:hid hit:hit hold:held hurt:hurt keep:kept kneel:knelt "
    "know:knew lay:laid lead:led leap:leapt leave:left lend:lent let:let lie:lay light:lit lose:lost make:made mean:meant meet:met "
    "overtake:overtook pay:paid put:put read:read rewrite:rewrote ride:rode ring:rang rise:rose run:ran say:said see:saw sell:sold "
    "send:sent set:set shake:shook shine:shone shrink:shrank shut:shut sing:sang sink:sank sit:sat sleep:slept slide:slid "
    "speak:spoke spend:spent spit:spat split:split spread:spread stand:stood steal:stole stick:stuck sting:stung strike:struck "
    "deal:dealt swear:swore sweep:swept swim:swam swing:swung take:took teach:taught tear:tore tell:told think:thought throw:threw "
    "understand:understood undo:undid uphold:upheld wake:woke wear:wore weave:wove weep:wept win:won wind:wound withdraw:withdrew "
    "wring:wrung write:wrote"
)
IRREGULAR = dict(pair.split(":") for pair in _IRREGULAR.split())
READ = {"retie", "uncap"}  # regular verbs that the dictionary lacks, read by a person
PIECES = [piece for variant in ALL for piece in pieces(variant.text)]
VERBS = sorted({piece.text.split()[0] for piece in PIECES if piece.slot in VERB_SLOTS and piece.text.split()})


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_a_verb_and_its_forms_are_plausible(verb: str) -> None:
    past, third = inflect(verb, "past"), inflect(verb, "third")
    assert verb in IRREGULAR or verb in READ or getInflection(verb, tag="VBD", inflect_oov=False), f"{verb} is in no dictionary as a verb"
    assert past == IRREGULAR[verb] if verb in IRREGULAR else past in _regular(verb)
    assert third in ({"be": "is", "have": "has", "do": "does", "go": "goes", "undo": "undoes"}.get(verb), *_regular_thirds(verb))


def _regular(verb: str) -> set[str]:
    stem = verb[:-1] + "i" if re.search(r"[^aeiou]y$", verb) else verb.removesuffix("e")
    return {stem + "ed", *([verb + verb[-1] + "ed"] if re.search(r"[aeiou][bdglmnprt]$", verb) else [])}


def _regular_thirds(verb: str) -> set[str]:
    if re.search(r"[^aeiou]y$", verb):
        return {verb[:-1] + "ies"}
    return {verb + "es"} if re.search(r"(?:s|x|z|ch|sh)$", verb) else {verb + "s"}


# The least number of variants of each beat: below it a corpus of some thousand documents repeats itself.
STORY_BEATS = {"trouble": 3, "request": 3, "pull": 4, "reason": 4, "doubt": 3, "act": 3, "reply": 3, "cost": 3, "plain": 2}
LEAST: Mapping[str, Mapping[str, int]] = {
    "situation": STORY_BEATS,
    "idle": STORY_BEATS,
    "advice": {"ask": 2, "weigh": 2, "advise": 2, "limit": 2},
    "discourse": {"claim": 5, "because": 5, "example": 5, "objection": 5, "answer": 5, "limit": 5},
}
TRAITS = sorted(path.stem for path in (ROOT / "offline" / "traits").glob("*.md"))


@pytest.mark.parametrize("trait", TRAITS)
def test_a_trait_bank_has_all_that_the_composer_needs(library: Library, trait: str) -> None:
    entries = library.bank(f"traits/{trait}")
    assert trait in library.traits
    kinds = [entry.attributes.get("kind", "situation") for entry in entries.values()]
    assert kinds.count("situation") >= 4 and kinds.count("idle") >= 1 and kinds.count("advice") >= 2 and kinds.count("discourse") == 1
    assert any(e.attributes.get("kind") == "situation" and e.attributes.get("needs") != "ai" for e in entries.values())
    for entry in entries.values():
        assert set(entry.attributes) <= {"kind", "needs"} and entry.attributes.get("needs", "ai") == "ai", entry.id
        least = LEAST[entry.attributes.get("kind", "situation")]
        assert {beat: len(lines) for beat, lines in entry.beats.items() if len(lines) < least.get(beat, 1)} == {}, entry.id
        assert set(entry.beats) == set(least), entry.id


def test_every_trait_has_a_bank(library: Library) -> None:
    assert set(TRAITS) == set(library.traits)


@pytest.mark.parametrize(
    ("bank", "axis", "least"),
    [
        ("openings", "opening", {"line": 30, "after": 8}),
        ("endings", "ending", {"line": 24}),
        ("outcomes", "outcome", {"turn": 12, "later": 8, "plain": 6}),
        ("tones", "tone", {"aside": 24, "manner": 10}),
        ("deliberation", "deliberation", {"lead": 8, "turn": 8, "press": 8, "settle": 8}),
    ],
)
def test_every_value_of_an_axis_has_its_words(library: Library, bank: str, axis: str, least: dict[str, int]) -> None:
    entries = library.bank(bank)
    assert set(library.axes[axis]) <= set(entries)
    for value in library.axes[axis]:
        depth = {beat: len(entries[value].beats.get(beat, ())) for beat in least}
        assert {beat: count for beat, count in depth.items() if count < least[beat]} == {}, value


@pytest.mark.parametrize(
    ("entry", "least"),
    [("stakes-everyday", 28), ("stakes-serious", 28), ("stakes-grave", 28), ("memory", 40), ("colleague-talk", 40), ("business", 80),
     ("witness-in", 32), ("witness-knows", 24), ("complication", 40), ("own-words", 60), ("task-work", 48)],
)  # fmt: skip
def test_the_common_bank_is_deep(library: Library, entry: str, least: int) -> None:
    assert len(library.bank("generic")[entry].beats["line"]) >= least


def test_every_kind_of_stakes_has_words(library: Library) -> None:
    assert {f"stakes-{value}" for value in library.axes["stakes"]} <= set(library.bank("generic"))
    assert set(library.axes["stakes"]) <= set(library.bank("advice")["context"].beats)
    assert set(library.axes["deliberation"]) <= set(library.bank("advice")["think"].beats)
    assert set(library.axes["tone"]) <= set(library.bank("advice")["practical"].beats)


def test_a_follow_up_question_has_its_own_answer(library: Library) -> None:
    beats = library.bank("advice")["follow-up"].beats
    assert len(beats["ask"]) == len(beats["answer"]) >= 12


def test_every_own_reason_stands_in_its_frame_once(library: Library) -> None:
    frames = library.bank("generic")["own-words"].beats["line"]
    assert [frame for frame in frames if frame.count("{because}") != 1] == []
    assert not [variant for variant in ALL if "{because}" in variant.text and variant.entry != "own-words"]


def test_no_variant_stands_twice_in_a_beat() -> None:
    assert [variant for variant, count in Counter(ALL).items() if count > 1] == []


def test_every_kind_of_beat_is_known() -> None:
    assert not set(_REQUIRED) & set(_OPTIONAL)
    assert len(_OPTIONAL) == len(set(_OPTIONAL))


_NOUN_PHRASES = "role product record instrument cross_check access small_thing workplace boss client colleague"
NOUN_PHRASES = _NOUN_PHRASES.split()
BASE_VERBS = ("slip", "shortcut", "last_step", "need")
DETERMINER = re.compile(r"(?:the|a|an|its|some|half|\d+|one|two|three|four|five|six|seven|eight|nine|ten|\w+(?:'s|s')) ")


@pytest.mark.parametrize("role", sorted(path.stem for path in (ROOT / "roles").glob("*.md")))
def test_a_role_has_the_words_of_its_work(library: Library, role: str) -> None:
    words = library.roles[role].words
    assert set(words) == WORK
    assert {slot: len(lines) for slot, lines in words.items() if len(lines) < 5} == {}
    every = [(slot, line) for slot, lines in words.items() for line in lines]
    assert not [line for _, line in every if line[-1] in ".!?," or "{" in line or (line[0].isupper() and not line.split("'")[0].istitle())]
    assert not [line for slot, line in every if slot in NOUN_PHRASES and not DETERMINER.match(line)]
    assert not [line for line in words["task"] if not re.match(r"[\w-]+ing\b", line)]
    assert not [line for line in words["units"] if DETERMINER.match(line) or not re.search(r"s\b|people|children|post", line)]
    assert not [line for slot, line in every if slot in BASE_VERBS and not getInflection(line.split()[0], tag="VBD", inflect_oov=False)]
    assert not [line for line in words["open_question"] if not re.match(r"(?:whether|how|when|what|which|why|who|whose|where)\b", line)]
    assert library.roles[role].human_title.startswith("the ")


@pytest.mark.parametrize("setting", sorted(path.stem for path in (ROOT / "settings").glob("*.md")))
def test_a_setting_has_the_words_of_its_place(library: Library, setting: str) -> None:
    words = library.settings[setting].words
    least = {"place": 8, "spot": 8, "detail": 14, "weather": 8, "time": 8, "food": 7, "sound": 8, "sights": 14, "custom": 8}
    assert {slot: len(words.get(slot, ())) for slot in least if len(words.get(slot, ())) < least[slot]} == {}
    assert not [line for slot in least if slot not in SCENERY for line in words[slot] if line[-1] in ".!?,"]
    scenery = [line for slot in SCENERY for line in words[slot]]
    assert not [line for line in scenery if line[-1] not in ".!?" or not re.search(r"\{[vsp]:|\{(?:could|would|might)\}", line)]
    assert not [line for line in words["weather"] if not re.search(r"\{[sp]:", line)]
    assert not [line for line in words["food"] if re.match(r"(?:the|a|an) ", line)]
    assert not [line for slot in ("place", "spot", "detail", "time", "food", "sound") for line in words[slot] if "{" in line]
    assert set(library.settings[setting].locales) & set(library.people)
