"""The runbooks: a region that is gone, data that is wrong, a store that is slow, somebody who should not be there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from sluice.estate.backup_ways import By
from sluice.estate.models import Store
from sluice.safety.rds.snapshots import name_snapshot
from sluice.safety.runbooks.known import Known, drill_command, promote_command, restore_command, tenant_command
from sluice.safety.runbooks.steps import Page, Step, written
from sluice.safety.words import lasts

MOMENT = "2026-03-01 14:03:00+00:00"
"""Stands where a person writes theirs."""
Steps: TypeAlias = Callable[[str, Store], Sequence[Step]]
NO_BACKUP = (
    "It has no `backup` in include/estate/estate.yaml: nothing of this project brings it back. Whoever runs it does, by the means"
    " of its engine ({engine})."
)


def runbooks(known: Known) -> Mapping[str, str]:
    """Write all of them: the file's name, and its Markdown."""
    pages = {
        "region-failure.md": _region(known),
        "corruption.md": _corruption(known),
        "degradation.md": _degradation(known),
        "breach.md": _breach(known),
    }
    return {name: written(page, known) for name, page in pages.items()}


def _region(known: Known) -> Page:
    bucket = known.estate.vault.bucket
    brought_back = _each(known, lambda name, store: (
        Step("Bring it back as of the latest moment.", restore_command(name, _by(store), "latest"), (name, "latest")),
        *_in_other_regions(name, store),
        Step(f"Look at it there; its address and its last commit are in the log of `restore_store` of `restore__{name}`."),
        Step(f"Point users at it: the DNS name or setting behind `{store.connection}`, then that connection."
             if store.engine == "postgres" else "Point applications at those names."),
    ))  # fmt: skip
    return Page(
        title="A region is gone",
        when="Take this one when servers cannot be reached and their provider says so, or says nothing.",
        first=(
            Step("Call the first of the list, and say who leads. Write down the time.", ""),
            Step(
                "Look what would be lost and how long it takes. The stores need not be up; the vault must be:"
                f" bucket `{bucket}`. Where that lies in the same region, only what was copied elsewhere is left:"
                f" {_copies(known)}.",
                "./sluice safety",
            ),
            Step(
                "Where a platform fails over by itself (an HA agent, Multi-AZ), let it, and look again: two who promote lose"
                " what one of them has taken."
            ),
            Step("Run Airflow where the region is not, with the same estate and connections.", "./sluice up"),
        ),
        stores=[(name, [*_promoted(name, known.stores[name]), *steps]) for name, steps in brought_back],
        last=(
            *_backups(known, "Back `{}` up anew: the log goes on from there."),
            Step("When the region is back, the old servers take no writes: look first what they have that is not here."),
        ),
        users=_message(known, "A data centre cannot be reached."),
    )  # fmt: skip


def _copies(known: Known) -> str:
    """Name where the second copies lie: whoever has these has what each store was when that backup was whole."""
    places = {
        name: store.backup.elsewhere for name, store in known.stores.items() if store.backup and store.backup.elsewhere
    }
    told = "; ".join(
        f"of `{name}` in `{place.bucket}`, {place.region}, by `{place.connection}`" for name, place in places.items()
    )
    return (
        f"{told}. Name it as `vault`, and bring a backup back by its name"
        if told
        else "nothing, no store has `elsewhere`"
    )


def _corruption(known: Known) -> Page:
    return Page(
        title="Data is wrong, or gone",
        when="Take this one for a bad release, a wrong DELETE, a page that PostgreSQL cannot read.",
        first=(
            Step("Stop what writes it: the release, the job, the person. Each minute makes the way back longer."),
            Step("Find the last moment at which it was right, in UTC. Stores can be brought back to:", "./sluice safety"),
        ),
        stores=_each(known, lambda name, store: (
            Step("Bring it back beside the one that lives, as of a moment before. Nothing is changed there.",
                 restore_command(name, _by(store), "time", MOMENT), (name, "moment")),
            *([Step(f"Was a point named before (`name_point__{name}`)? Then to that.",
                    restore_command(name, _by(store), "point", "before-7.2"))]
              if store.backup and store.backup.way.has_points else []),
            Step(f"Not sure of the moment? A drill reads all of it{_own_suites(store)}, and takes it away again.",
                 drill_command(name, MOMENT), (name, "moment")),
            *_copied_back(name, store),
        )),
        last=(
            Step("Keep the wrong state as evidence before it is written over: a backup of it is one."),
            *_backups(known, "Back `{}` up."),
        ),
        users=_message(known, "Some data was wrong for a while."),
    )  # fmt: skip


def _degradation(known: Known) -> Page:
    return Page(
        title="A store is slow, or full",
        when="Take this one while it still answers.",
        first=(
            Step("Look what runs here, and what died.", "./sluice status"),
            Step("Look how far the log in the vault is, and what would be lost if it died now.", "./sluice safety"),
        ),
        stores=_each(known, lambda name, store: (
            Step(f"Take Sluice's own load off it: Airflow, Admin → Pools, `store_{name}` to 0 slots ({store.pool_slots} else)."
                 " Its runs wait, and go on where they were."),
            *([Step(f"Does its disk fill? It keeps log for the slot `sluice_log_{name}`: look at `ship_log__{name}`,"
                    " which lets it go.")] if store.backup and store.backup.by == "physical" else []),
            Step("Does it not come back to itself? Bring it back beside, and look whether it is faster there.",
                 restore_command(name, _by(store), "latest"), (name, "latest")),
        )),
        last=(Step("Give the pools their slots back."),),
        users=_message(known, "Answers are slow at the moment."),
    )  # fmt: skip


def _breach(known: Known) -> Page:
    bucket, vault = known.estate.vault.bucket, known.estate.vault.connection
    used = {
        vault,
        known.estate.ledger.connection,
        *(one for store in known.stores.values() for one in store.connections),
    }
    names = [f"`{name}`" for name in sorted(used)]
    return Page(
        title="Somebody was in who should not be",
        when="Take this one for a password that leaked, a role nobody made, rows that were read by a stranger.",
        first=(
            Step("Call the first of the list, and whoever answers to the law. Change nothing that may be evidence."),
            Step(f"Give these connections new passwords, in the servers and in Airflow: {', '.join(names)}."),
            Step(f"Look who wrote to the bucket `{bucket}`: its versions, its log. What is locked there stays."),
        ),
        stores=_each(known, lambda name, store: (
            Step("Bring it back as of before, beside the one that lives, and compare "
                 + ("roles, grants, policies and functions." if store.engine == "postgres" else "items, policies and settings."),
                 restore_command(name, _by(store), "time", MOMENT), (name, "moment")),
            Step("Prove what it comes back from: all of that is read by its checksums, and held against the counts around it.",
                 drill_command(name, MOMENT), (name, "moment")),
        )),
        last=(
            *_backups(known, "Take a backup of `{}`: from now on its state is known."),
            Step("Write down what was open, since when, to whom: users are told, the authority where the law says so."),
        ),
        users="We found that somebody had access who should not have had. It is closed since HH:MM UTC. We tell you what was"
        " seen, and of whom, as soon as it is known; until then: change your password.",
    )  # fmt: skip


def _each(known: Known, steps: Steps) -> Sequence[tuple[str, Sequence[Step]]]:
    return [
        (name, steps(name, store) if store.backup else (Step(NO_BACKUP.format(engine=store.engine)),))
        for name, store in known.stores.items()
    ]


def _promoted(name: str, store: Store) -> list[Step]:
    """Say how a replica takes over, where that is ours to do: it is there at once, and loses least."""
    replicas = store.replicas
    if not replicas or replicas.failover != "sluice":
        return []
    others = ", ".join(f"`{other}`" for other in replicas.servers)
    switches = bool(replicas.dns or replicas.pooler)
    led = (
        "Users are led there with it" if switches else f"Then point users at it, by what is behind `{store.connection}`"
    )
    drill = f"Drilled by `failover_drill` each Sunday, on servers of its backups: the vault, `failovers/{name}/`."
    return [
        Step(
            f"Does a replica of it ({others}) answer still? Look what promoting it would do and lose, and whether it asks for a"
            " word. Nothing is changed by this.",
            promote_command(name, dry_run=True),
        ),
        Step(
            f"Meant? Promote it. {led}. What follows below is for a store of which no replica is left.",
            promote_command(name, **({"switch_name": True} if switches else {})),
            rehearsed=drill if store.backup and store.backup.by == "physical" else "",
        ),
    ]


def _copied_back(name: str, store: Store) -> list[Step]:
    """Say how what was lost comes back out of a copy."""
    all_wrong = "; or, where all of it is wrong, stop writes, and point {} at it: what came in since is lost then."
    if store.engine == "dynamodb":
        return [Step(f"Copy the items back that were lost{all_wrong.format('applications')}")]
    behind = f"the connection `{store.connection}`"
    return [
        Step("One tenant alone? This writes SQL that puts its rows back, and runs none.", tenant_command(name, MOMENT)),
        Step(f"Copy back what was lost out of it, table by table, parents before children{all_wrong.format(behind)}"),
    ]


def _own_suites(store: Store) -> str:
    return ", runs your own suites (`checks`)" if store.engine == "postgres" else ""


def _by(store: Store) -> By:
    assert store.backup
    return store.backup.by


def _in_other_regions(name: str, store: Store) -> list[Step]:
    """Say what is had where the store's own region is gone."""
    assert store.backup
    told = {
        "documents": f"Is their region gone? Give the Airflow connection `{store.backup.connection}` another one, and bring them"
        " back: the tables are made there, out of the vault.",
        "neon": "Is the project itself gone, or Neon? Its dumps are in the vault: say `by: logical` in its `backup`, with"
        " `rpo: 1d` and without `service`, `project`, `branch` and `amcheck`. Then the command above brings its newest dump.",
        "service": "What AWS keeps of these tables lies in their region: while that is gone, so is it.",
    }
    text = "Is all gone that RDS keeps in {}? Then bring the newest snapshot back that is in {}: what was written since is lost."
    copies = [
        Step(
            text.format(store.backup.region, to.region),
            restore_command(name, "rds", "point", name_snapshot(name, datetime.fromisoformat(MOMENT)), to.region),
        )
        for to in store.backup.copies
    ]
    return [Step(told[store.backup.by])] if store.backup.by in told else copies


def _backups(known: Known, text: str) -> list[Step]:
    """Give a step for each store that is backed up."""
    kept = [name for name, store in known.stores.items() if store.backup]
    return [Step(text.format(name), f"./sluice run backup__{name} --wait") for name in kept]


def _message(known: Known, what: str) -> str:
    """Say what users are told, with what was measured: the slowest store, and the most that is lost."""
    back = [one.back_in for one in known.exposures.values()]
    lost = [one.lose_at_most for one in known.exposures.values()]
    soon = (
        f"within {lasts(max(b for b in back if b))}"
        if back and all(back)
        else "as soon as we can: we say when as soon as we know"
    )
    gone = lasts(max(one for one in lost if one is not None)) if any(one is not None for one in lost) else "a while"
    return (
        f"{what} We are at it since HH:MM UTC, and expect to be back {soon}. What you wrote in the last {gone} before that may"
        " have to be entered again. The next word comes within 30 minutes, at HH:MM UTC."
    )
