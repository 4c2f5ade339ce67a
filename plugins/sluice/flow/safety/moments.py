"""Moments to which a store is brought back: as a person has asked in a form, drawn, or what a month owes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from sluice.errors import SluiceError
from sluice.flow.connections import open_vault
from sluice.flow.safety.forms import AS_SCHEDULED
from sluice.flow.safety.keeping import has_names
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import backup_of, driver_of, elsewhere_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.safety.target import Kind, Target
    from sluice.stores.objects import Vault


class OfAMoment(OfAStore):
    """What works at a store as of one moment."""

    template_fields: Sequence[str] = ("store", "kind", "value")

    def __init__(self, *, kind: str, value: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.value = value


class DrawMoments(OfAStore):
    """Choose the moments of this run: as a person has asked, else the latest one, one that is drawn, and what the month owes."""

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Give each as `kind` and `value`. Skipped as long as there is no backup."""
        from sluice.safety.censuses import censuses_of, counted_at
        from sluice.safety.drill.drilling import draw, draw_between
        from sluice.safety.driver import Window
        from sluice.safety.target import Target

        asked = read_target(self.store, context["params"]["target"], context["params"]["value"])
        if asked:
            return [{"kind": asked.kind, "value": asked.value}]
        latest, window = Target("latest"), driver_of(self.store).window()
        if window is None:
            raise AirflowSkipException(f"There is no backup of {self.store} yet: backup__{self.store} takes the first.")
        drawn, counted = [latest], [counted_at(key) for key in censuses_of(open_vault(), self.store)]
        if not backup_of(self.store)[1].way.has_places:
            between = draw_between(counted, window, context["run_id"])
            return [{"kind": one.kind, "value": one.value} for one in (latest, between) if one]
        # What a copy must hold is known between two counts alone.
        since, until = max(window.earliest, counted[0]), min(window.latest, counted[-1])
        if since < until:
            drawn.append(draw(Window(since, until), context["run_id"]))
        drawn += self._owed(counted)
        return [{"kind": one.kind, "value": one.value} for one in drawn]

    def _owed(self, counted: Sequence[datetime]) -> Iterator[Target]:
        """Give the full recoveries that have not passed yet this month."""
        from sluice.safety.drill.certificate import readable_certificates
        from sluice.safety.drill.monthly import is_due, oldest
        from sluice.safety.keeping.looking import look
        from sluice.safety.target import Target

        vault, there = open_vault(), elsewhere_of(self.store)
        certificates = readable_certificates(vault, self.store, self.log.warning)
        places: dict[Kind, Vault | None] = {"backup": vault, "elsewhere": there}
        for kind, place in places.items() if has_names(self.store) else ():
            if place is None or not is_due(certificates, kind, datetime.now(UTC)):
                continue
            waits = f"no backup in s3://{place.bucket} was whole between two counts"
            try:
                if found := oldest(look(place, self.store), counted):
                    yield Target(kind, found.id)
                    continue
            except SluiceError as why:  # no reason to drill nothing at all; what copies there is red
                waits = str(why)
            self.log.warning("This month's full recovery waits: %s", waits)


def read_target(store: str, kind: str, value: str | None) -> Target | None:
    """Read what a person has asked for in a form: None where it is left to the drill. Raises AirflowFailException."""
    if kind == AS_SCHEDULED:
        return None
    if (kind == "latest") is bool(value):
        raise AirflowFailException(f"Say a value with {kind}, and none with latest. Nothing was done.")
    target, backup = target_of(kind, value or ""), backup_of(store)[1]
    there = (*backup.way.targets, *(("elsewhere",) if backup.elsewhere else ()))
    if target.kind not in there:
        told = f"{store} is backed up by {backup.by}: ask for {', '.join(there[:-1])} or {there[-1]}"
        raise AirflowFailException(f"{told}. Nothing was done.")
    return target


def target_of(kind: str, value: str) -> Target:
    """Make a target of its words. Raises AirflowFailException where a time cannot be read, or has no time zone."""
    from typing import cast, get_args

    from sluice.safety.target import Kind, Target

    if kind not in get_args(Kind):
        raise AirflowFailException(f"Unknown: {kind}. Known: {', '.join(get_args(Kind))}. Nothing was done.")
    if kind != "time":
        return Target(cast(Kind, kind), value)
    try:
        return Target.at(datetime.fromisoformat(value))
    except ValueError as error:
        raise AirflowFailException(
            f"{value!r} is no time with a time zone, such as 2026-03-01 14:03:00+00:00. Nothing was done."
        ) from error
