"""Progress: the arithmetic by values, what a log, a terminal and a program are shown, and that nothing of it stays on the terminal."""

from __future__ import annotations

import doctest
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console

import builder.progress
from builder.cli import phrases
from builder.cli.phrases import documents_line, money_line, printable, status_line
from builder.cli.progress import Stage, Told
from builder.cli.screen import drawn
from builder.progress import Outlook, Point, Progress, Quiet, RoleStatus, Status, outlook, per_minute, projected, remember, spent

ROOT = Path(__file__).parent.parent.parent
WRITER = RoleStatus("writer", "anthropic/claude-opus", 41, 270, 1_234_000, 310_000, 1_000_000, 1.08)
JUDGE = RoleStatus("judge", "anthropic/claude-haiku", 7, 260, 999_000, 9_100, 0, 0.13)
TYPICAL = Status(
    documents_total=1060, documents_done=612, documents_reused=342, spent_before=1.10, spent_now=1.21, reserved=0.40, max_cost=10.0,
    roles=(WRITER, JUDGE), retries=12, limited=3, refusals=2, unanswered=1, waiting_seconds=11.6, concurrency=64, seconds=192.0,
)  # fmt: skip
UNPRICED = TYPICAL._replace(spent_before=0.0, spent_now=0.0, roles=(WRITER._replace(cost=0.0, unpriced=270),), max_cost=None)
BATCH = Status(1060, roles=(RoleStatus("writer", "anthropic/x", 900),), batches_pending=3, batch_requests=12_000, seconds=900.0)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


# Arithmetic


def test_the_rate_is_of_this_run_and_of_the_last_minute() -> None:
    points: tuple[Point, ...] = ()
    for second in range(301):  # 900 reused; 10 a second for two minutes, then 1 a second
        done = min(second, 120) * 10 + max(0, second - 120)
        points = remember(points, Status(9999, documents_done=900 + done, documents_reused=900, seconds=float(second)))
        if second == 100:
            assert per_minute(points) == pytest.approx(600)
    assert per_minute(points) == pytest.approx(60)
    assert points[0].seconds == 240 and len(points) <= 62


def test_points_stay_few_however_often_a_build_tells() -> None:
    points: tuple[Point, ...] = ()
    for tick in range(20_000):
        points = remember(points, Status(99_999, documents_done=tick, seconds=tick / 100))
    assert len(points) <= 63
    assert points[-1] == Point(199.99, 19_999)
    assert all(later.seconds - earlier.seconds >= 0.98 for earlier, later in pairwise(points[:-1]))
    assert per_minute(points) == pytest.approx(6000)


@pytest.mark.parametrize(
    ("points", "rate"),
    [
        ((), None),
        ((Point(0, 0), Point(60, 0)), None),  # nothing made yet
        ((Point(0, 0), Point(1, 5)), None),  # too early to say
        ((Point(0, 0), Point(30, 42)), 84.0),
        ((Point(100, 7), Point(160, 7)), 0.0),  # it stands still
    ],
)
def test_a_rate(points: tuple[Point, ...], rate: float | None) -> None:
    assert per_minute(points) == rate


def test_a_second_buying_starts_anew() -> None:
    assert remember((Point(0, 0), Point(90, 500)), Status(9, documents_done=1, seconds=0.5)) == (Point(0, 0), Point(0.5, 1))


def test_time_left_leaves_out_what_was_given_up() -> None:
    status = Status(100, documents_done=40, documents_reused=10, unanswered=10, seconds=60)
    assert outlook(status, (Point(0, 0), Point(60, 30))).seconds_left == 100.0


def test_batches_give_no_rate_and_no_time() -> None:
    ahead = outlook(BATCH._replace(documents_done=500), (Point(0, 0), Point(60, 500)))
    assert ahead.per_minute is None and ahead.seconds_left is None


ONE = RoleStatus("writer", "a/b", answered=50, cost=5.0)
TWO = RoleStatus("judge", "a/c", answered=25, cost=0.5)
RUN = Status(200, documents_done=125, documents_reused=100, spent_before=3.0, spent_now=5.5)


@pytest.mark.parametrize(
    ("status", "whole"),
    [
        (RUN._replace(roles=(ONE,), spent_now=5.0), 3.0 + 5.0 + 50 * 0.1),
        (RUN._replace(roles=(ONE, TWO)), 3.0 + 5.5 + 50 * 0.1 + 75 * 0.02),  # 25 drafts are written and wait for the judge
        (RUN._replace(roles=(ONE, TWO._replace(expected=300))), 3.0 + 5.5 + 50 * 0.1 + 225 * 0.02),  # three judges read each document
        (RUN._replace(roles=(ONE, RoleStatus("judge", "a/c"))), None),  # nobody knows yet what the judge costs
        (RUN._replace(roles=(ONE, TWO), documents_done=195), 3.0 + 5.5 + 5 * 0.1 + 5 * 0.02),  # refused ones never reach the judge
        (RUN._replace(roles=(ONE, TWO), documents_done=200), 8.5),
        (RUN._replace(roles=(ONE, TWO), documents_done=190, unanswered=10), 8.5),
        (RUN._replace(roles=(ONE._replace(unpriced=1), TWO)), None),
        (RUN._replace(roles=(ONE, TWO), unpriced_before=1), None),
        (Status(200, documents_done=200, documents_reused=200, spent_before=3.0), 3.0),
        (Status(200), None),
        (Status(0), 0.0),
    ],
)
def test_the_whole_is_what_is_spent_and_each_answer_still_to_come(status: Status, whole: float | None) -> None:
    assert projected(status) == (None if whole is None else pytest.approx(whole))


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    assert spent(RUN) == 8.5
    assert spent(RUN._replace(unpriced_before=1)) is None
    assert spent(RUN._replace(roles=(ONE._replace(unpriced=2),))) is None


def test_a_projection_above_the_cap() -> None:
    status = RUN._replace(roles=(ONE,), spent_now=5.0)
    assert outlook(status._replace(max_cost=12.9), ()).over
    assert not outlook(status._replace(max_cost=13.1), ()).over
    assert not outlook(status, ()).over


# Words


def test_the_examples_in_the_docstrings() -> None:
    for module in (phrases, builder.progress):
        assert doctest.testmod(module)[0] == 0 < doctest.testmod(module)[1]


def test_a_status_on_one_line() -> None:
    points = (Point(132.0, 185), Point(192.0, 270))
    assert status_line(TYPICAL, outlook(TYPICAL, points)) == (
        "documents 612 of 1,060, 342 reused, 85 a minute, about 5 min left; $2.31 spent ($1.10 earlier), about $4.32 in all, cap $10.00; "
        "48 in flight of 64 for at most $0.40, waiting for the provider's limit, 12 s; 12 retries, 3 rate limits, 2 refusals, 1 failed"
    )


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (Status(9), "nothing spent yet, total known after the first answers"),
        (Status(9, roles=(RoleStatus("writer", "a/b", answered=1),), documents_done=1), "$0.00 spent, about $0.00 in all"),
        (UNPRICED, "cost unknown (270 answers of unknown price)"),
        (UNPRICED._replace(spent_before=0.5), "$0.50 + 270 answers of unknown price ($0.50 earlier)"),
        (Status(9, 9, 9, spent_before=4.02), "$4.02 spent earlier"),
        (Status(9, 9, 9, unpriced_before=1), "cost unknown (1 answer of unknown price)"),
        (Status(9, 9, 0, 0.0, 0.0031, roles=(RoleStatus("writer", "a/b", answered=9, cost=0.0031),)), "$0.0031 spent"),
    ],
)
def test_money_in_words(status: Status, line: str) -> None:
    assert money_line(status, outlook(status, ())) == line


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (Status(1060, 1060, 1060), "1,060 of 1,060, all reused"),
        (Status(1060, 720, 720), "720 of 1,060, 720 reused"),
        (Status(1_000_000, 5), "5 of 1,000,000"),
    ],
)
def test_documents_in_words(status: Status, line: str) -> None:
    assert documents_line(status, outlook(status, ())) == line


def test_what_a_provider_says_does_nothing_to_the_terminal() -> None:
    assert printable("limit\n[red]reached\x1b[2J\x07é") == "limit [red]reached\\x1b[2J\\x07é"


# A log


def test_a_log_has_a_line_every_half_minute_and_one_at_the_end() -> None:
    out, clock = io.StringIO(), Clock()
    told: Progress = Told(stream=out, clock=clock)
    with told.stage("write", 1060):
        for tick in range(4 * 95):  # 95 seconds, four a second
            clock.now = 100 + tick / 4
            told.tell(TYPICAL._replace(seconds=tick / 4, documents_done=342 + tick // 2))
        told.say("[budget] resumed\x1b[2J")
        told.warn("careful")
    lines = out.getvalue().split("\n")
    assert [line.split("   ")[0].split() for line in lines[:3]] == [["write"]] * 3
    assert re.match(r"  write +30\.0 s   documents 402 of 1,060, 342 reused, 120 a minute", lines[0]), lines[0]
    assert "90.0 s" in lines[2]
    assert lines[3:5] == ["[budget] resumed\\x1b[2J", "warning: careful"]
    assert re.match(r"  write +94\.8 s   documents 531 of 1,060", lines[5])
    assert lines[6] == "    writer anthropic/claude-opus: 270 answers, 1.23M tokens in (81% cached), 310k out, $1.08"
    assert lines[7].startswith("    judge anthropic/claude-haiku: 260 answers, 999k tokens in, 9,100 out, $0.13")
    assert lines[8:] == [""] and "\x1b" not in out.getvalue() and "\r" not in out.getvalue()


def test_a_log_tells_stages_that_take_a_while_and_no_others() -> None:
    out, clock = io.StringIO(), Clock()
    told = Told(stream=out, clock=clock)
    with told.stage("plan"):
        clock.now += 0.4
    with told.stage("trait_evidence", 200):
        told.advance(200)
        clock.now += 1.5
    with pytest.raises(ValueError, match="broken"), told.stage("export"):
        clock.now += 9
        raise ValueError("broken")
    assert out.getvalue() == "  trait evidence        1.5 s   200\n"


def test_a_run_that_is_broken_off_leaves_where_it_was() -> None:
    out, clock = io.StringIO(), Clock()
    told = Told(stream=out, clock=clock)
    with pytest.raises(KeyboardInterrupt), told.stage("write", 1060):
        told.tell(TYPICAL)
        raise KeyboardInterrupt
    assert out.getvalue().startswith("  write (stopped)       0.0 s   documents 612 of 1,060, 342 reused; $2.31 spent")
    assert "48 in flight of 64 for at most $0.40; 12 retries" in out.getvalue(), "what may be billed yet, and no wait"
    out = io.StringIO()
    told = Told(stream=out, clock=clock)
    with pytest.raises(KeyboardInterrupt), told.stage("write", 1060):
        told.tell(Status(1060, 342, 342, spent_before=1.1))  # nothing came in this run: its error is all there is to say
        raise KeyboardInterrupt
    assert out.getvalue() == ""


def test_a_resume_with_everything_done_does_not_call_it_work() -> None:
    out, clock = io.StringIO(), Clock()
    told = Told(stream=out, clock=clock)
    with told.stage("write", 1060):
        told.tell(Status(1060, 1060, 1060, spent_before=4.02, seconds=0.1))
        clock.now += 2
        told.tell(Status(1060, 1060, 1060, spent_before=4.02, seconds=2.1))
    assert out.getvalue() == "  write                 2.0 s   documents 1,060 of 1,060, all reused; $4.02 spent earlier\n"


def test_the_cap_is_warned_of_once_and_not_by_the_first_few_documents() -> None:
    out = io.StringIO()
    told = Told(stream=out, clock=Clock())
    with told.stage("write", 1060):
        told.tell(TYPICAL._replace(max_cost=3.0, documents_done=343))
        assert out.getvalue() == ""
        told.tell(TYPICAL._replace(max_cost=3.0))
        told.tell(TYPICAL._replace(max_cost=3.0))
        assert out.getvalue().count("\n") == 1
        assert "warning: about $4.32 in all is above the cap of $3.00" in out.getvalue()


def test_quiet_says_nothing() -> None:
    out = io.StringIO()
    for told in (Told(quiet=True, stream=out), Told(quiet=True, as_json=True, stream=out), Quiet()):
        with told.stage("write", 9):
            told.tell(TYPICAL)
            told.advance(3)
            told.say("a")
            told.warn("b")
    assert out.getvalue() == ""


def test_a_build_goes_on_when_nobody_reads_its_progress() -> None:
    code = f"{CHILD}\nfor _ in range(5):\n    told.say('x' * 100_000)\nprint('done')"
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=write, text=True, check=False)
    os.close(write)
    assert (ran.returncode, ran.stdout) == (0, "done\n")


# For programs


def test_events_are_json_lines_with_the_documented_keys() -> None:
    out, clock = io.StringIO(), Clock()
    told = Told(as_json=True, stream=out, clock=clock)
    with told.stage("write", 1060):
        for _ in range(8):
            clock.now += 0.5
            told.tell(TYPICAL)
        told.say("a\nb\x1b")
        told.warn("careful")
    with pytest.raises(ValueError, match="x"), told.stage("mechanical", 7):
        told.advance(3)
        raise ValueError("x")
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    names = [event["event"] for event in events]
    assert names == ["stage", *["progress"] * 4, "say", "warning", "progress", "stage", "stage", "progress", "stage"]
    for event in events:
        keys = {"stage": {"stage", "state", "total", "seconds"}, "progress": {"stage", "done", "total", "seconds", "buying"}}
        assert set(event) - {"event"} == keys.get(event["event"], {"line"})
    buying = events[1]["buying"]
    assert set(buying) == {*Status._fields, *Outlook._fields}
    assert [set(role) for role in buying["roles"]] == [set(RoleStatus._fields)] * 2
    assert (buying["documents_reused"], buying["spent"], buying["roles"][0]["answered"]) == (342, pytest.approx(2.31), 270)
    assert events[5]["line"] == "a\nb\x1b"
    assert [event["state"] for event in events if event["event"] == "stage"] == ["begun", "ended", "begun", "stopped"]
    assert (events[-2]["done"], events[-2]["total"], events[-2]["buying"]) == (3, 7, None)


def test_an_unknown_price_is_null_for_programs() -> None:
    out = io.StringIO()
    told = Told(as_json=True, stream=out, clock=Clock())
    with told.stage("write", 1060):
        told.tell(UNPRICED)
    buying = json.loads(out.getvalue().splitlines()[1])["buying"]
    assert buying["spent"] is None and buying["projected"] is None


# On a terminal


def rendered(status: Status, width: int = 80, **options: bool) -> str:
    """The live display as text."""
    points = (Point(0.0, 0), Point(status.seconds, status.documents_done - status.documents_reused))
    console = Console(file=io.StringIO(), width=width, force_terminal=True, record=True, highlight=False, **options)  # type: ignore[arg-type]
    console.print(drawn(Stage("write", status.documents_total, 0.0, status=status, points=points), status.seconds))
    return console.export_text()


@pytest.mark.parametrize("width", [80, 120])
def test_the_display_shows_everything(width: int) -> None:
    told = rendered(TYPICAL, width)
    folded = " ".join(told.split())
    for part in (
        "57% 0:03:12", "612 of 1,060, 342 reused, 84 a minute", "$2.31 spent ($1.10 earlier), about $4.32 in all, cap $10.00",
        "48 in flight of 64 for at most $0.40, waiting for the provider's limit, 12 s", "12 retries, 3 rate limits, 2 refusals, 1 failed",
        "41 270 1.23M 81% 310k $1.08", "7 260 999k 9,100 $0.13",
    ):  # fmt: skip
        assert part in folded, told
    assert max(map(len, told.split("\n"))) <= width


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    ("status", "parts"),
    [
        (UNPRICED, ("cost unknown", "310k unknown")),
        (BATCH, ("3 batches at the provider, 12,000 requests; counts come when they end", "0%", "900 0 0 0")),
        (Status(1060), ("0 of 1,060", "nothing spent yet")),
        (Status(1060, 1060, 1060, 4.02), ("100%", "all reused", "$4.02 spent earlier")),
        (Status(1_000_000, 999_999, spent_now=5213.5, roles=(WRITER._replace(cost=5213.5),)), ("99%", "999,999 of 1,000,000", "$5,213.50")),
        (Status(0), ("0 of 0",)),
    ],
)
def test_the_display_in_awkward_states(status: Status, parts: tuple[str, ...], width: int) -> None:
    told = rendered(status, width)
    for part in parts:
        assert part in " ".join(told.split()), told
    assert "$0.00" not in told and max(map(len, told.split("\n"))) <= width


CHILD = """
import sys, time
from builder.cli.progress import Told
from builder.progress import RoleStatus, Status
told = Told()
def tell(done):
    roles = (RoleStatus("writer", "a/b", 5, done, cost=0.5),)
    told.tell(Status(100, done, 10, roles=roles, spent_now=0.5, seconds=time.monotonic() - since))
since = time.monotonic()
"""
WORK = """
with told.stage("write", 100):
    while time.monotonic() - since < 1.0:
        tell(50)
        told.say("noted")
"""


class Seen(NamedTuple):
    """Exit code, stdout, and what came to the terminal."""

    code: int
    out: str
    terminal: str


def on_a_terminal(code: str, interrupted: bool = False, **environment: str) -> Seen:
    """Run Python with stderr on a terminal; ``interrupted`` sends Ctrl-C once the display is there."""
    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD + code], cwd=ROOT, env={**clean, "TERM": "xterm-256color", "COLUMNS": "80", **environment},
        stdout=subprocess.PIPE, stderr=theirs, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the terminal is closed
            break
        seen += part
        if interrupted and b"documents" in seen:
            child.send_signal(signal.SIGINT)
            interrupted = False
        if not part:
            break
    os.close(ours)
    out = child.communicate(timeout=30)[0]
    return Seen(child.returncode, out, seen.decode())


def left_on(terminal: str) -> str:
    """What stays on the screen below the display: everything after the last line that was erased."""
    assert "\x1b[2K" in terminal, "no display was taken away"
    return terminal.rpartition("\x1b[2K")[2].replace("\r", "").replace("\x1b[?25h", "")


def test_the_live_display_shows_and_leaves_only_what_came_out() -> None:
    seen = on_a_terminal(WORK + "print('summary')")
    assert (seen.code, seen.out) == (0, "summary\n")
    assert "━" in seen.terminal and "50 of 100, 10 reused" in seen.terminal
    assert "━" not in left_on(seen.terminal)
    assert re.search(r"^  write +1\.\d s   documents 50 of 100, 10 reused", left_on(seen.terminal), re.MULTILINE)
    assert seen.terminal.rfind("\x1b[?25h") > seen.terminal.rfind("\x1b[?25l")


def test_it_is_redrawn_at_most_eight_times_a_second() -> None:
    """However often a build tells and says: a bar is drawn once a redraw, and said lines share one."""
    seen = on_a_terminal(WORK)
    assert seen.terminal.count("noted") > 100
    seconds = float(re.findall(r"  write +(\d+\.\d) s", seen.terminal)[-1])
    frames = len(re.findall(r"\b0:00:\d\d\b", seen.terminal))
    assert 4 <= frames <= 8 * (seconds + 0.1) + 2, frames  # one more when it begins, and one when it ends


def test_ctrl_c_takes_the_display_away() -> None:
    seen = on_a_terminal(WORK.replace("< 1.0", "< 30"), interrupted=True)
    assert seen.code != 0 and "KeyboardInterrupt" in left_on(seen.terminal)
    assert "━" not in left_on(seen.terminal) and "write (stopped)" in left_on(seen.terminal)
    assert seen.terminal.rfind("\x1b[?25h") > seen.terminal.rfind("\x1b[?25l")


def test_no_color_is_respected() -> None:
    coloured, plain = on_a_terminal(WORK).terminal, on_a_terminal(WORK, NO_COLOR="1").terminal
    colour = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|38;|9[0-7])")
    assert colour.search(coloured) and not colour.search(plain)
    assert "━" in plain


def test_a_dumb_terminal_gets_a_log() -> None:
    seen = on_a_terminal(WORK, TERM="dumb")
    assert "\x1b" not in seen.terminal and "━" not in seen.terminal
    assert "  write " in seen.terminal


def test_telling_is_cheap() -> None:
    """A build tells a few times a second; a thousand times that would still be nothing."""
    told = Told(stream=io.StringIO())
    since = time.process_time()
    with told.stage("write", 1060):
        for tick in range(5_000):
            told.tell(TYPICAL._replace(seconds=tick / 10))
    assert time.process_time() - since < 2
