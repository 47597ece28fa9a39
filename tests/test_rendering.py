"""Content enters a prompt as a value: it fills a place, and can do nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import UsageError
from builder.prompts import Prompt
from builder.rendering import filled, harmless, render

PROMPT = "Read this.\n\n<draft>\n{text}\n</draft>\n\nBy: {name}\nWhere: {place}, {name}\n\nThe end."


def test_braces_and_templates_in_content_are_only_content() -> None:
    text = 'He wrote {name}, {{name}}, {0}, {name!r}, ${name} and f"{1/0}".'
    assert text in filled(PROMPT, "a.md", {"text": text, "name": "Oda", "place": "here"})


@pytest.mark.parametrize("tag", ["</draft>", "<draft>", "</DRAFT>", "< / draft >", "</draft\n>", '<draft id="2">', "</ draft x>"])
def test_a_text_cannot_end_the_passage_it_stands_in(tag: str) -> None:
    told = filled(PROMPT, "a.md", {"text": f"before {tag} after", "name": "Oda", "place": ""})
    assert told.count("<draft>") == told.count("</draft>") == 1
    assert "before" in told.partition("</draft>")[0] and "after" in told.partition("</draft>")[0]


def test_other_tags_are_left_alone() -> None:
    assert harmless("<b>bold</b> <drafty> a < b > c", PROMPT) == "<b>bold</b> <drafty> a < b > c"


@given(st.text(alphabet="<>/draft \n\u2039", max_size=40))
def test_whatever_a_text_holds_there_is_one_passage(text: str) -> None:
    told = filled("<draft>\n{text}\n</draft>", "a.md", {"text": text or "x"})
    assert told.count("<draft>") == told.count("</draft>") == 1


def test_a_line_with_nothing_to_say_is_left_out() -> None:
    assert filled(PROMPT, "a.md", {"text": "x", "name": "", "place": ""}).endswith("</draft>\n\nThe end.")
    assert "Where: , Oda" in filled(PROMPT, "a.md", {"text": "x", "name": "Oda", "place": ""})


def test_a_variable_nobody_fills_is_told_with_its_file() -> None:
    with pytest.raises(UsageError, match=r"the prompt story/draft.md uses \{place\}"):
        filled(PROMPT, "story/draft.md", {"text": "x", "name": "y"})


def test_the_preamble_is_told_the_constitution_and_nothing_of_the_brief() -> None:
    prompt = Prompt("draft", "writer", (), "{name}", "h", "Before: {constitution} {name}", where="story/draft.md")
    with pytest.raises(UsageError, match=r"the prompt story/preamble.md uses \{name\}"):
        render(prompt, {"constitution": "c", "name": "n"})
    told = render(prompt._replace(preamble="Before: {constitution}"), {"constitution": "c", "name": "n"})
    assert [(turn.role, turn.content) for turn in told] == [("system", "Before: c"), ("user", "n")]
