"""Stage ``audit``: a judge's model names what the documents of a corpus repeat, and counts it.

    scan    batches of documents: patterns with a broad and a strict description, and quotes from two documents or more
    merge   the patterns of all batches: which of them are the same
    count   one document after another: which patterns it has, broadly or strictly, with the words that show it

The generators yield requests and are sent their answers; nothing here calls a model. What a model quotes is looked for in the document, and
what is not found there does not count. ``sameness.patterns`` searches the same documents without a model, for runs of masked words.
"""

from builder.stages.audit.asking import Auditor, check_prompts
from builder.stages.audit.counting import Seen, counted, counting
from builder.stages.audit.merging import Merged, merging
from builder.stages.audit.pieces import Piece, Sample, drawn, sample
from builder.stages.audit.rehearsal import Rehearsed, rehearse
from builder.stages.audit.scanning import Pattern, Scanned, batches, scanning

__all__ = [
    "Auditor", "Merged", "Pattern", "Piece", "Rehearsed", "Sample", "Scanned", "Seen", "batches", "check_prompts", "counted", "counting",
    "drawn", "merging", "rehearse", "sample", "scanning",
]  # fmt: skip
