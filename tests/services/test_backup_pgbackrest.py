"""A server that pgBackRest backs up, brought back to any moment and drilled: by Debian's program, out of its own repository."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sluice.local.ports import free_port
from sluice.safety.backup import Broken
from sluice.safety.census import Marked, mark_now
from sluice.safety.drill.certificate import Goals
from sluice.safety.drill.drilling import Asked, Counted, drill
from sluice.safety.driver import Clock, NotScratch, Restored, Taken, Tell, name_scratch
from sluice.safety.pgbackrest import counting
from sluice.safety.pgbackrest.driver import PgBackRest
from sluice.safety.pgbackrest.program import PgBackRestFailed, RepositoryBusy
from sluice.safety.physical.choosing import NotThere, known, name_point, wait_for_point
from sluice.safety.physical.log import LogMissing
from sluice.safety.physical.scratch import NotRecovered
from sluice.safety.target import Target
from sluice.stores.objects import Damaged
from sluice.stores.postgres import Connection

from tests.backed_up import STORE, ids
from tests.pgbackrested import PASS, S3, Kept, opened

GOALS = Goals(back_within=300, losing_at_most=30)
NUMBERS = count()


@dataclass(frozen=True)
class Past:
    """A full backup, an increment, a count of the store, a moment, what came after it, and another count."""

    kept: Kept
    full: Taken
    incr: Taken
    counted: tuple[Counted, Counted]
    moment: datetime
    at_moment: int
    in_the_end: int

    @property
    def driver(self) -> PgBackRest:
        """What drives it."""
        return self.kept.driver


@pytest.fixture(scope="module")
def past(vault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Make it all once: a table in a tablespace of its own is in it."""
    folder = tmp_path_factory.mktemp("pgbackrest")
    with opened(folder, free_port(), vault.store) as kept, kept.connect() as c:
        said = kept.said.append
        (folder / "apart").mkdir()
        c.execute(f"CREATE TABLESPACE apart LOCATION '{folder}/apart'")  # type: ignore[call-overload]
        c.execute("CREATE TABLE far (id int PRIMARY KEY) TABLESPACE apart")
        c.execute("INSERT INTO far SELECT generate_series(1, 100)")
        full = kept.driver.take(said)
        incr = kept.driver.take(said)
        first = Counted("first", kept.driver.count(said))
        c.execute("SELECT pg_sleep(extract(epoch FROM %s - clock_timestamp()))", [incr.whole_at])
        c.execute("INSERT INTO notes (text) VALUES ('by then')")
        name_point(c, STORE, "by-then", kept.vault)
        moment, before = c.execute("SELECT clock_timestamp() AS now").fetchone(), ids(c)
        c.execute("INSERT INTO notes (text) VALUES ('later')")
        after, second = ids(c), Counted("second", kept.driver.count(said))
        kept.archived()
        assert moment
        yield Past(kept, full, incr, (first, second), moment["now"], before[0], after[0])


@contextmanager
def restored(driver: PgBackRest, target: Target, said: list[str]) -> Iterator[Restored]:
    """Bring it back, for the length of the block."""
    name = name_scratch(STORE, datetime.now(UTC), str(next(NUMBERS)))
    try:
        yield driver.restore(target, name, Clock(), said.append)
    finally:
        driver.destroy(name)
        assert driver.scratches() == []


@contextmanager
def spoilt(file: Path, by: bytes | None) -> Iterator[None]:
    """Have a file of the repository be another, or not be there."""
    aside = file.with_name("aside")
    file.rename(aside)
    if by is not None:
        file.write_bytes(by)
    try:
        yield
    finally:
        aside.replace(file)


def flipped(file: Path) -> bytes:
    """Give what a file holds, with one bit of its middle turned."""
    body = bytearray(file.read_bytes())
    body[len(body) // 2] ^= 1
    return bytes(body)


def test_a_drill_of_the_latest_moment_compares_every_row_and_leaves_nothing(past: Past) -> None:
    asked = Asked(Target("latest"), past.moment, GOALS, past.counted, "a")
    made = drill(past.driver, asked, past.kept.said.append)
    assert made.wrong == ()
    assert made.compared
    assert made.compared.rows == past.in_the_end + 150, "what lies in a tablespace too"
    assert made.backups == (past.full.id, past.incr.id)
    assert list(made.phases) == ["fetched", "available", "first query", "fully read", "verified"]
    assert past.driver.scratches() == []


def test_what_is_never_still_is_counted_without_a_place(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(c: Connection, tell: Tell) -> Marked:
        c.execute("SELECT pg_logical_emit_message(false, 'somebody', 'writes')")
        return mark_now(c, tell)

    with past.kept.connect() as c, c.transaction():
        found = counting.mark_still(c, past.kept.said.append).moment.position
        assert c.execute("SELECT pg_current_wal_insert_lsn()::text AS here").fetchone() == {"here": found}
        monkeypatch.setattr(counting, "TRIES", 3)
        monkeypatch.setattr(counting, "mark_now", busy)
        assert counting.mark_still(c, past.kept.said.append).moment.position is None
    assert "is never still" in past.kept.said[-1]


def test_back_to_a_time_and_handed_over_it_is_a_server_of_its_own(past: Past) -> None:
    port, before = free_port(), stored(past)
    with restored(past.driver, Target.at(past.moment), past.kept.said) as found:
        assert found.backups == (past.full.id, past.incr.id)
        assert found.reached
        assert past.incr.whole_at - timedelta(seconds=1) < found.reached <= past.moment
        past.driver.hand_over(found, port)
        with psycopg.connect(host="127.0.0.1", port=port, user="postgres", password="secret", dbname="postgres") as c:
            assert c.execute("SELECT count(*) FROM notes").fetchone() == (past.at_moment,)
            assert c.execute("SELECT count(*) FROM far").fetchone() == (100,)
            assert c.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
            told = dict(c.execute("SELECT name, setting FROM pg_settings").fetchall())
            assert (told["archive_mode"], told["fsync"], told["restore_command"]) == ("off", "on", "")
            place = c.execute(
                "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'apart'"
            ).fetchone()
        assert place
        assert place[0].startswith(str(past.driver.scratch)), "not where the living server has it"
    assert stored(past) == before, "the repository is as it was"


def stored(past: Past) -> dict[Path, int]:
    """What the repository has, and since when."""
    return {file: file.stat().st_mtime_ns for file in past.kept.repository.rglob("*")}


def test_a_point_that_was_named_out_of_s3_encrypted_in_bundles(past: Past) -> None:
    driver = replace(past.driver, repo=S3)
    taken = driver.take(past.kept.said.append)
    with past.kept.connect() as c:
        name_point(c, STORE, "of-s3", past.kept.vault)
        c.execute("INSERT INTO tenants VALUES (51, 'after the point')")
    named = known(past.kept.vault, STORE, Target("point", "of-s3"))
    with pytest.raises(NotThere, match="the point is"):
        wait_for_point(driver, named, timedelta(0))
    past.kept.archived()
    wait_for_point(driver, named, timedelta(0))
    with restored(driver, Target("point", "of-s3"), past.kept.said) as found, psycopg.connect(found.address) as copy:
        assert copy.execute("SELECT max(id) FROM tenants").fetchone() == (50,)
        assert copy.execute("SELECT count(*) FROM notes").fetchone() == (past.in_the_end,)
        assert found.backups == (taken.id,)
    with (
        pytest.raises(Broken, match=r"whole before position .* That moment cannot be restored to"),
        restored(driver, Target("point", "by-then"), past.kept.said),
    ):
        pass  # it was named before this backup, and there is no older one in that repository
    assert PASS not in " ".join([*past.kept.said, *driver.program.command("backup")])


def test_the_window_ends_with_the_log_that_the_repository_has(past: Past) -> None:
    window = past.driver.window()
    assert window
    assert window.earliest == past.full.whole_at
    assert window.latest > past.moment
    with past.kept.connect() as c:
        c.execute("CREATE TABLE not_archived (); DROP TABLE not_archived")
        now = c.execute("SELECT clock_timestamp() AS now").fetchone()
    behind = past.driver.window()
    down = replace(past.driver, dsn="host=127.0.0.1 port=1 user=postgres dbname=postgres").window()
    assert now
    assert behind == down
    assert behind
    assert past.moment - timedelta(seconds=1) < behind.latest < now["now"]


def test_what_is_damaged_in_a_backup_is_red_with_its_reason(past: Past) -> None:
    file = past.kept.in_repository(f"{past.full.id}/pg_data/base/*/1255.zst")
    with spoilt(file, flipped(file)):
        with pytest.raises(Damaged, match=f"backup: {past.full.id}.*: 1 checksum invalid"):
            past.driver.verify(past.incr.id, past.kept.said.append)
        with (
            pytest.raises((Damaged, PgBackRestFailed), match=r"pgbackrest restore of stanza shop failed: ERROR: \["),
            restored(past.driver, Target("latest"), past.kept.said),
        ):
            pass
    assert past.driver.verify(past.incr.id, past.kept.said.append) > 0


def test_another_log_under_a_files_name_stops_the_restore_and_is_no_end_of_the_log(past: Past) -> None:
    names = log_behind(past)
    other, needed = (past.kept.in_repository(f"{name}-*.zst") for name in (names[0], names[-1]))
    with (
        spoilt(needed, other.read_bytes()),
        pytest.raises(Damaged, match="is not what was archived: its sha1 is not the one of its name"),
        restored(past.driver, Target("latest"), past.kept.said),
    ):
        pass


def test_a_gap_in_the_log_is_red_though_pgbackrest_takes_it_for_whole(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice.safety.pgbackrest.driver.LOG_COMES_WITHIN", timedelta(0))
    gone = log_behind(past)[-2]
    with spoilt(past.kept.in_repository(f"{gone}-*.zst"), None):
        past.driver.program.run("verify", "--output=text", "--verbose")
        for asks in (past.driver.verify, None):
            with pytest.raises(LogMissing, match=f"{gone} of the log of shop is missing in pgBackRest's repository"):
                if asks:
                    asks(past.incr.id, past.kept.said.append)
                with restored(past.driver, Target("latest"), past.kept.said):
                    pass


def log_behind(past: Past) -> list[str]:
    """Name the files of the log from the increment on."""
    (found,) = [one for one in past.driver._found() if one.id == past.incr.id]
    return [file.name for file in past.driver._archive(found).since(found).files]


def test_what_cannot_be_is_refused_before_anything_is_made(
    past: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice.safety.pgbackrest.driver.LOG_COMES_WITHIN", timedelta(0))
    refused = (
        (Target.at(past.full.whole_at - timedelta(hours=1)), Broken, "No backup of shop was whole before"),
        (Target("position", "0/10"), Broken, "No backup of shop was whole before position 0/10"),
        (Target("position", "7/10"), LogMissing, "7/10 was asked for. A file is archived when it is full"),
    )
    for target, error, words in refused:
        with pytest.raises(error, match=words), restored(past.driver, target, past.kept.said):
            pass
    with pytest.raises(NotScratch):
        past.driver.restore(Target("latest"), "shop", Clock(), past.kept.said.append)
    other = tmp_path / "postgres"
    other.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 9.6.1'\n")
    other.chmod(0o755)
    monkeypatch.setenv("SLUICE_PG_BIN", str(tmp_path))
    with (
        pytest.raises(NotRecovered, match=r"is of PostgreSQL \d+, and here is postgres .PostgreSQL. 9.6.1"),
        restored(past.driver, Target("latest"), past.kept.said),
    ):
        pass


def test_a_backup_that_is_under_way_is_waited_for_and_a_timers_own_is_told(past: Past) -> None:
    with ExitStack() as held:
        for name in ("shop-backup.lock", "shop-backup-1.lock"):  # as older ones call it, and newer ones
            file = held.enter_context((past.kept.folder / "lock" / name).open("a"))
            fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RepositoryBusy, match=r"\[050\].*It is tried again by itself"):
            past.driver.take(past.kept.said.append)
    assert replace(past.driver, takes=False).take(past.kept.said.append) == past.incr
