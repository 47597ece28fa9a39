from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from builder.errors import UsageError
from builder.library import Library
from builder.recipe import BuildRecipe
from builder.records import Brief, Principle
from builder.shapes import resembles, shapes
from builder.stages.plan import plan
from builder.stages.plan.covering import rows
from builder.stages.plan.factors import space
from builder.stages.plan.matching import match

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
        assert not resembles(f"{brief.what} {brief.how} {brief.why}", known)


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
