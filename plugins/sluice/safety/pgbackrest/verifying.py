"""What `pgbackrest verify` has found, by its own text: it ends with 0, whatever it finds.

It reads every file of backups and of the log where they are kept, and holds each against its checksum. It restores nothing, and
it takes a log with a gap for whole: that is looked for by the names of the files (archive.py). Whether a copy comes up, and holds
what it must, the drill alone says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sluice.safety.pgbackrest.program import Program, why
from sluice.stores.objects import Damaged

SHOWN = 10


def verify_repository(program: Program, backup: str) -> None:
    """Have a backup and its log read, and all others with them where this pgBackRest cannot choose. Raises Damaged."""
    check_verified(program.run("verify", "--output=text", "--verbose", f"--set={backup}"), program.stanza)


def check_verified(said: str, stanza: str) -> None:
    """Raise Damaged unless all was found as it was stored. Pure."""
    status = re.search(r"(?m)^status: (\w+)", said)
    if status and status[1] == "ok":
        return
    found = list(wrong_in(said)) or [why(said)]
    raise Damaged(
        f"pgbackrest verify of stanza {stanza}: {'; '.join(found[:SHOWN])}. Keep the repository as it is, as evidence, and take a"
        " full backup now."
    )


def wrong_in(said: str) -> Iterator[str]:
    """Give each line that tells of something wrong, with what it is about. Pure."""
    about = ""
    for line in (line.strip() for line in said.splitlines()):
        if re.match(r"(archiveId|backup): ", line):
            about = line.split(",")[0]
        counts = re.findall(r"(missing|checksum invalid|size invalid|other): (\d+)", line)
        if any(int(number) for _, number in counts):
            yield f"{about}: {', '.join(f'{number} {what}' for what, number in counts if int(number))}"
        elif re.search(r"manifest missing|No usable|is not valid|none found", line):
            yield line
