"""Commands on the estate: what stands, what would be, what is kept, and the way back. Each gives its exit code."""

from __future__ import annotations

import argparse

from sluice.local import venvs


def abort(chosen: argparse.Namespace) -> int:
    """Take a migration back from anywhere before its cutover; needs no scheduler."""
    from sluice.local.abort import abort_migration

    print(abort_migration(chosen.migration))
    return 0


def quarantine(chosen: argparse.Namespace) -> int:
    """List what waits in quarantine of a migration: keys, and why."""
    from sluice.local.quarantine import list_quarantine

    print(list_quarantine(chosen.migration, chosen.most))
    return 0


def replicate(chosen: argparse.Namespace) -> int:
    """Deliver the changes of a migration on DynamoDB until it is stopped, with a lag below a second."""
    from sluice.local import replicate as replicating

    replicating.replicate(chosen.migration, chosen.seconds)
    return 0


def simulate(chosen: argparse.Namespace) -> int:
    """Foresee two years of what the archive would do to a table: what goes, what is held, what stays. Changes nothing."""
    from sluice.local import simulate as foreseeing

    print(foreseeing.simulate(chosen.dataset, chosen.svg))
    return 0


def safety(chosen: argparse.Namespace) -> int:
    """Say what would be, if a store died now; of one alone also what is kept. Exit code 0 when all is as it was promised."""
    from sluice.local import safety as asked

    found = asked.exposures(chosen.store)
    print(asked.told(found))
    if chosen.store and (lines := asked.kept(chosen.store)):
        print(f"\n{asked.kept_told(lines)}")
    return 1 if any(one.warnings for one in found) else 0


def metrics(chosen: argparse.Namespace) -> int:
    """Print the last number of everything that is measured, as Prometheus reads it."""
    from sluice.local.metrics import metrics_text

    print(metrics_text(), end="")
    return 0


def runbooks(chosen: argparse.Namespace) -> int:
    """Write what to do when a region is gone, data is wrong, a store is slow or somebody was in: with this estate's own names."""
    from sluice.local.safety import write_runbooks

    print("\n".join(str(path) for path in write_runbooks(chosen.folder)))
    return 0


def init_migration(chosen: argparse.Namespace) -> int:
    """Write a migration's YAML from what the catalogue says of a table, and say what preflight thinks of it."""
    from sluice.local import init_migration as drafts

    path, found = drafts.init_migration(venvs.ROOT, chosen.table, chosen.into, drafts.airflow_connection)
    for finding in found:
        print(f"  - {finding}")
    said, code = drafts.closing(str(path.relative_to(venvs.ROOT)), path.stem, found)
    print(f"\n{said}")
    return code
