"""A failover drill of a store: two servers of our own, made of its backups, of which the one that leads is killed under load.

The store itself is not touched, nor asked: what is drilled is that its backups make servers that follow one another, and that
the very code of the real day promotes the right one, proves it, and says in what time. Once with synchronous commit, once
without; in between the one that died comes back as a replica.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from psycopg.conninfo import conninfo_to_dict

from sluice.safety.driver import Clock, Restored, Tell, destroy_of_run, name_scratch
from sluice.safety.physical.driver import Physical
from sluice.safety.physical.scratch import Scratch
from sluice.safety.replicas.certificate import FailoverCertificate
from sluice.safety.replicas.drilling import play_round
from sluice.safety.replicas.scratch_group import Member, adopt, join, replayed_settings
from sluice.safety.replicas.trial import prepare_trial
from sluice.safety.target import Target


def rehearse(driver: Physical, asked_at: datetime, seed: str, within: float, tell: Tell) -> FailoverCertificate:
    """Do one drill. What was made for it goes, also where this raises.

    Raises NotRecovered, Damaged, Broken, LogMissing, VaultDown, TimeoutError, and what a promotion raises.
    """
    with two_servers(driver, asked_at, seed, tell) as (found, members):
        trial, leading, rounds = prepare_trial(members[0], members), members[0], []
        for synchronous in (True, False):
            made, leading = play_round(members, leading, trial, synchronous, tell)
            rounds.append(made.told)
    return FailoverCertificate(driver.store, found.name, asked_at.isoformat(), found.backups, within, tuple(rounds))


@contextmanager
def two_servers(
    driver: Physical, asked_at: datetime, seed: str, tell: Tell
) -> Iterator[tuple[Restored, tuple[Member, Member]]]:
    """Bring a store back twice for as long as the block lasts: one leads, the other follows it.

    Each stands under a scratch name of its own, so that whoever reaps finds both.
    """
    seeds = (f"{seed} leads", f"{seed} follows")
    first, second = (name_scratch(driver.store, asked_at, one) for one in seeds)
    for one in seeds:
        destroy_of_run(driver, one)
    try:
        found = driver.restore(Target("latest"), first, Clock(), tell)
        leading = _leading(driver, found)
        tell(f"{driver.store}: {first} leads, a copy of it follows")
        yield found, (leading, join(leading, "second", driver.scratch / second))
    finally:
        for name in (second, first):
            driver.destroy(name)


def _leading(driver: Physical, found: Restored) -> Member:
    """Start what was brought back anew, as the first of two."""
    told = conninfo_to_dict(found.address)
    place = Scratch(driver.scratch / found.name)
    made = Member("first", place, str(told["dbname"]), str(told["user"]))
    settings = replayed_settings(made)
    place.stop("fast")
    member = adopt(place, made.name, made.database, made.superuser, settings)
    member.start()
    return member
