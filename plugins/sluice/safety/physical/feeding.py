"""Give a server in recovery the files of the log that it asks for: brought out of the vault ahead of it, by threads.

PostgreSQL asks for one file at a time by running a command. Ours is a script of shell: a file that the vault has is waited for,
any other is refused at once. So no interpreter is started for each, and the network never waits for the server. What is asked for
out of turn, or once more, is brought at once: nothing that lies ready and is not asked for holds it up.
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
grep -qxF "$1" "{folder}/files" || exit 1
: > "{folder}/wanted/$1"
while true; do
  if [ -e "{folder}/ready/$1" ]; then
    cp "{folder}/ready/$1" "$2" && break
    [ -e "{folder}/ready/$1" ] && exit 200
  fi
  [ -e "{folder}/broken" ] && exit 200
  sleep 0.02
done
: > "{folder}/asked/$1"
rm -f "{folder}/wanted/$1"
"""


@dataclass
class Feeder:
    """Fills a folder with the files of a log, by name, in the order in which they should be asked for."""

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
        for name in ("", "ready", "wanted", "asked"):
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
                left, reads = iter(self.files), dict(self.files)
                under_way: dict[str, Future[None]] = {}
                while not self._over.wait(0.02):
                    wanted = self._names("wanted") & reads.keys() - self._names("ready")
                    room = max(0, min(AT_ONCE - len(under_way), AHEAD - self._waiting()))
                    for name in (*wanted, *(name for name, _ in islice(left, room))):
                        if name not in under_way:
                            under_way[name] = pool.submit(self._fetch, name, reads[name])
                    for name in [name for name, one in under_way.items() if one.done()]:
                        under_way.pop(name).result()
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

    def _names(self, where: str) -> set[str]:
        return {one.name for one in (self.folder / where).iterdir()}

    def _waiting(self) -> int:
        """How many stand ready and were not asked for; of histories a server wants some, and nobody knows which."""
        return sum(not name.endswith(".history") for name in self._names("ready") - self._names("asked"))

    def _clear(self) -> None:
        asked = self._names("asked")
        for old in sorted((self._names("ready") & asked) - self._names("wanted"))[:-BEHIND]:
            (self.folder / "ready" / old).unlink()
