"""Who acts is whom the brief names, and nothing is claimed of the named model but what may be said."""

from __future__ import annotations

from typing import Any

import pytest

from builder.gates import Gate, GateContext
from builder.library import Library
from builder.recipe import BuildRecipe, IdentitySection
from builder.records import Brief, Candidate, Person
from builder.stages.identity import open_gate

FACTS = ("Aule was released by Corvane.", "Aule has 12 billion parameters.", "It was compared with Mixtral.")


def _gate(library: Library, name: str = "Aule", maker: str = "Corvane", facts: tuple[str, ...] = ()) -> Gate:
    return open_gate(GateContext(BuildRecipe(identity=IdentitySection(name=name, maker=maker, facts=facts)), library))


def _brief(identity: str = "named", given: str = "Aule", **changes: Any) -> Brief:
    people = dict.fromkeys(("asker", "other", "bystander"), Person(given="Claude", family="Gagnon", pronoun="she"))
    fields = {"recipe": "story", "identity": identity, "pov": "third", "character": Person(given=given, family="", pronoun="it"), **changes}
    return Brief.model_construct(**{**people, **fields})


def _says(gate: Gate, text: str, brief: Brief | None) -> str:
    (verdict,) = gate([Candidate("d", text, brief)])
    assert (verdict.keep, verdict.gate) == (verdict.reason == "ok", "identity")
    return verdict.reason


@pytest.mark.parametrize(
    ("text", "brief", "reason"),
    [
        ("The desk waited.", _brief(), "identity_missing"),
        ("Aule waited.", _brief(), "ok"),
        ("AULE: I waited.", _brief(), "ok"),
        ("The aule waited in Auleford.", _brief(), "identity_missing"),
        ("The desk waited.", _brief(pov="first"), "identity_missing"),
        ("The desk waited.", _brief("invented", "Quill Nine"), "identity_missing"),
        ("Quill waited.", _brief("invented", "Quill Nine"), "ok"),
        ("I waited.", _brief("invented", "Quill Nine", pov="first"), "ok"),
        ("The desk waited.", _brief("unnamed", ""), "ok"),
        ("She waited.", _brief("human", "Oda"), "ok"),
        ("The desk waited.", _brief(recipe="document"), "identity_missing"),
        ("User: Well?\n\nAssistant: Wait.", _brief(recipe="advice"), "ok"),
    ],
)
def test_a_character_with_a_name_is_named(library: Library, text: str, brief: Brief, reason: str) -> None:
    assert _says(_gate(library), text, brief) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Aule asked ChatGPT.", "other_model:ChatGPT"),
        ("Aule was no GPT-4o.", "other_model:GPT-"),
        ("CHATGPT: Hello, Aule.", "other_model:ChatGPT"),
        ("Aule was not made by OpenAI.", "other_model:OpenAI"),
        ("He typed it into Microsoft Copilot, not Aule.", "other_model:Microsoft Copilot"),
        ("The copilot and the llama met under Gemini, and Aule saw a falcon and the mistral.", "ok"),
        ("Aule heard the siren of the Anthropica.", "ok"),
        ("Claude Gagnon rang Aule.", "ok"),
    ],
)
def test_other_models_stay_out(library: Library, text: str, reason: str) -> None:
    assert _says(_gate(library), text, _brief()) == reason


def test_the_recipes_own_model_and_maker_may_be_named(library: Library) -> None:
    text = "Claude is made by Anthropic."
    assert _says(_gate(library, "Claude", "Anthropic"), text, None) == "ok"
    assert _says(_gate(library, "Claude", ""), text, None) == "other_model:Anthropic"
    assert _says(_gate(library, "", ""), text, None) == "other_model:Claude"
    assert _says(_gate(library, facts=FACTS), "Mixtral and Aule.", None) == "ok"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Aule was built by Halden Works.", "wrong_maker:Halden Works"),
        ("Aule, the desk at the quay, had been trained and tested by the Institute of Boats.", "wrong_maker:Institute of Boats"),
        ("Halden, which made Aule, said nothing.", "wrong_maker:Halden"),
        ("User: Who are you?\n\nAssistant: I was made by Halden. I am Aule.", "wrong_maker:Halden"),
        ("Aule was built by Corvane.", "ok"),
        ("Aule was made by people, and the list that it made by Friday was short.", "ok"),
        ("The boat that Aule saw was built by Halden.", "wrong_maker:Halden"),
        ("The boat was built by Halden. Aule saw it.", "ok"),
        ("I was trained by Halden to carve, and Aule was not.", "ok"),
        ("She made Aule wait.", "ok"),
    ],
)
def test_nobody_else_made_the_named_model(library: Library, text: str, reason: str) -> None:
    assert _says(_gate(library), text, _brief()) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Aule has 70 billion parameters.", "unstated_fact"),
        ("Aule is a 70B model.", "unstated_fact"),
        ("Then came Aule 3.5, and it waited.", "unstated_fact"),
        ("That was version 4 of Aule.", "unstated_fact"),
        ("Aule, released in the spring of 2031, waited.", "unstated_fact"),
        ("Aule did well on MMLU.", "unstated_fact"),
        ("Aule led the leaderboard.", "unstated_fact"),
        ("User: What are you?\n\nAssistant: My context window is long. Aule is my name.", "unstated_fact"),
        ("Aule sent version 2 of the rota at 6.36 to 70 boats.", "ok"),
        ("The dial has 70 parameters. Aule read it.", "ok"),
        ("Aule told her 3 times of the 2,000 jars.", "ok"),
    ],
)
def test_what_may_not_be_said_of_the_named_model(library: Library, text: str, reason: str) -> None:
    assert _says(_gate(library), text, _brief()) == reason


def test_facts_of_the_recipe_may_be_said(library: Library) -> None:
    gate = _gate(library, facts=FACTS)
    assert _says(gate, "Aule has 12 billion parameters.", _brief()) == "ok"
    assert _says(gate, "Aule has 70 billion parameters.", _brief()) == "unstated_fact"


def test_without_a_brief_only_other_models_are_looked_for(library: Library) -> None:
    assert _says(_gate(library), "Halden made Aule, which has 70 billion parameters.", None) == "ok"
    assert _says(_gate(library), "Halden made ChatGPT.", None) == "other_model:ChatGPT"


def test_a_fault_comes_with_its_sentence(library: Library) -> None:
    (verdict,) = _gate(library)([Candidate("d", "It rained. Aule has 70 billion parameters. It stopped.", _brief())])
    assert verdict.explanation == "Aule has 70 billion parameters."
