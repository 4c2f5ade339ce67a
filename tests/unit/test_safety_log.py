"""The log's arithmetic, and what is read of a tar that passes by: held against PostgreSQL's own names and Python's own tar."""

from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.safety.backup import name_at
from sluice.safety.physical.taking import Walk
from sluice.safety.physical.wal import Segment, as_text, position
from sluice.safety.target import Target

MB = 1 << 20
# By pg_walfile_name of PostgreSQL 18.
NAMED = [("0/1", 1, "000000010000000000000000"), ("0/1000000", 1, "000000010000000000000001"),
         ("0/FF000028", 2, "0000000200000000000000FF"), ("1/0", 2, "000000020000000100000000"),
         ("2A/DEADBEEF", 26, "0000001A0000002A000000DE")]  # fmt: skip


@pytest.mark.parametrize(("place", "timeline", "name"), NAMED)
def test_a_position_is_in_the_file_that_postgresql_names(place: str, timeline: int, name: str) -> None:
    found = Segment.at(position(place), timeline, 16 * MB)
    assert found.name == name
    assert Segment.named(name, 16 * MB) == found
    assert found.begins <= position(place) < found.ends


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**32 - 1), st.sampled_from([1, 16, 64, 1024]))
def test_names_and_positions_are_read_as_they_are_written(place: int, timeline: int, size: int) -> None:
    found = Segment.at(place, timeline, size * MB)
    assert Segment.named(found.name, size * MB) == found
    assert position(as_text(place)) == place
    assert found.moved(1).begins == found.ends


@pytest.mark.parametrize("name", ["00000002.history", "000000010000000000000001.partial", "0000000100000000000000G1"])
def test_what_is_no_whole_file_of_the_log_is_none(name: str) -> None:
    assert Segment.named(name, 16 * MB) is None


@given(st.lists(st.binary(max_size=2000), max_size=4), st.binary(max_size=3000), st.data())
def test_the_manifest_is_found_however_the_tar_is_cut(files: list[bytes], manifest: bytes, data: st.DataObject) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number, body in enumerate([*files, manifest]):
            member = tarfile.TarInfo("backup_manifest" if number == len(files) else f"base/{number}")
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    whole, walk = made.getvalue(), Walk()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        walk.see(whole[begin:end])
    assert bytes(walk.found) == manifest


def test_a_target_says_to_postgresql_where_to_stop_and_to_open() -> None:
    asked = Target.at(datetime(2026, 11, 3, 4, 5, tzinfo=UTC)).settings
    assert asked["recovery_target_time"] == "2026-11-03T04:05:00+00:00"
    for kind in ("latest", "time", "position", "point"):
        assert Target(kind, "x").settings["recovery_target_action"] == "promote", (
            "without it the server stays read-only for ever"
        )
    with pytest.raises(ValueError, match="no time zone"):
        Target.at(datetime(2026, 11, 3))


def test_backups_sort_as_they_were_taken() -> None:
    moments = [datetime(2026, 11, 3, 4, 5, second, micro, tzinfo=UTC) for second, micro in ((9, 0), (9, 1000), (10, 0))]
    names = [name_at(moment, how) for moment, how in zip(moments, ("full", "increment", "full"), strict=True)]
    assert names == sorted(names)
    assert len(set(names)) == 3
