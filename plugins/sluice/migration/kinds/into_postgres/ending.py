"""Both ends: retired, where nothing follows any more and our columns go, or taken back as if it had never begun."""

from __future__ import annotations

from collections.abc import Callable

from psycopg import errors

from sluice.migration.engine.contract import Diff, Facts, NotYet, Phase
from sluice.migration.kinds.dynamodb_source.canary import Canaries, without_canary
from sluice.migration.kinds.dynamodb_source.last_look import Looked, is_stray
from sluice.migration.kinds.dynamodb_source.retiring import Retiring, diff_noted, noted_diff
from sluice.migration.kinds.into_postgres.delivering import replicate
from sluice.migration.kinds.into_postgres.parts import Parts
from sluice.migration.kinds.into_postgres.switching import Switching
from sluice.stores.dynamodb.streams import Stream
from sluice.stores.objects import Vault
from sluice.stores.postgres import one
from sluice.stores.statements import statement

LAST_SECONDS = 30.0
"""How long strays are brought along before nothing follows any more."""


def retire(
    parts: Parts, switching: Switching, vault: Callable[[], Vault] | None, compared: tuple[Diff, Looked] | None
) -> Facts:
    """cut_over → retired, and the old table is exported, read back and deleted. Raises NotYet from elsewhere, Unproven."""

    def stream() -> Stream:
        return parts.stream

    retiring = Retiring(
        parts.client, parts.notes, parts.migration, parts.source_name, vault, stream, is_stray, without_canary
    )
    if parts.position().phase is Phase.CUT_OVER:
        retiring.check()
        replicate(parts, LAST_SECONDS)
        if (waiting := parts.marks.quarantined(parts.c))["rows"]:
            raise NotYet(
                f"{parts.name} has {waiting['rows']} items in quarantine that came past the route: {waiting['samples']}. The old"
                " table is all that has them. Bring each over by hand and delete it there, then clear this task."
            )
        parts.notes.keep(**diff_noted(compared))
    with parts.marks.alone(parts.c):
        if parts.marks.move(parts.c, Phase.CUT_OVER, to=Phase.RETIRED):
            switching.stop_watching()
            parts.c.execute(statement("into_postgres.remove_tombstones", target=parts.table.identifier))
            parts.c.execute(statement("into_postgres.drop_marks", target=parts.table.identifier))
        elif parts.marks.row(parts.c)["phase"] != Phase.RETIRED:
            raise NotYet(f"{parts.name} is {parts.position().phase}: only what is cut over can be retired.")
    parts.route.publish(parts.c)
    if retiring.is_there():
        Canaries(parts.client, parts.definition).call_all_back()  # where a drain was killed, its canaries are still out
    settled = retiring.settle()
    if settled["old_deleted"] or parts.migration.retire.old_table == "keep":
        parts.run("forget_places")  # nobody reads its stream any more
    left = one(parts.c, statement("into_postgres.look_at_end"), name=parts.name)
    item = parts.items.route() or {}
    return {
        "live_is_target": int(left["write_to"] == item.get("write_to", {}).get("S") == "new"),
        "marks_left": left["columns"] + left["triggers"] + left["policies"],
        **noted_diff(parts.notes.read()),
        **settled,
    }


def abort(parts: Parts) -> str:
    """Anything before cut_over → planned, epoch + 1: the same statement that needs no Airflow. The copy is taken away."""
    if parts.marks.find(parts.c) is None:
        return f"{parts.name} is planned: there is nothing to take back"
    try:
        said = str(one(parts.c, statement("marks.abort"), name=parts.name)["said"])
    except errors.RaiseException as refused:
        raise NotYet(f"{refused.diag.message_primary}.") from None
    with parts.marks.alone(parts.c):
        if parts.marks.row(parts.c)["phase"] == Phase.PLANNED:  # who is late takes no places of the next capture away
            parts.run("forget_places")
    if parts.items.there():
        parts.route.publish(parts.c)
    return said
