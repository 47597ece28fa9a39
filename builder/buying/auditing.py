"""The pattern audit with a judge's model: three rounds of calls over kept documents, bought through the ledger like all others."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import NamedTuple, TypeVar

from builder.buying import Counter, read_jobs
from builder.buying.calls import Steps, buy_calls
from builder.buying.run import Job
from builder.estimate import Work
from builder.ledger import Ledger
from builder.library import Library
from builder.progress import Progress
from builder.project import Project
from builder.recipe import AuditSection
from builder.records import Answer, Brief, Document, Request
from builder.rows import LayerCount, PatternAudit
from builder.stages.audit import (
    Auditor,
    Merged,
    Piece,
    Sample,
    Scanned,
    Seen,
    batches,
    counted,
    counting,
    drawn,
    merging,
    rehearse,
    sample,
    scanning,
)
from builder.stages.write.page import as_told
from builder.tokens import count_tokens

_FEWEST = 2  # documents: of one nothing repeats
_TOKENS_PER_WORD = 1.35  # of English prose, for filler of which each word is one token

Result = TypeVar("Result")
Buy = Callable[[Sequence[Job]], None]


class _Audit(NamedTuple):
    """An audit on its way: who is asked, about which documents, and how what the ledger lacks is bought (``None``: it is not)."""

    auditor: Auditor
    sample: Sample
    ledger: Ledger
    buy: Buy | None = None

    def answers(self, ask: Callable[[], Iterable[Generator[Request, Answer, Result]]]) -> list[Result | None]:
        """What each generator of a round comes to; ``None`` where an answer is lacking still."""
        found = list(read_jobs(self.ledger, ask()))
        if self.buy and None in found:
            self.buy([job for job, known in zip(ask(), found, strict=True) if known is None])
            found = list(read_jobs(self.ledger, ask()))
        return found


def audited(
    counter: Counter, ledger: Ledger, documents: Sequence[Document], progress: Progress, only_known: bool = False,
    allow_unknown_price: bool = False,
) -> PatternAudit | None:  # fmt: skip
    """What the judge's model says that documents repeat; what the ledger lacks of it is bought. ``None`` where nobody is to be asked.

    Raises what stopped the buying after everything that was in flight is saved.
    """
    project = counter.project
    model = project.recipe.models.judge
    if not asked_for(project) or len(documents) < _FEWEST:
        return None
    knobs = project.recipe.audit
    auditor = _auditor(project.library, knobs, model, counter.backends[model].fingerprint, str(project.recipe.corpus.seed))
    by_id = {document.id: document for document in documents}
    chosen = [by_id[name] for name in drawn(by_id, auditor.seed, knobs.scanned + knobs.counted)]
    pieces = [Piece(document.id, as_told(document.turns) if document.turns else document.text) for document in chosen]
    audit = _Audit(auditor, sample(pieces, knobs.scanned, knobs.counted), ledger)
    found = _audited(audit)
    if found.unanswered and not only_known:
        expected = len(rehearse(auditor, audit.sample))
        with progress.stage("audit", expected):
            steps = Steps(progress, expected)

            def buy(jobs: Sequence[Job]) -> None:
                buy_calls(counter, ledger, "judge", auditor.prompts, jobs, len(jobs), steps, allow_unknown_price)

            found = _audited(audit._replace(buy=buy))
        _tell(found, progress)
    return found


def asked_for(project: Project) -> bool:
    """Whether a build of this project has its documents audited by a model."""
    return bool(project.recipe.models.judge and project.recipe.audit.scanned)


def check_audit(library: Library) -> None:
    """Render every prompt of an audit with filler; ``UsageError`` names the first fault."""
    auditor = _auditor(library, AuditSection(), "any/model", "", "")
    rehearse(auditor, _filler(4, 2, 30))


def audit_work(project: Project, briefs: Sequence[Brief]) -> tuple[Work, ...]:
    """The calls of an audit in which every answer is whole, from really rendered prompts; none where nobody is to be asked."""
    knobs, model, documents = project.recipe.audit, project.recipe.models.judge, min(len(briefs), project.recipe.size.documents)
    if not asked_for(project) or documents < _FEWEST:
        return ()
    words = sum(brief.min_words + brief.max_words for brief in briefs) / 2 / len(briefs)
    filler = _filler(min(knobs.scanned, documents), min(knobs.counted, documents), round(_TOKENS_PER_WORD * words))
    calls = rehearse(_auditor(project.library, knobs, model, "", str(project.recipe.corpus.seed)), filler)
    varying, written = (sum(count_tokens(texts)) for texts in
                        ([call.request.turns[-1].content for call in calls], [call.answer for call in calls]))  # fmt: skip
    most = sum(call.request.max_tokens for call in calls)
    asks, low, says, high = (round(total / len(calls)) for total in (varying, written / 2, written, most))
    return (Work("judge", model, len(calls), 0, asks, low, says, high, step="audit"),)


def _auditor(library: Library, knobs: AuditSection, model: str, fingerprint: str, seed: str) -> Auditor:
    return Auditor(library.audit, library.shared["repair"], model, fingerprint, seed, knobs.together, knobs.characters)


def _filler(scanned: int, others: int, words: int) -> Sample:
    text = " ".join(["word"] * max(4, words))
    read = tuple(Piece(f"scanned-{number}", text) for number in range(scanned))
    return Sample(read, tuple(Piece(f"counted-{number}", text) for number in range(others)))


def _audited(audit: _Audit) -> PatternAudit:
    """The rounds one after another; the first that lacks an answer is the last, since the next one asks by what it says."""
    auditor, asked = audit.auditor, audit.sample
    shown = {piece.id: piece for piece in (*asked.scanned, *asked.counted)}.values()
    cut = sum(len(piece.text) > auditor.characters for piece in shown)
    both = len(asked.scanned) + len(asked.counted) - len(shown)
    found = PatternAudit(len(asked.scanned), 0, both, cut, auditor.characters, (), {})
    groups = list(batches(asked.scanned, auditor.together))
    scanned = audit.answers(lambda: (scanning(auditor, number, batch) for number, batch in enumerate(groups)))
    found = found._replace(rounds={"scan": _scans(scanned)}, unanswered=scanned.count(None))
    patterns = [pattern for row in scanned if row for pattern in row.patterns]
    if found.unanswered or not patterns:
        return found
    listed = tuple(patterns)
    if len(patterns) > 1:
        [merged] = audit.answers(lambda: [merging(auditor, patterns)])
        if merged is None:
            return found._replace(unanswered=1)
        listed, found = merged.patterns, found._replace(rounds={**found.rounds, "merge": _merge(merged)}, merged_by=merged.by)
    seen = audit.answers(lambda: (counting(auditor, listed, piece) for piece in asked.counted))
    read = [row for row in seen if row and not row.fault]
    return found._replace(
        counted=len(read), patterns=counted(listed, read), rounds={**found.rounds, "count": _counts(seen)}, unanswered=seen.count(None)
    )


def _scans(rows: Sequence[Scanned | None]) -> LayerCount:
    dropped = sum((Counts(row.dropped) for row in rows if row), Counts[str]())
    return LayerCount(len(rows), sum(len(row.patterns) for row in rows if row), dropped, _failed([row and row.fault for row in rows]))


def _merge(row: Merged) -> LayerCount:
    return LayerCount(1, len(row.patterns), +Counts(surplus=row.surplus), _failed([row.fault]))


def _counts(rows: Sequence[Seen | None]) -> LayerCount:
    dropped = +Counts(unverified=sum(row.unverified for row in rows if row))
    return LayerCount(len(rows), sum(len(row.found) for row in rows if row), dropped, _failed([row and row.fault for row in rows]))


def _failed(faults: Sequence[str | None]) -> Counts[str]:
    return Counts("unanswered" if fault is None else fault for fault in faults if fault != "")


def _tell(found: PatternAudit, progress: Progress) -> None:
    """What came of it in a line, and what was not answered in another."""
    if found.patterns:
        first = found.patterns[0]
        progress.say(
            f"audited: {len(found.patterns)} patterns named, counted in {found.counted} documents; the commonest, {first.name!r},"
            f" stands in {first.broad} of them"
        )
    failed = [f"{count} {reason} ({name})" for name, row in found.rounds.items() for reason, count in row.failed.items()
              if reason != "unanswered"]  # fmt: skip
    if failed:
        progress.warn(f"calls of the pattern audit that gave nothing: {', '.join(failed)}")
    if found.unanswered:
        progress.warn(f"{found.unanswered} calls of the pattern audit were not answered; the next build asks them again")
