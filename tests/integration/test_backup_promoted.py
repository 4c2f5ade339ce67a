"""A server that was rolled back, and one that was promoted: its log is followed onto its timeline, and never joined unseen."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluice.local.ports import free_port
from sluice.safety.backup import Backup
from sluice.safety.driver import Clock
from sluice.safety.physical.choosing import choose
from sluice.safety.physical.driver import Physical
from sluice.safety.physical.log import LogMissing, LogStore, SplitLog, log_of
from sluice.safety.physical.recovering import recover
from sluice.safety.physical.scratch import Scratch
from sluice.safety.physical.shipping import Shipper
from sluice.safety.physical.stretch import Held
from sluice.safety.physical.taking import NotTaken, take
from sluice.safety.replicas.promoting import plan, promote
from sluice.safety.target import Target
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, connect

from tests.backed_up import STORE, Shop, increments, opened_shop
from tests.replicated import opened_trio

NEVER = timedelta(seconds=1)


@dataclass(frozen=True)
class Story:
    """What became of the shop."""

    shop: Shop
    first: Backup
    left: Backup
    """Taken on the way that the server lost."""
    before: datetime
    """Behind the first note, before what was lost."""
    refused: tuple[str, str]
    """What was said of the server that was rolled back: at once, and when it had written more than before."""
    promoted: datetime

    @property
    def driver(self) -> Physical:
        """What brings it back."""
        return Physical(STORE, self.shop.cluster.dsn(), self.shop.vault, self.shop.folder / "drills")


@pytest.fixture(scope="module")
def story(vault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A backup; a snapshot of the machine; more writes, and a backup of them; back to the snapshot; a timeline of its own."""
    vault.store.create_bucket("promoted")
    with opened_shop(tmp_path_factory.mktemp("promoted"), free_port(), Vault(vault.client(), "promoted")) as shop:
        with shop.shipped():
            first = take(shop.cluster.dsn(), STORE, shop.vault, None, shop.said.append)
            before = note(shop, "before")
        snapshot = shop.folder / "snapshot"
        shop.cluster.stop()
        shutil.copytree(shop.cluster.data, snapshot)
        shop.cluster.start()
        with shop.shipped():
            note(shop, "lost")
            left = take(shop.cluster.dsn(), STORE, shop.vault, None, shop.said.append)
            note(shop, "lost too")
        roll_back(shop, snapshot)
        at_once = refused(shop)
        for _ in range(4):
            note(shop, "written after the rollback")
            with shop.connect() as c:
                c.execute("SELECT pg_switch_wal()")
        later = refused(shop)
        roll_back(shop, snapshot)
        shop.promote()
        promoted = note(shop, "promoted")
        time.sleep(1)  # S3 tells of an object in which second it was stored
        with shop.shipped():
            note(shop, "after the promotion")
        yield Story(shop, first, left, before, (at_once, later), promoted)


def note(shop: Shop, text: str) -> datetime:
    """Write a note; gives a moment behind it."""
    with shop.connect() as c:
        c.execute("INSERT INTO notes (text) VALUES (%s)", (text,))
        found = c.execute("SELECT clock_timestamp() AS now").fetchone()
        assert found
        time.sleep(0.01)
    moment: datetime = found["now"]
    return moment


def roll_back(shop: Shop, snapshot: Path) -> None:
    """Let the machine have the disk that it had once."""
    shop.cluster.stop()
    shutil.rmtree(shop.cluster.data)
    shutil.copytree(snapshot, shop.cluster.data)
    shop.cluster.start()


def refused(shop: Shop) -> str:
    """Try to ship; gives why it is refused."""
    with pytest.raises(SplitLog) as why:
        shop.shipper().run(NEVER)
    return str(why.value)


def notes(c: Connection) -> set[str]:
    """Give the notes that somebody wrote in this story."""
    return {row["text"] for row in c.execute("SELECT text FROM notes WHERE id > 20000").fetchall()}


def test_a_server_that_was_rolled_back_is_not_joined_to_what_it_has_lost(story: Story) -> None:
    at_once, later = story.refused
    assert "it was rolled back" in at_once
    assert "with other content" in later
    assert "the vault has what it has lost" in later


def test_what_was_left_stays_in_the_vault_as_far_as_it_was_written(story: Story) -> None:
    assert {one.timeline for one in story.shop.log.begun()} == {1, 2}
    with story.shop.restored([story.left], Target.at(story.left.ended + timedelta(milliseconds=1))) as (_, copy, _):
        assert notes(copy) >= {"before", "lost"}


def test_a_backup_of_before_leads_over_the_promotion(story: Story) -> None:
    for target, held in (
        (Target.at(story.before), {"before"}),
        (Target.at(story.promoted), {"before", "promoted"}),
        (Target("latest"), {"before", "promoted", "after the promotion"}),
    ):
        chain = choose(story.shop.vault, STORE, target)
        assert [one.id for one in chain] == [story.first.id], "the other one's way was left"
        with story.shop.restored(chain, target) as (reached, copy, _):
            assert notes(copy) == held, target
            assert reached.timeline == 3
    with (
        pytest.raises(LogMissing, match="the way from timeline 1 to 2"),
        story.shop.restored([story.left], Target("latest")),
    ):
        pass


def test_the_window_goes_over_the_promotion_and_ends_where_the_log_does(story: Story) -> None:
    window = story.driver.window()
    assert window
    assert window.earliest == story.first.ended
    assert window.latest > story.promoted
    held = story.shop.log.held()
    (key,) = [file.key for one, file in held.begun.items() if one.timeline == 2]
    body = story.shop.vault.get(key)
    story.shop.vault.remove(key)
    try:
        ends = story.driver.window()
    finally:
        story.shop.vault.put_once(key, body, "application/zstd")
    assert ends
    assert ends.latest < window.latest, "nothing of the new timeline is there"


def test_after_a_promotion_the_next_backup_is_whole(story: Story) -> None:
    if not increments(story.shop.cluster):
        pytest.skip("this PostgreSQL has no increments")
    with pytest.raises(NotTaken, match="promoted since"):
        take(story.shop.cluster.dsn(), STORE, story.shop.vault, story.first, story.shop.said.append)
    with story.shop.shipped():
        whole = story.driver.take(story.shop.said.append)
        assert whole.after is None
        assert story.driver.take(story.shop.said.append).after == whole.id
    (last,) = [one for one in choose(story.shop.vault, STORE, Target("latest")) if one.after is None]
    assert last.id == whole.id
    assert datetime.now(UTC) - whole.whole_at < timedelta(minutes=1)


def test_what_the_old_server_did_not_ship_comes_from_the_one_that_was_promoted(vault, tmp_path: Path) -> None:
    vault.store.create_bucket("followed")
    kept, said = Vault(vault.client(), "followed"), list[str]()

    def ship(dsn: str, until: Callable[[Held], bool]) -> LogStore:
        with connect(dsn, purpose="test") as c:
            log = log_of(c, kept, STORE)
        shipper = Shipper(dsn, log, "sluice_log", tmp_path / "log", NEVER / 5, said.append)
        shipper.run(timedelta(seconds=20), lambda: until(log.held()))
        return log

    with opened_trio(tmp_path / "trio", "b") as trio:
        old = trio.leading.server.dsn
        with connect(old, purpose="test") as c:
            c.execute("CREATE TABLE notes (id int, text text)")
            full = take(old, STORE, kept, None, said.append)
            ship(old, lambda held: bool(held.whole))
            for _ in range(3):  # nobody ships these
                c.execute("INSERT INTO notes VALUES (20001, 'unshipped'); SELECT pg_switch_wal()")
        asked = trio.asked()
        made = promote(asked, plan(asked), Clock(), said.append)
        (new,) = (one.server.dsn for one in trio.members if one.name == made.new)
        with connect(new, purpose="test") as c:
            c.execute("INSERT INTO notes VALUES (20002, 'new'); SELECT pg_switch_wal()")
        log = ship(new, lambda held: any(one.timeline == 2 for one in held.whole))
        place = Scratch(tmp_path / "copy")
        place.folder.mkdir(mode=0o700)
        try:
            recover([full], log, Target("latest"), place, Clock(), said.append)
            with connect(place.dsn(full.database, full.superuser), purpose="test") as copy:
                assert notes(copy) == {"unshipped", "new"}
        finally:
            place.remove()
