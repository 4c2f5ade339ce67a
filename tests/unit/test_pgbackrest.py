"""What pgBackRest says, as it was recorded from 2.45 and 2.60, and what is made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sluice.errors import Terminal, Transient
from sluice.safety.backup import Broken
from sluice.safety.pgbackrest.archive import Archived, reach_of, read_listing, size_of
from sluice.safety.pgbackrest.driver import choose, kind_of
from sluice.safety.pgbackrest.info import Kept, NoStanza, read_info
from sluice.safety.pgbackrest.program import (
    NotInstalled,
    PgBackRestFailed,
    Program,
    RepositoryBusy,
    error_of,
    program,
    why,
)
from sluice.safety.pgbackrest.recovering import Wanted, asked_for, check_reached
from sluice.safety.pgbackrest.verifying import check_verified
from sluice.safety.physical.log import LogMissing
from sluice.safety.physical.recovering import Reached
from sluice.safety.physical.scratch import NotRecovered
from sluice.safety.target import Target
from sluice.stores.objects import Damaged

SHOP = Program("shop")
FULL, INCR = "20261123-004618F", "20261123-004618F_20261123-004624I"


def backup(label: str, kind: str, first: str, lsn: tuple[str, str], stop: int, **more: Any) -> dict[str, Any]:
    """One backup, as `info` tells of it."""
    told = {
        "archive": {"start": first, "stop": first}, "backrest": {"format": 5, "version": "2.45"},
        "database": {"id": 1, "repo-key": 1},
        "error": False, "info": {"delta": 631071, "repository": {"delta": 47104, "size": 2850592}, "size": 23041772},
        "label": label, "lsn": {"start": lsn[0], "stop": lsn[1]}, "prior": None, "reference": None,
        "timestamp": {"start": stop - 1, "stop": stop}, "type": kind,
    }  # fmt: skip
    return {**told, **more}


def info(*backups: dict[str, Any], code: int = 0, message: str = "ok", **more: Any) -> str:
    """What `info` says."""
    stanza = {
        "archive": [{"database": {"id": 1, "repo-key": 1}, "id": "15-1", "max": f"{5:024X}", "min": f"{1:024X}"}],
        "backup": list(backups), "cipher": "none",
        "db": [{"id": 1, "repo-key": 1, "system-id": 7711161844315585685, "version": "15"}], "name": "shop",
        "repo": [{"cipher": "none", "key": 1, "status": {"code": code, "message": message}}],
        "status": {"code": code, "lock": {"backup": {"held": False}}, "message": message},
    }  # fmt: skip
    return json.dumps([{**stanza, **more}])


TWO = (
    backup(FULL, "full", "000000010000000000000002", ("0/2000028", "0/2000100"), 1795394783),
    backup(
        INCR, "incr", "000000010000000000000004", ("0/4000028", "0/4000100"), 1795394785, prior=FULL, reference=[FULL]
    ),
)


def kept(*told: dict[str, Any]) -> list[Kept]:
    """Read backups."""
    return read_info(info(*(told or TWO)), SHOP, "shop")


def test_backups_are_read_oldest_first_with_what_they_rest_on() -> None:
    full, incr = kept(*reversed(TWO))
    assert (full.id, full.after, full.rests_on) == (FULL, None, (FULL,))
    assert (incr.taken.id, incr.taken.after, incr.rests_on) == (INCR, FULL, (FULL, INCR))
    assert (incr.archive, incr.server, incr.timeline, incr.stored, incr.reads) == ("15-1", "15", 1, 47104, 2850592)
    assert incr.ended == datetime.fromtimestamp(1795394786, UTC), "the end of its second: it may have ended late in it"


def test_a_backup_of_blocks_whose_size_newer_versions_do_not_tell_is_read() -> None:
    (found,) = kept({**TWO[0], "info": {"delta": 1, "repository": {"delta": 5}, "size": 9}})
    assert (found.stored, found.reads) == (5, 5)


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (info(code=1, message="missing stanza path"), NoStanza, "missing stanza path"),
        (
            info(code=99, message="[HostConnectError] no \x1bway"),
            RepositoryBusy,
            "cannot be read: .HostConnectError. no  way",
        ),
        (info(name="other"), NoStanza, "knows no stanza shop in repository 1"),
        (info(repo=[]), NoStanza, "knows no stanza shop in repository 1"),
    ],
)
def test_a_repository_that_cannot_be_read_is_an_error_though_info_ends_well(
    said: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        read_info(said, SHOP, "shop")


def test_a_stanza_without_backups_has_none() -> None:
    assert read_info(info(code=2, message="no valid backups"), SHOP, "shop") == []


def test_of_other_repositories_nothing_is_taken() -> None:
    elsewhere = {**TWO[1], "database": {"id": 1, "repo-key": 2}}
    both = [{"id": 1, "repo-key": key, "system-id": 7, "version": "15"} for key in (1, 2)]
    assert [one.id for one in read_info(info(TWO[0], elsewhere, db=both), SHOP, "shop")] == [FULL]


def test_what_is_taken_next_goes_by_the_age_of_what_there_is() -> None:
    full, incr = kept()
    day = timedelta(days=1)
    later = full.ended + timedelta(hours=1)
    assert kind_of([], later, day, None) == "full"
    assert kind_of([full, incr], later, day, None) == "incr"
    assert kind_of([full, incr], full.ended + day, day, None) == "full"
    assert kind_of([full, incr], later, day, timedelta(minutes=30)) == "diff"
    assert kind_of([full, replace(incr, kind="diff")], later, day, timedelta(hours=1)) == "incr"
    assert kind_of([full, replace(incr, archive="16-2")], later, day, None) == "full", "an upgraded server begins anew"


def test_a_moment_is_reached_from_the_newest_backup_that_was_whole_before_it() -> None:
    full, incr = kept()
    assert choose([full, incr], Target("latest")) == incr
    assert choose([full, incr], Target.at(incr.ended + timedelta(milliseconds=1))) == incr
    assert choose([full, incr], Target.at(incr.ended)) == full, "not even at the very end of its second"
    assert choose([full, incr], Target("position", "0/40000FF")) == full
    assert choose([full, incr], Target("position", "0/4000100")) == incr
    with pytest.raises(
        Broken, match=rf"No backup of shop was whole before time .*: the first is {FULL}, whole at 0/2000100"
    ):
        choose([full, incr], Target.at(full.ended))
    upgraded = replace(incr, archive="16-2", begins="0/1000028", ends="0/1000100")
    with pytest.raises(Broken, match="whole before position 0/10"):
        choose([full, upgraded], Target("position", "0/10"))


def test_the_length_of_a_file_of_the_log_is_known_by_where_a_position_lies() -> None:
    assert size_of([("0/2000028", "000000010000000000000002")]) == 2**24
    assert size_of([("0/8000028", "000000010000000000000002")]) == 2**26
    assert size_of([("5/100028", "000000010000000500000001")]) == 2**20
    assert size_of([("0/28", "000000010000000000000000")]) == 2**24, "many would do: the usual one is taken"


def listing(*numbers: int, timeline: int = 1) -> list[Archived]:
    """What `repo-ls` says of these files, and of what lies beside them."""
    stored = {"type": "file", "size": 704, "time": 1795394785}
    folder = f"15-1/{timeline:08X}00000000"
    files = {f"{folder}/{timeline:08X}{number:016X}-{'a1' * 20}.zst": stored for number in numbers}
    beside = {
        ".": {"type": "path"}, "archive.info": {"type": "file", "size": 1, "time": 1},
        "15-1/0000000100000000/000000010000000000000004.00000028.backup": {"type": "file", "size": 400, "time": 1},
        "00000002.history": {"type": "file", "size": 41, "time": 1795394785},
        f"15-1/0000000100000000/000000010000000000000009.partial-{'a1' * 20}.zst": {"type": "file", "size": 4, "time": 1},
    }  # fmt: skip
    return read_listing(json.dumps({**beside, **files}))


def test_the_log_behind_a_backup_ends_at_a_gap_and_says_so() -> None:
    _, incr = kept()
    whole = reach_of(listing(2, 4, 5, 6), incr, 2**24)
    assert [file.name[-1] for file in whole.files] == ["4", "5", "6"]
    assert (whole.reaches, whole.missing, len(whole.histories)) == (7 << 24, None, 1)
    torn = reach_of(listing(4, 5, 7), incr, 2**24)
    assert (torn.reaches, torn.missing) == (6 << 24, "000000010000000000000006")
    promoted = reach_of([*listing(4), *listing(5, timeline=2)], incr, 2**24)
    assert promoted.missing == "000000010000000000000005", "there is more, on a later timeline"
    with pytest.raises(
        LogMissing, match=f"{INCR} of shop needs the log up to 0/4000100.*000000010000000000000004 is missing"
    ):
        reach_of(listing(5), incr, 2**24)


OK = """stanza: shop
status: ok
  archiveId: 15-1, total WAL checked: 5, total valid WAL: 5
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261123-004618F, status: valid, total files checked: 967, total valid files: 967
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
"""
BAD = OK.replace("status: ok", "status: error").replace("valid, total", "invalid, total")
ONE = "checksum invalid: 1"


def test_a_verification_is_judged_by_its_words_as_it_always_ends_well() -> None:
    check_verified(OK, "shop")
    head, tail = BAD.rsplit("checksum invalid: 0", 1)
    with pytest.raises(
        Damaged, match=r"stanza shop: backup: 20261123-004618F: 1 checksum invalid\. Keep the repository"
    ):
        check_verified(head + ONE + tail, "shop")
    with pytest.raises(Damaged, match="archiveId: 15-1: 1 checksum invalid"):
        check_verified(BAD.replace("checksum invalid: 0", ONE, 1), "shop")
    with pytest.raises(Damaged, match=r"No usable backup\.info file; No usable archive\.info file"):
        check_verified(
            "stanza: shop\nstatus: error\n  No usable backup.info file\n  No usable archive.info file", "shop"
        )
    for nothing in ("", "something else"):
        with pytest.raises(Damaged):
            check_verified(nothing, "shop")


@pytest.mark.parametrize(
    ("code", "kind"),
    [(50, Transient), (49, Transient), (82, Transient), (56, Transient), (-15, Transient), (103, Transient), (26, Damaged),
     (95, Damaged), (37, Terminal), (72, PgBackRestFailed), (25, Terminal), (122, Terminal)],
)  # fmt: skip
def test_an_error_is_known_by_its_number_and_keeps_pgbackrests_words(code: int, kind: type[Exception]) -> None:
    said = f"WARN: something\nERROR: [{code:03}]: unable to do it\n       HINT: do otherwise"
    made = error_of(code, "pgbackrest backup of stanza shop", said)
    assert isinstance(made, kind)
    assert f"backup of stanza shop failed: ERROR: [{code:03}]: unable to do it HINT: do otherwise" in str(made)
    assert "WARN" not in str(made)


def test_what_it_says_is_told_printable_and_not_endlessly() -> None:
    assert why("ERROR: [029]: at line 1: \x1b[2J\x00\xfe") == "ERROR: [029]: at line 1: ?[2J?"
    assert len(why("ERROR: [029]: " + "x" * 9000)) < 700
    assert why("") == "it said nothing"


def test_a_restore_is_asked_for_as_pgbackrest_takes_it() -> None:
    _, incr = kept()
    reach = reach_of(listing(4), incr, 2**24)

    def asked(target: Target) -> tuple[str, ...]:
        return asked_for(Wanted(incr, reach, target, "postgres", "postgres"))[1:]

    assert asked(Target("latest")) == ("--type=default",)
    assert asked(Target("position", "0/5000000")) == ("--type=lsn", "--target=0/5000000", "--target-action=promote")
    assert asked(Target("point", "before"))[:2] == ("--type=name", "--target=before")
    moment = Target.at(datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC))
    assert asked(moment)[:2] == ("--type=time", "--target=2026-11-23 01:02:03.000000+00:00")


def test_a_copy_that_is_younger_than_the_moment_is_none() -> None:
    moment = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
    for good in (None, moment - timedelta(seconds=1)):
        check_reached(Reached("0/1", 2, good), Target.at(moment))
    check_reached(Reached("0/1", 2, moment + timedelta(seconds=1)), Target("latest"))
    with pytest.raises(NotRecovered, match="it is not that moment"):
        check_reached(Reached("0/1", 2, moment + timedelta(seconds=1)), Target.at(moment))


def test_where_there_is_no_pgbackrest_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLUICE_PGBACKREST", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotInstalled, match="apt-get install pgbackrest"):
        program()
