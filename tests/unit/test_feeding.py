"""What a server in recovery asks for, it gets, in whatever order, or it is told that there is none. Nobody waits for ever."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sluice.safety.physical.feeding import AHEAD, BEHIND, Feeder


def asks(feeder: Feeder, name: str, folder: Path) -> int:
    """Ask for a file as PostgreSQL does; gives how that ended."""
    command = feeder.command.replace("%f", name).replace("%p", str(folder / "got"))
    return subprocess.run(command, shell=True, timeout=10).returncode


def given(names: list[str]) -> list[tuple[str, Callable[[], bytes]]]:
    """Give files that hold their own names."""
    return [(name, name.encode) for name in names]


FILES = [f"{number:024X}" for number in range(3 * AHEAD)]


def test_files_that_nobody_asks_for_are_in_nobodys_way(tmp_path: Path) -> None:
    histories = [f"{number:08X}.history" for number in range(2, 2 * AHEAD)]
    with Feeder(given([*histories, *FILES]), tmp_path / "log") as feeder:
        for name in (FILES[0], FILES[1]):
            assert asks(feeder, name, tmp_path) == 0
            assert (tmp_path / "got").read_text() == name


def test_a_file_is_given_again_and_out_of_turn(tmp_path: Path) -> None:
    with Feeder(given(FILES), tmp_path / "log") as feeder:
        turns = [FILES[-1], *FILES[: AHEAD + BEHIND], FILES[0], FILES[2 * AHEAD]]
        for name in turns:
            assert asks(feeder, name, tmp_path) == 0, name
            assert (tmp_path / "got").read_text() == name
        assert asks(feeder, "F" * 24, tmp_path) == 1
        assert len(list((tmp_path / "log/ready").iterdir())) <= AHEAD + BEHIND + 4


def test_a_disk_without_room_is_not_the_end_of_the_log(tmp_path: Path) -> None:
    with Feeder(given(FILES[:1]), tmp_path / "log") as feeder:
        assert asks(feeder, FILES[0], tmp_path / "nowhere") == 200


def test_what_cannot_be_read_stops_the_server(tmp_path: Path) -> None:
    def fails() -> bytes:
        raise OSError("gone")

    with Feeder([*given(FILES[:2]), (FILES[2], fails)], tmp_path / "log") as feeder:
        assert asks(feeder, FILES[2], tmp_path) == 200
    with pytest.raises(OSError, match="gone"):
        raise feeder.failed or AssertionError
