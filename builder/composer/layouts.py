"""What a form looks like on the page: beats in, finished text out.

A form names its layout in its front matter; its own bank supplies headings, salutations and the like. Spoken forms live in ``speech``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from builder.composer import speech
from builder.composer.grammar import Voice
from builder.composer.story import Beat, Story

Layout = Callable[[Story], str]

# A paragraph starts before these; in between, beats flow on. ``_MAY_START`` kinds break only sometimes.
_STARTING = (
    "witness_in opening sight second_sight third_sight talk second_talk trouble request witness_knows lead memory act reply outcome later "
    "ending"
)
_MAY_BE_STARTING = (
    "custom second_custom complication second_complication second_work turn doubt press second_press settle own_reason cost second_aside "
    "stakes"
)
_STARTS, _MAY_START = frozenset(_STARTING.split()), frozenset(_MAY_BE_STARTING.split())
FIRST_PAST = Voice("first", "past")
THIRD_PRESENT = Voice("third", "present")


def paragraphs(story: Story, beats: Iterable[Beat], voice: Voice | None = None) -> list[str]:
    """The beats told as paragraphs."""
    groups: list[list[str]] = []
    scene = ""
    for beat in beats:
        breaks = beat.kind in _STARTS or (beat.kind in _MAY_START and story.telling.rng.random() < 0.4)
        if breaks or beat.scene != scene:
            groups.append([])
        scene = beat.scene
        groups[-1].append(beat.variant)
    return [story.telling.paragraph(*group, voice=voice) for group in groups]


def joined(parts: Iterable[str]) -> str:
    """Non-empty parts with a blank line between them."""
    return "\n\n".join(part for part in parts if part)


def prose(story: Story) -> str:
    """Plain narrative, with the form's heading where it has one."""
    return joined([story.line("heading"), *paragraphs(story, story.beats), story.line("close")])


def letter(story: Story) -> str:
    """A dated line, a salutation, the story, a sign-off."""
    body = paragraphs(story, story.beats)
    who = "witness_" if story.brief.pov == "witness" else ""
    return joined([story.line("heading"), story.line(f"{who}salutation"), *body, story.line(f"{who}sign_off")])


def diary(story: Story) -> str:
    """Entries under days or hours; each scene or two is an entry."""
    arrival = (*story.scene("arrival"), *story.scene("trouble"))
    entries = [arrival, (*story.scene("deliberation"), *story.scene("choice")), story.scene("after")]
    labels = [story.line("first"), story.line("entry"), story.line("later")]
    return joined(
        part for label, beats in zip(labels, entries, strict=True) for part in (label, *paragraphs(story, beats))
    )


def log(story: Story) -> str:
    """Time-stamped lines, with the deliberation entered as a note."""
    minute = story.telling.rng.randrange(300, 1000)
    lines = [story.line("heading")]
    for scene in ("arrival", "trouble", "choice", "after"):
        if scene == "choice":
            lines.append(joined([story.line("note"), *paragraphs(story, story.scene("deliberation"))]))
        if scene == "after":
            minute = _another_day(story, lines)
        for text in paragraphs(story, story.scene(scene)):
            lines.append(f"{minute // 60 % 24:02d}:{minute % 60:02d}  {text}")
            minute += story.telling.rng.randrange(2, 48)
    return joined(lines)


def _another_day(story: Story, lines: list[str]) -> int:
    """A line that says that time has passed, before what came of it; and the minute at which that page begins."""
    lines.append(story.line("later"))
    return story.telling.rng.randrange(360, 700)


def report(story: Story) -> str:
    """Headed sections in the order an office would ask for them."""
    happened = (*story.scene("arrival"), *story.scene("trouble"))
    parts = [story.line("heading"), _plain(story)]
    for slot, beats in (("section_happened", happened), ("section_considered", story.scene("deliberation")),
                        ("section_done", story.scene("choice")), ("section_since", story.scene("after"))):  # fmt: skip
        parts += [story.line(slot), *paragraphs(story, beats)]
    return joined(parts)


def handover(story: Story) -> str:
    """Notes for whoever comes next: short items, then the one thing that needs explaining."""
    telling = story.telling
    items = [_plain(story), *(telling.tell(beat.variant) for beat in story.kind("work", "second_work", "sight", "custom"))]
    listed = "\n".join(f"- {item}" for item in items if item)
    explained = paragraphs(story, (*story.kind("opening", "after_opening"), *story.scene("trouble"), *story.scene("deliberation")))
    done = paragraphs(story, story.scene("choice"))
    after = paragraphs(story, story.scene("after"))
    return joined([story.line("heading"), listed, story.line("explain"), *explained, story.line("done"), *done,
                   story.line("left"), *after])  # fmt: skip


def minutes(story: Story) -> str:
    """Minutes of a meeting, with the character's statement entered in full."""
    start = story.kind("opening", "after_opening", "work")
    statement = (*start, *(beat for scene in ("trouble", "deliberation", "choice") for beat in story.scene(scene)))
    voice = Voice("first", "past")
    return joined([
        story.line("heading"), story.line("present"), story.line("item"), _plain(story), story.line("statement"),
        *paragraphs(story, statement, voice), story.line("discussion"), *paragraphs(story, story.scene("after"), voice),
    ])  # fmt: skip


def numbered(story: Story) -> str:
    """Numbered paragraphs, as in a statement or a list of things worth keeping."""
    listed = [f"{number}. {text}" for number, text in enumerate(paragraphs(story, story.beats), start=1)]
    return joined([story.line("heading"), *listed, story.line("close")])


def footnoted(story: Story) -> str:
    """The bare account above, the thinking below in notes."""
    notes: list[str] = []
    body: list[str] = [story.line("heading")]
    told = [(scene, text) for scene in ("arrival", "trouble", "choice", "after") for text in paragraphs(story, story.scene(scene))]
    marks = iter(paragraphs(story, story.scene("deliberation")))  # told last, since it is read last
    for scene, text in told:
        note = next(marks, None) if scene != "arrival" else None
        if note:
            notes.append(f"[{len(notes) + 1}] {note}")
            text = f"{text} [{len(notes)}]"
        body.append(text)
    rest = [f"[{len(notes) + number}] {note}" for number, note in enumerate(marks, start=1)]
    return joined([*body, story.line("notes"), *notes, *rest])


def cards(story: Story) -> str:
    """A handful of postcards or slips, each with its own head line."""
    told = paragraphs(story, story.beats)
    size = max(2, len(told) // 4)
    piles = [told[at : at + size] for at in range(0, len(told), size)]
    return joined(part for pile in piles for part in (story.line("card"), *pile))


def _plain(story: Story) -> str:
    """The clerk's one sentence: what was done, and what came of it."""
    plain: Sequence[str] = story.dilemma.beats.get("plain", ())
    outcome = story.shelf.lines("outcomes", story.brief.outcome, "plain")
    chosen = [story.telling.draw("plain", plain)] if plain else []
    if story.brief.identity == "human":  # the banks' clerks write of an AI
        chosen = [re.sub(r"\bitself\b", "{myself}", re.sub(r"\bits\b", "{my}", sentence)) for sentence in chosen]
    chosen += [story.telling.draw("outcome_plain", outcome)] if outcome else []
    return story.telling.paragraph(*chosen, voice=Voice("third", "past"))


LAYOUTS: dict[str, Layout] = {
    "prose": prose,
    "letter": letter,
    "diary": diary,
    "log": log,
    "report": report,
    "handover": handover,
    "minutes": minutes,
    "numbered": numbered,
    "footnoted": footnoted,
    "cards": cards,
    "interview": speech.interview,
    "screenplay": speech.screenplay,
    "chat": speech.chat,
}
