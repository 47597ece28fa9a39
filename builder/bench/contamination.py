"""``python -m builder.bench contamination``: how much of a benchmark that leaked into a corpus is found, and what looking for it costs.

Questions of 5 to 120 words, drawn from the vocabulary of the planted stories, stand beside stories into some of which one was copied:

    whole       the question as it is
    half        its first half
    13 words    a run of 13 from its midst
    edited      every tenth word changed
    short       a question of 5 to 7 words

Recall is the share of those that are refused, a false alarm any other refusal. Each tool runs in a process of its own. Its microseconds a
document are those of the processor after the benchmark was read, without the reading of rows; its memory is the peak of the process.
datatrove's filter reads an index that its own indexer makes with lighteval, from the network; here the filter's hash writes it. Its n-grams
are its default, 12; its tokenizer, which took 9 ms a document, gives way to ``str.split``.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import click

from builder.bench.builds import peak
from builder.bench.planted import plant

KINDS = ("whole", "half", "13 words", "edited", "short")

_EDIT = 10  # every tenth word
_RUN = 13
_LEAKED = 200  # one document in as many, of each kind
_SHORT_SHARE = 50  # one question in as many is short
_POOL = 2_000  # stories whose words the questions are drawn from
_BLOCK = 500  # rows read at once, while the clock stands


class Leaks(NamedTuple):
    """A corpus and a benchmark on disk, and which documents hold which kind of leak."""

    rows: Path
    suite: Path
    kinds: dict[str, str]


class Found(NamedTuple):
    """What a tool refused and what it cost: seconds to read the benchmark, microseconds a document, MiB; bytes of the index if known."""

    refused: list[str]
    grams: int
    opened: float
    each: float
    held: int
    peak: float


def leak(folder: Path, documents: int, questions: int, seed: int = 1) -> Leaks:
    """Write ``rows.jsonl`` and ``suite.jsonl``; the same arguments give the same bytes."""
    rng = random.Random(f"{seed}:leaks")
    plant(folder / "stories.jsonl", documents, 0.8, seed)
    with (folder / "stories.jsonl").open(encoding="utf-8") as lines:
        pool = [word.strip(".,").lower() for line in islice(lines, _POOL) for word in json.loads(line)["text"].split()]
    asked = [rng.choices(pool, k=rng.randint(5, 7) if at % _SHORT_SHARE == 0 else rng.randint(10, 120)) for at in range(questions)]
    with (folder / "suite.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json.dumps({"id": f"q{at}", "question": " ".join(words)}) + "\n" for at, words in enumerate(asked))
    some = rng.sample(range(documents), len(KINDS) * max(1, documents // _LEAKED))
    kinds = {at: KINDS[number % len(KINDS)] for number, at in enumerate(some)}
    long = [words for words in asked if len(words) >= 2 * _RUN]
    with (folder / "stories.jsonl").open(encoding="utf-8") as lines, (folder / "rows.jsonl").open("w", encoding="utf-8") as out:
        for at, line in enumerate(lines):
            row = json.loads(line)
            if at in kinds:
                words = row["text"].split(" ")
                place = rng.randrange(len(words))
                source = rng.choice(asked[::_SHORT_SHARE] if kinds[at] == "short" else long)
                row["text"] = " ".join((*words[:place], *_leaked(source, kinds[at]), *words[place:]))
            out.write(json.dumps({"id": str(at), "text": row["text"]}) + "\n")
    return Leaks(folder / "rows.jsonl", folder / "suite.jsonl", {str(at): kind for at, kind in kinds.items()})


def _leaked(words: list[str], kind: str) -> list[str]:
    if kind == "half":
        return words[: (len(words) + 1) // 2]
    if kind == "13 words":
        start = (len(words) - _RUN) // 2
        return words[start : start + _RUN]
    if kind == "edited":
        return [f"edit{at}" if at % _EDIT == _EDIT - 1 else word for at, word in enumerate(words)]
    return words


def bildung(rows: Path, suite: Path, folder: Path) -> Found:
    """``bildung gate contamination --against``."""
    from builder.benchmarks import Benchmark
    from builder.gates import GateContext
    from builder.library import Library
    from builder.recipe import BuildRecipe
    from builder.records import Candidate
    from builder.stages.contamination import Index, open_gate

    started = time.process_time()
    gate = open_gate(GateContext(BuildRecipe(), Library(Path.cwd()), against=[Benchmark(suite)]))
    opened = time.process_time() - started
    clock = _Clock(rows)
    verdicts = gate(Candidate(identifier, text) for identifier, text in clock.rows())
    refused = [verdict.document_id for verdict in verdicts if verdict.reason.startswith("contaminated:")]
    each, most = clock.each(), peak()
    index = Index(Benchmark(suite).questions())
    return Found(refused, len(index), opened, each, index.bytes_held, most)


def datatrove(rows: Path, suite: Path, folder: Path) -> Found:
    """datatrove's n-gram decontamination filter."""
    import numpy as np
    from datatrove.data import Document
    from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.text import ngrams, simplify_text
    from loguru import logger

    logger.remove()
    started = time.process_time()
    config = NGramsDecontConfig(hash_config=HashConfig(hash_fc="sha1"))  # its xxhash refuses strings since xxhash 4
    step = NGramsDecontFilter(str(folder), config)
    step.tokenizer = _Split()
    hashes: set[int] = set()
    with suite.open(encoding="utf-8") as lines:
        for line in lines:
            words = step.tokenizer.word_tokenize(simplify_text(json.loads(line)["question"], config.norm_config))
            hashes.update(map(step.hash_func, map(" ".join, ngrams(words, config.n_grams))))
    np.array(list(hashes), dtype=config.hash_config.np_descr).tofile(folder / "suite.index.hashes")
    step.load_index_hashes()
    opened = time.process_time() - started
    clock = _Clock(rows)
    refused = [identifier for identifier, text in clock.rows() if step.filter(Document(text, identifier)) is not True]
    return Found(refused, len(hashes), opened, clock.each(), 0, peak())


TOOLS: dict[str, Callable[[Path, Path, Path], Found]] = {"bildung": bildung, "datatrove": datatrove}


class _Split:
    """The one method of a datatrove tokenizer that its filter needs."""

    def word_tokenize(self, text: str) -> list[str]:
        """Cut at blanks."""
        return text.split()


class _Clock:
    """Rows of a file, a block at a time, and the processor's time between the blocks."""

    def __init__(self, path: Path) -> None:
        self._path, self._read, self._count = path, 0.0, 0
        self._started = time.process_time()

    def rows(self) -> Iterator[tuple[str, str]]:
        with self._path.open(encoding="utf-8") as lines:
            while True:
                started = time.process_time()
                block = [(row["id"], row["text"]) for row in map(json.loads, islice(lines, _BLOCK))]
                self._read += time.process_time() - started
                if not block:
                    return
                self._count += len(block)
                yield from block

    def each(self) -> float:
        """Microseconds a document."""
        return (time.process_time() - self._started - self._read) * 1e6 / max(1, self._count)


def recalls(leaks: Leaks, refused: list[str]) -> tuple[dict[str, float], int]:
    """The share of each kind that was refused, and how many others were."""
    there = Counter(leaks.kinds.values())
    found = Counter(leaks.kinds[identifier] for identifier in refused if identifier in leaks.kinds)
    return {kind: found[kind] / max(1, there[kind]) for kind in KINDS}, len(set(refused) - leaks.kinds.keys())


@click.command("contamination")
@click.option("--documents", "sizes", multiple=True, type=click.IntRange(min=100), default=(5_000, 20_000), show_default=True)
@click.option("--questions", type=click.IntRange(min=100), default=50_000, show_default=True, help="Texts of the benchmark.")
@click.option("--tool", "names", multiple=True, type=click.Choice(sorted(TOOLS)), help="Instead of all; may be repeated.")
def contamination_bench(sizes: tuple[int, ...], questions: int, names: tuple[str, ...]) -> None:
    """Leaks of a benchmark: recall of each kind, false alarms, time and memory."""
    click.echo(f"{'tool':<11}{'documents':>10}{'n-grams':>12}{'open s':>8}{'us/doc':>9}{'index MiB':>11}{'peak MiB':>10}", nl=False)
    click.echo("".join(f"{kind:>10}" for kind in KINDS) + f"{'alarms':>8}")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            leaks = leak(Path(folder), size, questions)
            for name in names or TOOLS:
                _measured(name, leaks, size)


def _measured(name: str, leaks: Leaks, documents: int) -> None:
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            found = pool.submit(_run, name, leaks).result()
    except ImportError as error:
        click.echo(f"{name:<11}left out: {error}; run 'pip install bildung[bench]'")
        return
    held = f"{found.held / 2**20:>11.1f}" if found.held else f"{'-':>11}"
    click.echo(f"{name:<11}{documents:>10,}{found.grams:>12,}{found.opened:>8.2f}{found.each:>9.1f}{held}{found.peak:>10.0f}", nl=False)
    shares, alarms = recalls(leaks, found.refused)
    click.echo("".join(f"{shares[kind]:>10.3f}" for kind in KINDS) + f"{alarms:>8}")


def _run(name: str, leaks: Leaks) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        return TOOLS[name](leaks.rows, leaks.suite, Path(folder))
