"""What is kept of a store's backups, in a real bucket: expired, swept, locked, copied, verified, poisoned, described."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sluice.estate.residency import Residency
from sluice.failpoints import Broken, armed
from sluice.safety.backup import DAMAGED, Backup, Unreadable, backups_of, folder_of, noting_damage, read_backup, seal_of
from sluice.safety.drill.monthly import is_due, oldest
from sluice.safety.keeping.describing import describe
from sluice.safety.keeping.dropping import BeingRead, Changed, Done, MustAsk, NotGone, apply_expiry, verify_expiry
from sluice.safety.keeping.elsewhere import SameBucket, copy_backup, keeping_elsewhere, lacking_copies, plan_copies
from sluice.safety.keeping.encrypting import lacking_encryption, other_keys, wrongly_encrypted
from sluice.safety.keeping.expiring import Keeping, plan_expiry
from sluice.safety.keeping.locking import NotHeld, apply_locks, check_can_lock, is_held, plan_locks, verify_locks
from sluice.safety.keeping.looking import SERVERS
from sluice.safety.keeping.notes import read_note
from sluice.safety.keeping.poisoning import KeepsAll, clear, poison
from sluice.safety.keeping.reading import reading
from sluice.safety.keeping.residency import OtherRegion, OutsideResidency, check_lies_in, check_may_hold, region_of
from sluice.safety.keeping.staying import wrong_rules
from sluice.safety.keeping.sweeping import sweep
from sluice.safety.keeping.tiers import TIERS
from sluice.safety.keeping.verifying import LogNotYet, verify
from sluice.safety.physical.choosing import choose
from sluice.safety.physical.log import LogFile
from sluice.safety.target import Target
from sluice.stores.bucket import set_rules
from sluice.stores.objects import AccessDenied, Damaged, NoSuchKey, NotLocked, Vault

from tests.drilled import FIRST, certificate
from tests.faulty_s3 import Fault, faulty
from tests.kept_backups import Shelf

NOW = datetime(2099, 11, 23, 2, tzinfo=UTC)
"""A Monday, and later than S3's own clock: what is locked is locked until later still."""
DAY = timedelta(days=1)
LEAN = Keeping(tiers=(replace(TIERS[0], keep=2 * DAY),), window=DAY, at_least=1)
ARN = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"


@pytest.fixture
def bucket(vault) -> Callable[..., Vault]:
    """A function: `bucket(**how)` makes a bucket that keeps versions."""

    def make(region: str | None = None, locks: bool = False, kms_key: str | None = None) -> Vault:
        client, name = vault.client(), f"kept-{uuid4().hex[:8]}"
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region else {}
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locks, **where)
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return Vault(client, name, kms_key=kms_key)

    return make


@pytest.fixture
def shelf(bucket: Callable[..., Vault]) -> Shelf:
    """A store whose bucket locks what it is told to."""
    return Shelf(bucket(locks=True), "shop")


def days(shelf: Shelf, count: int = 5) -> list[Backup]:
    """A whole backup a day until now, a file of the log between two, all verified."""
    made = []
    for ago in reversed(range(count)):
        shelf.ship()
        made.append(shelf.take(NOW - ago * DAY))
        verify(shelf.vault, shelf.store, made[-1].id, NOW, shelf.tell)
    return made


def expire(shelf: Shelf, keeping: Keeping = LEAN, agreed: bool = True) -> Done:
    """Plan, apply, verify."""
    plan = plan_expiry(shelf.seen.holding, keeping, NOW + timedelta(hours=1))
    done = apply_expiry(shelf.vault, shelf.store, plan, NOW, shelf.tell, agreed)
    verify_expiry(shelf.vault, shelf.store, plan, done)
    return done


def kept(shelf: Shelf) -> list[str]:
    """Name the backups that can be restored, as far as was seen."""
    return [name for name in shelf.seen.backups if shelf.seen.holding.is_sound(name)]


def test_what_is_over_goes_with_its_log_and_a_second_time_finds_nothing(shelf: Shelf) -> None:
    made = days(shelf)
    assert expire(shelf).gone == [made[1].id, made[0].id]
    assert kept(shelf) == [one.id for one in made[2:]]
    assert shelf.vault.ever(f"{folder_of('shop', made[0].id)}/") == [], "no version of it is left"
    files = [file.name for file in shelf.log.files()]
    assert len(files) == 10 - 5, "the log begins with the backup that the window begins with"
    again = expire(shelf)
    assert (again.gone, again.log_files) == ([], 0)


def test_what_an_increment_that_is_locked_rests_on_stays_with_it(shelf: Shelf) -> None:
    full = shelf.take(NOW - 9 * DAY)
    increment = shelf.take(NOW - 8 * DAY, after=full)
    for one in (full, increment, *days(shelf, 1)):
        verify(shelf.vault, "shop", one.id, NOW, shelf.tell)
    until = {"Mode": "COMPLIANCE", "RetainUntilDate": NOW + 9 * 366 * DAY}
    key = increment.parts[0].key
    shelf.vault.client.put_object_retention(Bucket=shelf.vault.bucket, Key=key, Retention=until)
    done = expire(shelf, replace(LEAN, window=timedelta(0)))
    assert [line.split(":")[0] for line in done.stayed[:2]] == [increment.id, full.id]
    assert {full.id, increment.id} <= set(kept(shelf))


def test_more_than_half_is_asked_first(shelf: Shelf) -> None:
    days(shelf, 7)
    with pytest.raises(MustAsk, match=r"4 of 7 backups would go at once"):
        expire(shelf, agreed=False)
    assert len(kept(shelf)) == 7


@pytest.mark.parametrize("edge", ["expiry.manifest_gone", "expiry.part_gone@2", "expiry.log_file_gone@3"])
def test_broken_off_anywhere_half_of_one_is_none_and_the_rest_goes_later(shelf: Shelf, edge: str) -> None:
    made = days(shelf)
    name, _, at = edge.partition("@")
    with armed(f"{name}=raise@{at or 1}"), pytest.raises(Broken):
        expire(shelf)
    assert set(kept(shelf)) == set(shelf.seen.backups), "no half is taken for a whole"
    assert not shelf.seen.lost
    expire(shelf)
    with armed("sweep.part_gone=raise"):
        if "expiry.log" not in edge:
            with pytest.raises(Broken):
                sweep(shelf.vault, "shop", NOW, shelf.tell, timedelta(microseconds=-1))
    assert sweep(shelf.vault, "shop", NOW, shelf.tell).gone == (), "a day has not gone by"
    sweep(shelf.vault, "shop", datetime.now(UTC) + DAY, shelf.tell, timedelta(microseconds=-1))
    assert kept(shelf) == [one.id for one in made[2:]]
    assert not shelf.vault.ever(f"{folder_of('shop', made[0].id)}/")


def test_while_a_restore_reads_nothing_goes_and_what_it_may_have_seen_stays(shelf: Shelf) -> None:
    made = days(shelf)
    plan = plan_expiry(shelf.seen.holding, LEAN, NOW)
    with reading(shelf.vault, "shop", "sluice-scratch-shop", NOW):
        with pytest.raises(BeingRead, match="sluice-scratch-shop"):
            apply_expiry(shelf.vault, "shop", plan, NOW, shelf.tell, agreed=True)
        with pytest.raises(BeingRead):
            sweep(shelf.vault, "shop", NOW, shelf.tell)
        apply_expiry(shelf.vault, "shop", replace(plan, drop={}, log=()), NOW + 2 * DAY, shelf.tell)  # that one died
    began = reading(shelf.vault, "shop", "later", NOW)
    shelf.tell = lambda line: None  # type: ignore[method-assign]
    remove = Vault.remove

    def notes_itself_meanwhile(vault: Vault, key: str) -> None:
        """A restore that looked a moment before the manifest went."""
        if key == made[0].manifest:
            began.__enter__()
        remove(vault, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Vault, "remove", notes_itself_meanwhile)
        done = apply_expiry(shelf.vault, "shop", replace(plan, log=()), NOW, shelf.tell, agreed=True)
    assert any("may be reading it" in line for line in done.stayed)
    for part in made[0].parts:
        assert shelf.vault.get(part.key, part.version)


def test_a_plan_of_another_day_and_what_did_not_go_are_loud(shelf: Shelf) -> None:
    made = days(shelf)
    plan = plan_expiry(shelf.seen.holding, LEAN, NOW)
    with pytest.raises(NotGone, match=made[0].id):
        verify_expiry(shelf.vault, "shop", plan, Done(gone=[made[0].id]))
    shelf.vault.remove(made[-1].manifest)
    with pytest.raises(Changed, match=made[-1].id):
        apply_expiry(shelf.vault, "shop", plan, NOW, shelf.tell, agreed=True)
    assert len(shelf.seen.backups) == 4


def test_a_backup_whose_manifest_a_delete_has_hidden_is_not_swept(shelf: Shelf) -> None:
    (made,) = days(shelf, 1)
    shelf.vault.client.delete_object(Bucket=shelf.vault.bucket, Key=made.manifest)
    found = sweep(shelf.vault, "shop", NOW + 900 * DAY, shelf.tell, timedelta(microseconds=-1))
    assert (found.gone, found.hidden) == ((), (made.folder,))
    (marker,) = shelf.vault.client.list_object_versions(Bucket=shelf.vault.bucket, Prefix=made.manifest)[
        "DeleteMarkers"
    ]
    shelf.vault.client.delete_object(Bucket=shelf.vault.bucket, Key=made.manifest, VersionId=marker["VersionId"])
    assert kept(shelf) == [made.id]


def test_what_is_immutable_cannot_go_and_is_never_locked_for_less(shelf: Shelf) -> None:
    made = days(shelf)
    weekly = replace(TIERS[0], name="kept", keep=20 * 366 * DAY, immutable="COMPLIANCE")
    keeping = replace(LEAN, tiers=(replace(weekly, every="month"),))
    check_can_lock(shelf.vault, keeping)
    wanted = plan_locks(shelf.seen.holding, keeping, NOW)
    assert [*wanted] == [made[0].id]
    with armed("lock.object_locked=raise@2"), pytest.raises(Broken):
        apply_locks(shelf.vault, shelf.seen, wanted, shelf.tell)
    with pytest.raises(NotHeld, match="is not locked until"):
        verify_locks(shelf.vault, shelf.seen, wanted)
    assert [apply_locks(shelf.vault, shelf.seen, wanted, shelf.tell) for _ in range(2)] == [1, 0]
    assert verify_locks(shelf.vault, shelf.seen, wanted) == 2 + 1 + 1 + 1, (
        "parts, both manifests, and its file of the log"
    )
    with pytest.raises(AccessDenied):
        shelf.vault.remove(made[0].parts[0].key)
    done = expire(shelf)  # another file, in which no tier is immutable: what is locked stays
    assert [line.split(":")[0] for line in done.stayed if "locked until" in line] == [made[0].id]
    assert made[0].id in kept(shelf)
    shorter = {made[0].id: replace(wanted[made[0].id], mode="GOVERNANCE", until=NOW + DAY)}
    apply_locks(shelf.vault, shelf.seen, shorter, shelf.tell)
    assert is_held(shelf.vault, made[0].manifest, None, wanted[made[0].id])


def test_a_bucket_that_locks_nothing_is_told_at_the_plan(bucket: Callable[..., Vault]) -> None:
    with pytest.raises(NotLocked, match="the monthly backups are to be immutable: switch Object Lock on"):
        check_can_lock(bucket(), Keeping())
    check_can_lock(bucket(), LEAN)


def test_verification_goes_on_where_it_ended_and_notes_how_fast(shelf: Shelf) -> None:
    made = shelf.take(NOW, parts=6)
    goes = [verify(shelf.vault, "shop", made.id, NOW, shelf.tell, timedelta(0)) for _ in range(8)]
    assert [(one.read, one.of) for one in goes] == [(number, 8) for number in range(1, 9)]
    assert kept(shelf) == [made.id]
    note = read_note(shelf.vault, made)
    assert note
    assert note.rate > 0
    assert verify(shelf.vault, "shop", made.id, NOW, shelf.tell).bytes > made.stored, (
        "once more, all of it, and its log"
    )
    assert "8 of 8 objects read back" in shelf.said[-1]


@pytest.mark.parametrize("harm", ["part", "hidden", "gone", "on top", "log", "manifest", "a digit"])
def test_what_is_damaged_is_no_longer_verified(shelf: Shelf, harm: str) -> None:
    made = shelf.take(NOW)
    verify(shelf.vault, "shop", made.id, NOW, shelf.tell)
    client, name = shelf.vault.client, shelf.vault.bucket
    (log,) = shelf.log.files()
    key = {"log": log.key, "manifest": made.manifest, "a digit": made.manifest}.get(harm, made.parts[0].key)
    body = shelf.vault.get(key)
    if harm in ("hidden", "gone"):
        client.delete_object(Bucket=name, Key=key) if harm == "hidden" else shelf.vault.remove(key)
    elif harm == "a digit":
        spoilt = body.replace(b'"max_connections": "100"', b'"max_connections": "900"')
        client.put_object(Bucket=name, Key=key, Body=spoilt)
        with pytest.raises(Damaged, match=made.id):
            read_backup(shelf.vault, key)
    elif harm == "on top":  # the same, stored anew, and the version that a restore asks for is gone
        shelf.vault.remove(key)
        client.put_object(Bucket=name, Key=key, Body=body)
    else:
        client.put_object(Bucket=name, Key=key, Body=body[:40] + bytes([body[40] ^ 1]) + body[41:])
    with pytest.raises((Damaged, NoSuchKey), match=key):
        verify(shelf.vault, "shop", made.id, NOW, shelf.tell)
    assert kept(shelf) == []


def test_a_backup_that_was_seen_damaged_is_passed_over_until_it_was_read_back_whole(shelf: Shelf) -> None:
    first, second, newest = [one.id for one in days(shelf, 3)]
    harmed, lost = shelf.seen.backups[newest].parts[0], shelf.seen.backups[second].parts[0]
    body, client, name = shelf.vault.get(harmed.key), shelf.vault.client, shelf.vault.bucket
    client.put_object(Bucket=name, Key=harmed.key, Body=body[:40] + bytes([body[40] ^ 1]) + body[41:])
    assert chosen(shelf) == newest, "nobody has seen it yet"
    with pytest.raises(Damaged):
        verify(shelf.vault, "shop", newest, NOW, shelf.tell)
    assert chosen(shelf) == second
    assert (
        shelf.said[-1] == f"shop: {newest} is passed over: {newest}: when it was last read, it was not what was stored"
    )
    assert [line.split(":")[0] for line in shelf.seen.lost] == [newest]
    client.delete_object(Bucket=name, Key=lost.key)
    assert chosen(shelf) == first
    assert f"{second} is passed over: {second}: {lost.key} is not there" in shelf.said[-1]
    assert [one.id for one in choose(shelf.vault, "shop", Target("backup", newest))] == [newest], "it is named"
    (top,) = [
        one["VersionId"]
        for one in client.list_object_versions(Bucket=name, Prefix=harmed.key)["Versions"]
        if one["IsLatest"]
    ]
    client.delete_object(Bucket=name, Key=harmed.key, VersionId=top)
    verify(shelf.vault, "shop", newest, NOW, shelf.tell)
    assert chosen(shelf) == newest
    for one in shelf.seen.backups.values():
        client.delete_object(Bucket=name, Key=one.parts[1].key)
    assert chosen(shelf) == newest
    assert shelf.said[-1] == f"shop: there is no other: {newest} is tried all the same"


def test_damage_that_a_restore_finds_takes_the_notes_away_that_all_was_read(shelf: Shelf) -> None:
    (made,) = days(shelf, 1)
    verify(shelf.vault, "shop", made.id, NOW, shelf.tell)
    assert read_note(shelf.vault, made)
    with pytest.raises(Damaged), noting_damage(shelf.vault, made, shelf.tell):
        raise Damaged("a page")
    assert read_note(shelf.vault, made) is None, "what is older would go, because this one is there"
    assert shelf.said[-1] == (
        f"shop: it is noted that {made.id} is damaged. Ask again: a restore begins with the one before."
    )


def test_nobody_is_told_to_ask_again_where_the_damage_could_not_be_noted(shelf: Shelf, vault) -> None:
    (made,) = days(shelf, 1)
    told = len(shelf.said)
    with faulty(vault.endpoint) as way:
        way.plan.append(Fault("fails", "PUT", DAMAGED))
        here = way.vault(vault.store.key, vault.store.secret, shelf.vault.bucket)
        with pytest.raises(Damaged, match="a page"), noting_damage(here, made, shelf.tell):
            raise Damaged("a page")
        assert not way.plan, "nobody met it"
    assert shelf.said[told:] == []


def chosen(shelf: Shelf) -> str:
    """Name the backup that the latest moment is reached from."""
    return choose(shelf.vault, "shop", Target("latest"), shelf.tell)[-1].id


def test_the_oldest_between_two_counts_that_nothing_is_lost_of_is_brought_back_each_month(shelf: Shelf) -> None:
    first, second, third, _ = days(shelf, 4)
    hour = timedelta(hours=1)
    since, until = first.ended + hour, third.ended + hour
    assert oldest(shelf.seen, []) is None
    assert oldest(shelf.seen, [since, second.began + hour / 60]) is None, "counted while it was taken"
    assert oldest(shelf.seen, [first.began, until]) == first
    assert oldest(shelf.seen, [since, until]) == second
    shelf.vault.client.delete_object(Bucket=shelf.vault.bucket, Key=second.parts[0].key)
    assert oldest(shelf.seen, [since, until]) == third
    passed = certificate(0, 30, target=f"backup {third.id}")  # on the first of January
    for day, due in ((0.5, False), (30, False), (31, True)):
        assert is_due([passed], "backup", FIRST + day * DAY) is due
    assert is_due([passed], "elsewhere", FIRST)
    assert is_due([replace(passed, damaged=("an index",))], "backup", FIRST), "done again"
    assert not is_due([certificate(0, 900, target="backup x")], "backup", FIRST), "late, and whole"


def test_one_that_stands_for_its_week_elsewhere_is_enough(shelf: Shelf, bucket: Callable[..., Vault]) -> None:
    monday, tuesday = (shelf.take(NOW + ago * DAY) for ago in (0, 1))
    verify(shelf.vault, "shop", tuesday.id, NOW, shelf.tell)
    other, weekly = Shelf(bucket(), "shop"), replace(LEAN, tiers=(replace(TIERS[1], elsewhere=True),))
    assert lacking_copies(shelf.seen, other.seen, weekly, NOW + DAY) == [tuesday.id, "the weekly one of this week"]
    copy_backup(shelf.vault, other.vault, shelf.seen, tuesday.id, NOW, shelf.tell)
    verify(shelf.vault, "shop", monday.id, NOW, shelf.tell)
    assert lacking_copies(shelf.seen, other.seen, weekly, NOW + DAY) == [], (
        "though by now it is the second of its week here"
    )
    there = keeping_elsewhere(replace(weekly, tiers=(*weekly.tiers, TIERS[0])))
    assert (there.window, [tier.name for tier in there.tiers]) == (timedelta(0), ["weekly"])
    quiet = plan_expiry(other.seen.holding, there, NOW + 9 * DAY)
    assert [*quiet.keep] == [tuesday.id], "a week without another is no silence"


@pytest.mark.parametrize("spoilt", [b"no manifest", b'{"format": "sluice-backup", "version": 1}'])
def test_a_manifest_that_is_damaged_stands_in_no_other_backups_way(shelf: Shelf, spoilt: bytes) -> None:
    first, second = days(shelf, 2)
    shelf.vault.client.put_object(Bucket=shelf.vault.bucket, Key=second.manifest, Body=spoilt)
    assert [one.id for one in backups_of(shelf.vault, "shop")] == [first.id]
    assert [one.id for one in choose(shelf.vault, "shop", Target.at(NOW + DAY))] == [first.id]
    assert [line.split(":")[0] for line in shelf.seen.lost] == [second.id], "it is told"
    with pytest.raises(Damaged, match=second.id):
        read_backup(shelf.vault, second.manifest)


def test_a_manifest_of_a_newer_version_is_not_passed_over(shelf: Shelf) -> None:
    (made,) = days(shelf, 1)
    told = json.loads(shelf.vault.get(made.manifest)) | {"version": 2}
    told.pop("seal")
    told["seal"] = seal_of(told)
    shelf.vault.client.put_object(Bucket=shelf.vault.bucket, Key=made.manifest, Body=json.dumps(told))
    with pytest.raises(Unreadable, match="Bring this installation up to date"):
        backups_of(shelf.vault, "shop")


def test_log_that_is_not_there_yet_is_waited_for(shelf: Shelf) -> None:
    made = shelf.take(NOW, shipped=False)
    with pytest.raises(LogNotYet, match="needs 000000010000000000000001 of the log"):
        verify(shelf.vault, "shop", made.id, NOW, shelf.tell)
    shelf.ship()
    assert verify(shelf.vault, "shop", made.id, NOW, shelf.tell).is_whole


def test_a_file_of_the_log_that_is_no_zstd_is_damage(shelf: Shelf) -> None:
    shelf.ship()
    (file,) = shelf.log.files()
    shelf.vault.client.put_object(Bucket=shelf.vault.bucket, Key=file.key, Body=b"not packed")
    with pytest.raises(Damaged, match="of the log cannot be replayed"):
        shelf.log.read(LogFile(file.name, file.sha256, file.key))


def test_a_copy_elsewhere_is_whole_by_its_own_checksums_and_manifest_last(
    shelf: Shelf, bucket: Callable[..., Vault]
) -> None:
    made, there = days(shelf, 3), bucket("eu-central-1", kms_key=ARN)
    keeping = replace(LEAN, tiers=(replace(TIERS[0], elsewhere=True, keep=2 * DAY),))
    other = Shelf(there, "shop")
    assert plan_copies(shelf.seen, other.seen, keeping, NOW) == [made[1].id, made[2].id]
    for edge in ("elsewhere.part_stored", "elsewhere.stored"):
        with armed(f"{edge}=raise"), pytest.raises(Broken):
            copy_backup(shelf.vault, there, shelf.seen, made[1].id, NOW, shelf.tell)
        assert other.seen.backups == {}
    copied = [copy_backup(shelf.vault, there, shelf.seen, made[1].id, NOW, shelf.tell) for _ in range(2)][-1]
    assert kept(other) == [made[1].id]
    assert plan_copies(shelf.seen, other.seen, keeping, NOW) == [made[2].id]
    assert verify(there, "shop", made[1].id, NOW, other.tell).is_whole, (
        "read back there, by the versions of that bucket"
    )
    assert wrongly_encrypted(there, other.seen, [copied.id]) == []
    with pytest.raises(SameBucket):
        copy_backup(shelf.vault, shelf.vault, shelf.seen, made[2].id, NOW, shelf.tell)
    (line,) = [one for one in describe(SERVERS, shelf.vault, "shop", keeping, NOW, [there]) if one.id == made[1].id]
    assert line.elsewhere == (there.bucket,)


def test_a_damaged_original_is_not_copied(shelf: Shelf, bucket: Callable[..., Vault]) -> None:
    (made,) = days(shelf, 1)
    key = made.parts[0].key
    shelf.vault.remove(key)
    plain = replace(made, parts=(replace(made.parts[0], version=None), *made.parts[1:]))
    shelf.vault.client.put_object(Bucket=shelf.vault.bucket, Key=key, Body=b"x" * made.parts[0].bytes)
    seen = replace(shelf.seen, backups={made.id: plain})
    with pytest.raises(Damaged, match="it is not copied"):
        copy_backup(shelf.vault, bucket(), seen, made.id, NOW, shelf.tell)


def test_a_bucket_lies_where_s3_says(bucket: Callable[..., Vault]) -> None:
    frankfurt, oldest = bucket("eu-central-1"), bucket()
    assert (region_of(frankfurt), region_of(oldest)) == ("eu-central-1", "us-east-1")
    check_may_hold(frankfurt, "shop", Residency(group="eu"))
    with pytest.raises(OutsideResidency, match="lies in us-east-1, and shop belongs to the region group 'eu'"):
        check_may_hold(oldest, "shop", Residency(group="eu"))
    for anywhere in (None, Residency(group="global"), Residency(group="eu", also=("us-east-1",))):
        check_may_hold(oldest, "shop", anywhere)
    check_lies_in(frankfurt, "eu-central-1")
    with pytest.raises(OtherRegion, match=r"lies in us-east-1, and include/estate/estate.yaml says us-west-2"):
        check_lies_in(oldest, "us-west-2")


def test_another_key_of_encryption_is_told(bucket: Callable[..., Vault]) -> None:
    plain = bucket()
    keyed = replace(plain, kms_key=ARN)
    plain.put_once("a", b"a", "text/plain")
    assert other_keys(plain, ["a"]) == [], "it names none"
    (told,) = other_keys(keyed, ["a"])
    assert told == f"s3://{plain.bucket}/a is encrypted by a key of S3, and not by {ARN}"
    assert ["make it the default" in line for line in lacking_encryption(keyed)] == [True]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": ARN}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    plain.client.put_bucket_encryption(Bucket=plain.bucket, ServerSideEncryptionConfiguration=rules)
    assert [*lacking_encryption(keyed)] == []
    keyed.put_once("b", b"b", "text/plain")
    assert other_keys(keyed, ["b"]) == []


def test_what_is_poisoned_is_seen_and_nothing_of_it_is_left(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    (made,) = days(shelf, 1)
    # However little time one go may take: what was not read would not have been seen.
    monkeypatch.setattr(verify, "__defaults__", (timedelta(0), None))
    before = shelf.vault.dated("")
    for seed in "abc":
        found = poison(shelf.vault, shelf.seen, made.id, seed, NOW, shelf.tell)
        assert [flip.what for flip in found.flips] == ["part", "log", "manifest"]
        assert found.missed == (), found
    assert shelf.vault.dated("") == before, "the originals are as they were"
    assert "flipped in a copy: caught: Damaged" in "".join(shelf.said)


@pytest.mark.parametrize("blind", ["part", "log", "manifest"])
def test_a_verifier_that_is_blind_is_red(shelf: Shelf, blind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (made,) = days(shelf, 1)
    verifying = "sluice.safety.keeping.verifying"
    if blind == "part":
        monkeypatch.setattr(f"{verifying}.check_part", lambda vault, part: 1)
    if blind == "log":
        monkeypatch.setattr(f"{verifying}.LogStore.read", lambda self, file: b"")
    if blind == "manifest":
        monkeypatch.setattr(f"{verifying}.read_backup", lambda vault, key: replace(made, store=key.split("/")[2]))
        monkeypatch.setattr(f"{verifying}.check_part", lambda vault, part: 1)
    found = poison(shelf.vault, shelf.seen, made.id, "seed", NOW, shelf.tell)
    assert [line.split(" ")[0] for line in found.missed][-1] == blind
    assert "NOT SEEN" in "".join(shelf.said)


def test_a_poison_drill_that_died_is_cleared_and_a_bucket_that_keeps_all_is_refused(shelf: Shelf) -> None:
    (made,) = days(shelf, 1)
    left = "backups/stores/sluice-scratch-shop-20261101t000000z-abcdef/base/x"
    other = left.replace("-shop-", "-shop_eu-")
    for key in (left, other):
        shelf.vault.put_once(key, b"", "text/plain")
    clear(shelf.vault, "shop", NOW, shelf.tell)
    assert [key in shelf.vault.list("") for key in (left, other)] == [False, True]
    default = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    shelf.vault.client.put_object_lock_configuration(Bucket=shelf.vault.bucket, ObjectLockConfiguration=default)
    with pytest.raises(KeepsAll, match="Name another bucket"):
        poison(shelf.vault, shelf.seen, made.id, "seed", NOW, shelf.tell)


def test_what_is_kept_is_told_with_its_reason(shelf: Shelf) -> None:
    full = shelf.take(NOW - 6 * DAY)
    increment = shelf.take(NOW - DAY, after=full)
    verify(shelf.vault, "shop", full.id, NOW - 5 * DAY, shelf.tell)
    keeping = replace(LEAN, tiers=(replace(TIERS[0], immutable="GOVERNANCE", keep=40 * DAY),))
    wanted = plan_locks(shelf.seen.holding, keeping, NOW)
    apply_locks(shelf.vault, shelf.seen, wanted, shelf.tell)
    first, second = describe(SERVERS, shelf.vault, "shop", keeping, NOW)
    assert (first.id, first.tiers, first.after) == (full.id, ("daily",), None)
    assert (first.verified_at, first.locked_until) == (NOW - 5 * DAY, NOW + 34 * DAY)
    assert first.why.startswith("daily until 2099-12-27; the window of 1 days begins with it")
    assert first.expires_at == NOW + 34 * DAY
    assert (second.id, second.after, second.verified_at, second.locked_until) == (increment.id, full.id, None, None)
    assert "no newer one was verified" in second.why
    late = describe(SERVERS, shelf.vault, "shop", keeping, NOW + 30 * DAY)
    assert all("a clock has jumped" in line.why for line in late)


def test_a_rule_of_the_bucket_that_takes_backups_away_too_soon_is_told(bucket: Callable[..., Vault]) -> None:
    vault = bucket()
    assert [*wrong_rules(vault, "shop", Keeping())] == []
    for prefix, does in (
        ("backups/", {"Expiration": {"Days": 400}}),
        ("backups/stores/shop/", {"NoncurrentVersionExpiration": {"NoncurrentDays": 3}}),
        ("backups/", {"Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]}),
    ):
        rule = {"ID": "theirs", "Filter": {"Prefix": prefix}, "Status": "Enabled", **does}
        set_rules(vault, [rule], None)
        (told,) = wrong_rules(vault, "shop", Keeping())
        assert told.startswith("rule theirs: ")
    set_rules(vault, [{**rule, "Filter": {"Prefix": "archive/"}}], None)
    assert [*wrong_rules(vault, "shop", Keeping())] == []
