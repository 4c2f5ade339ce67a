"""The documents' own month of `tyler` costs what they say, by component and in sum: $750 to 1,070.

Its quantities are made up to give their sums, as the documents have none: this holds that quantities, list prices and a person's
sums add up exactly, and not that `tyler` costs that much. DAX cannot be derived: a sum of the documents stands in its place.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from sluice.estate import read_stores
from sluice.estate.amounts import Between, exactly, ranging, total
from sluice.insight.cost.costs import Costs, costs_of
from sluice.insight.cost.forecast import Ahead
from sluice.insight.cost.known import known_of
from sluice.ledger.samples import Series

from tests.priced import LISTED, MONTH, by_store, money

DOCUMENTS = {
    "DynamoDB tables": money("450", "600"),
    "DynamoDB backups": money("50", "80"),
    "DAX caching": money("200", "300"),
    "CloudWatch monitoring": money("30", "50"),
    "Data transfer": money("20", "40"),
}
AHEAD = {
    Series("tyler", "items_bytes", "users"): Ahead(Decimal(100), ranging(110, 120)),
    Series("tyler", "write_units_rate", "users"): Ahead(Decimal(10), exactly(20)),
}


@pytest.fixture
def costs(tmp_path: Path) -> Costs:
    (tmp_path / "include/estate").mkdir(parents=True)
    text = Path(__file__).with_name("tyler_costs.yaml").read_text()
    (tmp_path / "include/estate/estate.yaml").write_text(text)
    return costs_of(MONTH, known_of(read_stores(tmp_path)), LISTED, AHEAD)


def by_component(costs: Costs) -> dict[str, Between]:
    names = dict.fromkeys(one.what.partition(":")[0] for one in costs.components)
    return {name: total([one.monthly for one in costs.components if one.what.startswith(name)]) for name in names}


def test_each_component_costs_what_the_documents_say(costs: Costs):
    assert by_component(costs) == DOCUMENTS


def test_the_sum_is_the_documents_own(costs: Costs):
    assert costs.now == total(list(DOCUMENTS.values())) == money("750", "1070")
    assert by_store(costs) == {"tyler": money("750", "1070")}


def test_only_dax_is_a_sum_that_nobody_derived(costs: Costs):
    assert [one.what for one in costs.components if one.quantity is None] == ["DAX caching"]


def test_in_90_days_what_grows_with_size_and_with_load_has_grown(costs: Costs):
    # 150 to 180 of size by 1.1 to 1.2; 370 to 540 of load doubled; 230 to 350 as it is
    assert costs.later == money("1135", "1646")


def test_a_reader_is_told_that_nothing_was_measured(costs: Costs):
    assert costs.notes == ("nothing was measured: all sums are what a person wrote",)
    assert costs.savings == ()
