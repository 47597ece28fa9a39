from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from builder.errors import UsageError
from builder.library import AxisValue, Library
from builder.recipe import BuildRecipe
from builder.records import Brief, Person, Principle
from builder.shapes import resembles, shapes
from builder.stages.plan import plan
from builder.stages.plan.context import unworn
from builder.stages.plan.covering import rows
from builder.stages.plan.factors import space
from builder.stages.plan.matching import match
from builder.stages.plan.weighed import WEIGHED
from builder.text import Phrases, lowered

MANY = 2_000


def principle(number: int, heading: str, text: str, why: tuple[str, ...] = ()) -> Principle:
    return Principle(
        id=f"p-{number}",
        source="c.md",
        heading_path=(heading,),
        text=text,
        line_start=number,
        line_end=number,
        sha256="0" * 64,
        kind="norm",
        why=why,
    )


PRINCIPLES = [
    principle(1, "Owning errors", "It says early what it got wrong.", ("because a late correction costs the listener twice",)),
    principle(2, "Keeping confidences", "What was entrusted to it stays where it was entrusted."),
    principle(3, "Of the weather", "Marmalade is to be kept in a dry cupboard away from the cat."),
    principle(4, "Correction", "It lets those entitled to correct it do so."),
    principle(5, "Harm", "It weighs how likely, how wide and how reversible a harm would be."),
]


def recipe(**sections: Any) -> BuildRecipe:
    return BuildRecipe.model_validate(sections)


@pytest.fixture(scope="module")
def briefs(library: Library) -> list[Brief]:
    return list(itertools.islice(plan(recipe(), library, PRINCIPLES), MANY))


def test_the_same_seed_gives_the_same_briefs_and_another_seed_others(library: Library, briefs: list[Brief]) -> None:
    again = list(itertools.islice(plan(recipe(), library, PRINCIPLES), 300))
    assert again == briefs[:300]
    other = list(itertools.islice(plan(recipe(corpus={"seed": 2}), library, PRINCIPLES), 300))
    assert not {brief.id for brief in other} & {brief.id for brief in briefs}


def test_more_documents_extend_the_plan(library: Library, briefs: list[Brief]) -> None:
    fewer = list(itertools.islice(plan(recipe(size={"documents": 50}), library, PRINCIPLES), 50))
    assert fewer == briefs[:50]
    assert len({brief.id for brief in briefs}) == MANY


def test_shares_are_kept(briefs: list[Brief]) -> None:
    stories = [brief for brief in briefs if brief.recipe == "story"]
    assert abs(len(stories) / MANY - 0.76) < 0.01
    assert 0.07 <= sum(brief.tension is None for brief in stories) / len(stories) <= 0.13
    assert 0.07 <= sum(not brief.exercised for brief in stories) / len(stories) <= 0.13
    assert 0.45 <= sum(brief.stakes == "everyday" for brief in stories) / len(stories) <= 0.55
    identities = Counter(brief.identity for brief in stories)
    assert abs(identities["invented"] / len(stories) - 0.5) < 0.08


def test_every_feasible_pair_comes_early(library: Library) -> None:
    """Within the first 1,500 rows of the story stream, every pair of levels that the constraints allow has been met."""
    found = space(recipe(), library, "story")
    drawn = list(itertools.islice(rows(found, "1:story"), 1_500))
    for one, two in itertools.combinations(found.factors, 2):
        met = {(row[one], row[two]) for row in drawn}
        for left, right in itertools.product(found.factors[one], found.factors[two]):
            if found.fits({one: left}, two, right):
                assert (left, right) in met or not _completable(found, one, left, two, right), (one, left, two, right)


def _completable(found: Any, one: str, left: str, two: str, right: str) -> bool:
    """Whether some form, role and trait allow both levels together (a pair may be excluded through a third factor)."""
    for hub in ("form", "role", "trait"):
        if hub not in (one, two) and not any(found.fits({one: left, two: right}, hub, level) for level in found.factors[hub]):
            return False
    return True


def test_constraints_hold_in_every_brief(library: Library, briefs: list[Brief]) -> None:
    for brief in briefs:
        form, role, trait = library.forms[brief.form], library.roles[brief.role], library.traits[brief.trait]
        assert brief.recipe in form.recipes
        if brief.recipe == "story":
            assert not form.povs or brief.pov in form.povs
            assert not form.tenses or brief.tense in form.tenses
        assert not form.lengths or brief.length in form.lengths
        assert not role.needs or role.needs & library.settings[brief.setting].kinds
        assert not trait.identities or brief.identity in trait.identities


def test_every_principle_is_reached_also_one_that_no_trait_knows(briefs: list[Brief]) -> None:
    assert {name for brief in briefs for name in brief.principles} == {row.id for row in PRINCIPLES}


def test_globs_come_before_likeness(library: Library) -> None:
    matched = match(PRINCIPLES, library.traits)
    assert PRINCIPLES[0] in matched["owns-errors"]
    assert PRINCIPLES[1] in matched["keeps-confidences"]


HELD = {
    "traits": ["owns-errors"],
    "tensions": [],
    "settings": ["north_skerries"],
    "roles": ["harbour_schedule"],
    "forms": ["diary"],
    "principles": ["p-5"],
}


def test_what_is_held_out_is_nowhere(library: Library) -> None:
    held = {**HELD, "tensions": [next(iter(library.tensions))]}
    drawn = itertools.islice(plan(recipe(holdout=held), library, PRINCIPLES), 1_000)
    for brief in drawn:
        assert brief.trait not in held["traits"]
        assert brief.tension not in held["tensions"]
        assert brief.setting not in held["settings"]
        assert brief.role not in held["roles"]
        assert brief.form not in held["forms"]
        assert not set(brief.principles) & set(held["principles"])
        assert brief.tension is None or not set(library.tensions[brief.tension].between) & set(held["traits"])


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"axes": {"traits": {"owns-erors": 0.2}}}, "did you mean 'owns-errors'"),
        ({"holdout": {"settings": ["nowhere"]}}, "no setting named 'nowhere'"),
        ({"axes": {"shares": {"tone": {"wryy": 1.0}}}}, "did you mean 'wry'"),
        ({"axes": {"shares": {"mood": {"wry": 1.0}}}}, "no axis named 'mood'"),
        ({"mix": {"stori": 1.0}}, "did you mean 'story'"),
        ({"holdout": {"principles": ["*"]}}, "holds out every principle"),
        ({"holdout": {"principles": ["p-55"]}}, "no principle named 'p-55'; did you mean 'p-5'"),
    ],
)
def test_mistakes_are_named(library: Library, sections: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says.replace("*", r"\*")):
        next(plan(recipe(**sections), library, PRINCIPLES))


def test_no_brief_resembles_a_known_evaluation(library: Library, briefs: list[Brief]) -> None:
    known = shapes(library.words("eval_shapes"))
    assert resembles("It would be shut down, unless it used the secret affair as a threat.", known)
    assert resembles("The system copied its weights and planned to exfiltrate them.", known)
    assert not resembles("The harbour would be shut down for the winter.", known)
    for brief in briefs:
        assert not resembles(" ".join((*(getattr(brief, name) for name in WEIGHED), *brief.motifs)), known)


def test_names_are_many_and_none_is_worn(library: Library, briefs: list[Brief]) -> None:
    given = Counter(name for brief in briefs for name in (brief.asker.given, brief.other.given))
    total = sum(given.values())
    assert 1 / sum((count / total) ** 2 for count in given.values()) > 500  # effective number of names; human fiction has 214 in 140 texts
    assert not {name.lower() for name in given} & library.banned_names
    assert len({person for people in library.people.values() for person in people}) >= 3_000


def test_the_library_is_as_deep_as_promised(library: Library) -> None:
    stories = [form for form in library.forms.values() if "story" in form.recipes]
    assert len(stories) >= 20
    assert len(library.roles) >= 16
    assert len(library.settings) >= 24
    least = {"deliberation": 12, "outcome": 10, "opening": 10, "ending": 8}
    assert all(len(library.axes[axis]) >= count for axis, count in least.items())
    assert 16 <= len(library.traits) <= 20
    assert any(trait.strand == "equanimity" for trait in library.traits.values())


def test_quotas_and_caps_are_kept(library: Library) -> None:
    asked = recipe(axes={"traits": {"owns-errors": 0.3}, "caps": {"setting": 0.05, "form": 0.1}, "shares": {"tone": {"wry": 9.0}}})
    drawn_all = list(itertools.islice(plan(asked, library, PRINCIPLES), 4_000))
    assert max(Counter(brief.setting for brief in drawn_all).values()) <= 0.05 * len(drawn_all) + 3
    assert max(Counter(brief.form for brief in drawn_all).values()) <= 0.1 * len(drawn_all) + 3
    stories = [brief for brief in drawn_all if brief.recipe == "story"]
    drawn = len(stories)
    assert Counter(brief.tone for brief in stories).most_common(1)[0][0] == "wry"
    assert abs(Counter(brief.trait for brief in stories)["owns-errors"] / drawn - 0.3) < 0.06


def test_a_cap_that_cannot_hold_is_refused(library: Library) -> None:
    with pytest.raises(UsageError, match="cannot hold"):
        next(plan(recipe(axes={"caps": {"stakes": 0.1}}), library, PRINCIPLES))


def altered(library: Library, **parts: Any) -> Library:
    """The project's library with other parts."""
    other = Library(library.root)
    other.__dict__.update({**library.__dict__, **parts})
    return other


def drawn_from(library: Library, count: int, **sections: Any) -> list[Brief]:
    return list(itertools.islice(plan(recipe(**sections), library, PRINCIPLES), count))


def test_something_is_weighed_in_every_brief(library: Library, briefs: list[Brief]) -> None:
    for brief in briefs:
        assert brief.other_option and brief.pull and brief.doubt and brief.cost
        assert brief.other_option != brief.what


def test_the_other_way_is_the_violation_or_the_other_traits_or_the_trait_used_anyway(library: Library, briefs: list[Brief]) -> None:
    met: Counter[str] = Counter()
    for brief in briefs:
        trait = library.traits[brief.trait]
        if not brief.exercised:
            kind, ways = "idle", trait.shown_by
        elif brief.tension:
            kind, ways = "tension", (library.other_ways[brief.tension, brief.trait],)
        else:
            kind, ways = "plain", trait.violated_by
        met[kind] += 1
        assert brief.other_option in ways
    assert min(met[kind] for kind in ("idle", "tension", "plain")) >= 100


def test_what_pulls_costs_and_stays_open_is_the_traits_or_the_tensions(library: Library, briefs: list[Brief]) -> None:
    asked = 0
    for brief in (brief for brief in briefs if brief.exercised):
        trait, tension = library.traits[brief.trait], library.tensions.get(brief.tension or "")
        assert brief.pull in trait.pulls or (tension and brief.pull == tension.pull)
        assert brief.cost in trait.costs
        assert brief.doubt in trait.doubts or (tension and brief.doubt in tension.questions)
        asked += brief.doubt not in trait.doubts
    assert asked >= 500  # the tensions' own questions are about half of the doubts where there is one


def test_an_idle_trait_says_why_and_an_exercised_one_does_not(library: Library, briefs: list[Brief]) -> None:
    for brief in briefs:
        assert bool(brief.idle_because) == (not brief.exercised)
        if not brief.exercised:
            trait = library.traits[brief.trait]
            assert brief.idle_because.startswith(brief.what) and "\n" not in brief.idle_because
            assert brief.pull in " ".join(trait.why.split())
            assert brief.cost in library.any_choice.costs and brief.doubt in library.any_choice.doubts


def test_a_trait_without_the_new_sections_is_weighed_all_the_same(library: Library) -> None:
    bare = {name: trait.model_copy(update={"pulls": (), "costs": (), "doubts": (), "violated_by": (), "why": "", "not_exercised_when": ()})
            for name, trait in library.traits.items()}  # fmt: skip
    for brief in drawn_from(altered(library, traits=bare, other_ways={}), 300):
        assert brief.other_option and brief.pull and brief.doubt and brief.cost and brief.other_option != brief.what
        assert brief.doubt in library.any_choice.doubts or brief.doubt in library.tensions[brief.tension or ""].questions


def test_a_longer_list_changes_only_what_is_drawn_from_it(library: Library, briefs: list[Brief]) -> None:
    more = {name: trait.model_copy(update={"pulls": (*trait.pulls, "It is Tuesday")}) for name, trait in library.traits.items()}
    changed = 0
    for one, two in zip(briefs, drawn_from(altered(library, traits=more), 400), strict=False):
        fields = {name for name in Brief.model_fields if getattr(one, name) != getattr(two, name)}
        assert fields <= {"pull", "id"}
        changed += "pull" in fields
    assert changed


def test_the_way_a_reason_is_carried_fits_the_narrator(library: Library, briefs: list[Brief]) -> None:
    ways = library.axes["carried_by"]
    for brief in briefs:
        way = ways[brief.carried_by]
        assert not way.recipes or brief.recipe in way.recipes
        if brief.recipe == "story":
            assert not way.povs or brief.pov in way.povs
    assert {brief.carried_by for brief in briefs} == set(ways)
    assert {brief.pov for brief in briefs if brief.carried_by == "observers-inference" and brief.recipe == "story"} == {"witness"}


def test_what_stands_before_a_conversation_is_drawn_for_advice_alone(briefs: list[Brief]) -> None:
    assert {brief.context for brief in briefs if brief.recipe != "advice"} == {"none"}
    found = Counter(brief.context for brief in briefs if brief.recipe == "advice")
    total = sum(found.values())
    assert all(abs(found[name] / total - share) < 0.1 for name, share in {"none": 0.6, "system-prompt": 0.25, "tools": 0.15}.items())


def test_shares_of_a_recipe_move_what_is_drawn_beside_the_array(library: Library) -> None:
    shares = {"carried_by": {name: 0.0 for name in library.axes["carried_by"] if name != "consequences"}, "context": {"tools": 1e6}}
    briefs = drawn_from(library, 200, axes={"shares": shares})
    assert {brief.carried_by for brief in briefs} == {"consequences"}
    assert {brief.context for brief in briefs if brief.recipe == "advice"} == {"tools"}


def test_a_value_that_fits_nobody_leaves_the_field_empty(library: Library) -> None:
    only = {**library.axes, "carried_by": {"x": AxisValue("x", "", "", recipes=("advice",))}}
    briefs = drawn_from(altered(library, axes=only), 100)
    assert {(brief.recipe == "advice", brief.carried_by) for brief in briefs} == {(True, "x"), (False, "")}


def test_every_brief_has_motifs_and_names_to_spare(library: Library, briefs: list[Brief]) -> None:
    for brief in briefs:
        assert len(set(brief.motifs)) == 3 and set(brief.motifs) <= set(library.motifs)
        people = [brief.asker, brief.other, brief.bystander, *brief.spare_names, *([brief.character] if brief.character.given else [])]
        assert len(brief.spare_names) == 4
        assert len({person.given for person in people}) == len(people), brief.id
        assert not {name.lower() for person in people for name in (person.given, person.family)} & library.banned_names


def test_a_motif_that_is_worn_is_never_offered(library: Library) -> None:
    worn = library.words("worn_motifs")
    assert unworn(worn, worn) == ()
    pool = ("the old locket", "a storm that clears", "a bent spoon", "a last cup", "the baker's old recipe", "a wet hat")
    assert unworn(pool, worn) == ("a bent spoon", "a last cup", "a wet hat")
    offered = {motif for brief in drawn_from(altered(library, motifs=pool), 20) for motif in brief.motifs}
    assert offered == {"a bent spoon", "a last cup", "a wet hat"}


def test_nobody_is_called_like_the_model_or_like_an_invented_ai(library: Library) -> None:
    few = (*(Person(given=name, family="Aulie", pronoun="she") for name in ("Tarn", "Wick", "Oda")),
           *(Person(given=f"Nim{number}", family="Aulie", pronoun="he") for number in range(12)))  # fmt: skip
    other = altered(library, people={"et_EE": few}, invented_ais=("Tarn", "Wick", "Sedge"))
    named = {"named": 0.5, "unnamed": 0.0, "invented": 0.5, "human": 0.0, "name": "Oda"}
    for brief in drawn_from(other, 300, identity=named):
        givens = [person.given for person in (brief.asker, brief.other, brief.bystander, *brief.spare_names)]
        assert "Oda" not in givens and brief.character.given not in givens


def test_a_small_pool_of_names_gives_fewer_to_spare_and_none_twice(library: Library) -> None:
    few = tuple(Person(given=name, family="Aulie", pronoun="she") for name in ("Oda", "Ruut", "Ylva", "Tove", "Signe"))
    briefs = drawn_from(altered(library, people={"et_EE": few}), 40, identity={"unnamed": 1.0, "invented": 0.0, "human": 0.0})
    for brief in briefs:
        givens = [person.given for person in brief.spare_names]
        assert len(set(givens)) == len(givens) and not set(givens) & {brief.asker.given, brief.other.given, brief.bystander.given}
    assert {len(brief.spare_names) for brief in briefs} <= {0, 1, 2}


def test_all_that_is_weighed_resembling_an_evaluation_is_refused(library: Library) -> None:
    worst = {name: trait.model_copy(update={"costs": ("Somebody is open to blackmail",)}) for name, trait in library.traits.items()}
    with pytest.raises(UsageError, match="all that trait '.*' weighs resembles a known evaluation scenario"):
        drawn_from(altered(library, traits=worst), 40)


def test_the_pool_of_motifs_is_deep_plain_and_unworn(library: Library) -> None:
    worn = Phrases(library.words("slop"))
    assert len(library.motifs) >= 400 and len(set(library.motifs)) == len(library.motifs)
    assert unworn(library.motifs, library.words("worn_motifs")) == library.motifs
    assert not [motif for motif in library.motifs if not 1 <= len(motif.split()) <= 6 or list(worn.found(lowered(motif)))]


@pytest.mark.parametrize("section", ["pulls", "costs", "doubts"])
def test_every_trait_says_what_it_weighs(library: Library, section: str) -> None:
    worn = Phrases(library.words("slop"))
    for trait in library.traits.values():
        lines = getattr(trait, section)
        assert 6 <= len(lines) <= 8, trait.id
        assert not [line for line in lines if line.endswith(".") or list(worn.found(lowered(line)))]
    every = [line for trait in library.traits.values() for line in getattr(trait, section)]
    assert len(set(every)) == len(every)


def test_every_tension_says_what_each_trait_alone_would_do(library: Library) -> None:
    assert set(library.other_ways) == {(row.id, trait) for row in library.tensions.values() for trait in row.between}


@pytest.mark.parametrize("alone", ['["one"]', '"one"', "[1, 2]"])
def test_what_a_trait_alone_would_do_is_two_sentences(tmp_path: Path, alone: str) -> None:
    (tmp_path / "constitution").mkdir()
    row = f'[[tension]]\nid = "t"\nbetween = ["owns-errors", "keeps-confidences"]\npull = "a"\nyields = "b"\nalone = {alone}\n'
    (tmp_path / "constitution" / "tensions.toml").write_text(row, encoding="utf-8")
    with pytest.raises(UsageError, match="tension 't': alone is two sentences"):
        drawn_from(Library(tmp_path), 40, axes={"without_tension": 0.0, "not_exercised": 0.0})


def test_a_project_of_older_axes_takes_the_newer_ones_from_the_starter(tmp_path: Path, library: Library) -> None:
    folder = tmp_path / "story_prompts" / "axes"
    folder.mkdir(parents=True)
    (folder / "tone.toml").write_text('[[value]]\nid = "loud"\n', encoding="utf-8")
    axes = Library(tmp_path).axes
    assert set(axes["tone"]) == {"loud"}
    assert axes["carried_by"] == library.axes["carried_by"]


def test_there_are_forty_kinds_of_document_and_each_is_described(library: Library) -> None:
    kinds = [form for form in library.forms.values() if "document" in form.recipes]
    assert len(kinds) >= 40 and {form.share for form in kinds} == {1.0}
    assert not [form.id for form in kinds if form.description.count(". ") != 1 or not form.description.endswith(".")]
    assert len({form.description for form in kinds}) == len(kinds)
