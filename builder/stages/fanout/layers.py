"""The layers of a fan-out in order, as a generator: it yields the chains of a layer and is sent what came back for them.

    domains -> sub-domains -> assertions -> (assertions for passages that none cites) -> types -> sub-types -> ideas -> (ideas again)

Chains of one layer do not know of each other and can be asked at once; within a chain every call is shown what the earlier ones found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import groupby

from builder.records import Principle
from builder.stages.fanout.asking import narrowed
from builder.stages.fanout.growing import Growth
from builder.stages.fanout.slots import batches, slots
from builder.stages.fanout.tree import Chain, Growing, Link, Planner, Reply, Slot, Subdomain, check_prompts

TOGETHER = 12  # passages or ideas to one call: more of them read alike, fewer repeat the prompt too often
ELSEWHERE = Subdomain("everything else", "What no other sub-domain holds.", 0, ())

Layer = Generator[Sequence[Chain], Sequence[tuple[Reply, ...]], None]


def fanout(planner: Planner) -> Growing:
    """Grow a tree; returns it. The same answers give the same tree. Raises ``UsageError`` for a prompt that cannot be used."""
    check_prompts(planner.prompts)
    growth = Growth(planner)
    for layer in (_domains, _subdomains, _assertions):
        yield from _asked(growth, layer(growth))
    yield from _gaps(growth)
    for layer in (_types, _subtypes):
        yield from _asked(growth, layer(growth))
    yield from _ideas(growth)
    return growth.tree()


def _asked(growth: Growth, chains: Iterable[Chain]) -> Layer:
    layer = tuple(chain for chain in chains if chain.links)
    if layer:
        growth.read(layer, (yield layer))


def _domains(growth: Growth) -> Iterator[Chain]:
    planner, count = growth.planner, growth.planner.knobs.domains
    below = Counter(principle.heading_path[-1] for principle in growth.normative if principle.heading_path)
    listed = "\n".join(f"- {heading} ({number})" for heading, number in below.items())
    yield Chain("domains", (Link(0, planner.prompts["domains"], {"count": str(count), "headings": listed}, count),))


def _subdomains(growth: Growth) -> Iterator[Chain]:
    planner, count = growth.planner, growth.planner.knobs.subdomains
    names = [domain.name for domain in growth.domains]
    links = tuple(
        Link(place, planner.prompts["subdomains"], {
            "count": str(count), "domain": domain.name, "about": domain.about, "others": _others(names, domain.name),
            "passages": _passages(domain.passages),
        }, count)
        for place, domain in enumerate(growth.domains)
    )  # fmt: skip
    yield Chain("subdomains", links)


def _assertions(growth: Growth) -> Iterator[Chain]:
    planner, count = growth.planner, growth.planner.knobs.assertions
    prompt = narrowed(planner.prompts["assertions"], {"trait": tuple(planner.traits)})
    names = [subdomain.name for subdomain in growth.subdomains]
    for places in _by_domain(growth, range(len(growth.subdomains))):
        links = []
        for place in places:
            found = growth.subdomains[place]
            domain = growth.domains[found.domain]
            values = {"count": str(count), "domain": domain.name, "subdomain": found.name, "about": found.about,
                      "others": _others(names, found.name), "passages": _passages(found.passages or domain.passages),
                      "traits": _traits(planner)}  # fmt: skip
            links.append(Link(place, prompt, values, count))
        yield Chain("assertions", tuple(links))


def _gaps(growth: Growth) -> Layer:
    """Rounds for the passages that no assertion cites; they end when one gains nothing."""
    for turn in range(growth.planner.knobs.rounds):
        lacking = growth.uncited()
        if not lacking:
            return
        if not growth.subdomains:
            growth.subdomains.append(ELSEWHERE)
        yield from _asked(growth, _gap_calls(growth, lacking, turn))
        if len(growth.uncited()) == len(lacking):
            return


def _gap_calls(growth: Growth, lacking: Sequence[Principle], turn: int) -> Iterator[Chain]:
    planner = growth.planner
    names = tuple(dict.fromkeys(subdomain.name for subdomain in growth.subdomains))
    prompt = narrowed(planner.prompts["passages"], {"trait": tuple(planner.traits), "subdomain": names})
    listed = "\n".join(f"- {name}" for name in names)
    for place, start in enumerate(range(0, len(lacking), TOGETHER)):
        some = lacking[start : start + TOGETHER]
        values = {"count": str(len(some)), "passages": _passages(some), "subdomains": listed, "traits": _traits(planner)}
        yield Chain("passages", (Link(place, prompt, values, len(some)),), turn)


def _types(growth: Growth) -> Iterator[Chain]:
    planner = growth.planner
    count = max(planner.knobs.types, len(planner.recipes))
    prompt = narrowed(planner.prompts["types"], {"recipe": tuple(planner.recipes)})
    for places in _by_domain(growth, sorted({row.subdomain for row in growth.assertions})):
        links = (
            Link(place, prompt, {**_subdomain(growth, place), "count": str(count), "recipes": _recipes(planner)}, count) for place in places
        )
        yield Chain("types", tuple(links))


def _subtypes(growth: Growth) -> Iterator[Chain]:
    planner, count = growth.planner, growth.planner.knobs.subtypes
    for places in _by_domain(growth, sorted(growth.types)):
        links = []
        for place in places:
            types = tuple(genre.type for genre in growth.types[place])
            prompt = narrowed(planner.prompts["subtypes"], {"type": types})
            listed = "\n".join(f"- {genre.type} ({genre.recipe}, {genre.stance})" for genre in growth.types[place])
            links.append(Link(place, prompt, {**_subdomain(growth, place), "count": str(count), "types": listed}, len(types)))
        yield Chain("subtypes", tuple(links))


def _ideas(growth: Growth) -> Layer:
    """Ideas for every slot, then once more for the assertions whose passages no idea reached, in rounds."""
    knobs, usual = growth.planner.knobs, next(iter(growth.planner.recipes))
    wanted = slots(growth.planner.briefs, growth.assertions, knobs.ideas, usual)
    for turn in range(knobs.rounds + 1):
        before = len(growth.unreached())
        yield from _asked(growth, _idea_calls(growth, wanted, turn))
        wanted = growth.wanted_still(wanted)
        if not wanted or len(growth.unreached()) == before:
            return


def _idea_calls(growth: Growth, wanted: Sequence[Slot], turn: int) -> Iterator[Chain]:
    planner = growth.planner
    calls = list(batches(wanted, growth.assertions, TOGETHER))
    for _, group in groupby(calls, key=lambda call: growth.subdomains[call[0]].domain):
        links = []
        for place, some in group:
            genres = growth.genres_of(place)
            marks = tuple(f"A{at + 1}" for at in sorted({slot.assertion for slot in some}))
            prompt = narrowed(planner.prompts["ideas"], {"assertion": marks, "genre": tuple(genre.words for genre in genres)})
            values = {**_subdomain(growth, place), "count": str(len(some)), "recipes": _recipes(planner)}
            values |= {"assertions": _said(growth, some), "wanted": _wanted(some)}
            values["genres"] = "\n".join(f"- {genre.recipe}: {genre.words}" for genre in genres)
            links.append(Link(place, prompt, values, len(some)))
        yield Chain("ideas", tuple(links), turn)


def _by_domain(growth: Growth, places: Iterable[int]) -> Iterator[list[int]]:
    """Places of sub-domains, a list for each domain: a chain each."""
    by_domain = sorted(places, key=lambda place: (growth.subdomains[place].domain, place))
    for _, group in groupby(by_domain, key=lambda place: growth.subdomains[place].domain):
        yield list(group)


def _subdomain(growth: Growth, place: int) -> dict[str, str]:
    return {"subdomain": growth.subdomains[place].name, "about": growth.subdomains[place].about}


def _said(growth: Growth, some: Sequence[Slot]) -> str:
    rows = ((at, growth.assertions[at]) for at in sorted({slot.assertion for slot in some}))
    return "\n".join(f"A{at + 1}. {row.text}{'' if row.exercised else ' (rests)'} Because: {row.because}" for at, row in rows)


def _wanted(some: Sequence[Slot]) -> str:
    counts = Counter(sorted(some))
    return "\n".join(f"- A{slot.assertion + 1}, {slot.recipe}: {number}" for slot, number in counts.items())


def _passages(principles: Sequence[Principle]) -> str:
    told = (f"[{' / '.join(principle.heading_path[-2:])}]\n{principle.text}" for principle in principles)
    return "\n\n".join(told) or "none by themselves; take the sentences from the constitution above"


def _traits(planner: Planner) -> str:
    return "\n".join(f"- {trait.id}: {trait.description}" for trait in planner.traits.values())


def _recipes(planner: Planner) -> str:
    return "\n".join(f"- {name}: {description}" for name, description in planner.recipes.items())


def _others(names: Sequence[str], own: str) -> str:
    return "; ".join(name for name in names if name != own) or "none"
