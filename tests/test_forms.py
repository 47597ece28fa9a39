"""A form may borrow the layout and the lists of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import UsageError
from builder.forms import read_form
from builder.markdown import read_page

LENDER = '---\nname: "entry"\nlayout: "faq"\npovs: [first]\n---\n## heading\n- One\n## close\n- Two\n'


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_form_borrows_what_it_does_not_say_itself(tmp_path: Path) -> None:
    written(tmp_path, "entry", LENDER)
    own = '---\nname: "label"\nlike: "entry"\n---\n## heading\n- Three\n## intro\n- Four\n'
    form = read_form(read_page(written(tmp_path, "label", own)))
    assert form.layout == "faq" and form.name == "label"
    assert form.entries[""].beats == {"heading": ("Three",), "close": ("Two",), "intro": ("Four",)}
    assert form.povs == ()  # what constrains the plan is each form's own


def test_a_layout_of_its_own_comes_first(tmp_path: Path) -> None:
    written(tmp_path, "entry", LENDER)
    assert read_form(read_page(written(tmp_path, "a", '---\nlike: "entry"\nlayout: "log"\n---\n'))).layout == "log"
    assert read_form(read_page(written(tmp_path, "b", "---\nname: b\n---\n"))).layout == "prose"


@pytest.mark.parametrize(
    ("like", "says"),
    [
        ("entri", "like: no form named 'entri'; did you mean 'entry'"),
        ("label", "like: 'label' borrows its own lists from 'entry'; name that form"),
        ("own", "like: 'own' borrows its own lists from 'own'; name that form"),
        ("../entry", "the id '../entry' may hold"),
    ],
)
def test_a_loan_that_cannot_be_is_named(tmp_path: Path, like: str, says: str) -> None:
    written(tmp_path, "entry", LENDER)
    written(tmp_path, "label", "---\nlike: entry\n---\n")
    with pytest.raises(UsageError, match=says.replace(".", r"\.")):
        read_form(read_page(written(tmp_path, "own", f'---\nlike: "{like}"\n---\n')))
