"""Fill certify with the sample estate's sessions and audit entries, once; a second call changes nothing.

docker compose exec airflow-scheduler python /opt/sluice/seed.py [rows]
"""

from __future__ import annotations

import sys

from airflow.sdk import BaseHook
from psycopg.conninfo import make_conninfo
from sluice.local.certify.seed import seed
from sluice.stores.postgres import connect


def certify_dsn() -> str:
    """Give the address that Airflow's connection `pg_certify` holds."""
    told = BaseHook.get_connection("pg_certify")
    return make_conninfo(host=told.host, port=told.port, dbname=told.schema, user=told.login, password=told.password)


if __name__ == "__main__":
    with connect(certify_dsn(), purpose="seed") as connection:
        seed(connection, rows=int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
