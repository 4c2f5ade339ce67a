"""A store's name is switched at Route 53, an emulator that takes a batch whole or not at all: a plan, its diff, done once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sluice.safety.replicas.names import Name, NamesDown, NamesRefused, apply_switch, plan_switch, verify_switch

from tests.names import route53_in, zone_of


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of it."""
    with route53_in(tmp_path_factory.mktemp("names")) as made:
        yield made


@pytest.fixture(scope="module")
def zone(client: Any) -> str:
    """A zone."""
    return zone_of(client)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.safety.replicas.names.LOOKS_EVERY", 0.01)


def put(client: Any, zone: str, name: str, type: str, value: str, **more: Any) -> None:
    """Make a record as a person would."""
    record = {"Name": name, "Type": type, "TTL": 300, "ResourceRecords": [{"Value": value}], **more}
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
    client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def values(client: Any, zone: str, name: str) -> set[tuple[str, str, int, int | None]]:
    """Give type, value, TTL and weight of each record of a name."""
    found = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {
        (one["Type"], one["ResourceRecords"][0]["Value"], one["TTL"], one.get("Weight"))
        for one in found
        if one["Name"] == f"{name}."
    }


def test_a_name_is_switched_once_and_the_plan_says_what_changes(client: Any, zone: str) -> None:
    put(client, zone, "db.shop.example", "CNAME", "a.shop.example")
    put(client, zone, "dbx.shop.example", "CNAME", "a.shop.example")
    planned = plan_switch(client, Name(zone, "db.shop.example"), "b.shop.example")
    assert str(planned).splitlines() == [
        "- db.shop.example. 300 CNAME a.shop.example",
        "+ db.shop.example. 30 CNAME b.shop.example",
        "resolvers may give the old answer for 300 s more",
    ]
    assert not verify_switch(client, planned)
    assert values(client, zone, "db.shop.example") == {("CNAME", "a.shop.example", 300, None)}, "a plan changes nothing"
    apply_switch(client, planned)
    assert verify_switch(client, planned)
    assert values(client, zone, "db.shop.example") == {("CNAME", "b.shop.example", 30, None)}
    assert values(client, zone, "dbx.shop.example") == {("CNAME", "a.shop.example", 300, None)}
    again = plan_switch(client, Name(zone, "db.shop.example"), "b.shop.example.")
    assert str(again) == "db.shop.example is b.shop.example. already"
    apply_switch(client, again)


def test_what_somebody_has_changed_since_is_not_overwritten(client: Any, zone: str) -> None:
    name = Name(zone, "moved.shop.example")
    put(client, zone, name.name, "CNAME", "a.shop.example")
    planned = plan_switch(client, name, "b.shop.example")
    put(client, zone, name.name, "CNAME", "c.shop.example")
    with pytest.raises(NamesRefused, match="plan it anew"):
        apply_switch(client, planned)
    assert values(client, zone, name.name) == {("CNAME", "c.shop.example", 300, None)}


def test_a_record_that_is_not_there_is_made_and_an_address_becomes_a_name(client: Any, zone: str) -> None:
    name = Name(zone, "new.shop.example", 60)
    apply_switch(client, plan_switch(client, name, "192.0.2.7"))
    assert values(client, zone, name.name) == {("A", "192.0.2.7", 60, None)}
    apply_switch(client, plan_switch(client, name, "b.shop.example"))
    assert values(client, zone, name.name) == {("CNAME", "b.shop.example", 60, None)}


def test_of_records_by_weight_one_gets_all_of_it(client: Any, zone: str) -> None:
    name = Name(zone, "weighed.shop.example")
    for host, weight in (("a", 100), ("b", 0)):
        put(client, zone, name.name, "CNAME", f"{host}.shop.example", SetIdentifier=host, Weight=weight)
    planned = plan_switch(client, name, "b.shop.example")
    assert "+ weighed.shop.example. 300 CNAME b.shop.example weight 100 (b)" in str(planned)
    apply_switch(client, planned)
    assert values(client, zone, name.name) == {
        ("CNAME", "a.shop.example", 300, 0),
        ("CNAME", "b.shop.example", 300, 100),
    }
    assert verify_switch(client, planned)
    with pytest.raises(NamesRefused, match="none by weight leads to c"):
        plan_switch(client, name, "c.shop.example")


def test_a_zone_that_is_not_there_and_a_service_that_is_down_are_told_apart(client: Any, zone: str) -> None:
    import boto3
    from botocore.config import Config
    from sluice.local.ports import free_port

    with pytest.raises(NamesRefused, match="NoSuchHostedZone"):
        plan_switch(client, Name("Z0", "db.shop.example"), "b.shop.example")
    nobody = boto3.client(
        "route53",
        endpoint_url=f"http://127.0.0.1:{free_port()}",
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(NamesDown):
        plan_switch(nobody, Name(zone, "db.shop.example"), "b.shop.example")
