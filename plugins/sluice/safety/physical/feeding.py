"""Give a server in recovery the files of the log that it asks for: brought out of the vault ahead of it, by threads.

PostgreSQL asks for one file at a time by running a command. Ours is a script of shell: a file that the vault has is waited for,
any other is refused at once. So no interpreter is started for each, and the network never waits for the server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Event, Thread

from sluice.safety.room import check_left
from sluice.stores.parts import AT_ONCE

Read = Callable[[], bytes]

AHEAD = 16
"""How many files stand ready at most: 256 MB of the usual size."""
BEHIND = 4
"""How many that were asked for are kept: a server asks for its last one again when it ends its recovery."""
SCRIPT = """#!/bin/sh
# $1: the file, $2: where to. Above 125 the server stops; 1 says that there is no such file.
grep -qx "$1" "{folder}/files" || exit 1
while [ ! -e "{folder}/ready/$1" ]; do
  [ -e "{folder}/broken" ] && exit 200
  sleep 0.02
done
: > "{folder}/asked/$1"
cp "{folder}/ready/$1" "$2"
"""


@dataclass
class Feeder:
    """Fills a folder with the files of a log, by name, in the order in which they are asked for."""

    files: Sequence[tuple[str, Read]]
    """Each file's name, and what reads it."""
    folder: Path
    failed: BaseException | None = None
    bytes: int = 0
    _over: Event = field(default_factory=Event)
    _thread: Thread = field(init=False)

    @property
    def command(self) -> str:
        """The restore_command."""
        return f'sh {self.folder}/give "%f" "%p"'

    def __enter__(self) -> Feeder:
        for name in ("", "ready", "asked"):
            (self.folder / name).mkdir(exist_ok=True)
            (self.folder / name).chmod(0o777)  # the server may run as somebody else; the folder around it is closed
        (self.folder / "files").write_text("\n".join(name for name, _ in self.files) + "\n")
        (self.folder / "give").write_text(SCRIPT.format(folder=self.folder))
        self._thread = Thread(target=self._feed, name="log feeder", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _feed(self) -> None:
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                left = iter(self.files)
                under_way: list[Future[None]] = []
                while True:
                    room = min(AT_ONCE, AHEAD - self._waiting()) - len(under_way)
                    under_way += [pool.submit(self._fetch, *one) for one in islice(left, max(0, room))]
                    if (not under_way and room > 0) or self._over.wait(0 if under_way else 0.02):
                        return
                    if under_way:
                        under_way.pop(0).result()
                    self._clear()
        except BaseException as error:  # told by whoever waits for the server
            self.failed = error
            (self.folder / "broken").touch()

    def _fetch(self, name: str, read: Read) -> None:
        """Let a file appear whole, or not at all; none where what is replayed has filled the disk."""
        check_left(self.folder)
        body = read()
        unfinished = self.folder / name
        unfinished.write_bytes(body)
        unfinished.rename(self.folder / "ready" / name)
        self.bytes += len(body)

    def _waiting(self) -> int:
        return len(list((self.folder / "ready").iterdir())) - len(self._asked())

    def _asked(self) -> list[Path]:
        return [
            found for one in (self.folder / "asked").iterdir() if (found := self.folder / "ready" / one.name).exists()
        ]

    def _clear(self) -> None:
        for old in sorted(self._asked())[:-BEHIND]:
            old.unlink()
