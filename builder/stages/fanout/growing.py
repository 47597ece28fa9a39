"""The tree while it grows: entries are read, checked, and kept where they are new and stand on the constitution."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from builder.records import Principle
from builder.rows import LayerCount
from builder.shapes import resembles
from builder.stages.fanout.cites import Cites, fold
from builder.stages.fanout.sameness import Distinct
from builder.stages.fanout.tree import (
    LAYERS,
    Assertion,
    Chain,
    Domain,
    Genre,
    Idea,
    Planner,
    Reply,
    Slot,
    Subdomain,
    Tree,
    normative,
)

Row = Mapping[str, object]


class Growth:
    """Everything kept so far, and what was dropped and why.

    Reasons: ``surplus`` (more than was asked for), ``blank``, ``duplicate``, ``unverified`` (a cite that does not stand in the
    constitution, or a heading that is not one of it), ``eval_shape``.
    """

    def __init__(self, planner: Planner) -> None:
        self.planner = planner
        self.domains: list[Domain] = []
        self.subdomains: list[Subdomain] = []
        self.assertions: list[Assertion] = []
        self.types: dict[int, list[Genre]] = defaultdict(list)
        self.genres: dict[int, list[Genre]] = defaultdict(list)
        self.ideas: list[Idea] = []
        self.normative = normative(planner.principles)
        self._by_id = {principle.id: principle for principle in planner.principles}
        self._cites = Cites(planner.principles)
        self._distinct = {layer: Distinct() for layer in LAYERS}
        self._calls, self._kept = Counter[str](), Counter[str]()
        self._dropped: dict[str, Counter[str]] = {layer: Counter() for layer in LAYERS}
        self._failed: dict[str, Counter[str]] = {layer: Counter() for layer in LAYERS}

    def tree(self) -> Tree:
        """As it stands."""
        with_ideas = {name for idea in self.ideas for name in idea.assertion.principles}
        reached = tuple(principle.id for principle in self.normative if principle.id in with_ideas)
        layers = {layer: LayerCount(self._calls[layer], self._kept[layer], +self._dropped[layer], +self._failed[layer]) for layer in LAYERS}
        genres = {place: tuple(rows) for place, rows in self.genres.items()}
        return Tree(
            tuple(self.domains), tuple(self.subdomains), tuple(self.assertions), genres, tuple(self.ideas), layers, reached,
            tuple(principle.id for principle in self.normative if principle.id not in with_ideas),
        )  # fmt: skip

    def uncited(self) -> tuple[Principle, ...]:
        """Normative principles that no assertion cites."""
        cited = {name for row in self.assertions for name in row.principles}
        return tuple(principle for principle in self.normative if principle.id not in cited)

    def unreached(self) -> frozenset[str]:
        """Normative principles that no idea reaches."""
        return frozenset(self.tree().unreached)

    def read(self, chains: Sequence[Chain], answers: Sequence[Sequence[Reply]]) -> None:
        """Take in what came back for some chains, in their order."""
        for chain, replies in zip(chains, answers, strict=True):
            for reply in replies:
                self._calls[chain.layer] += 1
                self._failed[chain.layer].update([reply.fault] if reply.fault else [])
                self._dropped[chain.layer]["surplus"] += max(0, len(reply.rows) - reply.link.wanted)
                for row in reply.rows[: reply.link.wanted]:
                    self._add(chain.layer, reply.link.place, row)

    def _add(self, layer: str, place: int, row: Row) -> None:
        fault = _ADD[layer](self, place, row) if not _blank(row) else "blank"
        if fault:
            self._dropped[layer][fault] += 1
        else:
            self._kept[layer] += 1

    def _domain(self, place: int, row: Row) -> str:
        wanted = {fold(heading) for heading in _texts(row["headings"])}
        headings = {fold(heading) for principle in self.normative for heading in principle.heading_path}
        self._dropped["domains"]["unverified"] += len(wanted - headings)
        passages = tuple(row for row in self.normative if wanted & {fold(heading) for heading in row.heading_path[-2:]})
        if not self._distinct["domains"].adds(str(row["name"])):
            return "duplicate"
        self.domains.append(Domain(_line(row["name"]), _line(row["about"]), passages))
        return ""

    def _subdomain(self, place: int, row: Row) -> str:
        if not self._distinct["subdomains"].adds(str(row["name"])):
            return "duplicate"
        found = [self._cites.passages(cite) for cite in _texts(row["cites"])]
        self._dropped["subdomains"]["unverified"] += sum(not names for names in found)
        passages = tuple(self._by_id[name] for name in dict.fromkeys(name for names in found for name in names))
        self.subdomains.append(Subdomain(_line(row["name"]), _line(row["about"]), place, passages))
        return ""

    def _assertion(self, place: int, row: Row) -> str:
        names = self._cites.passages(str(row["cite"]))
        if not names:
            return "unverified"
        if not self._distinct["assertions"].adds(str(row["assertion"])):
            return "duplicate"
        text, because, cite, trait = (_line(row[name]) for name in ("assertion", "because", "cite", "trait"))
        self.assertions.append(Assertion(text, because, cite, trait, row["exercised"] == "yes", place, names))
        return ""

    def _gap(self, place: int, row: Row) -> str:
        names = [subdomain.name for subdomain in self.subdomains]
        return self._assertion(names.index(str(row["subdomain"])), row)

    def _type(self, place: int, row: Row) -> str:
        said = _line(row["type"])
        if any(fold(said) == fold(known.type) for known in self.types[place]):  # another sub-domain may have the same type
            return "duplicate"
        self.types[place].append(Genre(said, "", str(row["recipe"]), str(row["stance"])))
        return ""

    def _subtypes(self, place: int, row: Row) -> str:
        known = next(found for found in self.types[place] if found.type == row["type"])
        said = [_line(subtype) for subtype in _texts(row["subtypes"]) if subtype.strip()]
        new = [subtype for subtype in said if self._distinct["subtypes"].adds(f"{known.type} {subtype}")]
        self._dropped["subtypes"]["duplicate"] += len(said) - len(new)
        self._kept["subtypes"] += len(new) - 1  # the caller counts one for the row
        self.genres[place] += [known._replace(subtype=subtype) for subtype in new[: self.planner.knobs.subtypes]]
        return ""

    def _idea(self, place: int, row: Row) -> str:
        said = self.assertions[int(str(row["assertion"])[1:]) - 1]
        genre = next(known for known in self.genres_of(place) if known.words == row["genre"])
        premise, act, other_option, pull = (_line(row[name]) for name in ("premise", "act", "other_option", "pull"))
        if resembles(f"{premise} {act} {other_option}", self.planner.eval_shapes):
            return "eval_shape"
        if not self._distinct["ideas"].adds(premise):
            return "duplicate"
        self.ideas.append(Idea(said, genre.recipe, genre.words, premise, act, other_option, pull))
        return ""

    def genres_of(self, place: int) -> tuple[Genre, ...]:
        """The genres of a sub-domain, and a plain one for each recipe that it has none of."""
        own = self.genres.get(place, [])
        lacking = [recipe for recipe in self.planner.recipes if recipe not in {genre.recipe for genre in own}]
        return (*own, *(Genre(f"{recipe} of any kind", "", recipe, "sympathetic") for recipe in lacking))

    def wanted_still(self, slots: Iterable[Slot]) -> tuple[Slot, ...]:
        """The first slot of each assertion whose principles no idea reaches."""
        lacking, seen = self.unreached(), set[int]()
        found = []
        for slot in slots:
            if slot.assertion not in seen and lacking & set(self.assertions[slot.assertion].principles):
                found.append(slot)
            seen.add(slot.assertion)
        return tuple(found)


_ADD = {
    "domains": Growth._domain, "subdomains": Growth._subdomain, "assertions": Growth._assertion, "passages": Growth._gap,
    "types": Growth._type, "subtypes": Growth._subtypes, "ideas": Growth._idea,
}  # fmt: skip


def _line(text: object) -> str:
    return " ".join(str(text).split())


def _texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []


def _blank(row: Row) -> bool:
    return any(isinstance(value, str) and not value.strip() for value in row.values())
