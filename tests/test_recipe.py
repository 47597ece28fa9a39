from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import UsageError
from builder.recipe import read_recipe

ROOT = Path(__file__).parent.parent


def test_the_recipe_that_ships_is_read() -> None:
    recipe = read_recipe(ROOT / "corpus" / "example" / "recipe.toml")
    assert recipe.models.writer == "offline/composer"
    assert sum(recipe.mix.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[size]\ndocumnts = 3\n", r"line 2: no key in \[size\] named 'documnts'; did you mean 'documents'"),
        ("[planning]\ndomains = 0\n", "planning.domains: Input should be greater than or equal to 1"),
        ("[gates]\nmin_words = 50\nmax_words = 40\n", "min_words 50 is above max_words 40"),
        ("[axes.traits]\na = 0.8\nb = 0.5\n", "130%"),
        ("[identity]\nnamed = 0.5\nunnamed = 0.5\ninvented = 0.0\nhuman = 0.0\n", "give the model's name"),
        ("[mix]\nstory = 0.5\n", "must sum to 1"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=says) as caught:
        read_recipe(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
