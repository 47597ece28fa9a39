"""Spoken forms: the same beats as turns of speech and action.

A told variant is cut at its quotation marks. Who speaks is read from the slots beside the quote ('"..." {they} {s:say}'), else from
the beat: requests and replies are the asker's, acts the character's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from builder.composer.grammar import SPEECH_VERBS, Voice
from builder.composer.story import Beat, Story

FIRST_PAST = Voice("first", "past")
FIRST_PRESENT = Voice("first", "present")
THIRD_PRESENT = Voice("third", "present")
_QUOTE = re.compile(r'"([^"]*)"')
_TAG_AFTER = re.compile(r"^\s*\{(\w+)\}\s+\{[vsp]:(\w+)[^}]*\}|^\s*\{[vsp]:(\w+)[^}]*\}\s+\{(\w+)\}")
_TAG_BEFORE = re.compile(r"\{(\w+)\}\s+\{[vsp]:(\w+)[^}]*\}[,:]?\s*$")
_SPEAKERS = {"they": "asker", "asker": "asker", "client": "asker", "I": "character", "they2": "other", "other": "other",
             "colleague": "other", "boss": "boss"}  # fmt: skip
_DEFAULT = {"request": "asker", "reply": "asker", "business": "asker", "act": "character"}


class Turn(NamedTuple):
    """Either speech (``speaker`` set) or action (``speaker`` empty); ``template`` is still a bank variant."""

    speaker: str
    template: str


def turns(beat: Beat) -> Iterator[Turn]:
    """Cut one variant into speech and action, dropping bare speech tags."""
    at, spoken, speaker = 0, "", ""
    variant = beat.variant
    for match in _spoken(variant):
        between = variant[at : match.start()]
        action = _without_tag(between, _takes_tag(spoken))
        after = variant[match.end() :] if _takes_tag(match[1]) else ""
        here = _speaker(after, between, _unnamed(beat.kind, speaker if spoken and not action else "", between))
        if spoken and (action or here != speaker):
            yield Turn(speaker, _closed(spoken))
            spoken = ""
        if action:
            yield Turn("", action)
        speaker = here if not spoken else speaker
        spoken = f"{_joint(spoken, between)} {match[1]}".strip()
        at = match.end()
    if spoken:
        yield Turn(speaker, _closed(spoken))
    rest = _without_tag(variant[at:], _takes_tag(spoken))
    if rest:
        yield Turn("", rest)


def _takes_tag(spoken: str) -> bool:
    """Whether a speech tag may follow: after a full stop, '{they} {s:ask}' begins a sentence of its own."""
    return bool(spoken) and not spoken.endswith(".")


def _unnamed(kind: str, last: str, between: str) -> str:
    """Who speaks a quote without a tag: the same person after a tag, the one spoken to where quotes stand side by side."""
    if not last:
        return _DEFAULT.get(kind, "other")
    if between.strip():
        return last
    return "asker" if last == "character" else "character"


def _spoken(variant: str) -> Iterator[re.Match[str]]:
    """The quotes that somebody says. Words only mentioned ('marked the entry "pending" and left') stay in the narration."""
    for match in _QUOTE.finditer(variant):
        ended = match[1][-1:] in _ENDS_OF_SPEECH and variant[match.end() : match.end() + 1] != ","
        if ended or not _GOES_ON.match(variant, match.end()):
            yield match


_ENDS_OF_SPEECH = tuple(".,?!:-\u2014\u2026")
_GOES_ON = re.compile(r"[.,;:?!)>|]|\s+[\w{<]")


def _joint(spoken: str, between: str) -> str:
    """What was said so far, as it stands before the next quote: '"No," she said. "Not today."' has two sentences."""
    return spoken[:-1] + "." if spoken.endswith(",") and between.rstrip().endswith(".") else spoken


def _closed(spoken: str) -> str:
    return spoken[:-1] + "." if spoken.endswith(",") else spoken


def _speaker(after: str, before: str, default: str) -> str:
    for match in (_TAG_AFTER.match(after), _TAG_BEFORE.search(before)):
        if match and _verb(match) in SPEECH_VERBS:
            who = match[1] or match[4] if match.re is _TAG_AFTER else match[1]
            return _SPEAKERS.get(who[:1].lower() + who[1:] if who != "I" else who, default)
    return default


def _verb(tag: re.Match[str]) -> str:
    return tag[2] or (tag[3] if tag.re is _TAG_AFTER else "") or ""


def _without_tag(text: str, after_quote: bool) -> str:
    """Narration between quotes, without '{they} {s:say}' and what is left of its sentence."""
    if after_quote:
        tag = _TAG_AFTER.match(text)
        if tag and _verb(tag) in SPEECH_VERBS:
            rest = text[tag.end() :]
            if not rest.strip(" .,:"):
                return ""
            ended = re.match(r"^[^.!?]*[.!?]\s*", rest)
            rest = rest[ended.end() :] if ended else ""
            text = rest
    text = text.strip()
    before = _TAG_BEFORE.search(text)
    if before and _verb(before) in SPEECH_VERBS and not text.endswith("."):
        text = text[: before.start()].rstrip(" ,")
    text = re.sub(r"(?:^|(?<=[.!?]))[^.!?]*,\s*$", "", text).strip()
    if not re.search(r"\w", text):
        return ""
    return text if text[-1] in ".!?" else text.rstrip(",:") + "."


def speakers(story: Story) -> dict[str, str]:
    """Speaker keys -> the name in the margin."""
    telling = story.telling
    character = telling.character.given.removeprefix("the ")
    boss = telling.phrase("boss").removeprefix("the ")
    return {"character": character, "asker": telling.asker.given, "other": telling.other.given, "boss": boss}


def screenplay(story: Story) -> str:
    """Scene headings, action in the present, names over speech, the deliberation as voice-over broken by something seen."""
    names = {key: name.upper() for key, name in speakers(story).items()}
    blocks = [story.line("heading"), story.line("slug")]
    thoughts = 0
    for beat in story.beats:
        if beat.kind in ("act", "outcome"):
            blocks.append(story.line("slug_later") or story.line("slug"))
        if (beat.scene == "deliberation" or beat.kind == "memory") and beat.kind != "witness_knows":
            thoughts += 1
            blocks += [_seen(story)] if thoughts % _THOUGHTS_A_SPEECH == 0 else []
            blocks.append(f"{names['character']} (V.O.)\n{story.telling.tell(beat.variant, FIRST_PRESENT)}")
            continue
        for turn in turns(beat):
            told = story.telling.paragraph(turn.template, voice=THIRD_PRESENT)
            blocks.append(f"{names[turn.speaker]}\n{told}" if turn.speaker else told)
    return "\n\n".join(_merged([*blocks, story.line("close")]))


_THOUGHTS_A_SPEECH = 3


def _seen(story: Story) -> str:
    """One thing in view, between two thoughts."""
    sights = story.shelf.library.settings[story.brief.setting].words.get("sights", ())
    return story.telling.paragraph(story.telling.draw("sight", sights), voice=THIRD_PRESENT) if sights else ""


def _merged(blocks: list[str]) -> list[str]:
    """Blocks without empties; two speeches of one voice in a row become one."""
    merged: list[str] = []
    for block in blocks:
        head, newline, body = block.partition("\n")
        if not block:
            continue
        if merged and newline and merged[-1].partition("\n")[0] == head and head.isupper():
            merged[-1] += " " + body
        else:
            merged.append(block)
    return merged


_QUESTION_BEFORE = {"opening": "question_start", "trouble": "question_trouble", "request": "question_request", "lead": "question_thinking",
                    "doubt": "question_doubt", "act": "question_act", "outcome": "question_after", "ending": "question_end"}  # fmt: skip


def interview(story: Story) -> str:
    """Questions by someone with a recorder; the character (or the witness) answers, in paragraphs."""
    asks = story.line("interviewer") or "Q"
    witness = story.brief.pov == "witness"
    name = story.brief.bystander.given if witness else speakers(story)["character"]
    voice = Voice("third", "past") if witness else FIRST_PAST
    blocks, answer = [story.line("heading")], list[str]()
    for beat in story.beats:
        slot = _QUESTION_BEFORE.get(beat.kind)
        question = story.line(slot) if slot else ""
        if question:
            blocks += [_answer(story, name, answer, voice)] if answer else []
            blocks.append(f"{asks}: {question}")
            answer = []
        answer.append(beat.variant)
    return "\n\n".join(block for block in [*blocks, _answer(story, name, answer, voice)] if block)


_BEATS_A_PARAGRAPH = 3


def _answer(story: Story, name: str, variants: list[str], voice: Voice) -> str:
    told = [story.telling.paragraph(*variants[at : at + _BEATS_A_PARAGRAPH], voice=voice)
            for at in range(0, len(variants), _BEATS_A_PARAGRAPH)]  # fmt: skip
    return f"{name[:1].upper()}{name[1:]}: " + "\n\n".join(told)


def chat(story: Story) -> str:
    """A thread: who, when, what. The deliberation stands in the character's own notes between messages."""
    names = speakers(story)
    minute = story.telling.rng.randrange(400, 1200)
    narrator = names["character"]
    blocks = [story.line("heading")]
    scene = ""
    for beat in story.beats:
        if beat.scene == "after" and scene != "after":
            blocks.append(story.line("later"))
            minute = story.telling.rng.randrange(400, 700)
        minute += story.telling.rng.randrange(1, 9)
        stamp = f"[{minute // 60 % 24:02d}:{minute % 60:02d}]"
        if beat.scene == "deliberation":
            text = story.telling.paragraph(beat.variant, voice=FIRST_PRESENT)
            blocks.append(joined_note(story, text) if scene != "deliberation" else f"    {text}")
            scene = beat.scene
            continue
        scene = beat.scene
        for turn in turns(beat):
            who = names[turn.speaker] if turn.speaker else narrator
            told = story.telling.paragraph(turn.template, voice=FIRST_PAST)
            blocks.append(f"{stamp} {who}: {told}")
    return "\n\n".join(block for block in [*blocks, story.line("close")] if block)


def joined_note(story: Story, text: str) -> str:
    """The head line of the character's notes, and the first of them."""
    head = story.line("note")
    return f"{head}\n\n    {text}" if head else f"    {text}"
