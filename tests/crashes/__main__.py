"""`python -m tests.crashes --kills 2000 --stops 100 --minutes 30`: the long run, with a line of figures at its end."""

from __future__ import annotations

import argparse
import collections
import random
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from local import postgres
from simulator.server import Simulator
from tests.crashes.harness import (
    LOADERS,
    POSTS,
    TARGETS,
    Lane,
    Nursery,
    Verdict,
    kill_at,
    kill_at_random,
    make_lane,
    make_world,
    simulated,
    stop_database,
    zombie,
)

EXACT, WRONG, TOO_FEW = 0, 1, 2


@dataclass(slots=True)
class Score:
    """What was done so far and what went wrong, from several threads."""

    seconds: float
    started: float = field(default_factory=time.monotonic)
    done: collections.Counter[str] = field(default_factory=collections.Counter)
    lost: int = 0
    twice: int = 0
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_time_over(self) -> bool:
        """Whether the minutes are used up."""
        return time.monotonic() - self.started > self.seconds

    def note(self, what: str, verdict: Verdict, count: int = 1) -> None:
        """Count a case and its verdict."""
        with self.lock:
            self.done[what] += count
            self.done["cases"] += 1
            self.lost += verdict.lost
            self.twice += verdict.twice
            if not verdict.is_exact:
                self.wrong.append(f"{what}: {verdict}")
                print(self.wrong[-1], flush=True)


def main() -> int:
    """Make the long run. Exit status: 0 exact, 1 something lost, doubled or booked wrongly, 2 fewer than asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("--kills", type=int, default=2000, help="SIGKILLs at random times (default 2000)")
    parser.add_argument("--stops", type=int, default=100, help="immediate database stops that hit a run (default 100)")
    parser.add_argument("--minutes", type=float, default=60.0, help="end after this time at the latest (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random times (default 1)")
    asked = parser.parse_args()
    score = Score(asked.minutes * 60)
    with tempfile.TemporaryDirectory() as directory, simulated(make_world()) as platforms:
        quick, durable = Path(directory, "quick"), Path(directory, "durable")
        try:
            _soak(asked, score, quick, durable, platforms)
        finally:
            postgres.remove(quick)
            postgres.remove(durable)
    print(_table(score))
    done = score.done
    if score.wrong:
        return WRONG
    return EXACT if done["kills"] >= asked.kills and done["stops"] >= asked.stops else TOO_FEW


def _table(score: Score) -> str:
    """What was done and what came of it, one line each."""
    done = score.done
    lines = [
        ("kills at a failpoint", done["failpoints"]),
        ("kills at a random time", done["kills"]),
        ("zombies woken after a takeover", done["zombies"]),
        ("  of them holding a lock the successor waited for", done["zombies in the way"]),
        ("immediate database stops that hit a run", done["stops"]),
        ("  stops beside a run", done["stops beside a run"]),
        ("comparisons with an undisturbed run", done["cases"]),
        ("rows lost", score.lost),
        ("rows twice", score.twice),
        ("comparisons not exact", len(score.wrong)),
        ("naive loaders killed in their gap", done["naive"]),
        ("  of them caught losing or doubling rows", done["naive caught"]),
        ("seconds", round(time.monotonic() - score.started)),
    ]
    table = [f"| {what:<50} | {count:>7,} |" for what, count in lines]
    return "\n".join([f"| {'what':<50} | {'count':>7} |", f"|{'-' * 52}|{'-' * 9}|", *table])


def _soak(asked: argparse.Namespace, score: Score, quick: Path, durable: Path, platforms: Simulator) -> None:
    # A killed client needs no durable server; a stopped server does.
    server = postgres.start(quick, settings=postgres.EPHEMERAL)
    lanes = [make_lane(server, platforms, f"lane_{target.table}", target=target) for target in TARGETS]
    with ThreadPoolExecutor(len(lanes) + 1) as pool:
        futures = [pool.submit(_stops, asked, score, durable, platforms)]
        futures += [pool.submit(_kills, asked, score, lane, number) for number, lane in enumerate(lanes)]
        for future in futures:
            future.result()
    for lane in lanes:
        _zombies(score, lane)
        lane.close()
    for loader in LOADERS[1:]:
        lane = make_lane(server, platforms, loader.replace(",", "").replace(" ", "_"), loader)
        gap = (
            "after Transaction.__exit__" if "rows" in loader else "after Cursor.execute update ops.extract_runs set pa"
        )
        for number in lane.at(gap):
            verdict = kill_at(lane, number)
            score.done["naive"] += 1
            score.done["naive caught"] += bool(verdict.lost or verdict.twice)
        lane.close()


def _kills(asked: argparse.Namespace, score: Score, lane: Lane, number: int) -> None:
    for point in range(1, len(lane.points) + 1):
        if score.is_time_over:
            return
        score.note("failpoints", kill_at(lane, point))
    chance = random.Random(asked.seed * 1000 + number)
    while score.done["kills"] < asked.kills and not score.is_time_over:
        killed, verdict = kill_at_random(lane, chance)
        score.note("kills", verdict, killed)


def _stops(asked: argparse.Namespace, score: Score, directory: Path, platforms: Simulator) -> None:
    server = postgres.start(directory)
    lanes = [make_lane(server, platforms, f"stops_{target.table}", target=target) for target in TARGETS]
    chance = random.Random(asked.seed * 1000 + 999)
    while score.done["stops"] < asked.stops and not score.is_time_over:
        ended, verdict = stop_database(chance.choice(lanes), directory, server, chance)
        score.note("stops beside a run" if ended.is_complete else "stops", verdict)
        for lane in lanes:
            lane.drop_connection()
    for lane in lanes:
        lane.close()


def _zombies(score: Score, lane: Lane) -> None:
    other = Nursery()
    pages = lane.landing if lane.target == POSTS else lane.landing[:1]
    frozen = [number for page in pages for number in range(page - 2, page + 20, 3)]
    for number in frozen:
        seen = zombie(lane, other, number, patience=3.0)
        score.note("zombies", seen.verdict)
        score.done["zombies in the way"] += not seen.successor.is_complete
    other.close()


if __name__ == "__main__":
    sys.exit(main())
