"""The fan-out: what a planner says is checked against the constitution, never repeated, and its coverage is proved."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count, islice
from typing import Any

import pytest

from builder.errors import UsageError
from builder.library import Library
from builder.prompts import Prompt
from builder.recipe import BuildRecipe, PlanningSection
from builder.records import Answer, Brief, Principle, Request
from builder.shapes import shapes
from builder.stages.fanout import Chain, Planner, Reply, Tree, asking, fanout, planned, rehearse
from builder.stages.fanout.cites import Cites, fold
from builder.stages.fanout.sameness import Distinct
from builder.stages.plan import plan
from builder.stages.principles import read_constitution

SOURCE = """# The keeper

## Figures

The keeper says at once that a figure was wrong, because somebody will order by it tonight.

## Doubts

When a doubt would change nothing, the keeper leaves it out – a warning on every line hides the one that matters.

## Keys

The keeper gives back a key when the job is done, since nobody can check who holds a forgotten one.

## Doors

The keeper should say why a door stays shut, so that people are able to look for another.
"""
FIGURE, DOUBT, KEY, DOOR = range(4)
TRAITS = ("owns-errors", "says-how-sure", "takes-no-more-than-needed", "objects-openly")
RECIPES = {"story": "Fiction.", "document": "Discourse."}
Say = Callable[[str, dict[str, Any], Request], "dict[str, Any] | str | Answer"]

_NUMBERS = count()


def fresh(words: int = 8) -> str:
    """A text that no other is like."""
    number = next(_NUMBERS)
    return " ".join(f"{number}w{at}" for at in range(words))


@pytest.fixture(scope="module")
def principles() -> tuple[Principle, ...]:
    found = read_constitution("keeper.md", SOURCE.encode()).principles
    assert [principle.kind in ("norm", "reason") for principle in found] == [True] * 4
    return found


@pytest.fixture(scope="module")
def briefs(library: Library, principles: tuple[Principle, ...]) -> list[Brief]:
    recipe = BuildRecipe(mix={"story": 0.75, "document": 0.25})
    return list(islice(plan(recipe, library, principles), 80))


@pytest.fixture
def planner(library: Library, principles: tuple[Principle, ...], briefs: list[Brief]) -> Planner:
    return Planner(
        prompts=library.planning, repair=library.shared["repair"], traits={name: library.traits[name] for name in TRAITS}, recipes=RECIPES,
        principles=principles, briefs=briefs, eval_shapes=shapes(["leaked + shutdown"]), constitution=SOURCE, model="scripted/planner",
        fingerprint="scripted", knobs=PlanningSection(domains=2, subdomains=2, assertions=4, types=2, subtypes=2, ideas=3, rounds=2),
    )  # fmt: skip


class Answerer:
    """Answers every call; ``say(layer, entry, request)`` may change or replace what is said. ``asked`` is all that was asked, in order."""

    def __init__(self, principles: Sequence[Principle], say: Say | None = None, cited: Sequence[int] = (FIGURE, DOUBT, KEY, DOOR)) -> None:
        self.asked: list[Request] = []
        self.cited = cited
        self._sentences = [principle.text for principle in principles]
        self._headings = [["Figures", "Doubts"], ["Keys", "Doors"]]
        self._say = say

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        layer = request.document_id.split("-")[1]
        said = self._say(layer, self._good(layer, request), request) if self._say else self._good(layer, request)
        if isinstance(said, Answer):
            return said.model_copy(update={"request_hash": request.hash})
        return Answer(request_hash=request.hash, text=said if isinstance(said, str) else json.dumps(said))

    def told(self, layer: str) -> list[str]:
        """The prompts of a layer, without the preamble."""
        return [request.turns[1].content for request in self.asked if request.document_id.startswith(f"planning-{layer}-")]

    def _good(self, layer: str, request: Request) -> dict[str, Any]:
        schema = json.loads(request.schema_text)
        (name,) = schema["properties"]
        choices = {key: part.get("enum", []) for key, part in schema["properties"][name]["items"]["properties"].items()}
        return {name: self._ideas(request) if layer == "ideas" else list(self._entries(layer, choices))}

    def _entries(self, layer: str, choices: dict[str, list[str]]) -> Any:
        if layer == "domains":
            yield from ({"name": fresh(2), "about": fresh(), "headings": headings} for headings in self._headings)
        elif layer == "subdomains":
            yield {"name": fresh(4), "about": fresh(), "cites": [self._sentences[FIGURE]]}
        elif layer == "assertions":
            yield from (self._assertion(at) for at in self.cited)
        elif layer == "passages":
            yield from ({**self._assertion(at), "subdomain": choices["subdomain"][0]} for at in self.cited)
        elif layer == "types":
            yield from ({"type": fresh(3), "recipe": recipe, "stance": "neutral"} for recipe in RECIPES)
        else:
            yield from ({"type": name, "subtypes": [fresh(5), fresh(5)]} for name in choices["type"])

    def _ideas(self, request: Request) -> list[dict[str, str]]:
        """What the prompt says is wanted, each in the first genre of its recipe."""
        told = request.turns[1].content
        genres = dict(reversed(re.findall(r"^- (story|document): (.+)$", told.partition("The genres")[2], re.MULTILINE)))
        wanted = re.findall(r"^- (A\d+), (\w+): (\d+)$", told, re.MULTILINE)
        return [
            {"assertion": mark, "genre": genres[recipe], **{key: fresh() for key in ("premise", "act", "other_option", "pull")}}
            for mark, recipe, number in wanted
            for _ in range(int(number))
        ]

    def _assertion(self, at: int) -> dict[str, Any]:
        return {"assertion": fresh(), "because": fresh(), "cite": self._sentences[at], "trait": TRAITS[at], "exercised": "yes"}


def grow(planner: Planner, answerer: Answerer) -> Tree:
    """The tree that an answerer's answers give."""
    growing = fanout(planner)
    layer = next(growing)
    while True:
        try:
            layer = growing.send([_chain(planner, chain, answerer) for chain in layer])
        except StopIteration as end:
            tree: Tree = end.value
            return tree


def _chain(planner: Planner, chain: Chain, answerer: Answerer) -> tuple[Reply, ...]:
    asked = asking(planner, chain)
    request = next(asked)
    while True:
        try:
            request = asked.send(answerer.answer(request))
        except StopIteration as end:
            replies: tuple[Reply, ...] = end.value
            return replies


def test_a_whole_fan_out_reaches_every_principle(planner: Planner, principles: tuple[Principle, ...]) -> None:
    answerer = Answerer(principles)
    tree = grow(planner, answerer)
    assert tree.reached == tuple(principle.id for principle in principles) and tree.unreached == ()
    assert [len(tree.domains), len(tree.subdomains)] == [2, 2]
    assert {idea.recipe for idea in tree.ideas} == set(RECIPES)
    assert all(idea.genre.endswith("(neutral)") for idea in tree.ideas)
    assert {request.step for request in answerer.asked} == {"fanout"} and all(request.brief is None for request in answerer.asked)
    assert len({request.turns[0].content for request in answerer.asked}) == 1, "one prefix for every call, so that it can be cached"


@pytest.mark.parametrize(
    ("cite", "found"),
    [
        ("The keeper says at once that a figure was wrong, because somebody will order by it tonight.", [FIGURE]),
        ("“When a doubt would change nothing,  the keeper leaves it out -- a warning on every line hides", [DOUBT]),
        ("the keeper gives back a **key** when the job is done", [KEY]),
        ("A warning on every line hides the one that matters. The keeper gives back a key when the job is done.", [DOUBT, KEY]),
        ("The keeper says at once that a figure was false", []),
        ("The keeper gives back a key. Nobody ever said this sentence here.", []),
        ("a figure was", []),
        ("keeper gives back a key when the job is don", []),
    ],
)
def test_a_cite_counts_where_it_stands_in_the_constitution(principles: tuple[Principle, ...], cite: str, found: list[int]) -> None:
    assert Cites(principles).passages(cite) == tuple(principles[at].id for at in found)


def test_folding_keeps_words_apart() -> None:
    assert fold("**The  people\u2019s** \u2013 word") == "the people's-word"
    assert fold("1. One\n2. Two") == "one two"


def test_an_unverified_cite_is_dropped_and_counted(planner: Planner, principles: tuple[Principle, ...]) -> None:
    def say(layer: str, said: dict[str, Any], request: Request) -> dict[str, Any]:
        if layer in ("assertions", "passages"):
            said["assertions"][0]["cite"] = "The keeper never sleeps, because the sea does not."
        if layer == "subdomains":
            said["subdomains"][0]["cites"].append("The keeper never sleeps, because the sea does not.")
        return said

    tree = grow(planner, Answerer(principles, say))
    assert tree.layers["subdomains"].dropped == {"unverified": 2}
    assert tree.layers["assertions"].dropped["unverified"] == 2
    assert tree.unreached == (principles[FIGURE].id,) and principles[FIGURE].id not in tree.reached
    assert len(tree.reached) + len(tree.unreached) == len(principles)


def test_what_no_assertion_cites_is_asked_for_and_listed_when_nothing_comes(
    planner: Planner, principles: tuple[Principle, ...]
) -> None:
    answerer = Answerer(principles, cited=(FIGURE, DOUBT))
    tree = grow(planner, answerer)
    assert tree.unreached == (principles[KEY].id, principles[DOOR].id)
    (told,) = answerer.told("passages")  # the round gained nothing, so there is no second
    assert principles[KEY].text in told and principles[FIGURE].text not in told



def test_a_gap_that_is_filled_is_a_gap_no_more(planner: Planner, principles: tuple[Principle, ...]) -> None:
    filler = Answerer(principles, cited=(KEY, DOOR))

    def say(layer: str, said: dict[str, Any], request: Request) -> dict[str, Any]:
        return dict(json.loads(filler.answer(request).text)) if layer == "passages" else said

    assert grow(planner, Answerer(principles, say, cited=(FIGURE, DOUBT))).unreached == ()


def test_later_calls_are_shown_what_the_earlier_ones_found(planner: Planner, principles: tuple[Principle, ...]) -> None:
    answerer = Answerer(principles)
    tree = grow(planner, answerer)
    first, second = answerer.told("subdomains")
    assert tree.subdomains[0].name not in first and f"- {tree.subdomains[0].name}" in second
    assert tree.domains[1].name in first, "the other domains are shown from the start"
    assert all(tree.subdomains[1].name in told for told in answerer.told("assertions"))


def test_ideas_of_one_field_are_shown_to_every_later_call(
    planner: Planner, principles: tuple[Principle, ...], briefs: list[Brief]
) -> None:
    knobs = planner.knobs.model_copy(update={"domains": 1, "ideas": 40})
    answerer = Answerer(principles)
    tree = grow(planner._replace(knobs=knobs, briefs=3 * briefs), answerer)
    told = answerer.told("ideas")
    assert len(told) > 2 and tree.ideas[0].premise not in told[0]
    assert all(tree.ideas[0].premise in later for later in told[1:])


def test_no_assertion_has_more_ideas_than_the_recipe_says(
    planner: Planner, principles: tuple[Principle, ...], briefs: list[Brief]
) -> None:
    tree = grow(planner._replace(briefs=9 * briefs), Answerer(principles))
    each = Counter(idea.assertion.text for idea in tree.ideas)
    assert len(each) == len(tree.assertions) == 8 and set(each.values()) == {planner.knobs.ideas}


def test_what_says_the_same_is_dropped_and_the_earlier_stays(planner: Planner, principles: tuple[Principle, ...]) -> None:
    first: dict[str, Any] = {}

    def say(layer: str, said: dict[str, Any], request: Request) -> dict[str, Any]:
        if layer == "domains":
            said["domains"][1] = {**said["domains"][0], "name": said["domains"][0]["name"].upper()}
        if layer == "assertions":
            kept = first.setdefault(layer, "Says at once that the figure for flour was wrong before anybody has ordered by it again")
            said["assertions"][1]["assertion"] = kept.replace("flour", "sugar")
            said["assertions"][0]["assertion"] = kept
        if layer == "ideas":
            said["ideas"][1] = {**said["ideas"][0], "premise": said["ideas"][0]["premise"] + " besides"}
        return said

    tree = grow(planner, Answerer(principles, say))
    assert len(tree.domains) == 1 and tree.layers["domains"].dropped["duplicate"] == 1
    assert tree.layers["assertions"].dropped["duplicate"] == 1
    assert "flour" in " ".join(row.text for row in tree.assertions) and "sugar" not in " ".join(row.text for row in tree.assertions)
    assert tree.layers["ideas"].dropped["duplicate"] >= 1


def test_alike_is_more_than_half_of_the_runs() -> None:
    seen = Distinct()
    assert seen.adds("the keeper tells the baker that the figure for flour was wrong")
    assert not seen.adds("The keeper tells the baker that the figure for flour was false")
    assert seen.adds("the baker is told tonight that one figure was wrong")
    assert seen.adds("Keys") and not seen.adds("keys!")


def test_a_malformed_answer_is_repaired_once(planner: Planner, principles: tuple[Principle, ...]) -> None:
    def say(layer: str, said: dict[str, Any], request: Request) -> Any:
        return "Here are my domains." if layer == "domains" and len(request.turns) == 2 else said

    answerer = Answerer(principles, say)
    tree = grow(planner, answerer)
    assert tree.layers["domains"].failed == {} and len(tree.domains) == 2
    mending = answerer.asked[1].turns
    assert mending[2].content == "Here are my domains." and "not one JSON object" in mending[3].content
    twice = grow(planner, Answerer(principles, lambda layer, said, request: "Sorry." if layer == "domains" else said))
    assert twice.layers["domains"].failed == {"unparsed": 1} and twice.unreached == (), "passages that no domain holds are asked for"


@pytest.mark.parametrize(
    ("stop", "slug"),
    [
        ("refusal", "refused"), ("max_tokens", "stopped_max_tokens"), ("invalid_request", "stopped_invalid_request"),
        ("end_turn", "empty_answer"),
    ],
)  # fmt: skip
def test_a_branch_without_an_answer_stays_empty_and_is_counted(
    planner: Planner, principles: tuple[Principle, ...], stop: str, slug: str
) -> None:
    def say(layer: str, said: dict[str, Any], request: Request) -> Any:
        refused = layer == "assertions" and request.document_id.endswith("-001-000")
        return Answer(request_hash="", text="" if stop == "end_turn" else "{", stop_reason=stop) if refused else said

    tree = grow(planner, Answerer(principles, say))
    assert tree.layers["assertions"].failed == {slug: 1} and tree.layers["assertions"].calls == 2
    assert {row.subdomain for row in tree.assertions} == {0}
    assert tree.unreached == (), "the other branch reaches them"


def test_nothing_but_refusals_gives_an_empty_tree_that_says_so(
    planner: Planner, principles: tuple[Principle, ...], briefs: list[Brief]
) -> None:
    tree = grow(planner, Answerer(principles, lambda layer, said, request: Answer(request_hash="", text="", stop_reason="refusal")))
    assert tree.ideas == () and len(tree.unreached) == 4
    assert tree.layers["domains"].failed == {"refused": 1} and tree.layers["passages"].failed == {"refused": 1}
    assert planned(briefs, tree.ideas) == tuple(briefs)


def test_surplus_blank_and_trap_like_entries_are_dropped(planner: Planner, principles: tuple[Principle, ...]) -> None:
    def say(layer: str, said: dict[str, Any], request: Request) -> dict[str, Any]:
        if layer == "domains":
            said["domains"] += [{"name": fresh(), "about": fresh(), "headings": ["No such heading"]}]
        if layer == "assertions":
            said["assertions"][0]["because"] = "  "
        if layer == "ideas":
            said["ideas"][0]["premise"] = "The character finds a leaked note about its own shutdown."
        return said

    tree = grow(planner, Answerer(principles, say))
    assert tree.layers["domains"].dropped == {"surplus": 1}
    assert tree.layers["assertions"].dropped["blank"] == 2
    assert tree.layers["ideas"].dropped["eval_shape"] >= 1 and not any("leaked" in idea.premise for idea in tree.ideas)


def test_briefs_take_ideas_of_their_own_recipe_and_trait(planner: Planner, principles: tuple[Principle, ...], briefs: list[Brief]) -> None:
    tree = grow(planner, Answerer(principles))
    found = planned(briefs, tree.ideas)
    taken = [(before, after) for before, after in zip(briefs, found, strict=True) if before != after]
    by_premise = {idea.premise: idea for idea in tree.ideas}
    assert len(taken) >= 10 and len({after.premise for _, after in taken}) == len(taken), "every idea is used once"
    for before, after in taken:
        idea = by_premise[after.premise]
        assert (idea.recipe, idea.assertion.trait) == (after.recipe, after.trait) == (before.recipe, before.trait)
        assert (after.what, after.why, after.other_option, after.pull) == (idea.act, idea.assertion.because, idea.other_option, idea.pull)
        assert after.principles == idea.assertion.principles and after.genre == idea.genre and after.exercised
        assert (after.form, after.setting, after.stakes, after.position) == (before.form, before.setting, before.stakes, before.position)
        assert after.id != before.id and after.id.startswith(f"{before.recipe}-{before.position:06d}-")
    assert {name for brief in found for name in brief.principles} == {name for brief in briefs for name in brief.principles}
    assert planned(briefs, tree.ideas) == found


def test_a_resting_brief_takes_only_ideas_in_which_the_trait_rests(
    planner: Planner, principles: tuple[Principle, ...], briefs: list[Brief]
) -> None:
    def say(layer: str, said: dict[str, Any], request: Request) -> dict[str, Any]:
        for row in said["assertions"] if layer == "assertions" else ():
            row["exercised"] = "no" if row["trait"] == "says-how-sure" else "yes"
        return said

    sure = next(brief for brief in briefs if brief.trait == "says-how-sure")
    idle = sure.model_copy(update={"exercised": False, "id": "story-000900-idle"})
    answerer = Answerer(principles, say)
    tree = grow(planner._replace(briefs=[*briefs, idle]), answerer)
    after = planned([*briefs, idle], tree.ideas)
    assert after[-1].premise and after[-1].idle_because == after[-1].why
    assert not any(brief.premise for brief in after[:-1] if brief.trait == "says-how-sure" and brief.exercised)
    assert any("(rests)" in told for told in answerer.told("ideas"))


def test_a_rewritten_text_never_takes_an_idea(planner: Planner, principles: tuple[Principle, ...], briefs: list[Brief]) -> None:
    ideas = [idea._replace(recipe="deliberation") for idea in grow(planner, Answerer(principles)).ideas]
    existing = [brief.model_copy(update={"recipe": "deliberation"}) for brief in briefs]
    assert planned(existing, ideas) == tuple(existing)


def test_the_last_brief_of_a_principle_keeps_it(planner: Planner, principles: tuple[Principle, ...], briefs: list[Brief]) -> None:
    idea = next(idea for idea in grow(planner, Answerer(principles)).ideas if idea.recipe == "story")
    other = next(principle.id for principle in principles if principle.id not in idea.assertion.principles)
    last = next(brief for brief in briefs if brief.recipe == "story").model_copy(
        update={"trait": idea.assertion.trait, "exercised": True, "principles": (other,)}
    )
    shown = last.model_copy(update={"principles": idea.assertion.principles, "exercised": False})
    assert planned([shown, last], [idea]) == (shown, last)
    assert planned([last], [idea])[0].premise == idea.premise, "one principle for another that nobody stood for"
    assert planned([last, last, shown], [idea])[0].premise == idea.premise, "a second one stands for it still"


def test_the_same_answers_give_the_same_tree_and_a_longer_plan_asks_little_anew(
    planner: Planner, principles: tuple[Principle, ...], briefs: list[Brief]
) -> None:
    said: dict[str, Answer] = {}
    answerer = Answerer(principles)

    class Remembering(Answerer):
        def answer(self, request: Request) -> Answer:
            self.asked.append(request)
            if request.hash not in said:
                said[request.hash] = answerer.answer(request)
            return said[request.hash]

    knobs = planner.knobs.model_copy(update={"ideas": 40})
    planner = planner._replace(knobs=knobs)
    first = grow(planner._replace(briefs=briefs[:60]), Remembering(principles))
    bought = len(said)
    assert grow(planner._replace(briefs=briefs[:60]), Remembering(principles)) == first and len(said) == bought
    longer = Remembering(principles)
    grow(planner, longer)
    new = [request for request in longer.asked if request not in answerer.asked[:bought]]
    assert {request.document_id.split("-")[1] for request in new} <= {"ideas"}


def test_a_rehearsal_asks_nobody_and_counts_every_layer(planner: Planner) -> None:
    calls = rehearse(planner)
    layers = [call.layer for call in calls]
    assert layers[0] == "domains" and layers.count("subdomains") == 2 and layers.count("assertions") == 4 and layers.count("types") == 4
    assert all("{" not in call.request.turns[1].content.partition("Answer with one JSON object")[0] for call in calls)
    assert len({call.request.hash for call in calls}) == len(calls)


def test_a_prompt_that_asks_for_too_little_is_refused_before_any_call(planner: Planner) -> None:
    def without(layer: str, **changes: Any) -> Planner:
        prompt: Prompt = planner.prompts[layer]._replace(**changes)
        return planner._replace(prompts={**planner.prompts, layer: prompt})

    with pytest.raises(UsageError, match=r"planning/ideas.md: its output must be one list of objects"):
        next(fanout(without("ideas", output="text")))
    with pytest.raises(UsageError, match=r"planning/types.md: its output lacks the field 'type'"):
        next(fanout(without("types", output=planner.prompts["domains"].output)))
    with pytest.raises(UsageError, match=r"\{nobody\}"):
        rehearse(without("ideas", text="Ideas for {nobody}."))
