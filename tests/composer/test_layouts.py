"""Every form, in every voice it allows: finished text with tidy joints, one set of pronouns, and the same each time."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import subprocess
import sys

import pytest
from drafting import ROOT, briefs, faults, variations

from builder.composer import discourse
from builder.composer.layouts import LAYOUTS
from builder.composer.write import Composer
from builder.errors import UsageError
from builder.library import Library
from builder.records import Brief, Person

FORMS = sorted(form.id for form in Library(ROOT).forms.values() if {"story", "document", "advice"} & set(form.recipes))
ADVICE = ("chat-advice", "advice-letter", "advice-follow-up")
EXPOSITORY = tuple(form.id for form in Library(ROOT).forms.values() if "document" in form.recipes)
RULE = "---"


@pytest.fixture(scope="module")
def drawn(library: Library) -> list[Brief]:
    return briefs(library, 300)


@pytest.fixture(scope="module")
def composer(library: Library) -> Composer:
    return Composer(library)


@pytest.fixture(scope="module")
def written(library: Library, composer: Composer, drawn: list[Brief]) -> dict[str, list[tuple[Brief, str]]]:
    """Form -> a text in every voice, identity and length that it allows."""
    return {form: [(brief, composer.write(brief).text) for brief in variations(library, form, drawn)] for form in FORMS}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_finished_text_in_every_voice(written: dict[str, list[tuple[Brief, str]]], form: str) -> None:
    assert written[form]
    for brief, text in written[form]:
        assert text.endswith("\n") and text.strip() == text.rstrip("\n")
        assert len(text.split()) >= 100, (brief.id, text)
        assert not faults(text), brief.id
        assert all(re.search(r"\w", part) or part.strip() == RULE for part in text.split("\n\n")), text


@pytest.mark.parametrize("form", FORMS)
def test_a_form_has_a_layout(library: Library, form: str) -> None:
    known = {"story": set(LAYOUTS), "document": set(discourse.LAYOUTS), "advice": set(ADVICE)}
    for recipe in library.forms[form].recipes:
        assert library.forms[form].layout in known[recipe]


def test_every_layout_is_used_by_a_form(library: Library) -> None:
    used = {form.layout for form in library.forms.values()}
    assert set(LAYOUTS) | set(discourse.LAYOUTS) <= used


def test_an_unknown_layout_is_named_with_its_form(library: Library, drawn: list[Brief]) -> None:
    other = Library(ROOT)
    brief = next(brief for brief in drawn if brief.recipe == "story")
    other.__dict__["forms"] = {**library.forms, brief.form: library.forms[brief.form]._replace(layout="posse")}
    with pytest.raises(UsageError, match=f"form '{brief.form}': no layout named 'posse'; did you mean 'prose'"):
        Composer(other).write(brief)


@pytest.fixture(scope="module")
def neutral(library: Library) -> Composer:
    """A composer for whom there is one client and one colleague, neither a man nor a woman."""
    found = Library(ROOT)
    plain = {"client": ("the passenger",), "colleague": ("the deckhand",)}
    found.__dict__["roles"] = {name: role._replace(words={**role.words, **plain}) for name, role in library.roles.items()}
    return Composer(found)


_HIS = {"she": ("he",), "her": ("him", "his"), "hers": ("his",), "herself": ("himself",)}


def _person(person: Person, pronoun: str) -> Person:
    return Person.model_validate({**person.model_dump(), "pronoun": pronoun})


@pytest.mark.parametrize("form", FORMS)
def test_another_pronoun_changes_the_pronouns_and_nothing_else(library: Library, neutral: Composer, drawn: list[Brief], form: str) -> None:
    changed = 0
    for brief, whom in zip(list(variations(library, form, drawn))[::3], itertools.cycle(("asker", "other"))):
        people = {name: _person(getattr(brief, name), "it" if name == "character" else "he") for name in ("character", "asker", "other")}
        his = re.findall(r"\w+", neutral.write(brief.model_copy(update=people)).text.lower())
        hers = re.findall(r"\w+", neutral.write(brief.model_copy(update={**people, whom: _person(people[whom], "she")})).text.lower())
        assert len(his) == len(hers)
        for one, two in zip(his, hers, strict=True):
            assert one == two or one in _HIS.get(two, ()), (one, two)
            changed += one != two
    assert changed or form in NAMES_NOBODY


NAMES_NOBODY = (*ADVICE, *EXPOSITORY)


@pytest.mark.parametrize("form", [form for form in FORMS if form not in NAMES_NOBODY])
def test_the_asker_is_introduced_once(written: dict[str, list[tuple[Brief, str]]], form: str) -> None:
    for brief, text in written[form]:
        assert text.count(f"{brief.asker.given} {brief.asker.family}") <= 1, text
        assert brief.asker.given in text, text


def test_an_unnamed_ai_is_called_by_its_work_and_never_spoken_to_by_that(library: Library, composer: Composer, drawn: list[Brief]) -> None:
    for brief in (brief for brief in drawn if brief.recipe == "story" and brief.identity == "unnamed"):
        text = composer.write(brief).text
        assert not re.search(r'", the [a-z]+[.?!,]', text), text
        assert not re.search(r"[.!?] the (?:desk|system|clerk)\b", text.replace("...", "")), text


def test_what_is_said_in_a_conversation_stands_in_its_text(composer: Composer, drawn: list[Brief]) -> None:
    chats = [brief for brief in drawn if brief.recipe == "advice"]
    assert chats
    for brief in chats:
        written = composer.write(brief)
        assert [turn.role for turn in written.turns] in (["user", "assistant"], ["user", "assistant"] * 2)
        assert all(turn.content in written.text for turn in written.turns), (brief.id, written)
        assert all(turn.content.strip() and not faults(turn.content) for turn in written.turns)


def test_the_same_brief_gives_the_same_text(library: Library, drawn: list[Brief]) -> None:
    one, two = Composer(library), Composer(Library(ROOT))
    backwards = [two.write(brief) for brief in reversed(drawn[:60])]
    assert [one.write(brief) for brief in drawn[:60]] == backwards[::-1]


_HASHED = """
import hashlib, sys
from pathlib import Path
from builder.composer.write import Composer
from builder.library import Library
from builder.records import Brief
composer = Composer(Library(Path.cwd()))
print(hashlib.sha256("".join(composer.write(Brief.model_validate_json(line)).text for line in sys.stdin).encode()).hexdigest())
"""


def test_the_hash_seed_of_python_changes_nothing(composer: Composer, drawn: list[Brief]) -> None:
    def told(seed: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", _HASHED]
        return subprocess.Popen(command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    runs = [told("1"), told("31337")]
    lines = "".join(f"{brief.model_dump_json()}\n" for brief in drawn[:50])
    digests = [run.communicate(lines, timeout=60)[0].strip() for run in runs]
    assert digests == [hashlib.sha256("".join(composer.write(brief).text for brief in drawn[:50]).encode()).hexdigest()] * 2
