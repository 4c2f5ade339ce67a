"""What an estate costs, as its capacity report gathers it: by samples, by what a person wrote, and with AWS silent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sluice.estate import read_stores
from sluice.estate.costs import CostLine
from sluice.flow.insight.costs import NOTHING, reckoning
from sluice.insight.capacity.markdown import markdown
from sluice.insight.capacity.page import page
from sluice.ledger.samples import Samples, Series, Span
from sluice.stores.postgres import connect

from tests.reported import report
from tests.samples import ROOT

UNTIL = date(2026, 10, 5)
SIZE, WRITES = Series("tyler", "items_bytes", "users"), Series("tyler", "write_units_rate", "users")


class Said:
    """A log that can be read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, text: str, *told: object) -> None:
        """Take a line."""
        self.lines.append(text % told)


@pytest.fixture
def samples(database) -> Iterator[Samples]:
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        yield Samples(c).prepare()


def measured(samples: Samples) -> None:
    """A week of a table of 40 GB that is written a hundred times a second."""
    start = datetime.combine(UNTIL - timedelta(days=7), time(), UTC)
    ats = [start + timedelta(hours=n) for n in range(7 * 24)]
    values = ((SIZE, 40.0 * 2**30), (WRITES, 100.0))
    samples.record_spans("hour", [(series, Span(at, v, v, v, v, 60)) for at in ats for series, v in values])


def estate(**costs):
    """The sample's estate, with what a person wrote below its stores."""
    found = read_stores(ROOT)
    stores = {name: store.model_copy(update={"costs": costs.get(name, ())}) for name, store in found.stores.items()}
    return found.model_copy(update={"stores": stores})


def test_an_estate_of_which_nothing_is_known_has_no_bill(samples: Samples) -> None:
    assert reckoning(samples, estate(), UNTIL, False, Said())({}) == (None, NOTHING)


def test_what_was_measured_and_what_a_person_wrote_is_one_bill(samples: Samples) -> None:
    measured(samples)
    written = CostLine.model_validate({"what": "support", "monthly": "30 to 50"})
    now_then = {SIZE: (40.0 * 2**30, 60.0 * 2**30, 80.0 * 2**30)}
    found, _ = reckoning(samples, estate(certify=(written,)), UNTIL, False, Said())(now_then)
    assert found and found.currency == "$" and found.priced.startswith("List prices of us-east-1")
    by_name = {one.name: one.now for one in found.components}
    assert by_name["certify: support"] == (30.0, 50.0)
    assert any(name.startswith("tyler: ") for name in by_name)
    hows = {one.name: one.how for one in found.components}
    assert hows["certify: support"] == "" and hows["tyler: users, storage"] == "40 × dynamodb.storage, per GB-month"
    assert found.components[0].now[1] == max(high for _, high in by_name.values()), "the dearest first"
    assert sum(low for low, _ in by_name.values()) == pytest.approx(found.now[0])
    assert sum(high for _, high in by_name.values()) == pytest.approx(found.now[1])
    # 20 to 40 GB more, at a quarter of a dollar.
    assert (found.later[0] - found.now[0], found.later[1] - found.now[1]) == pytest.approx((5.0, 10.0))


def test_where_aws_does_not_answer_the_bill_is_made_without_it(samples: Samples) -> None:
    measured(samples)
    log = Said()
    found, _ = reckoning(samples, estate(), UNTIL, True, log)({})
    assert found and found.now[0] > 0
    assert "AWS does not say what it is, so the bill is not whole" in " ".join(log.lines)


def test_a_price_that_nobody_knows_costs_the_report_its_bill_and_nothing_else(samples: Samples) -> None:
    written = CostLine.model_validate({"what": "support", "quantity": 1, "price": "moon.dust"})
    log = Said()
    found, why = reckoning(samples, estate(certify=(written,)), UNTIL, False, log)({})
    assert found is None and why.startswith("No price is called 'moon.dust'") and why in " ".join(log.lines)
    told = report(cost=None, cost_reason=why)
    assert "No price is called" in page(told) and "No price is called" in markdown(told)


def test_the_sample_of_the_guide_is_what_a_report_prints(samples: Samples) -> None:
    start = datetime.combine(UNTIL - timedelta(days=20), time(), UTC)
    ats = [start + timedelta(hours=n) for n in range(20 * 24)]
    spans = [(SIZE, Span(at, v, v, v, v, 60)) for at in ats for v in [40.0 * 2**30]]
    spans += [(WRITES, Span(at, v, v, v, v, 60)) for at in ats for v in [100.0 * (1 + at.day % 2)]]
    samples.record_spans("hour", spans)
    told = markdown(report(cost=reckoning(samples, estate(), UNTIL, False, Said())({})[0]))
    guide = (ROOT / "docs/howto/know-what-it-costs.md").read_text()
    rows = [line for line in guide.splitlines() if line.startswith(("| component", "| tyler", "$174"))]
    assert len(rows) == 4
    for row in rows[1:]:
        assert row in told
    assert rows[0].partition(", ")[0] in told
