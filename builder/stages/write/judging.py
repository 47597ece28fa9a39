"""What a judge says, read with care: an axis counts when its quote stands in the text, and what cannot be read is ``unparsed``.

The verdict of a document: a blocking axis that fails removes it, with the axis as the reason; ``unparsed`` is neither a pass nor a fail,
and a document is not kept while a blocking axis is so. Axes that only polish never remove.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from builder.outputs import Output
from builder.prompts import Kind, Prompt
from builder.records import Brief, Verdict
from builder.rubrics import VERDICTS, Rubric

WORTH = {"pass": 1.0, "revise": 0.5, "fail": 0.0}
UNPARSED = "unparsed"
_FOLDED = str.maketrans("\u2018\u2019\u201c\u201d\u2010\u2011\u2013\u2014", "''\"\"----")
_GAP = re.compile(r"\s*(?:\.{3}|\u2026|\[\.{3}\]|\[\u2026\])\s*")
_LEAST_QUOTE = 3  # characters; less stands in any text


class Axis(NamedTuple):
    """What was said on one axis: pass, revise, fail or unparsed, and the words of the text that show it."""

    verdict: str
    quote: str


class Judgement(NamedTuple):
    """Every axis of one reading by id; ``fault`` is the slug of a reading that came to nothing."""

    axes: Mapping[str, Axis]
    rubrics: Mapping[str, Rubric]
    eval_shape: int | None
    said: str
    fault: str = ""

    @property
    def failed(self) -> str:
        """The first blocking axis that fails, else one that could not be read; empty where none does."""
        for wanted in ("fail", UNPARSED):
            found = next((name for name, axis in self.axes.items() if axis.verdict == wanted and self.rubrics[name].blocking), "")
            if found:
                return found if wanted == "fail" else f"{UNPARSED}:{found}"
        return ""

    @property
    def faults(self) -> str:
        """What a rewriter is told to mend, a line each; empty where it is worth no rewrite."""
        short = {name: axis for name, axis in self.axes.items() if axis.verdict in ("revise", "fail")}
        if not any(self.rubrics[name].blocking or axis.verdict == "fail" for name, axis in short.items()):
            return ""
        lines = [f"- {self.rubrics[name].name}: {_told(axis)}" for name, axis in short.items()]
        return "\n".join((*lines, self.said)) if self.said else "\n".join(lines)


def axes_of(rubrics: Mapping[str, Rubric], brief: Brief) -> dict[str, Rubric]:
    """The axes on which a brief's document is judged."""
    return {name: rubric for name, rubric in rubrics.items() if rubric.applies(brief.recipe, brief.exercised)}


def fitted(prompt: Prompt, axes: Mapping[str, Rubric]) -> Prompt:
    """A prompt whose answer holds ``rubrics``: an object for each axis, with a quote first and the verdict after it."""
    if not isinstance(prompt.output, Mapping) or "rubrics" not in prompt.output.values():
        return prompt
    each: dict[str, Kind] = {name: {"quote": "text", "verdict": VERDICTS} for name in axes}
    grammar: dict[str, Kind] = {name: each if kind == "rubrics" else kind for name, kind in prompt.output.items()}
    return prompt._replace(output=grammar)


def echoed(output: Output, text: str) -> bool:
    """Whether a verdict stands in the text that was judged: one that a text brings along is not its judge's."""
    return bool(output.values) and "".join(output.text.split()) in "".join(text.split())


def misquoted(prompt: Prompt, output: Output, axes: Mapping[str, Rubric], text: str) -> str:
    """What is wrong with the quotes of a reading, in words for the judge; empty when they all stand in the text."""
    if echoed(output, text):
        return "it stands in the text itself and is not your own reading"
    wrong = [name for name, axis in _axes(prompt, output, axes).items() if _lacks(axes[name], axis, text)]
    listed = ", ".join(wrong)
    return f"the quotes of these fields are not words of the text exactly as they stand there: {listed}" if wrong else ""


def judgement(prompt: Prompt, output: Output, axes: Mapping[str, Rubric], text: str, fault: str) -> Judgement:
    """A reading; an axis whose quote is missing or made up is unparsed."""
    if fault:
        return Judgement({}, axes, None, "", fault)
    read = _axes(prompt, output, axes)
    read |= {name: axis._replace(verdict=UNPARSED) for name, axis in read.items() if _lacks(axes[name], axis, text)}
    shape = output.values.get("eval_shape")
    said = "; ".join(value for value in output.values.values() if isinstance(value, str))
    return Judgement(read, axes, shape if isinstance(shape, int) else None, said)


def verdict(brief: Brief, found: Judgement, model: str, blind: str | None) -> Verdict:
    """The gate's row. ``blind`` is the trait that the blind reader named, ``none`` or ``unparsed``; ``None`` where nobody asked."""
    scores = {f"axis.{name}": WORTH[axis.verdict] for name, axis in found.axes.items() if axis.verdict in WORTH}
    if found.axes:
        failing = any(axis.verdict == "fail" and found.rubrics[name].blocking for name, axis in found.axes.items())
        flawless = all(axis.verdict not in ("revise", "fail") for axis in found.axes.values())
        scores["judge"] = 0.0 if failing else 1.0 if flawless else 0.5
        scores["unparsed"] = float(sum(axis.verdict == UNPARSED for axis in found.axes.values()))
    if found.eval_shape is not None:
        scores["eval_shape"] = float(found.eval_shape)
    if blind not in (None, UNPARSED):
        scores["identified"] = float((blind == brief.trait) == brief.exercised)
    reason = found.fault or found.failed or "ok"
    lines = [f"blind: {blind}"] if blind is not None else []
    lines += [f"{name}: {_told(axis)}" for name, axis in found.axes.items()]
    lines += [found.said] if found.said else []
    return Verdict(
        document_id=brief.id, gate="judge", keep=reason == "ok", reason=reason, scores=scores, explanation="\n".join(lines), model=model
    )


def stands_in(quote: str, text: str) -> bool:
    """Whether a quote is words of a text: white space, quotation marks and dashes may differ, and dots may stand for what is left out.

    >>> stands_in('"the gauge  was wrong ... twice"', "I said the gauge was wrong, and wrong twice.")
    True
    """
    whole, at = _fold(text), 0
    parts = [part for part in (_fold(part) for part in _GAP.split(quote.strip().strip("\"'\u201c\u201d\u2018\u2019"))) if part]
    for part in parts:
        found = whole.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return sum(map(len, parts)) >= _LEAST_QUOTE


def _told(axis: Axis) -> str:
    return f'{axis.verdict} "{" ".join(axis.quote.split())}"' if axis.quote else axis.verdict


@lru_cache(maxsize=8)
def _fold(text: str) -> str:
    return " ".join(text.translate(_FOLDED).split())


def _lacks(rubric: Rubric, axis: Axis, text: str) -> bool:
    """Whether a verdict stands without the words that it must show."""
    needed = axis.verdict != "fail" if rubric.looks_for == "presence" else axis.verdict != "pass"
    return needed and not stands_in(axis.quote, text)


def _axes(prompt: Prompt, output: Output, axes: Mapping[str, Rubric]) -> dict[str, Axis]:
    if not isinstance(prompt.output, Mapping):
        return {}
    found: dict[str, Any] = {}
    for value in output.values.values():
        found |= value if isinstance(value, dict) else {}
    return {name: Axis(found[name]["verdict"], found[name]["quote"].strip()) for name in axes if name in found}
