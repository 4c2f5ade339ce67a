"""What must be there before Airflow's processes start: its users, the vault's bucket, and a pool for each store.

Run by the `airflow-init` container at every start, after the metadata's migration. Safe to repeat.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from sluice.estate import read_stores
from sluice.estate.models import Estate, Vault

USERS = ("admin", "operator", "viewer")


def write_passwords(target: Path) -> None:
    """Write who may log in, from the environment, so that Airflow does not make up passwords and log them."""
    passwords = {user: os.environ[f"{user.upper()}_PASSWORD"] for user in USERS}
    target.touch(mode=0o600)
    target.write_text(json.dumps(passwords))


def create_vault(vault: Vault) -> None:
    """Make the vault's bucket, which keeps every version of an object."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    hook = S3Hook(aws_conn_id=vault.connection)
    if not hook.check_for_bucket(vault.bucket):
        hook.create_bucket(vault.bucket)
    hook.get_conn().put_bucket_versioning(Bucket=vault.bucket, VersioningConfiguration={"Status": "Enabled"})


def create_pools(estate: Estate) -> None:
    """Make one pool for each store, so that all runs together ask no more of it than it bears."""
    pools = {
        f"store_{name}": {"slots": store.pool_slots, "description": f"Tasks at work on {name} at one time."}
        for name, store in estate.stores.items()
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(pools))
        file.flush()
        subprocess.run(["airflow", "pools", "import", file.name], check=True)


if __name__ == "__main__":
    estate = read_stores(Path("/opt/airflow"))
    write_passwords(Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]))
    create_vault(estate.vault)
    create_pools(estate)
