"""The queue of chunks with up to 200 lanes, some dying: the real one on a real server, and then ten thousand million rows of it.

Real: what the queue hands out, by pgbench with the statements of a chunk; 200 lanes of the engine, killed in the middle of
chunks; how far more lanes copy faster; what many chunks cost the swap. Simulated, fed by these: a queue of half a million chunks.
"""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks import _ceiling as ceiling
from benchmarks._lanes import Dying, pace, pauses
from benchmarks._queue import Lanes, simulate
from benchmarks._scratch import Scratch, scratch, setting

LANES = (1, 2, 20, 200)
PACED = (1, 2, 4, 8, 16)
ROWS, SMALL = setting("ROWS", 600_000), setting("SMALL", 100_000)
DEATHS = setting("DEATHS", 100)
AGAINST = "chunks a second of one lane"


def main() -> dict[str, Any]:
    """Measure, then simulate what was not run."""
    with scratch(SMALL, ceiling.ManySessions) as made:
        queue = _queue(made)
        _say("200 lanes, killed", dying := Dying(made, 200, DEATHS).run(chunk_rows=100))
        swaps = {str(chunks): pauses(made, chunks) for chunks in (0, ceiling.CHUNKS)}
        _say("pauses", swaps)
    with scratch(ROWS) as made:
        paced = [pace(made, lanes) for lanes in PACED]
    copying = paced[0]["chunk_seconds"]
    for seen in paced:
        _say("lanes", seen | {"chunk_seconds": median(seen["chunk_seconds"])})
    rates = {seen["case"]: seen["chunks_per_second"] for seen in queue["cases"]}
    simulated = [_simulated(lanes, deaths, known, copying, rates["200 lanes"]) for lanes, deaths, known in WORLDS]
    first = rates["1 lane"]
    results = [{"case": case, "seconds": 1000 / rate, "ratio": first / rate} for case, rate in rates.items()]
    return {
        "bench": "leases",
        "ratio": first / rates["200 lanes"],
        "against": AGAINST,
        "results": results,
        **queue,
        "dying": dying,
        "pauses": swaps,
        "pace": [seen | {"chunk_seconds": median(seen["chunk_seconds"])} for seen in paced],
        "simulated": simulated,
    }


def _queue(made: Scratch) -> dict[str, Any]:
    """What the queue hands out: by lanes, when it is nearly done, and behind somebody's old snapshot."""
    ceiling.prepare(made)
    cases = []
    for lanes in LANES:
        ceiling.lay_out(made)
        cases.append({"case": f"{lanes} lane{'s' * (lanes > 1)}", **ceiling.run(made, lanes)})
        _say("queue", cases[-1])
    ceiling.lay_out(made, done=ceiling.CHUNKS * 9 // 10)
    cases.append({"case": "20 lanes, nine tenths done", **ceiling.run(made, 20)})
    _say("queue", cases[-1])
    counted = ceiling.count_seconds(made)
    ceiling.lay_out(made)
    cases.append({"case": "20 lanes, an old snapshot", **ceiling.behind_an_old_snapshot(made, ceiling.CHUNKS * 2 // 5)})
    _say("queue", cases[-1])
    return {"cases": cases, "chunks": ceiling.CHUNKS, "count_seconds": counted}


WORLDS = [(lanes, deaths, known) for lanes in (2, 20, 200) for deaths, known in ((0, 0), (1, 0), (10, 0), (1, 60))]
"""Lanes, deaths of each an hour, and after how many seconds the server knows."""


def _simulated(lanes: int, deaths: float, known: float, copying: list[float], ceiling_rate: float) -> dict[str, Any]:
    what = Lanes(lanes, ceiling.CHUNKS, copying, claim=1 / ceiling_rate, deaths=deaths, known_after=known)
    seen = simulate(what)
    ideal = ceiling.CHUNKS * sum(copying) / len(copying) / lanes
    if seen.done != ceiling.CHUNKS:
        raise ValueError(f"not every chunk once: {seen}")
    return {
        "lanes": lanes,
        "deaths_an_hour": deaths,
        "known_after": known,
        "hours": seen.seconds / 3600,
        "over_ideal": seen.seconds / ideal,
        "died": seen.deaths,
        "lost": seen.share_lost(lanes),
        "queued": seen.queued_seconds / (seen.seconds * lanes),
        "tail_seconds": seen.tail_seconds,
    }


def _say(what: str, seen: dict[str, Any]) -> None:
    print(f"{what}: " + ", ".join(f"{key} {value}" for key, value in seen.items()), flush=True)
