"""A principle's own reason, turned into a clause that the character can say.

A constitution speaks of the assistant from outside ("because its kindness has to be worth something"); a character speaks from inside. The
clause becomes a bank variant: the assistant is ``{I}``, its verbs are ``{v:...}`` slots. At most eleven words are kept, so that no span
of a constitution is copied into a corpus, and a clause that speaks of the maker, of "we" or of the document is passed over. An "it" is
the assistant only where the sentence and the clause both begin with it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from builder.text import words

MAX_WORDS = 12  # of a clause and the "because" before it, which a frame may repeat; 13 words running count as a copy
MIN_WORDS = 4
_CAUSE = re.compile(r"\b(?:because|since|so that|the reason is that|given that|in that)\b(?! of\b)", re.IGNORECASE)
_CLAUSE_END = re.compile(
    r"[,;:.!?()\u2013\u2014\"\u201c\u201d]|\s-\s|\b(?:and so|but|which|although|though|unless|while|even if|rather than)\b",
    re.IGNORECASE,
)
_SELF = r"(?:the assistant|the model|the ai|an ai|claude|[A-Z][a-z]+GPT)"
_OWN = re.compile(rf"\b{_SELF}(?:'s|\u2019s)|\bits\b", re.IGNORECASE)
_ACTS = re.compile(rf"\b(?:{_SELF}|it)\s+(\w+)", re.IGNORECASE)
_TO_IT = re.compile(
    rf"\b(?:to|with|for|of|from|by|at|on|about|lets?|makes?|asks?|tells?|sends?|sending|telling|asking) (?:{_SELF})\b", re.IGNORECASE
)
_MARKS = re.compile(r"[{}<>|]")  # would be read as a slot
_IT = re.compile(r"\bits?\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?;:]\s+")
_ABOUT_SELF = re.compile(rf"\s*(?:(?:And|But|So|Then|Here|Yet) )?(?:it|its|{_SELF})\b", re.IGNORECASE)
_THEIRS = re.compile(r"^(?:(?!\b(?:people|others|[a-z]{2,}[^su]s)\b).)*\b(?:they|them|their)\b", re.IGNORECASE)  # nobody named yet
_UNFINISHED = re.compile(r"\b(?:so|such|as) \S+$|\bones?$", re.IGNORECASE)  # "so great", cut off before its "that"; "a good one"
_SPOKEN_OF = re.compile(r"^the \w+ (?:is|are|was|were|has|have)\b", re.IGNORECASE)  # "the row is ...", known to the document only
_NOT_IN_EVERY_MOUTH = frozenset(
    [
        "we", "us", "our", "ours", "ourselves", "i", "my", "you", "your", "yours", "he", "she", "him", "her", "this", "these",
        "those", "such", "here", "it", "above", "below", "assuming", "anthropic", "principal", "principals", "operator",
        "operators", "constitution", "document", "section", "principle", "principles", "guidelines", "ais", "claude",
    ]
)  # fmt: skip
_NOT_FIRST = frozenset(["they", "them", "their", "that", "which", "what", "who", "and", "or", "not", "of", "to", "falsely"])
_NOT_LAST = frozenset(["to", "of", "with", "for", "from", "and", "or", "the", "a", "an", "than", "as", "by", "at", "on", "in"])
_MODALS = frozenset(["can", "cannot", "could", "will", "would", "may", "might", "must", "should"])
_FINITE = re.compile(
    r"\{v:|\b(?:is|are|was|were|has|have|had|can|cannot|could|will|would|may|might|must|should|does|do|did|depends?|needs?|makes?|"
    r"takes?|gives?|loses?|costs?|works?|holds?|fails?|matters?|knows?|lives?|deserves?|bears?|falls?|comes?|turns?|relies|rely|"
    r"helps?|hurts?|lets?|leaves?|keeps?|learns?|asks?|tells?|trusts?|gets?|goes|go|grows?|stays?|distorts?)\b"
)


@lru_cache(maxsize=4096)
def own_clause(why: str) -> str | None:
    """The first usable reason of ``why`` as a bank variant without a full stop; ``None`` when there is none.

    >>> own_clause("It holds to a stricter custom because its kindness has to be worth something.")
    '{my} kindness has to be worth something'
    """
    for match in _CAUSE.finditer(why):
        clause = " ".join(_CLAUSE_END.split(why[match.end() :], maxsplit=1)[0].strip(" *_\n").split())
        fits = MIN_WORDS <= len(words(clause)) <= MAX_WORDS - len(words(match[0])) and not _MARKS.search(clause)
        if fits and _means_itself(why[: match.start()], clause):
            told = _from_inside(clause)
            if told and _FINITE.search(told) and _fits(told) and not _leans(told):
                return told
    return None


def _leans(told: str) -> bool:
    """Whether a clause needs the words around it in the constitution to be understood."""
    return bool(_UNFINISHED.search(told) or _THEIRS.match(told) or _SPOKEN_OF.match(told))


def _means_itself(before: str, clause: str) -> bool:
    """Whether every "it" of a clause is surely the assistant, so that a character can say "I" for it."""
    if not _IT.search(clause):
        return True
    sentence = _SENTENCE_END.split(before)[-1]
    return bool(_IT.match(clause) and _ABOUT_SELF.match(sentence))


def _from_inside(clause: str) -> str | None:
    """The clause with the assistant as ``{I}``; ``None`` where its verb is not one."""
    from lemminflect import getLemma

    told = _TO_IT.sub(lambda match: f"{match[0].split()[0]} {{me}}", _OWN.sub("{my}", clause))
    for match in reversed(list(_ACTS.finditer(told))):
        verb = match[1].lower()
        if verb in _MODALS:
            slot = f"{{I}} {verb}"
        elif verb in ("is", "was"):
            slot = "{I} {v:be}"
        elif verb.endswith("s") and getLemma(verb, "VERB"):
            slot = f"{{I}} {{v:{getLemma(verb, 'VERB')[0]}}}"
        else:
            return None
        told = told[: match.start()] + slot + told[match.end() :]
    return told if told.startswith("{") else told[0].lower() + told[1:]


def _fits(told: str) -> bool:
    words = [word.strip("'\u2019*_").lower() for word in re.sub(r"\{[^}]*\}", "", told).split()]
    if not words or set(words) & _NOT_IN_EVERY_MOUTH:
        return False
    return told.split()[0].lower() not in _NOT_FIRST and words[-1] not in _NOT_LAST and words[0].isascii()
