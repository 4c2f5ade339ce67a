"""A database with all that is odd in it, to be dumped and brought back: for tests of logical backups."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from sluice.stores.cluster import Cluster
from sluice.stores.postgres import Connection, connect

STORE = "odd"
DATABASE = 'odd "shop"'
ZOO = Path(__file__).parent / "zoo" / "odd.sql"
EXTENSIONS = ("citext", "hstore", "ltree", "btree_gist")
LEFT_OUT = (
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.InvalidDatetimeFormat,
    psycopg.errors.SyntaxError,
    psycopg.errors.UndefinedObject,
)
"""What a part of the zoo says that this build cannot make: it has no ICU, or is an older release."""
ROLES = """
CREATE ROLE "Owner of all" NOLOGIN;
CREATE ROLE reader LOGIN CONNECTION LIMIT 7 VALID UNTIL '2100-01-01';
CREATE ROLE clerk LOGIN PASSWORD 'secret';
GRANT "Owner of all" TO clerk; GRANT reader TO clerk WITH ADMIN OPTION; GRANT pg_read_all_data TO reader;
CREATE ROLE dumper SUPERUSER LOGIN PASSWORD 'secret'; ALTER ROLE dumper SET search_path = shop;
ALTER ROLE clerk SET search_path = shop, "$user", public; ALTER ROLE clerk SET work_mem = '65536';
"""
SHAPE = """
CREATE SCHEMA shop AUTHORIZATION "Owner of all"; CREATE SCHEMA clerk AUTHORIZATION clerk;
GRANT USAGE ON SCHEMA shop TO reader;
CREATE TYPE shop.mood AS ENUM ('glad', 'so so');
CREATE TABLE shop.tenants (id int PRIMARY KEY, name text, mood shop.mood);
INSERT INTO shop.tenants SELECT g, 'tenant ' || g, 'glad' FROM generate_series(1, 50) AS g;
ALTER TABLE shop.tenants OWNER TO "Owner of all";
ALTER TABLE shop.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE shop.tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.tenants TO reader USING (id::text = current_setting('app.tenant_id', true));
GRANT SELECT ON shop.tenants TO reader WITH GRANT OPTION; GRANT UPDATE (name) ON shop.tenants TO clerk;
CREATE TABLE clerk.written (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT clock_timestamp());
ALTER TABLE clerk.written OWNER TO clerk; GRANT SELECT ON clerk.written TO reader; REVOKE ALL ON clerk.written FROM reader;
CREATE TABLE clerk.sealed (id int); ALTER TABLE clerk.sealed OWNER TO clerk; REVOKE ALL ON clerk.sealed FROM clerk;
CREATE TABLE shop.events (id bigint, at timestamptz, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE shop.events_y2026m01 PARTITION OF shop.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE shop.events_y2026m02 PARTITION OF shop.events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO shop.events SELECT g, '2026-01-05'::timestamptz + g * interval '1 hour' FROM generate_series(1, 500) AS g;
CREATE TABLE shop.pointers (what regclass, kinds regtype[], oids oid);
INSERT INTO shop.pointers VALUES ('shop.events', '{shop.mood}', 5);
CREATE MATERIALIZED VIEW shop.computed AS SELECT count(*) AS rows FROM clerk.written;
CREATE VIEW shop.seen WITH (security_barrier) AS SELECT id, name FROM shop.tenants WHERE id > 3;
CREATE UNLOGGED TABLE shop.quick AS SELECT 1 AS one;
SELECT lo_from_bytea(4711, decode(repeat('00ff27', 3000), 'hex')); SELECT lo_from_bytea(0, '\\x01');
CREATE TABLE shop.twice AS SELECT 1 AS id FROM generate_series(1, 2);
"""
BROKEN = "CREATE UNIQUE INDEX CONCURRENTLY twice_id ON shop.twice (id)"
AROUND = """
ALTER DATABASE {database} SET app.tenant_id = '42'; ALTER DATABASE {database} OWNER TO "Owner of all";
ALTER ROLE reader IN DATABASE {database} SET default_transaction_read_only = on;
REVOKE CONNECT ON DATABASE {database} FROM PUBLIC; GRANT CONNECT, CREATE ON DATABASE {database} TO reader, clerk;
"""


def make_odd(cluster: Cluster) -> str:
    """Make the database, and roles around it; gives its address, of a role that has a search_path of its own."""
    quoted = '"' + DATABASE.replace('"', '""') + '"'
    with psycopg.connect(cluster.dsn(), autocommit=True) as c:
        c.execute(ROLES)
        c.execute(f"CREATE DATABASE {quoted} TEMPLATE template0")  # type: ignore[call-overload]
        c.execute("CREATE DATABASE other")
        c.execute("ALTER DATABASE other SET work_mem = '5MB'")
    address = cluster.dsn(DATABASE)
    with psycopg.connect(address, autocommit=True) as c:
        for extension in EXTENSIONS:
            with suppress(psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported):
                c.execute(f"CREATE EXTENSION {extension}")  # type: ignore[call-overload]
        for part in re.split(r"(?m)^-- # .*$", ZOO.read_text()):
            with suppress(*LEFT_OUT):
                part = part.replace("generate_series(1, 40)", "generate_series(1, 2)")  # of megabytes
                c.execute(part)  # type: ignore[call-overload]
        c.execute(SHAPE)
        with suppress(psycopg.errors.UniqueViolation):
            c.execute(BROKEN)
        c.execute(AROUND.format(database=quoted))  # type: ignore[call-overload]
    return cluster.dsn(DATABASE, "dumper", "secret")


@contextmanager
def written_to(address: str) -> Iterator[None]:
    """Have somebody write, a row a transaction."""
    over = threading.Event()

    def write() -> None:
        with session(address) as c:
            while not over.is_set():
                c.execute("INSERT INTO clerk.written DEFAULT VALUES")

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def session(address: str) -> Connection:
    """Open a session."""
    return connect(address, purpose="test")
