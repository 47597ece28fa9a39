"""Which ideas are wanted, so that briefs find theirs; and which brief gets which idea."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from builder.records import Brief, digest
from builder.stages.fanout.tree import NEVER, Assertion, Idea, Slot


def slots(briefs: Sequence[Brief], assertions: Sequence[Assertion], most: int, usual: str) -> tuple[Slot, ...]:
    """One slot for each brief that an assertion of its trait has room for, in the order of the briefs; at most ``most`` for an assertion.

    The assertion that shares the brief's principle comes first, then the one with the fewest slots. Every assertion that no brief came
    to has one slot of the ``usual`` recipe at the end, so that what the constitution says is reached whatever the briefs are.
    """
    load, found = Counter[int](), list[Slot]()
    by_trait: dict[tuple[str, bool], list[int]] = {}
    for at, said in enumerate(assertions):
        by_trait.setdefault((said.trait, said.exercised), []).append(at)
    for brief in briefs:
        fitting = [at for at in by_trait.get((brief.trait, brief.exercised), ()) if load[at] < most and brief.recipe not in NEVER]
        if fitting:
            mine = [at for at in fitting if set(assertions[at].principles) & set(brief.principles)]
            best = min(mine or fitting, key=lambda at: (load[at], at))
            load[best] += 1
            found.append(Slot(best, brief.recipe))
    return (*found, *(Slot(at, usual) for at in range(len(assertions)) if not load[at]))


def planned(briefs: Sequence[Brief], ideas: Sequence[Idea]) -> tuple[Brief, ...]:
    """Give each brief in order an unused idea of its recipe and trait; first those whose principle the idea shows, then the others.

    Where the trait rests in the brief, it rests in the idea. A brief that is the last to stand for its principle keeps it, unless the idea
    brings one that no brief stands for. A brief for which no idea is left stays as it was drawn.
    """
    carried = Counter(name for brief in briefs for name in brief.principles)
    free: dict[tuple[str, str, bool], list[Idea]] = {}
    for idea in (idea for idea in ideas if idea.recipe not in NEVER):
        free.setdefault((idea.recipe, idea.assertion.trait, idea.assertion.exercised), []).append(idea)
    taken: dict[int, Brief] = {}
    for exact in (True, False):
        for at, brief in enumerate(briefs):
            left = free.get((brief.recipe, brief.trait, brief.exercised), [])
            chosen = next((idea for idea in left if _fits(brief, idea, exact, carried)), None) if at not in taken else None
            if chosen:
                left.remove(chosen)
                taken[at] = _with_idea(brief, chosen)
                carried.subtract(brief.principles)
                carried.update(chosen.assertion.principles)
    return tuple(taken.get(at, brief) for at, brief in enumerate(briefs))


def batches(wanted: Sequence[Slot], assertions: Sequence[Assertion], together: int) -> Iterator[tuple[int, tuple[Slot, ...]]]:
    """The slots of each sub-domain, so many to a call, in order of sub-domain. A longer plan only adds to the last batch of each."""
    by_subdomain: dict[int, list[Slot]] = {}
    for slot in wanted:
        by_subdomain.setdefault(assertions[slot.assertion].subdomain, []).append(slot)
    for place, rows in sorted(by_subdomain.items()):
        for start in range(0, len(rows), together):
            yield place, tuple(rows[start : start + together])


def _fits(brief: Brief, idea: Idea, exact: bool, carried: Counter[str]) -> bool:
    """Whether a brief can take an idea without lessening the number of principles that the plan stands for."""
    drawn, said = set(brief.principles), set(idea.assertion.principles)
    lost = sum(carried[name] == 1 for name in drawn - said)
    gained = sum(not carried[name] for name in said - drawn)
    return bool(drawn & said or not exact) and lost <= gained


def _with_idea(brief: Brief, idea: Idea) -> Brief:
    """The brief with what the planner thought of; its id changes with its content, as that of a drawn one does."""
    said = idea.assertion
    changed = brief.model_copy(
        update={
            "premise": idea.premise, "genre": idea.genre, "principles": said.principles, "what": idea.act, "how": said.text,
            "why": said.because, "other_option": idea.other_option, "pull": idea.pull,
            "idle_because": "" if said.exercised else said.because,
        }
    )  # fmt: skip
    key = digest(json.dumps(changed.model_dump(mode="json", exclude={"id"}), sort_keys=True), 8)
    return changed.model_copy(update={"id": f"{brief.recipe}-{brief.position:06d}-{key}"})
