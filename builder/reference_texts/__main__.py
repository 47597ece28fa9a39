"""Count a folder of hand-written references anew: ``python -m builder.reference_texts [FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path

from builder import measures
from builder.library import Library, starter_root
from builder.reference_texts import COUNTS, written
from builder.references import read_references
from builder.stages.sameness.numbers import nearest_cosine, self_bleu
from builder.stages.sameness.patterns import PHRASE, favourites_share, pattern_documents, word_documents
from builder.stores import write_text


def main(folder: Path) -> None:
    """Write the counts over the references of one folder."""
    texts = [reference.text for reference in read_references(folder)]
    library = Library(Path.cwd())
    write_text(COUNTS, counted(texts, library))
    print(f"{COUNTS}: {len(texts)} references")


def counted(texts: list[str], library: Library) -> str:
    """The text of ``counts.json`` for these references."""
    cut = [measures.first_words(text) for text in texts]
    numbers = {
        "self_bleu": self_bleu(texts),
        "neighbour_cosine": nearest_cosine(texts),
        "first_word_entropy": measures.first_word_entropy(cut),
        "effective_names": measures.effective_names(cut),
        "overused_per_1000_words": measures.overused_per_1000_words(cut, library.words("slop")),
        "not_but_per_1000_characters": measures.not_but_per_1000_characters(cut),
        "sentence_length_variation": measures.sentence_length_variation(cut),
        "favourites_share": favourites_share(texts, library.words("model_favourites")),
        "template_coverage": measures.phrases(texts).template_coverage,
    }
    grammar = frozenset(library.words("function_words"))
    rounded = {name: round(value, 6) for name, value in numbers.items()}
    return written(texts, rounded, word_documents(texts), word_documents(texts, PHRASE), pattern_documents(texts, grammar))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else starter_root() / "corpus" / "example" / "reference")
