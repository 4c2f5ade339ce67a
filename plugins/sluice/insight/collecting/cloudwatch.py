"""Numbers that AWS keeps of its services, minute by minute: asked for from where the last look ended, so an outage leaves no gap.

CloudWatch completes a minute late. So the newest two are left for the next look, and the last few are read again: a number that
has changed is kept as it is read last. It goes back a day at most. Each metric asked for costs money, each minute of it none:
docs/howto/collect-numbers.md has the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isclose
from typing import Any

from sluice.errors import SluiceError, Terminal, Transient
from sluice.ledger.samples import Sample, Series
from sluice.stores.aws import code_of, is_outage

MINUTE = timedelta(minutes=1)
LATE, AGAIN, BACK = 2 * MINUTE, 3 * MINUTE, timedelta(days=1)
"""How long a minute is given to be complete, how much is read again, and how far back it goes."""
AS_NOW = timedelta(minutes=10)
"""For how long back what is provided now is taken for what was, where nothing else is known."""
IN_ONE = 500
"""Queries that one request may hold."""
MOST = 100_000
"""Numbers that one look fetches: after an outage, the next look goes on."""
REFUSING = {"AccessDenied", "AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken",
            "SignatureDoesNotMatch", "AuthFailure", "MissingAuthenticationToken"}  # fmt: skip

POLICY = "docs/howto/collect-numbers.md has the policy that it wants"
AGAIN_SOON = "It is asked again in a minute, for what is missing too"


class CloudSilent(Transient):
    """CloudWatch does not answer, or asks for patience."""


class CloudRefused(Terminal):
    """CloudWatch refuses these credentials, or what was asked."""


def unchanged(value: float) -> float:
    """A number as it is."""
    return value


def each_second(value: float) -> float:
    """The sum of a minute as a rate."""
    return value / 60


@dataclass(frozen=True)
class Asked:
    """One metric of AWS, and what it is here."""

    series: Series
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    read: Callable[[float], float] = unchanged
    silence: float | None = None
    """What it means where nothing is told of a minute: nothing happened, or (None) nobody knows."""

    def query(self, number: int) -> dict[str, Any]:
        """Write it for GetMetricData."""
        named = [{"Name": name, "Value": value} for name, value in self.dimensions]
        metric = {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": named}
        return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": 60, "Stat": self.statistic}}


@dataclass(frozen=True)
class Stretch:
    """Whole minutes, from `start` to `end`, itself not included."""

    start: datetime
    end: datetime

    @property
    def minutes(self) -> Iterator[datetime]:
        """Each of them."""
        at = self.start
        while at < self.end:
            yield at
            at += MINUTE


@dataclass
class Reached:
    """Up to where each part of a service was read. Lives as long as a process; a new one begins by the samples that are kept."""

    ends: dict[str, datetime] = field(default_factory=dict)
    sizes: dict[str, tuple[datetime, float]] = field(default_factory=dict)
    """Since when something is known to be as large as it is: a disk, a memory."""

    def next(self, part: str, now: datetime, metrics: int) -> Stretch:
        """Say what is read next of a part that has so many metrics. Pure."""
        complete = (now - LATE).replace(second=0, microsecond=0)
        start = max(complete - BACK, self.ends.get(part, complete - BACK) - AGAIN)
        return Stretch(start, min(complete, start + max(15, MOST // max(1, metrics)) * MINUTE))

    def note(self, part: str, stretch: Stretch) -> None:
        """Remember that it was read."""
        self.ends[part] = max(stretch.end, self.ends.get(part, stretch.end))

    def same_since(self, what: str, size: float, now: datetime) -> datetime:
        """Say from when on something was as large as it is `now`, and remember it; what is known of nothing, for some minutes."""
        since, before = self.sizes.get(what, (now - AS_NOW, size))
        self.sizes[what] = (since if isclose(before, size) else now, size)
        return self.sizes[what][0]


def fetch(client: Any, asked: Sequence[Asked], stretch: Stretch) -> Iterator[tuple[Asked, Sample]]:
    """Give each number of each metric, a minute apart. Raises CloudSilent, CloudRefused."""
    if stretch.start >= stretch.end:
        return
    for begin in range(0, len(asked), IN_ONE):
        some = asked[begin : begin + IN_ONE]
        told = _told(client, some, stretch)
        for number, one in enumerate(some):
            found = told.get(f"q{number}", {})
            silence = {} if one.silence is None else dict.fromkeys(stretch.minutes, one.silence)
            yield from ((one, Sample(at, one.read(value))) for at, value in sorted({**silence, **found}.items()))


def _told(client: Any, asked: Sequence[Asked], stretch: Stretch) -> dict[str, dict[datetime, float]]:
    queries = [one.query(number) for number, one in enumerate(asked)]
    request = {"MetricDataQueries": queries, "StartTime": stretch.start, "EndTime": stretch.end}
    made: dict[str, dict[datetime, float]] = {}
    stands: dict[str, str] = {}
    for page in _pages(client, request, asked[0].namespace):
        for result in page["MetricDataResults"]:
            told = zip(result["Timestamps"], result["Values"], strict=True)
            made.setdefault(result["Id"], {}).update({at.astimezone(stretch.start.tzinfo): value for at, value in told})
            stands[result["Id"]] = result["StatusCode"]
    _require_complete(asked[0].namespace, set(stands.values()))
    return made


def _require_complete(namespace: str, stands: set[str]) -> None:
    """Raise where CloudWatch has not said all: what it leaves out would be taken for a minute in which nothing happened."""
    if "Forbidden" in stands:
        raise CloudRefused(f"CloudWatch keeps some of {namespace} from us. {POLICY}.")
    if stands - {"Complete"}:
        raise CloudSilent(f"CloudWatch has not said all of {namespace}: {', '.join(sorted(stands))}. {AGAIN_SOON}.")


def _pages(client: Any, request: Mapping[str, Any], namespace: str) -> Iterator[Mapping[str, Any]]:
    from botocore.exceptions import BotoCoreError, ClientError

    more: dict[str, str] = {}
    while True:
        try:
            page = client.get_metric_data(**request, **more)
        except (ClientError, BotoCoreError) as error:
            raise refusal(error, f"reading {namespace} in CloudWatch") from error
        yield page
        if not (token := page.get("NextToken")):
            return
        more = {"NextToken": token}


def refusal(error: Exception, doing: str) -> SluiceError:
    """Give our error for botocore's."""
    code = code_of(error)
    if "Throttl" in code or is_outage(error):
        return CloudSilent(f"{doing}: {error}. {AGAIN_SOON}.")
    if code in REFUSING:
        return CloudRefused(f"{doing}: {error}. {POLICY}.")
    return CloudRefused(f"{doing}: {error}. See that region and names of the connection are right.")


def summed(found: Iterable[tuple[Series, Sample]]) -> list[tuple[Series, Sample]]:
    """Add up numbers of one series and minute: a table's and its indexes', or those of several operations."""
    return _merged(found, lambda one, other: one + other)


def highest(found: Iterable[tuple[Series, Sample]]) -> list[tuple[Series, Sample]]:
    """Take the highest of one series and minute."""
    return _merged(found, max)


def _merged(
    found: Iterable[tuple[Series, Sample]], merge: Callable[[float, float], float]
) -> list[tuple[Series, Sample]]:
    made: dict[tuple[Series, datetime], float] = {}
    for series, sample in found:
        key = (series, sample.at)
        made[key] = merge(made[key], sample.value) if key in made else sample.value
    return [(series, Sample(at, value)) for (series, at), value in made.items()]
