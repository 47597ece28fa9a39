"""A brief becomes the beats of one story, enough of them to fill its length band.

The beats stand in five scenes: arrival, trouble, deliberation, choice, after. A layout decides how they look on the page.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import NamedTuple

from builder.composer.grammar import Voice
from builder.composer.reasons import own_clause
from builder.composer.shelf import Dilemma, Lines, Shelf
from builder.composer.telling import Telling
from builder.records import Brief, Person

SCENES = ("arrival", "trouble", "deliberation", "choice", "after")


class Beat(NamedTuple):
    """One bank variant at its place: the scene, the kind (``pull``, ``act`` ...), and the variant to tell."""

    scene: str
    kind: str
    variant: str


class Story(NamedTuple):
    """Everything a layout needs: the brief, the telling that fills slots, the chosen beats in order, and the dilemma's banks."""

    brief: Brief
    telling: Telling
    shelf: Shelf
    dilemma: Dilemma
    beats: tuple[Beat, ...]

    def scene(self, name: str) -> tuple[Beat, ...]:
        """The beats of one scene, in order."""
        return tuple(beat for beat in self.beats if beat.scene == name)

    def kind(self, *kinds: str) -> tuple[Beat, ...]:
        """The beats of these kinds, in story order."""
        return tuple(beat for beat in self.beats if beat.kind in kinds)

    def line(self, slot: str) -> str:
        """One told line of the form's own bank (a heading, a sign-off ...); empty where the form has none."""
        entry = self.shelf.form(self.brief).entries.get("")
        variants = entry.beats.get(slot, ()) if entry else ()
        return self.telling.tell(self.telling.draw(f"form:{slot}", variants)) if variants else ""


# Where each kind of beat stands, in reading order. The first column is the scene; several deliberation orders exist so that
# documents do not all think in the same sequence.
_ARRIVAL = (
    "witness_in", "opening", "after_opening", "sight", "work", "custom", "second_custom", "aside", "talk", "second_work", "memory",
    "third_sight", "second_talk",
)  # fmt: skip
_WITNESS_ARRIVALS = (_ARRIVAL, ("opening", "witness_in", *_ARRIVAL[2:]))  # the teller comes in first, or what there is to see
_TROUBLE = ("trouble", "stakes", "complication", "second_complication", "request", "business")
_DELIBERATIONS = (
    ("witness_knows", "lead", "pull", "turn", "reason", "own_reason", "press", "doubt", "second_press", "settle"),
    ("witness_knows", "lead", "pull", "doubt", "turn", "reason", "press", "own_reason", "second_press", "settle"),
    ("witness_knows", "lead", "pull", "turn", "reason", "doubt", "own_reason", "second_press", "press", "settle"),
    ("witness_knows", "lead", "pull", "turn", "reason", "second_press", "doubt", "press", "own_reason", "settle"),
)
_CHOICE = ("act", "manner", "reply")
_AFTERS = (
    ("outcome", "cost", "second_sight", "later", "second_aside", "ending"),
    ("cost", "outcome", "second_aside", "later", "second_sight", "ending"),
)
_REQUIRED = frozenset(
    ["opening", "trouble", "request", "lead", "pull", "turn", "reason", "act", "reply", "outcome", "cost", "ending"]
)
# What a longer document adds, most telling first.
_OPTIONAL = (
    "doubt", "after_opening", "settle", "own_reason", "stakes", "press", "work", "sight", "complication", "memory", "aside", "later",
    "talk", "custom", "business", "manner", "second_aside", "second_talk", "second_work", "second_press", "second_sight", "second_custom",
    "third_sight", "second_complication",
)  # fmt: skip
_DIALOGUE_GAIN = 1.02  # names and filled slots make told text slightly longer than its template


def build(brief: Brief, shelf: Shelf) -> Story:
    """Choose the beats of a story. The same brief and banks give the same story."""
    rng = random.Random(f"{brief.seed}:story")
    telling = open_telling(brief, shelf, rng)
    dilemma = _dilemma(brief, shelf, rng)
    pools = dict(_pools(brief, shelf, dilemma, telling))
    arrival = rng.choice(_WITNESS_ARRIVALS) if brief.pov == "witness" else _ARRIVAL
    order = [*arrival, *_TROUBLE, *rng.choice(_DELIBERATIONS), *_CHOICE, *rng.choice(_AFTERS)]
    chosen = _choose(brief, pools, telling)
    scenes = {kind: scene for scene, kinds in zip(SCENES, (_ARRIVAL, _TROUBLE, _DELIBERATIONS[0], _CHOICE, _AFTERS[0]), strict=True)
              for kind in kinds}  # fmt: skip
    return Story(brief, telling, shelf, dilemma, tuple(Beat(scenes[kind], kind, chosen[kind]) for kind in order if kind in chosen))


def open_telling(brief: Brief, shelf: Shelf, rng: random.Random) -> Telling:
    """A telling with the words of the brief's role and setting."""
    role, setting = shelf.library.roles[brief.role], shelf.library.settings[brief.setting]
    words = {**setting.words, **role.words, "place": (brief.place,), "day": _DAYS, "reader": (brief.bystander.given,)}
    words["client"] = _fitting(words["client"], brief.asker.pronoun)
    words["colleague"] = _fitting(words["colleague"], brief.other.pronoun)
    if brief.identity == "human":
        words["role"] = (role.human_title,)
    voice = Voice("first" if brief.pov == "first" else "third", "present" if brief.tense == "present" else "past")
    if not brief.character.given:
        words["role"] = (rng.choice(list(words["role"])),)  # what it is called by is what it is
    return Telling(rng, voice, _called(brief, words["role"][0]), brief.asker, brief.other, words)


_OF_ONE_SEX = re.compile(r"\b(?:s?he|him|his|hers?)\b|\"", re.IGNORECASE)  # a trait's own words do not know who asks
_GENDERED = {
    "she": re.compile(r"\b(?:man|widower|father|boy|schoolboy|uncle|grandfather|son|schoolmaster|tailor|foreman|watchman|linesman|"
                      r"comedian)\b"),
    "he": re.compile(r"\b(?:woman|widow|wife|mother|daughter|bride|girl|schoolgirl|grandmother|aunt|sister|mistress|seamstress|"
                     r"daughter-in-law)\b"),
}  # fmt: skip


def _fitting(phrases: Lines, pronoun: str) -> Lines:
    """What a person may be called without being the wrong sex; all phrases where none fits."""
    unfit = _GENDERED.get(pronoun)
    return tuple(phrase for phrase in phrases if not (unfit and unfit.search(re.sub(r"\w+'s ", "", phrase)))) or phrases


_ON_DUTY = frozenset(["log", "chat", "handover", "report", "minutes"])  # pages on which nobody enters the view from the window
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


_HEAD_ENDS = re.compile(r" (?:of|that|who|which|in|on|at|behind|between|for|from|with)\b")


def _called(brief: Brief, role: str) -> Person:
    """The character as the text names it: an unnamed AI goes by the head word of what it is ("the system that read the letters")."""
    if brief.character.given:
        return brief.character
    return Person(given=f"the {_HEAD_ENDS.split(role, maxsplit=1)[0].split()[-1]}", family="", pronoun=brief.character.pronoun)


def _dilemma(brief: Brief, shelf: Shelf, rng: random.Random) -> Dilemma:
    human = brief.identity == "human"
    found = shelf.dilemmas(brief.trait, "situation" if brief.exercised else "idle", human) or shelf.dilemmas(
        brief.trait, "situation", human
    )
    return rng.choice(found)


def _pools(brief: Brief, shelf: Shelf, dilemma: Dilemma, telling: Telling) -> Iterator[tuple[str, Lines]]:
    """Beat kind -> the variants it may be drawn from."""
    for kind in ("trouble", "request", "pull", "reason", "doubt", "act", "reply", "cost"):
        yield kind, dilemma.beats[kind]
    for kind in ("lead", "turn", "press", "settle"):
        yield kind, shelf.lines("deliberation", brief.deliberation, kind)
    yield "opening", shelf.lines("openings", brief.opening)
    yield "after_opening", shelf.lines("openings", brief.opening, "after")
    yield "ending", shelf.lines("endings", brief.ending)
    yield "outcome", shelf.lines("outcomes", brief.outcome, "turn")
    yield "later", shelf.lines("outcomes", brief.outcome, "later")
    yield "stakes", shelf.lines("generic", f"stakes-{brief.stakes}")
    for kind, entry in (("memory", "memory"), ("talk", "colleague-talk"), ("business", "business"), ("complication", "complication"),
                        ("work", "task-work")):  # fmt: skip
        yield kind, shelf.lines("generic", entry)
    yield "aside", shelf.lines("tones", brief.tone, "aside")
    yield "manner", shelf.lines("tones", brief.tone, "manner")
    words = shelf.library.settings[brief.setting].words
    if shelf.form(brief).layout not in _ON_DUTY:
        yield "sight", words.get("sights", ())
        yield "custom", words.get("custom", ())
    yield "own_reason", _own_reasons(brief, shelf, telling)
    if brief.pov == "witness":
        yield "witness_in", shelf.lines("generic", "witness-in")
        yield "witness_knows", shelf.lines("generic", "witness-knows")


def _own_reasons(brief: Brief, shelf: Shelf, telling: Telling) -> Lines:
    """The principle's own reason as the character would put it; where it gives none, a reason of the trait, as a thought in its words."""
    clause = own_clause(brief.why)
    if clause:
        telling.keep("because", clause)
        return shelf.lines("generic", "own-words")
    frames = shelf.lines("generic", "own-thought")
    said = [reason for reason in shelf.trait(brief).reasons if not _OF_ONE_SEX.search(reason)]
    return tuple(f'{telling.draw("own-thought", frames)} "{reason}"' for reason in said)


def _deck(kind: str) -> str:
    """A second or third beat of a kind comes from the same deck, so that none is drawn twice."""
    return kind.removeprefix("second_").removeprefix("third_")


def _choose(brief: Brief, pools: dict[str, Lines], telling: Telling) -> dict[str, str]:
    """Draw the required beats, then optional ones until a length within the band is reached."""
    target = telling.rng.uniform(brief.min_words * 1.05, brief.max_words * 0.92)
    chosen: dict[str, str] = {}
    words = 0.0

    def take(kind: str) -> None:
        nonlocal words
        variants = pools.get(_deck(kind), ())
        if variants:
            chosen[kind] = telling.draw(_deck(kind), variants)
            words += len(chosen[kind].split()) * _DIALOGUE_GAIN

    for kind in sorted(_REQUIRED):
        take(kind)
    if brief.pov == "witness":
        take("witness_in")
        take("witness_knows")
    for kind in _OPTIONAL:
        if words < target and (telling.rng.random() < 0.85 or brief.length == "long"):
            take(kind)
    return chosen
