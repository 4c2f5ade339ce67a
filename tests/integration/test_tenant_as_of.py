"""One tenant as of a moment, on a real server: what is found, what is written, and that the SQL puts exactly that back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from psycopg import errors
from sluice.local.ports import free_port
from sluice.safety.driver import name_scratch
from sluice.safety.physical.driver import Physical
from sluice.safety.target import Target
from sluice.safety.tenant.as_of import Asked, Written, tenant_as_of
from sluice.safety.tenant.comparing import NotComparable
from sluice.safety.tenant.finding import NoTenant, find_owned
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, connect

from tests.backed_up import STORE, Shop, opened_shop

SHAPE = """
DROP TABLE tenants, notes;
CREATE SCHEMA app;
CREATE TABLE app.tenants (id int PRIMARY KEY, name text);
CREATE TABLE app.orders (
    id bigint GENERATED ALWAYS AS IDENTITY, tenant_id int NOT NULL REFERENCES app.tenants, placed_at date NOT NULL,
    note text, cents int NOT NULL, euros numeric GENERATED ALWAYS AS (cents / 100.0) STORED, parent bigint,
    PRIMARY KEY (tenant_id, id, placed_at)
) PARTITION BY RANGE (placed_at);
CREATE TABLE app.orders_old PARTITION OF app.orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE app.orders_new PARTITION OF app.orders FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE app.items (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id int NOT NULL, order_id bigint NOT NULL, placed_at date NOT NULL,
    "What %" text[], raw bytea, after uuid REFERENCES app.items,
    FOREIGN KEY (tenant_id, order_id, placed_at) REFERENCES app.orders ON DELETE CASCADE
);
CREATE TABLE app.steps (item uuid REFERENCES app.items ON DELETE CASCADE, said text);
CREATE TABLE app.keyless (tenant_id int, said text);
CREATE TABLE app.given_up (id int PRIMARY KEY, tenant_id int);
CREATE TABLE app.people (id int PRIMARY KEY, name text);
INSERT INTO app.tenants SELECT g, 'tenant ' || g FROM generate_series(1, 43) g;
INSERT INTO app.orders (tenant_id, placed_at, note, cents)
    SELECT 41 + g % 3, date '2025-12-01' + g, E'it''s \\\\ ' || g || ' % {x}', g FROM generate_series(1, 90) g;
INSERT INTO app.items (tenant_id, order_id, placed_at, "What %", raw)
    SELECT tenant_id, id, placed_at, ARRAY['a,b', NULL, '"' || id], decode(md5(id::text), 'hex') FROM app.orders;
WITH going AS (SELECT i.id FROM app.items i JOIN app.orders o ON o.id = i.order_id WHERE o.tenant_id = 42 AND o.cents % 4 = 0)
UPDATE app.items SET after = (SELECT max(id::text)::uuid FROM going) WHERE id IN (SELECT id FROM going);
CREATE TABLE app.counters (tenant_id int, id int, turn bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (tenant_id, id));
INSERT INTO app.counters SELECT 42, g FROM generate_series(1, 3) g;
INSERT INTO app.people VALUES (42, 'no tenant of that number');
"""
WALLS = """
ALTER TABLE {0} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {0} FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON {0} USING ({1}::text = current_setting('{2}', true));
"""
LATER = """
DELETE FROM app.orders WHERE tenant_id = 42 AND cents % 4 = 0;
DELETE FROM app.orders WHERE tenant_id = 41 AND cents % 5 = 0;
UPDATE app.orders SET note = 'SPOILT-SECRET', cents = cents + 1000 WHERE tenant_id = 42 AND cents % 7 = 0;
UPDATE app.tenants SET name = 'SPOILT-SECRET' WHERE id = 42;
INSERT INTO app.orders (tenant_id, placed_at, cents) VALUES (42, '2026-02-02', 7777), (43, '2026-02-02', 8888);
UPDATE app.counters SET turn = DEFAULT WHERE id = 2;
DROP TABLE app.given_up;
ALTER TABLE app.orders ADD COLUMN colour text DEFAULT 'grey', DROP COLUMN parent;
"""
OF_42 = {
    "app.tenants": "SELECT * FROM app.tenants WHERE id = 42",
    "app.orders": "SELECT id, placed_at, note, cents, euros FROM app.orders WHERE tenant_id = 42 AND cents <> 7777 ORDER BY id",
    "app.items": 'SELECT id, order_id, "What %", raw, after FROM app.items WHERE tenant_id = 42 ORDER BY id',
}


def rows_of(c: Connection, tenant: int = 42) -> dict[str, list[tuple[object, ...]]]:
    """Give the rows of a tenant, without what was added since."""
    return {
        table: [tuple(row.values()) for row in c.execute(said.replace("42", str(tenant))).fetchall()]  # type: ignore[call-overload]
        for table, said in OF_42.items()
    }


@dataclass
class Spoilt:
    """A shop of tenants that was backed up, and spoilt afterwards; and what was found."""

    shop: Shop
    driver: Physical
    moment: datetime
    was: dict[str, list[tuple[object, ...]]]
    others: dict[str, list[tuple[object, ...]]]
    found: Written

    def read(self, name: str) -> str:
        """Read one of the files."""
        (key,) = [key for key in self.found.files if key.endswith(name)]
        return self.shop.vault.get(key).decode()

    def live(self) -> Connection:
        """Open a session of the role that backs up: it owns nothing, and sees all."""
        return connect(self.shop.cluster.dsn(user="shop_backup"), purpose="test")


@pytest.fixture(scope="module")
def spoilt(vault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoilt]:
    """Back up, note the moment, spoil, and ask."""
    vault.store.create_bucket("tenants")
    folder = tmp_path_factory.mktemp("tenants")
    with opened_shop(folder, free_port(), Vault(vault.client(), "tenants")) as shop:
        driver = Physical(STORE, shop.cluster.dsn(), shop.vault, folder / "drills")
        with shop.shipped(), shop.connect() as c:
            c.execute(SHAPE)  # type: ignore[call-overload]
            for table, column, setting in (
                ("app.tenants", "id", "app.tenant"),
                ("app.orders", "tenant_id", "app.tenant"),
                ("app.people", "id", "app.person"),
            ):
                c.execute(WALLS.format(table, column, setting))  # type: ignore[call-overload]
            c.execute("CREATE ROLE shop_backup LOGIN REPLICATION BYPASSRLS PASSWORD 'secret' IN ROLE pg_read_all_data")
            driver.take(shop.said.append)
            was, others = rows_of(c), rows_of(c, 41)
            moment = c.execute("SELECT clock_timestamp() AS now").fetchone()
            c.execute(LATER)  # type: ignore[call-overload]
            others = rows_of(c, 41)
        assert moment
        made = Spoilt(shop, driver, moment["now"], was, others, Written({}, (), ()))
        made.found = asked(made, shop.said)
        yield made


def asked(spoilt: Spoilt, said: list[str], tenant: str = "42", column: str = "tenant_id") -> Written:
    """Ask for a tenant as of the moment."""
    name = name_scratch(STORE, datetime.now(UTC), tenant)
    wanted = Asked(Target.at(spoilt.moment), tenant, column)
    with spoilt.live() as live:
        return tenant_as_of(spoilt.driver, live, spoilt.shop.vault, wanted, name, said.append)


def test_it_says_what_is_missing_what_was_changed_and_what_was_added(spoilt: Spoilt) -> None:
    tables = ["app.counters", "app.tenants", "app.orders", "app.items"]
    assert [name for name in spoilt.found.counts if name != "app.counters"] == tables[1:], "parents first"
    assert spoilt.found.counts["app.counters"] == {"same": 2, "missing": 0, "changed": 1, "added": 0}, (
        "nothing can be set"
    )
    assert spoilt.found.counts["app.tenants"] == {"same": 0, "missing": 0, "changed": 1, "added": 0}
    assert spoilt.found.counts["app.orders"] == {"same": 19, "missing": 8, "changed": 3, "added": 1}
    assert spoilt.found.counts["app.items"]["missing"] == 8, "gone with their orders"
    assert spoilt.found.left_out == (
        "app.keyless: nothing tells its rows apart (no key)",
        "app.steps: refers to app.items, and has no column of the tenant",
        "app.given_up: is there no more, and was then: bring the store back by restore__shop, and copy it out of there",
        "app.orders.colour: only one side has it",
        "app.orders.parent: only one side has it",
    )
    assert spoilt.driver.scratches() == []


def test_values_are_in_the_vault_and_in_no_log(spoilt: Spoilt, caplog: pytest.LogCaptureFixture) -> None:
    table = list(csv.reader(io.StringIO(spoilt.read("app.orders.csv"))))
    assert table[0] == ["what", "id", "tenant_id", "placed_at", "note", "cents"]
    assert [row[0] for row in table[1:]] == ["missing"] * 8 + ["was", "is"] * 3 + ["added"]
    assert "SPOILT-SECRET" in spoilt.read("app.tenants.csv")
    assert json.loads(spoilt.read("difference.json"))["tables"] == spoilt.found.counts
    logged = "\n".join([*spoilt.shop.said, caplog.text, repr(spoilt.found)])
    assert "app.orders: 19 same, 8 missing, 3 changed, 1 added" in logged
    for value in ("SPOILT-SECRET", "tenant 42", "it's"):
        assert value not in logged
    assert "42" not in repr(Asked(Target("latest"), "42", "tenant_id"))


def test_the_script_puts_back_exactly_that_and_may_run_twice(spoilt: Spoilt) -> None:
    script = spoilt.read("put_back.sql")
    with spoilt.shop.connect() as c:
        assert rows_of(c) != spoilt.was
        c.execute("UPDATE app.orders SET note = 'newer' WHERE tenant_id = 42 AND cents = 1049")
        for _ in range(2):
            c.execute(script)  # type: ignore[call-overload]
        now = rows_of(c)
        assert (now["app.tenants"], now["app.items"]) == (spoilt.was["app.tenants"], spoilt.was["app.items"])
        apart = [row for row in now["app.orders"] if row not in spoilt.was["app.orders"]]
        assert [row[2] for row in apart] == ["newer"], "what was written since is not written over"
        assert rows_of(c, 41) == spoilt.others, "of nobody else"
        added = c.execute("SELECT count(*) AS n FROM app.orders WHERE cents IN (7777, 8888)").fetchone()
        assert added == {"n": 2}


def test_who_is_filtered_puts_nothing_back(spoilt: Spoilt) -> None:
    with spoilt.shop.connect() as c:
        c.execute(
            "CREATE ROLE filtered; GRANT USAGE ON SCHEMA app TO filtered; GRANT ALL ON ALL TABLES IN SCHEMA app TO filtered"
        )
        c.execute("SET ROLE filtered")
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
            c.execute(spoilt.read("put_back.sql"))  # type: ignore[call-overload]


def test_a_table_whose_policy_asks_for_another_setting_is_nobodys(spoilt: Spoilt) -> None:
    with spoilt.live() as live:
        found = find_owned(live, "tenant_id")
    assert {(str(one.table), one.column) for one in found.owned} == {
        ("app.tenants", "id"),
        ("app.orders", "tenant_id"),
        ("app.items", "tenant_id"),
        ("app.counters", "tenant_id"),
    }


def test_a_wrong_column_costs_no_restore_and_a_wrong_value_is_told_without_it(spoilt: Spoilt) -> None:
    said: list[str] = []
    with pytest.raises(NoTenant, match="No table of postgres has a column 'tenant'"):
        asked(spoilt, said, column="tenant")
    assert said == []
    with pytest.raises(NotComparable, match=r"app\.\w+\.\w+ cannot be that tenant") as told:
        asked(spoilt, said, tenant="forty-two")
    assert "forty-two" not in str(told.value)
    assert spoilt.driver.scratches() == []
