"""Settings of engines, and what every engine file promises."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from builder import engines, plugins
from builder.engines import EngineSettings, filled, local, opened
from builder.errors import UsageError
from builder.records import Record


class Several(EngineSettings):
    """One setting of each kind."""

    partition: str = "all"
    options: dict[str, str] = {}
    poll_seconds: float = 1.0


def test_words_fill_settings_by_the_kind_of_each() -> None:
    given = filled(Several, ["workers=8", "partition=7", "poll_seconds=.5", 'options={"account": "a=1"}'], "several")
    assert given == Several(workers=8, partition="7", poll_seconds=0.5, options={"account": "a=1"})


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("wrkers=8", "--engine-set wrkers=8: no setting of several named 'wrkers'; did you mean 'workers'? there are: attempts, options, "),
        ("workers", "--engine-set workers: write KEY=VALUE, for instance workers=8"),
        ("workers=-1", "--engine-set workers: Input should be greater than or equal to 0"),
        ("workers=many", "--engine-set workers: Input should be a valid integer"),
        ("attempts=0", "--engine-set attempts: Input should be greater than or equal to 1"),
        ("options=none", "--engine-set options: Input should be a table"),
    ],
)
def test_a_word_that_is_wrong_is_named(word: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        filled(Several, [word], "several")
    assert str(raised.value).startswith(said)


def test_the_local_engine_opens_with_its_settings() -> None:
    assert opened("local", ["workers=3"]) == (local, local.Settings(workers=3))


def test_an_unknown_engine_is_named_with_its_near_miss() -> None:
    with pytest.raises(UsageError, match="no engine named 'slrum'; did you mean 'slurm'"):
        opened("slrum")


@pytest.mark.parametrize(("name", "package"), [("slurm", "datatrove"), ("ray", "ray")])
def test_an_engine_without_its_package_says_what_to_install(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, f"builder.engines.{name}", raising=False)
    monkeypatch.setitem(sys.modules, f"{package}.executor" if package == "datatrove" else package, None)
    with pytest.raises(
        UsageError, match=f"--engine {name} needs {package}, which is not installed; run: pip install 'bildung\\[cluster\\]'"
    ):
        opened(name)


@pytest.mark.parametrize("name", plugins.names("engine"))
def test_every_engine_runs_steps_and_gives_each_setting_a_default_and_its_reason(name: str) -> None:
    try:
        module, settings = opened(name)
    except UsageError as error:
        pytest.skip(str(error))
    assert list(inspect.signature(module.run).parameters) == ["folder", "steps", "settings"]
    assert isinstance(settings, EngineSettings) and isinstance(settings, Record)
    fields: dict[str, Any] = type(settings).model_fields
    assert [key for key, field in fields.items() if field.is_required() or not field.description] == []


@pytest.mark.parametrize("name", plugins.names("engine"))
def test_every_setting_is_in_the_documentation(name: str) -> None:
    try:
        settings = opened(name)[1]
    except UsageError as error:
        pytest.skip(str(error))
    told = (Path(engines.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert [key for key in type(settings).model_fields if f"`{key}`" not in told] == []
