"""A cold server is warmed: what users read is in its memory before they come, and no more than has room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sluice.local.ports import free_port
from sluice.safety.warming import NotWarmed, find_hot, prepare_warming, warm
from sluice.stores.cluster import Cluster
from sluice.stores.postgres import Connection, Table, connect

SHAPE = """
CREATE TABLE hot (id int PRIMARY KEY, said text);
CREATE TABLE cold (id int PRIMARY KEY, said text);
INSERT INTO hot SELECT g, repeat('x', 200) FROM generate_series(1, 20000) AS g;
INSERT INTO cold SELECT g, repeat('x', 900) FROM generate_series(1, 40000) AS g;
VACUUM ANALYZE;
CHECKPOINT;
"""
LOOK = "SELECT * FROM hot WHERE id IN (7, 7007, 13000, 19999)"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A server with some that is read, and much that nobody reads."""
    made = Cluster(tmp_path / "postgres", free_port(), "secret", durable=False)
    made.create()
    made.start()
    try:
        with connect(made.dsn(), purpose="test") as c:
            for each in SHAPE.split(";\n"):
                c.execute(each)  # type: ignore[call-overload]
        yield made
    finally:
        made.stop()


def looked(c: Connection) -> tuple[int, int]:
    """Look rows up; give how many blocks were in memory, and how many were not."""
    told: dict[str, Any] | None = c.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {LOOK}").fetchone()  # type: ignore[call-overload]
    assert told
    plan = told["QUERY PLAN"][0]["Plan"]
    return plan["Shared Hit Blocks"], plan["Shared Read Blocks"]


def cold(cluster: Cluster) -> Connection:
    """Start it anew: its memory is empty."""
    cluster.stop()
    cluster.start()
    return connect(cluster.dsn(), purpose="test")


def test_what_is_hot_is_in_memory_before_anybody_asks(cluster: Cluster) -> None:
    with connect(cluster.dsn(), purpose="test") as c:
        for _ in range(400):
            c.execute(LOOK)  # type: ignore[call-overload]
        c.execute("SELECT pg_stat_force_next_flush()")
        hot = find_hot(c)
        with pytest.raises(NotWarmed, match="no extension pg_prewarm"):
            warm(c, hot, print)
    with cold(cluster) as c:
        _, not_there = looked(c)
        assert not_there > 4
    with cold(cluster) as c:
        prepare_warming(c)
        said: list[str] = []
        found = warm(c, [Table("public", "hot_pkey"), Table("public", "hot"), Table("public", "gone")], said.append)
        there, not_there = looked(c)
        assert (not_there, found.relations) == (0, 2)
        assert there > 4
        assert said[0].startswith("public.hot_pkey is warm: ")
    assert Table("public", "hot_pkey") in hot


def test_no_more_goes_in_than_has_room(cluster: Cluster) -> None:
    with connect(cluster.dsn(), purpose="test") as c:
        prepare_warming(c)
        found = warm(c, [Table("public", "cold"), Table("public", "hot")], lambda _: None, share=0.01)
        assert (found.relations, found.blocks) == (1, found.room), "and nothing that it would drive out again"
        assert found.room == 163
        without = warm(c, (), lambda _: None)
        assert without.relations >= 4, "indexes, and what was made last"
