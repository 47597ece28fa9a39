"""Principles: verbatim, cited, stable, and every line of prose accounted for."""

from __future__ import annotations

import re
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import UsageError
from builder.records import Constitution, Principle
from builder.stages.principles import read_constitution
from builder.stages.principles.reasons import reasons, sentences
from builder.stages.principles.units import SHORT_WORDS, TINY_WORDS, folded

CONSTITUTIONS = Path(__file__).parent.parent / "data" / "constitutions"
STARTER = Path(__file__).parent.parent.parent / "constitution" / "bildung.md"
FILES = [CONSTITUTIONS / "traps.md", CONSTITUTIONS / "ferry.md", STARTER]

TALK = "the clerk should keep boats because people plan by it lamps never go out, e.g. in fog. Really? Yes!"
WORDS = st.sampled_from(TALK.split())
LONG = ", in any weather that the four islands have known these many years, and for whoever stands at the pier to ask."
PARAGRAPH = st.lists(WORDS, min_size=1, max_size=60).map(" ".join).map(lambda words: f"Start {words} end.")
PARAGRAPHS = st.lists(PARAGRAPH, min_size=1, max_size=8, unique=True)


def read(text: str) -> Constitution:
    return read_constitution("charter.md", text.encode())


def only(text: str) -> Principle:
    (principle,) = read(text).principles
    return principle


def ids(text: str) -> list[str]:
    return [principle.id for principle in read(text).principles]


def reasons_left_out(constitution: Constitution) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    for row in constitution.left_out:
        found.setdefault(row.reason, []).append((row.line_start, row.line_end))
    return found


def containing(constitution: Constitution, words: str) -> Principle:
    (principle,) = [principle for principle in constitution.principles if words in principle.text]
    return principle


@pytest.fixture(scope="module")
def traps() -> Constitution:
    return read_constitution("traps.md", (CONSTITUTIONS / "traps.md").read_bytes())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_cites_are_exact_and_every_line_of_prose_is_accounted_for(path: Path) -> None:
    constitution = read_constitution(path.name, path.read_bytes())
    lines = path.read_text(encoding="utf-8").split("\n")
    covered: set[int] = set()
    for principle in constitution.principles:
        cited = lines[principle.line_start - 1 : principle.line_end]
        assert principle.text in "\n".join(cited)
        assert principle.text.split("\n")[0] in cited[0]
        assert principle.text.split("\n")[-1] in cited[-1]
        covered.update(range(principle.line_start, principle.line_end + 1))
    for row in constitution.left_out:
        rows = set(range(row.line_start, row.line_end + 1))
        assert not rows & covered
        covered |= rows
    prose = {n for n, line in enumerate(lines, 1) if re.search(r"\w", line) and not line.startswith("#")}
    assert prose <= covered


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_units_are_of_a_size_to_use_and_ids_are_unique(path: Path) -> None:
    principles = read_constitution(path.name, path.read_bytes()).principles
    assert all(len(principle.text.split()) <= 250 for principle in principles)
    assert len({principle.id for principle in principles}) == len(principles)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_reasons_are_verbatim(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for principle in read_constitution(path.name, path.read_bytes()).principles:
        assert all(reason in text for reason in principle.why)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("front_matter", "---"),
        ("table_of_contents", "[TOC]"),
        ("heading_only", "## An empty heading"),
        ("html_comment", "<!-- a comment"),
        ("html_markup", "<br/>"),
        ("code", "```python"),
        ("link_definition", "[elsewhere]:"),
        ("image", "![a lamp]"),
    ],
)
def test_what_is_left_out_says_why(traps: Constitution, reason: str, words: str) -> None:
    lines = (CONSTITUTIONS / "traps.md").read_text(encoding="utf-8").split("\n")
    firsts = [lines[start - 1] for start, _ in reasons_left_out(traps)[reason]]
    assert any(line.startswith(words) for line in firsts), firsts


def test_nothing_else_is_left_out(traps: Constitution) -> None:
    assert "not_parsed" not in reasons_left_out(traps)
    assert len(traps.left_out) == 8


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("tells the harbour", "norm"),
        ("put out the lamp", "norm"),
        ("A quoted rule", "norm"),
        ("sound the horn", "norm"),
        ("could the log say", "example"),
        ("**Bad:**", "example"),
        ("second paragraph", "commentary"),
        ("Leave is granted", "commentary"),
    ],
)
def test_kinds(traps: Constitution, words: str, kind: str) -> None:
    assert containing(traps, words).kind == kind


def test_heading_attributes_are_stripped_and_a_given_id_is_the_slug(traps: Constitution) -> None:
    principle = containing(traps, "tells the harbour")
    assert principle.heading_path == ("The Lamp‑keeper’s charter", "Being “truthful”")
    assert re.fullmatch(r"truth-[0-9a-f]{8}", principle.id)


def test_a_lead_in_stays_with_its_list(traps: Constitution) -> None:
    assert containing(traps, "put out the lamp").text.startswith("The keeper should never:")


def test_fences_in_fences_end_where_the_outer_one_ends(traps: Constitution) -> None:
    text = containing(traps, "could the log say").text
    assert text.startswith("**Example**") and text.endswith("~~~~")


def test_good_and_bad_stand_together(traps: Constitution) -> None:
    assert containing(traps, "**Bad:**").text.startswith("**Good:**")


@pytest.mark.parametrize("levels", [30, 150])
def test_every_level_of_a_deep_list_is_kept(levels: int) -> None:
    text = "\n".join("  " * level + f"- level {level} is said" for level in range(levels))
    constitution = read(text)
    assert not constitution.left_out
    assert " ".join(principle.text for principle in constitution.principles).split() == text.split()


def test_quotes_too_deep_are_reported() -> None:
    constitution = read("Be kind.\n\n" + ">" * 300 + " and then be quiet")
    assert reasons_left_out(constitution) == {"not_parsed": [(3, 3)]}


def test_own_reasons_come_first_and_others_are_lent_by_a_neighbour() -> None:
    log = "Keep the log as the day went, because people who mend the engines read it and nothing else" + LONG
    answer = "Answer the question that was asked, and then the one that was meant" + LONG
    first, second = read(f"# A\n\n{log}\n\n{answer}").principles
    assert first.why == (first.text,)
    assert second.why == first.why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It waits. It waits since nobody can swim.", ("It waits since nobody can swim.",)),
        ("It has waited since 1990. It has waited ever since noon.", ()),
        ("It says what was wrong, since when, and for whom.", ()),
        ("It speaks so that people can plan.", ("It speaks so that people can plan.",)),
        ("The reason is that lines hold.", ("The reason is that lines hold.",)),
        ("**Why:** engines stop. It waits.", ("**Why:** engines stop.",)),
        ("It looks twice. Otherwise a fault sails.", ("Otherwise a fault sails.",)),
        ("Engines stop. For this reason we ask it to look.", ("Engines stop. For this reason we ask it to look.",)),
        (
            "We ask for two reasons. First, cost. Second, care. Done.",
            ("We ask for two reasons. First, cost. Second, care.",),
        ),
        ("It may hear “do it because I say so” and refuse.", ()),
        ("- It waits, because of the ice.\n- It goes.", ("It waits, because of the ice.",)),
    ],
)
def test_reasons(text: str, expected: tuple[str, ...]) -> None:
    assert reasons(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It said so. “Next,” she said. Then it went.", ["It said so.", "“Next,” she said.", "Then it went."]),
        ("“Really?” she asked. It was.", ["“Really?” she asked.", "It was."]),
        ("Use tools, e.g. the lamp. **Bold.** Go.", ["Use tools, e.g. the lamp.", "**Bold.**", "Go."]),
        ("It asks.[^1] It waits.", ["It asks.[^1]", "It waits."]),
        ("- one\n- two", ["- one", "- two"]),
        ("灯を守る。嘘をつかない。", ["灯を守る。", "嘘をつかない。"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert [text[span.start : span.end].strip() for span in sentences(text)] == expected


def test_the_same_text_twice_under_one_heading_gets_a_suffix() -> None:
    first, second = ids("# A\n\n[^a]: Keep the log.\n\n[^a]: Keep the log.")
    assert second == f"{first}-2"


def test_the_same_text_under_two_headings_of_one_name_needs_no_suffix() -> None:
    section = "## Examples\n\nKeep the log.\n"
    alone = ids(f"# B\n\n{section}")
    assert ids(f"# A\n\n{section}\n# B\n\n{section}")[1:] == alone


def test_a_paragraph_on_a_rule_is_no_heading() -> None:
    principle = only("The keeper tells the harbour what the lamp did, and it does so every morning.\n---\n")
    assert principle.heading_path == ()


def test_a_list_of_nothing_but_links_is_left_out_but_a_linked_item_is_kept() -> None:
    links = "- [a](https://a.example)\n- [b](https://b.example)\n"
    constitution = read(f"{links}\nNever:\n\n- [lie](https://a.example)\n- steal\n")
    assert reasons_left_out(constitution) == {"link_list": [(1, 2)]}
    assert "[lie]" in constitution.principles[0].text


def test_a_contents_list_without_links() -> None:
    assert reasons_left_out(read("# Contents\n\n- One\n- Two\n\n# One\n\nBe kind.")) == {
        "heading_only": [(1, 1)],
        "table_of_contents": [(3, 4)],
    }


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_mark_change_nothing(ends: str, mark: bytes) -> None:
    text = (CONSTITUTIONS / "ferry.md").read_text(encoding="utf-8")
    plain = read_constitution("a", text.encode()).principles
    assert read_constitution("a", mark + text.replace("\n", ends).encode()).principles == plain


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "charter.md: is empty"),
        (b"\xef\xbb\xbf \r\n\t\n", "charter.md: is empty"),
        (b"# Only\n\n## Headings\n", "charter.md: holds no prose"),
        (b"[a](#b)\n", "charter.md: holds no prose"),
        (b"one\r\ntwo \0 three", "charter.md line 2: holds a NUL"),
        (b"one\n\ntwo \xff", "charter.md line 3: is not UTF-8"),
        (b"one\n\xed\xa0\x80", "charter.md line 2: is not UTF-8"),
        ("one".encode("utf-16"), "charter.md line 1: is not UTF-8"),
        (b"one\n\n```\ntwo\n", "charter.md line 3: a code fence (```) is opened"),
        (b"one\n\n<!-- two\n", "charter.md line 3: a comment (<!--) is opened"),
        (b"a" * 20_000_001, "charter.md: is larger than"),
    ],
    ids=["nothing", "blank", "headings", "links", "nul", "latin", "surrogate", "utf16", "fence", "comment", "huge"],
)
def test_bad_input_is_refused_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_constitution("charter.md", data)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_one_line_of_a_million_characters() -> None:
    started = time.monotonic()
    principles = read("Be kind to people since they matter. " * 28_000).principles
    assert time.monotonic() - started < 30
    assert len(principles) > 1000
    assert {(principle.line_start, principle.line_end) for principle in principles} == {(1, 1)}


def test_a_word_without_end_is_left_out() -> None:
    constitution = read("Be kind.\n\n![](data:" + "A" * 1_000_000 + ")\n")
    assert reasons_left_out(constitution) == {"unbroken_text": [(3, 3)]}


@pytest.mark.parametrize(
    "opener",
    ["# a " + "{" * 20_000 + " " * 20_000, "- <!-- " * 10_000, "[a](b " * 10_000, "a:\n\n" * 5_000],
    ids=["attributes", "comments", "links", "lead-ins"],
)
def test_hostile_text_takes_no_quadratic_time(opener: str) -> None:
    started = time.monotonic()
    read(f"{opener}\n\nBe kind.")
    assert time.monotonic() - started < 5


@pytest.mark.scale
def test_ten_megabytes() -> None:
    started = time.monotonic()
    section = STARTER.read_bytes() + b"\n\n"
    principles = read_constitution("big.md", section * (10_000_000 // len(section))).principles
    assert time.monotonic() - started < 90
    assert len(principles) > 10_000


@settings(max_examples=60, deadline=None)
@given(st.lists(PARAGRAPH, min_size=1, max_size=30).map(" ".join))
def test_pieces_partition_the_words(text: str) -> None:
    pieces = read(f"# A\n\n{text}").principles
    assert " ".join(piece.text for piece in pieces).split() == text.split()
    assert all(len(piece.text.split()) <= 250 for piece in pieces)


@settings(max_examples=60, deadline=None)
@given(PARAGRAPHS, st.integers(20, 90))
def test_rewrapping_changes_no_id(paragraphs: list[str], width: int) -> None:
    wrap = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    wrapped = [wrap.fill(paragraph) for paragraph in paragraphs]
    assert ids("# A\n\n" + "\n\n".join(wrapped)) == ids("# A\n\n" + "\n\n".join(paragraphs))


@settings(max_examples=60, deadline=None)
@given(PARAGRAPHS, PARAGRAPHS)
def test_a_section_above_changes_no_id(above: list[str], below: list[str]) -> None:
    section = "# B\n\n" + "\n\n".join(below)
    assert ids("# A\n\n" + "\n\n".join(above) + "\n\n" + section)[-len(ids(section)) :] == ids(section)


def limits_kept(text: str) -> tuple[bool, bool]:
    """On which side of the limits for joining a paragraph lies."""
    return len(text.split()) <= TINY_WORDS, len(text.split()) <= SHORT_WORDS


@settings(max_examples=150, deadline=None)
@given(PARAGRAPHS, PARAGRAPH, st.integers(0, 7), st.sampled_from(["", "- "]))
def test_an_edit_changes_only_the_unit_it_is_in(paragraphs: list[str], new: str, at: int, marker: str) -> None:
    place = at % len(paragraphs)
    edited = [*paragraphs[:place], f"Edited {new}", *paragraphs[place + 1 :]]
    before = read("\n\n".join(marker + paragraph for paragraph in paragraphs)).principles
    after = set(ids("\n\n".join(marker + paragraph for paragraph in edited)))
    line = 2 * place + 1
    touched = [n for n, unit in enumerate(before) if unit.line_start <= line <= unit.line_end]
    reach = 0 if limits_kept(marker + paragraphs[place]) == limits_kept(marker + edited[place]) else 1
    allowed = range(min(touched) - reach, max(touched) + reach + 1)
    assert all(unit.id in after for n, unit in enumerate(before) if n not in allowed)


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("ab. \n\t#-*>|`~[]()<!{}^:1\u2028\u00a0é"), max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        constitution = read(text)
    except UsageError:
        return
    lines = text.split("\n")
    for principle in constitution.principles:
        cited = "\n".join(lines[principle.line_start - 1 : principle.line_end])
        assert principle.text in cited
        assert folded(principle.text)
