"""What is large, or meant to harm: right, and in memory that does not grow with the texts."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

WORDS = [f"w{number}" for number in range(5000)]
BASE = 300 << 20  # bytes: what a run may take, and
EACH = 300  # bytes a document besides


def drawn(seed: int, count: int) -> list[str]:
    return random.Random(seed).choices(WORDS, k=count)


def identical(at: int) -> str:
    return "The ferry left late, and nobody on the quay could say why."


def short(at: int) -> str:
    return f"{WORDS[at % 5000]} {WORDS[at // 5000]}"


def of_one_text(at: int) -> str:
    words = drawn(1, 120)
    words[at % 120] = f"edit{at}"
    return " ".join(words)


def of_one_template(at: int) -> str:
    return " ".join((*drawn(1, 100), *(f"x{at}y{number}" for number in range(30))))


def one_phrase_again_and_again(at: int) -> str:
    return f"row {at} of many rows says: " + "the lamp is out " * 2_000


def in_pairs(at: int) -> str:
    words = drawn(at // 2, 60)
    return " ".join(words if at % 2 else (*words[:-1], "edit"))


class Case(NamedTuple):
    """Rows by their number, and which of them stay."""

    text: Callable[[int], str]
    stays: Callable[[int], bool]


CASES = {
    "identical": Case(identical, lambda at: at == 0),
    "short": Case(short, lambda at: True),
    "one bucket": Case(of_one_text, lambda at: at == 0),
    "one template": Case(of_one_template, lambda at: True),
    "repeats": Case(one_phrase_again_and_again, lambda at: True),
    "pairs": Case(in_pairs, lambda at: at % 2 == 0),
}
SMALL = {"identical": 20_000, "short": 20_000, "one bucket": 3_000, "one template": 1_500, "repeats": 100, "pairs": 5_000}
LARGE = {"identical": 1_000_000, "short": 1_000_000, "one bucket": 200_000, "one template": 30_000, "repeats": 3_000, "pairs": 500_000}

RUN = """
import sys
from builder.cli import main
sys.argv[1:] = ["gate", "dedup", sys.argv[1], "--corpus", "none", "-o", sys.argv[2]]
try:
    main()
finally:
    status = open("/proc/self/status").read()  # getrusage counts what the process was before it became this program, too
    print(status.partition("VmHWM:")[2].split()[0])
"""


def judged(folder: Path, case: Case, count: int) -> Iterator[tuple[int, bool]]:
    path, out = folder / "rows.jsonl", folder / "verdicts.jsonl"
    with path.open("w", encoding="utf-8") as rows:
        rows.writelines(json.dumps({"id": f"d{at:07}", "text": case.text(at)}) + "\n" for at in range(count))
    ran = subprocess.run([sys.executable, "-c", RUN, str(path), str(out)], check=True, capture_output=True, text=True)
    assert int(ran.stdout.split()[-1]) << 10 <= BASE + EACH * count, "peak memory"
    with out.open(encoding="utf-8") as lines:
        for at, line in enumerate(lines):
            yield at, json.loads(line)["keep"]


pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")


@pytest.mark.parametrize("name", CASES)
def test_what_is_meant_to_harm_does_not(tmp_path: Path, name: str) -> None:
    found = list(judged(tmp_path, CASES[name], SMALL[name]))
    assert len(found) == SMALL[name]
    assert [at for at, stays in found if stays != CASES[name].stays(at)] == []


@pytest.mark.scale
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CASES)
def test_nor_does_much_of_it(tmp_path: Path, name: str) -> None:
    found = list(judged(tmp_path, CASES[name], LARGE[name]))
    assert len(found) == LARGE[name]
    assert [at for at, stays in found if stays != CASES[name].stays(at)] == []
