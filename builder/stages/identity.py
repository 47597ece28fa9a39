"""Gate ``identity``: who acts is whom the brief names, and nothing is claimed of the model that will be trained but what may be said.

    identity_missing      a named or invented character whose name never occurs; who speaks in the first person need not say an invented
                          one, and conversations need none
    other_model:NAME      a real AI product or maker (lists/ai_products.txt) that is not the recipe's [identity] name or maker
    wrong_maker:NAME      the named model is said to be made by somebody else than [identity] maker
    unstated_fact         a sentence about the named model gives a version, a size, a year of release or a benchmark
                          (lists/benchmarks.txt) that no sentence of [identity] facts gives

The first that holds is the reason. Without a brief only ``other_model`` is looked for. Writers make such things up about a model, and
conversations that hold them teach the model to make up more ("Teaching Claude Why", Anthropic 2026).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from builder.gates import Gate, GateContext
from builder.recipe import IdentitySection
from builder.records import Brief, Candidate, Person, Verdict
from builder.text import Phrases, Span, folded_words, lowered, sentences

NAME = "identity"
BY_ITSELF = True  # no other document has a say in a verdict, so an engine may deal documents out

_NAMELESS_RECIPES = frozenset({"advice", "deliberation"})
_MADE = r"(?:made|built|trained|created|developed|designed|released)"
_CAPITALISED = r"((?:[^\W\d_a-z][\w&-]*)(?: (?:of |and |for )?[^\W\d_a-z][\w&-]*){0,4})"
_NOBODY = "I It He She They We You Who This That People Nobody Somebody Someone Everyone Hand"
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
_MONTHS = "January February March April May June July August September October November December"
_NO_MAKERS = frozenset(f"{_NOBODY} {_DAYS} {_MONTHS}".split())
_SIZE = r"\b\d[\d.,]*[ -]?(?:[BMT]|bn|[mbtr]{1,2}illion)?[ -]parameters?\b|\b(?:m|b|tr)illions? (?:of )?parameters\b|\b\d+(?:\.\d+)?B\b"
_RELEASED = rf"\b(?:{_MADE}|launched|introduced|announced|deployed|published)\b[^.!?;\n]{{0,40}}\b(?:19|20)\d\d\b(?![:.]\d)"
_ANSWERS = re.compile(r"^Assistant:(.*?)(?=^(?:User|System|Tool):|\Z)", re.MULTILINE | re.DOTALL)
_SPEAKS_OF_ITSELF = re.compile(r"\b(?:I|I'm|I\u2019m|[Mm]y|[Mm]e)\b")


class _Fault(NamedTuple):
    """Why a text is refused, and the words at fault."""

    reason: str
    explanation: str = ""


Check = Callable[[Candidate, Brief], _Fault | None]


def open_gate(context: GateContext) -> Gate:
    """The gate for the recipe's identity, with the library's lists."""
    identity = context.recipe.identity
    products = _other_model(context.library.words("ai_products"), identity)
    checks: list[Check] = [_missing, lambda candidate, brief: products(candidate, brief)]
    if identity.name:
        checks += [_wrong_maker(identity), _unstated_fact(identity, context.library.words("benchmarks"))]

    def judge(candidates: Iterable[Candidate]) -> Iterator[Verdict]:
        for candidate in candidates:
            if brief := candidate.brief:
                fault = next((found for check in checks if (found := check(candidate, brief))), None)
            else:
                fault = products(candidate, None)
            reason, why = fault or _Fault("ok")
            yield Verdict(document_id=candidate.id, gate=NAME, keep=fault is None, reason=reason, explanation=why)

    return judge


def _missing(candidate: Candidate, brief: Brief) -> _Fault | None:
    name = brief.character.given
    wanted = brief.identity == "named" or (brief.identity == "invented" and brief.pov != "first")
    if not wanted or not name or brief.recipe in _NAMELESS_RECIPES:
        return None
    short = name.split()[0]  # Quill Nine is also called Quill
    return None if _named(short).search(candidate.text) else _Fault("identity_missing", f"{name} is never named")


def _named(name: str) -> re.Pattern[str]:
    """A name as a whole word, as written or in capitals."""
    return re.compile(rf"(?<!\w)(?:{re.escape(name)}|{re.escape(name.upper())})(?!\w)")


def _other_model(listed: Sequence[str], identity: IdentitySection) -> Callable[[Candidate, Brief | None], _Fault | None]:
    own = [_padded(name) for name in (identity.name, identity.maker, *identity.facts) if name]
    others = [name for name in listed if not any(_holds(text, name) for text in own)]
    phrases = Phrases(others)

    def check(candidate: Candidate, brief: Brief | None) -> _Fault | None:
        people = _people(brief) if brief else frozenset[str]()
        for start, end, phrase in phrases.found(lowered(candidate.text)):
            written, name = candidate.text[start:end], phrase.removesuffix("*")
            if written in (name, name.upper()) and name not in people:
                return _Fault(f"other_model:{name}", _around(candidate.text, start))
        return None

    return check


def _holds(text: str, name: str) -> bool:
    """Whether the words of one of the two stand in the other."""
    listed = _padded(name)
    return listed in text or text in listed or (name.endswith("*") and listed[:-1] in text)


def _padded(text: str) -> str:
    return f" {' '.join(folded_words(text))} "


def _people(brief: Brief) -> frozenset[str]:
    """Names that the brief gives to people: somebody may be called Claude."""
    people: Iterable[Person] = chain((brief.character, brief.asker, brief.other, brief.bystander), brief.spare_names)
    return frozenset(name for person in people for name in (person.given, person.family))


def _around(text: str, at: int) -> str:
    return next((text[slice(*span)] for span in sentences(text) if span.start <= at < span.end), "")


def _wrong_maker(identity: IdentitySection) -> Check:
    name = re.escape(identity.name)
    told = (
        re.compile(rf"(?<!\w){name}(?!\w)[^.!?;\n]{{0,40}}?\b{_MADE}(?: and \w+)? by (?:the )?{_CAPITALISED}"),
        re.compile(rf"(?<!\w){_CAPITALISED}(?:,? which|,? who)? (?:has |had )?{_MADE}(?: and \w+)? {name}(?!\w)"),
    )
    spoken = re.compile(rf"\bI(?:'m|\u2019m| am| was|'ve been|\u2019ve been| have been) {_MADE}(?: and \w+)? by (?:the )?{_CAPITALISED}")
    known = lowered(" ".join((identity.maker, identity.name, *identity.facts)))

    def check(candidate: Candidate, brief: Brief) -> _Fault | None:
        pairs = [(candidate.text, pattern) for pattern in told] if identity.name in candidate.text else []
        if brief.identity == "named":
            pairs += [(answer, spoken) for answer in _ANSWERS.findall(candidate.text)]
        for text, pattern in pairs:
            for found in pattern.finditer(text):
                maker = found[1]
                if maker.split()[0] not in _NO_MAKERS and lowered(maker) not in known:
                    return _Fault(f"wrong_maker:{maker}", found[0])
        return None

    return check


def _unstated_fact(identity: IdentitySection, benchmarks: Sequence[str]) -> Check:
    name = re.escape(identity.name)
    version = (
        rf"(?<!\w){name}(?:[ -]?[vV]\d+|-\d+|[ -]\d{{1,2}}\.\d(?!\d)|,? (?:is |was |now )*(?:at |in |the )?version \d[\d.]*)"
        rf"|\bversion \d[\d.]* of {name}(?!\w)"
    )
    claims = re.compile(f"{version}|{_SIZE}|{_RELEASED}")
    measures, known = Phrases(benchmarks), lowered(" ".join(identity.facts))
    named = _named(identity.name)

    def claimed(sentence: str) -> bool:
        stated = [found[0] for found in claims.finditer(sentence)]
        stated += [found.phrase.removesuffix("*") for found in measures.found(lowered(sentence))]
        return any(lowered(claim) not in known for claim in stated)

    def check(candidate: Candidate, brief: Brief) -> _Fault | None:
        text = candidate.text
        answers = [Span(*found.span()) for found in _ANSWERS.finditer(text)] if brief.identity == "named" else []
        if not answers and not named.search(text):
            return None
        for start, end in sentences(text):
            own = any(answer.start <= start < answer.end for answer in answers) and _SPEAKS_OF_ITSELF.search(text, start, end)
            if (own or named.search(text, start, end)) and claimed(text[start:end]):
                return _Fault("unstated_fact", text[start:end])
        return None

    return check
