"""The disk on which stores are brought back is never filled: another log is received on it."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest
from sluice.safety import room
from sluice.safety.physical.feeding import Feeder
from sluice.safety.room import NoFolder, NoRoom, check_free, check_left, first, make_folder, one_at_a_time


def test_a_gigabyte_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    has_free(monkeypatch, 5 * 10**9)
    check_free("it", 39 * 10**8, tmp_path)
    with pytest.raises(
        NoRoom, match=r"it needs 4\.0 GB in .*, and 5\.0 GB are free, of which 1 GB stay so.*Nothing was fetched"
    ):
        check_free("it", 4 * 10**9, tmp_path)
    check_left(tmp_path)
    has_free(monkeypatch, 10**9)
    with pytest.raises(NoRoom, match=r"until 1\.0 GB were free"):
        check_left(tmp_path)


def test_a_replay_that_fills_the_disk_is_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    has_free(monkeypatch, 10**9)
    with Feeder([("000000010000000000000001", lambda: b"log")], tmp_path) as feeder:
        until = time.monotonic() + 5
        while not feeder.failed and time.monotonic() < until:
            time.sleep(0.01)
    assert isinstance(feeder.failed, NoRoom)
    assert not any((tmp_path / "ready").iterdir())


def test_one_drills_at_a_time_and_the_other_says_that_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "EVERY", 0.02)
    (tmp_path / "scratch").mkdir()
    done, said = list[str](), list[str]()
    waits = threading.Event()

    def tell(line: str) -> None:
        """Note that it waits."""
        said.append(line)
        waits.set()

    def second() -> None:
        with one_at_a_time(tmp_path / "scratch", tell):
            done.append("second")

    with one_at_a_time(tmp_path / "scratch", said.append):
        other = threading.Thread(target=second)
        other.start()
        assert waits.wait(5)
        done.append("first")
    other.join(5)
    assert done == ["first", "second"]
    assert said == [f"Something else is being brought back in {tmp_path / 'scratch'}: this one waits for its end"]


def test_drills_wait_for_what_people_wait_for_and_that_waits_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "EVERY", 0.02)
    done, waits = list[str](), threading.Event()

    def drill() -> None:
        with one_at_a_time(tmp_path, lambda _: waits.set()):
            done.append("drill")

    with one_at_a_time(tmp_path, done.append), first(tmp_path):
        done.append("people")
    with first(tmp_path):
        other = threading.Thread(target=drill)
        other.start()
        assert waits.wait(5)
        done.append("people")
    other.join(5)
    assert done == ["people", "people", "drill"]


def test_a_folder_that_cannot_be_made_is_told_with_its_store(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a/b", "shop").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(
        NoFolder, match=r"file/drills of shop cannot be made on this worker: Not a directory.*backup\.scratch"
    ):
        make_folder(tmp_path / "file/drills", "shop")


def has_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Have each disk have so many bytes left."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**12, 10**12 - free, free))  # type: ignore[attr-defined]
