"""What of the surroundings cannot be carried over, and why; and what of it a person should know. Read-only."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.same_cluster.names import new_name, old_name
from sluice.migration.kinds.same_cluster.route import CAPTURE_TRIGGER, Route
from sluice.migration.kinds.same_cluster.said import accept, inform, refuse
from sluice.migration.kinds.same_cluster.surroundings.things import Hanging, Thing, names_in_full
from sluice.stores.postgres import Connection, rows
from sluice.stores.statements import statement

UNREAD_ON_PARTITIONS = 180000
"""From this version on a partitioned table takes a foreign key NOT VALID; before, all of it would be read under the lock."""


def about_dependents(c: Connection, route: Route, hung: Hanging) -> Iterator[Finding]:
    """Views, functions and policies are made again to mean the new table; what holds the old one otherwise cannot be."""
    table = route.source
    for thing in hung.of("left"):
        yield refuse(
            "dependent",
            f"{_said(thing.name)} holds {table} itself, or its row type: it would stay with the old table.",
            "Drop it first, and make it again after the cutover.",
        )
    for thing in hung.of("view", "function", "policy"):
        if not thing.ours:
            yield refuse(
                "dependent",
                f"{_said(thing.what)} {thing.name} must be made to mean the new table, and belongs to {thing.owner}.",
                f"GRANT {thing.owner} TO the role of this connection.",
            )
    if set(route.target_key) != set(route.shape.key):
        for row in rows(c, statement("surroundings.list_readers_of_key"), oid=route.shape.oid):
            yield refuse(
                "dependent",
                f"{row['name']} groups by a key of {table}: it holds that key's constraint, and the new key is another.",
                "Name every column of it in GROUP BY.",
            )


def about_keys(c: Connection, route: Route, hung: Hanging) -> Iterator[Finding]:
    """Foreign keys, in and out, and unique constraints that wait."""
    for key in hung.of("key_out"):
        if key.state != "valid":
            yield refuse(
                "unvalidated_key",
                f"Foreign key {key.name} of {route.source} is not validated: the new table would not know which rows break it.",
                f"ALTER TABLE {key.holder} VALIDATE CONSTRAINT {key.name}, or drop it.",
            )
        if not key.ours:
            yield refuse(
                "foreign_key",
                f"Foreign key {key.name} points at a table that our role may not point at.",
                "GRANT REFERENCES on it.",
            )
        if key.text.endswith("RESTRICT") or "ON DELETE RESTRICT" in key.text:
            yield inform(
                "restricting_key",
                f"Foreign key {key.name} says RESTRICT: until the migration is over, one statement (WITH …) that deletes a row"
                " and what it points at together may be refused.",
            )
    yield from _about_keys_in(c, route, hung)
    for row in rows(c, statement("surroundings.list_deferrable"), oid=route.shape.oid):
        yield refuse(
            "deferrable_unique",
            f"Unique constraint {row['name']} is deferrable: rows are captured one by one, and could not"
            " pass through each other.",
            "Make it NOT DEFERRABLE first.",
        )


def _about_keys_in(c: Connection, route: Route, hung: Hanging) -> Iterator[Finding]:
    kept = _keys_kept(c, route)
    with names_in_full(c):
        listed = rows(c, statement("surroundings.list_pointed_at"), oid=route.shape.oid)
    pointed = {(row["name"], row["holder"]): row["columns"] for row in listed}
    for key in hung.of("key_in"):
        columns = pointed[key.name, key.holder]
        if columns not in kept:
            yield refuse(
                "foreign_key_in",
                f"Foreign key {key.name} of {key.holder} points at {', '.join(columns)} of {route.source}: on the new table"
                " these alone are not unique, as partitions cannot hold such a key.",
                "Cut by a column of that key (hash of it will do), or make a plain table of it, or drop the foreign key.",
            )
        if not key.ours:
            yield refuse("foreign_key_in", f"{key.holder} belongs to {key.owner}.", f"GRANT {key.owner} TO our role.")
        if _is_partitioned(key, route) and c.info.server_version < UNREAD_ON_PARTITIONS:
            yield refuse(
                "foreign_key_in",
                f"Foreign key {key.name} of {key.holder} would belong to a partitioned table: before PostgreSQL 18 it cannot"
                " be pointed at another table without reading all of it under the lock.",
                "Drop it, and make it again after the cutover.",
            )


def about_triggers(c: Connection, route: Route, hung: Hanging) -> Iterator[Finding]:
    """They are made again on the new table; there, a row trigger sees partitions."""
    table, cut_by = route.source, {cut.column for cut in route.cuts}
    for trigger in hung.of("trigger"):
        if trigger.name.encode() < CAPTURE_TRIGGER.encode():
            yield refuse(
                "trigger_order",
                f"Trigger {trigger.name} of {table} fires before ours, and could write a row again behind our back.",
                f"Give it a name that sorts behind {CAPTURE_TRIGGER}: ALTER TRIGGER … RENAME TO ….",
            )
    by_row = rows(c, statement("surroundings.list_row_triggers"), oid=route.shape.oid) if cut_by else []
    for row in by_row:
        written = [column for column in sorted(cut_by) if re.search(rf"\b{re.escape(column)}\b", row["source"])]
        if row["before_write"] and written:
            yield accept(
                "before_trigger",
                f"Trigger {row['name']} fires before a write and names {', '.join(written)}: PostgreSQL has chosen the"
                " partition by then, and a write fails when the trigger sets a value that belongs to another one.",
                "Write `accept: [before_trigger]` when it only reads that column; else let a DEFAULT set it.",
            )
    if by_row:
        yield inform(
            "row_triggers",
            f"On the new table, TG_TABLE_NAME and TG_RELID of {', '.join(row['name'] for row in by_row)} name the partition.",
        )


def about_publications(c: Connection, route: Route, hung: Hanging) -> Iterator[Finding]:
    """Those that name the table move with it; those that take in everything take in the copy too."""
    named = {publication.name for publication in hung.of("publication")}
    for publication in hung.of("publication"):
        if not publication.ours:
            yield refuse(
                "publication",
                f"Publication {publication.name} carries {route.source} and belongs to {publication.owner}.",
                f"GRANT {publication.owner} TO the role of this connection.",
            )
        if route.cuts and publication.state != "via root":
            yield refuse(
                "publication",
                f"Publication {publication.name} carries {route.source} and would publish its partitions,"
                " which no subscriber knows.",
                f"ALTER PUBLICATION {publication.name} SET (publish_via_partition_root = true).",
            )
    if route.shape.facts["replica_identity"] != "d":
        yield refuse(
            "replica_identity",
            f"{route.source} has a replica identity of its own, which each partition would need as well.",
            "ALTER TABLE … REPLICA IDENTITY DEFAULT, and set it again after the cutover.",
        )
    for row in rows(c, statement("catalogue.list_publications"), oid=route.shape.oid):
        if row["name"] not in named:
            yield accept(
                "publication",
                f"Publication {row['name']} takes in every table of its database or schema: its subscribers are sent the copy"
                f" {route.target} too, and stop until they have such a table; at the cutover, {route.source} means the new one.",
                "Make the tables on the subscribers first, or write `accept: [publication]` when nobody subscribes.",
            )


def about_subscriptions(route: Route, hung: Hanging) -> Iterator[Finding]:
    """What is applied fires no triggers for statements, and would reach neither table after a swap."""
    for subscription in hung.of("subscription"):
        yield refuse(
            "subscription",
            f"Subscription {subscription.name} writes {route.source}: once another table has that name, PostgreSQL would leave"
            " out all that it sends, and say nothing.",
            f"On the publisher, ALTER PUBLICATION … DROP TABLE {route.source}; here, ALTER SUBSCRIPTION {subscription.name}"
            " REFRESH PUBLICATION; subscribe again after the cutover.",
        )


def about_names(c: Connection, route: Route) -> Iterator[Finding]:
    """Indexes and sequences give way to each other: the names for it must be free."""
    own = rows(c, statement("surroundings.list_named"), oid=route.shape.oid)
    wanted = [way(row["name"]) for row in own for way in (new_name, old_name)]
    for row in rows(c, statement("surroundings.list_taken"), schema=route.source.schema, names=wanted):
        yield refuse("name_taken", f"{route.source.schema}.{row['name']} is there already.", "Rename it, or drop it.")


def _keys_kept(c: Connection, route: Route) -> list[list[str]]:
    """What tells the target's rows apart: its primary key, and the unique indexes that it gets."""
    changed = set(route.migration.target.columns)
    cut_by = {cut.column for cut in route.cuts}
    unique = [
        row["columns"]
        for row in rows(c, statement("surroundings.list_keys"), oid=route.shape.oid)
        if not row["primary"] and cut_by <= set(row["columns"]) and not changed.intersection(row["columns"])
    ]
    return [sorted(route.target_key), *unique]


def _is_partitioned(key: Thing, route: Route) -> bool:
    """Whether the table that would hold the key after a swap is partitioned: `body` is the holder's kind now, or `itself`."""
    return key.body == "p" or (key.body == "itself" and bool(route.cuts))


def _said(what: str) -> str:
    return what[:1].upper() + what[1:]
