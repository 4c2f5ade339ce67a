"""The tables of docs/scale.md, from what `./sluice bench scale` and `./sluice bench leases` left:

PYTHONPATH=plugins python -m benchmarks._told scale.json leases.json docs/scale.md

Each table stands between `<!-- told: NAME -->` and `<!-- end -->` and is replaced; what is said around them is a person's.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

from sluice.local.venvs import ROOT

from benchmarks._model import Copy, Law, Machine

LINK_MB = 125.0
"""A replica behind a gigabit a second: assumed, not measured."""
TURN_HOURS = 0.5
LANES = (2, 20, 200)
BYTES = ("wal", "heap", "source", "target")


@dataclass(frozen=True)
class Told:
    """Both results, and what they say of tables that nobody ran."""

    scale: dict[str, Any]
    leases: dict[str, Any]

    def law(self, what: str) -> Law:
        """What was fitted for one quantity."""
        found = self.scale["predicted"]["quantities"][what]
        return Law(found["fixed"], found["each"])

    @property
    def claims(self) -> float:
        """Chunks a second that 200 lanes get."""
        return float(next(c["chunks_per_second"] for c in self.leases["cases"] if c["lanes"] == 200))

    @property
    def machine(self) -> Machine:
        """The machine that ran it."""
        return Machine(self.scale["cores"], self.scale["disk_mb"], LINK_MB, self.claims)

    @property
    def copy(self) -> Copy:
        """Two lanes had a core each, or shared fewer."""
        lane = 1 / self.law("seconds: backfill").each / min(2, self.scale["cores"])
        bytes_of = {what: self.law(what).each for what in ("wal", "target", "heap")}
        return Copy(lane, bytes_of["wal"], bytes_of["target"], bytes_of["heap"], 1 / self.law("chunks").each)

    # ---- the tables ----

    def run(self) -> str:
        """Which run this is, and that its prediction is older than what it predicts."""
        asked, seen = self.scale["asked"], self.scale["seen"]
        told = {
            "measured, rows": ", ".join(f"{rows:,}" for rows in asked["sizes"]),
            "predicted, rows": f"{asked['predict']:,}",
            "predicted at": self.scale["predicted"]["at"],
            "and run until": seen["at"],
            "cores; writing to the disk": f"{self.scale['cores']}; {self.scale['disk_mb']:,.0f} MB/s",
        }
        return markdown({"this run": what, "is": result} for what, result in told.items())

    def laws(self) -> str:
        """Each law."""
        return markdown(
            {
                "what": what,
                "fixed": amount(what, found["fixed"]),
                "each million rows": amount(what, 1e6 * found["each"]),
                "bend": f"{self.scale['bends'][what]:.2f}",
            }
            for what, found in self._quantities()
        )

    def predicted(self) -> str:
        """What was said before, and what was seen then."""
        return markdown(
            {
                "what": what,
                "predicted": amount(what, found["value"]),
                "range": f"{amount(what, found['low'])} to {amount(what, found['high'])}",
                "measured": amount(what, self.scale["seen_quantities"][what]),
                "error": f"{100 * self.scale['errors'][what]:.1f} %",
            }
            for what, found in self._quantities()
        )

    def hours(self) -> str:
        """How long two large tables take, here and where every lane has a core and the disk keeps up."""
        return markdown(self._hours(name, rows, lanes) for name, rows in self._large() for lanes in LANES)

    def amounts(self) -> str:
        """What they write and leave."""
        return markdown(
            {
                "table": name,
                "rows, 10⁹": f"{rows / 1e9:.1f}",
                "WAL, TB": f"{self.law('wal').at(rows) / 1e12:.1f}",
                "new table, TB": f"{self.law('target').at(rows) / 1e12:.1f}",
                "chunks": f"{self._chunks(rows):,.0f}",
                "rows of marks": f"{self.law('rows of marks').at(rows):,.0f}",
                "transactions, 10⁶": f"{self.law('transactions').at(rows) / 1e6:.1f}",
                "pause, ms": f"{self._pause(self._chunks(rows)):,.0f}",
                "a comparison, h": f"{self.law('seconds: verify').at(rows) / 3600:.1f}",
            }
            for name, rows in self._large()
        )

    def tasks(self) -> str:
        """Task instances of one run, by lanes, and how often its lanes yield their slot."""
        graph = (ROOT / "dags/migrate.py").read_text().count('task_id="')
        rows = self._large()[1][1]
        return markdown(
            {
                "lanes": str(lanes),
                "tasks": str(graph - 1 + lanes),
                "turns of half an hour, all lanes": f"{lanes * (1 + self._copy_hours(rows, lanes) // TURN_HOURS):,.0f}",
            }
            for lanes in LANES
        )

    def limits(self) -> str:
        """With how many lanes each limit is met on the machine that ran it."""
        met = self.copy.met_at(self.machine)
        return markdown({"limit": name, "met with so many lanes": f"{lanes:,.1f}"} for name, lanes in met.items())

    def queue(self) -> str:
        """What the queue hands out."""
        return markdown(
            {
                "case": case["case"],
                "chunks a second": f"{case['chunks_per_second']:,.0f}",
                "claim, ms": f"{case['claim_ms']:,.2f}",
            }
            for case in self.leases["cases"]
        )

    def pace(self) -> str:
        """How far more lanes copy faster."""
        rates = [seen["rows"] / seen["seconds"] for seen in self.leases["pace"]]
        return markdown(
            {
                "lanes": str(seen["lanes"]),
                "rows/s": f"{rate:,.0f}",
                "against one lane": f"{rate / rates[0]:.2f}",
                "a chunk, median": f"{seen['chunk_seconds']:.2f} s",
                "halved for time": str(seen["halved"]),
            }
            for seen, rate in zip(self.leases["pace"], rates, strict=True)
        )

    def dying(self) -> str:
        """Two hundred lanes, some killed."""
        seen = self.leases["dying"]
        told = {
            "lanes": "200",
            "killed in the middle of a chunk": str(seen["killed"]),
            "chunks checked off, of all": f"{seen['done']:,} of {seen['chunks']:,}",
            "rows written, of all": f"{seen['rows']:,} of {seen['compared']:,}",
            "rows that differ": str(seen["differ"]),
        }
        return markdown({"what": what, "result": result} for what, result in told.items())

    def pauses(self) -> str:
        """What many chunks cost the swap."""
        return markdown(
            {
                "more chunks in the marks": f"{int(more):,}",
                "pause, median of six": f"{median(seen):.0f} ms",
                "longest": f"{max(seen):.0f} ms",
            }
            for more, seen in self.leases["pauses"].items()
        )

    def simulated(self) -> str:
        """The queue of ten billion rows."""
        return markdown(
            {
                "lanes": str(seen["lanes"]),
                "deaths a lane and hour": f"{seen['deaths_an_hour']:g}",
                "known after": f"{seen['known_after']:,.0f} s",
                "hours": f"{seen['hours']:,.2f}",
                "over the ideal": f"{100 * (seen['over_ideal'] - 1):.1f} %",
                "died": f"{seen['died']:,}",
                "time lost with them": f"{100 * seen['lost']:.3f} %",
                "waiting to claim": f"{100 * seen['queued']:.2f} %",
                "tail": f"{seen['tail_seconds']:,.1f} s",
            }
            for seen in self.leases["simulated"]
        )

    # ---- within ----

    def _quantities(self) -> Iterable[tuple[str, dict[str, float]]]:
        quantities: Mapping[str, dict[str, float]] = self.scale["predicted"]["quantities"]
        return quantities.items()

    def _hours(self, name: str, rows: float, lanes: int) -> dict[str, str]:
        rate = self.copy.rate(self._roomy(lanes), lanes)
        return {
            "table": name,
            "lanes": str(lanes),
            "copy here, h": f"{rows / self.copy.rate(self.machine, lanes) / 3600:,.1f}",
            "chunk done in time here, rows": f"{self.copy.fitting_chunk(self.machine, lanes):,.0f}",
            "copy with room, h": f"{self._copy_hours(rows, lanes):,.1f}",
            "room: WAL, MB/s": f"{rate * self.copy.wal / 1e6:,.0f}",
            "room: disk, MB/s": f"{rate * self.copy.written / 1e6:,.0f}",
            "what one session does, h": f"{self._alone(rows):,.1f}",
        }

    def _copy_hours(self, rows: float, lanes: int) -> float:
        return rows / self.copy.rate(self._roomy(lanes), lanes) / 3600

    def _roomy(self, lanes: int) -> Machine:
        """A core for each lane, and a disk and a network that keep up."""
        return Machine(lanes, inf, inf, self.claims)

    def _chunks(self, rows: float) -> float:
        return rows / self.copy.chunk_rows

    def _large(self) -> list[tuple[str, float]]:
        return [("1 TB", 1e12 / self.law("heap").each), ("10 billion rows", 1e10)]

    def _alone(self, rows: float) -> float:
        """Hours of what one session does, however many lanes there are."""
        return sum(self.law(f"seconds: {phase}").at(rows) for phase in ("expand", "vacuum", "verify")) / 3600

    def _pause(self, chunks: float) -> float:
        few, many = (float(median(self.leases["pauses"][key])) for key in ("0", str(self.leases["chunks"])))
        return few + max(0.0, many - few) * chunks / float(self.leases["chunks"])


def amount(what: str, value: float) -> str:
    """A number in the unit that fits it: bytes as MB."""
    if what in BYTES:
        return f"{value / 1e6:,.1f} MB"
    unit = " s" if what.startswith("seconds") else " ms" if what.endswith("_ms") else ""
    return f"{value:,.2f}{unit}" if unit else f"{value:,.0f}"


def markdown(rows: Iterable[Mapping[str, str]]) -> str:
    """A table; its titles are the names of what the rows hold."""
    listed = list(rows)
    lines = [list(listed[0]), ["---"] * len(listed[0]), *(row.values() for row in listed)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fill(page: str, give: Callable[[str], str]) -> str:
    """Put each table where the page asks for it."""
    return re.sub(
        r"(<!-- told: (\w+) -->\n).*?(<!-- end -->)",
        lambda found: found[1] + give(found[2]) + "\n" + found[3],
        page,
        flags=re.S,
    )


def main(scale: str, leases: str, page: str) -> None:
    """Fill a page."""
    told = Told(*(json.loads(Path(name).read_text()) for name in (scale, leases)))
    Path(page).write_text(fill(Path(page).read_text(), lambda name: getattr(told, name)()))


if __name__ == "__main__":
    main(*sys.argv[1:])
