"""What a build buys: briefs become requests, and every answer is in the ledger before anyone acts on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple, TypeVar

from builder.backends import Backend
from builder.buying.dial import Dial
from builder.buying.kitchen import Counter, cautions, check_prompts, open_counter, passages_of, rendered, rendered_each
from builder.buying.run import Job, Run
from builder.buying.tally import Tally
from builder.buying.till import Till, refuse_unknown
from builder.calibration import Blind
from builder.errors import UsageError
from builder.ledger import Ledger
from builder.prices import price_of
from builder.progress import Progress
from builder.records import Answer, Brief, Document, Request, Verdict
from builder.references import Passage
from builder.stages.write import Made, making, preflight, reading

__all__ = [
    "Bought", "Counter", "cautions", "check_prompts", "open_counter", "passages_of", "read_jobs", "rendered", "rendered_each", "run_jobs",
    "write",
]  # fmt: skip

Result = TypeVar("Result")
_READ_TOGETHER = 256  # documents whose answers are read from the ledger in one query


class Bought(NamedTuple):
    """What the ledger holds of a plan: documents, what the judge said, verdicts on briefs that gave none, whether the writer is fit.

    ``blind`` is what the blind reader made of the labelled passages.
    """

    documents: tuple[Document, ...]
    judged: tuple[Verdict, ...]
    unwritten: tuple[Verdict, ...]
    training_grade: bool
    blind: tuple[Blind, ...] = ()


def write(
    counter: Counter, ledger: Ledger, briefs: Sequence[Brief], progress: Progress, only_known: bool = False,
    allow_unknown_price: bool = False, calibrated: bool = False,
) -> Bought:  # fmt: skip
    """Every document of the plan: what the ledger has is read back, what it lacks is bought (``only_known`` leaves that out).

    ``calibrated`` has the blind reader read the labelled passages too. Raises what stopped the buying (``BudgetReached``, ``Interrupted``
    ...) after everything that was in flight is saved.
    """
    paid = ledger.paid()
    passages = counter.passages if calibrated else ()
    made: list[Made | None] = list(read_back(counter, ledger, briefs)) if paid.answers else [None] * len(briefs)
    lacking = [number for number, found in enumerate(made) if found is None]
    blind = [row for row in read_jobs(ledger, (reading(counter.kitchen, passage) for passage in passages)) if row is not None]
    if only_known and len(lacking) == len(briefs):
        raise UsageError("no document of this plan is written yet; run 'bildung build' with the same options", counter.project.corpus)
    if (lacking or len(blind) < len(passages)) and not only_known:
        done = len(briefs) - len(lacking)
        if paid.answers:
            progress.say(f"resuming: {done} of {len(briefs)} documents done (paid ${paid.cost:.2f}), {len(lacking)} to write")
        wanted = [briefs[number] for number in lacking]
        tally = Tally(progress, len(briefs), done, counter.budget.max_cost, paid.unpriced, counter.kitchen.models)
        with progress.stage("write", len(briefs)):
            _buy(counter, ledger, wanted, passages, tally, paid.cost, allow_unknown_price)
        with progress.stage("read back"):
            for number, brief, found in zip(lacking, wanted, read_back(counter, ledger, wanted), strict=True):
                made[number] = found or _unanswered(brief)
            blind = [row for row in read_jobs(ledger, (reading(counter.kitchen, passage) for passage in passages)) if row is not None]
    return _bought([row for row in made if row is not None], counter.training_grade, blind)


def _bought(made: Sequence[Made], training_grade: bool, blind: Sequence[Blind]) -> Bought:
    return Bought(
        tuple(row.document for row in made if row.document),
        tuple(row.judged for row in made if row.judged),
        tuple(row.unwritten for row in made if row.unwritten),
        training_grade,
        tuple(blind),
    )


def _buy(
    counter: Counter, ledger: Ledger, briefs: Sequence[Brief], passages: Sequence[Passage], tally: Tally, spent: float,
    allow_unknown_price: bool,
) -> None:  # fmt: skip
    """Make every document of the briefs as far as it goes; drawn as there is room for them. ``spent`` is what earlier runs cost."""
    prices = {model: price_of(model) for model in counter.backends}
    refuse_unknown({model: price for model, price in prices.items() if counter.backends[model].wants_turns}, allow_unknown_price)
    preflight(counter.kitchen, briefs)
    for line in cautions(counter.project.recipe.models):
        tally.progress.warn(line)
    _tell_of_other_batches(counter, ledger, tally.progress)
    dial = Dial(counter.project.corpus / "recipe.toml", counter.budget.concurrency, tally.progress.warn)
    _keep_prompts(counter, ledger)
    till = Till(prices, counter.budget.max_cost, spent, ledger.doubtful())
    jobs = chain((making(counter.kitchen, brief) for brief in briefs), (reading(counter.kitchen, passage) for passage in passages))
    run_jobs(ledger, counter.backends, jobs, till, tally, dial.now, counter.budget.timeout)


def _tell_of_other_batches(counter: Counter, ledger: Ledger, progress: Progress) -> None:
    for model, (batches, requests) in ledger.journal().lying().items():
        if model not in counter.backends:
            progress.warn(
                f"{requests} requests lie at the provider in batches ({batches} of {model}) and will be billed; this build names other"
                " models and does not collect them: what it needs of them it buys again"
            )


def run_jobs(
    ledger: Ledger, backends: Mapping[str, Backend], jobs: Iterable[Job], till: Till, tally: Tally, concurrency: Callable[[], int],
    timeout: float,
) -> None:  # fmt: skip
    """Drive generators of requests to their ends, each answered by the backend of its model; see ``Run``."""

    async def go() -> None:
        await Run(ledger, backends, iter(jobs), till, tally, concurrency, timeout).all()

    asyncio.run(go())


def read_back(counter: Counter, ledger: Ledger, briefs: Iterable[Brief]) -> Iterator[Made | None]:
    """What became of each brief, by the ledger; ``None`` where it lacks an answer. Nothing is bought."""
    return read_jobs(ledger, (making(counter.kitchen, brief) for brief in briefs))


def read_jobs(ledger: Ledger, jobs: Iterable[Generator[Request, Answer, Result]]) -> Iterator[Result | None]:
    """What each generator comes to with the answers of the ledger; ``None`` where one is lacking. Nothing is bought."""
    source = iter(jobs)
    while chunk := list(islice(source, _READ_TOGETHER)):
        made: list[Result | None] = [None] * len(chunk)
        asking = {number: next(job) for number, job in enumerate(chunk)}
        while asking:
            answers = ledger.answers([request.hash for request in asking.values()])
            asking, before = {}, asking
            for number, request in before.items():
                answer = answers.get(request.hash)
                if answer is None:
                    chunk[number].close()
                    continue
                try:
                    asking[number] = chunk[number].send(answer)
                except StopIteration as end:
                    made[number] = end.value
        yield from made


def _unanswered(brief: Brief) -> Made:
    why = "its calls failed; the next build asks again"
    return Made(None, unwritten=Verdict(document_id=brief.id, gate="write", keep=False, reason="not_answered", explanation=why))


def _keep_prompts(counter: Counter, ledger: Ledger) -> None:
    recipes = counter.project.library.recipes
    prompts = [prompt for name in counter.project.recipe.mix for prompt in recipes[name].prompts] if counter.kitchen.rendered else []
    ledger.keep_prompts({prompt.hash: f"{prompt.preamble}\n\n{prompt.text}".strip() for prompt in prompts})
