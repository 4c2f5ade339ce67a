"""The operators of `scale_capacity`: plan, ask, scale, see that it stands.

Nothing is scaled without a yes of this run, to just the plan that was shown. What was agreed to is read from the ledger, and
never from the graph: a task may be cleared or marked by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException

from sluice.errors import SluiceError
from sluice.flow.asking import APPROVE
from sluice.flow.connections import autoscaling_of, opened_control
from sluice.flow.consent import Consent, Removal, Shown
from sluice.flow.insight import scaled
from sluice.flow.insight.ledger import opened_ledger
from sluice.flow.insight.waiting import tell_waiting
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.insight.scaling.plan import Plan, Step
    from sluice.ledger.scalings import Scalings

PLANNED = "scaling_plan"
"""The facts of a run: its plan."""
ASKS_FOR = timedelta(hours=1)
"""For so long a question is open; then the load is another, and the next run asks about that."""
NO_HOLDS_FOR = timedelta(days=1)
PATIENCE = timedelta(hours=3)
"""How long RDS may take for a change, from the plan on."""
SHOWS_WITHIN = timedelta(minutes=10)
"""How long it may take until a service shows what it was asked for."""
EVERY = timedelta(minutes=1)


class ListScaled(BaseOperator):
    """List the stores that have a `scaling`, or the one that the form names."""

    def execute(self, context: Context) -> list[str]:
        """Give their names. Refuses a word that the form does not have. Raises NotScaledHere, EstateErrors."""
        check_words(context)
        asked = context["params"]["store"]
        if asked:
            scaled.scaling_of_store(asked)
            return [asked]
        found = scaled.scaled_stores()
        if not found:
            raise AirflowSkipException("No store has a `scaling` in include/estate/estate.yaml.")
        return found


class PlanScaling(OfAStore):
    """Say in the log what is proposed, why, and what is held back; keep it. A dry run ends here. It changes nothing."""

    ui_color = "#e8f1fb"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give how many steps there are, and the plan's seal. Skipped where nothing is to be done."""
        asked = context["params"]
        if asked["simulate_from"] or asked["simulate_to"]:
            raise AirflowSkipException("A simulation: nothing is planned.")
        with opened_ledger(f"plan scaling {self.store}") as ledger:
            now = ledger.scalings.now()
            plan = scaled.plan_of(self.store, ledger.samples, ledger.scalings, now, bool(asked["now"]))
            ledger.scalings.keep_plan(self.store, now, plan.told())
        self.log.info("%s", plan)
        if asked["dry_run"]:
            raise AirflowSkipException("A dry run: nothing is asked, and nothing is changed.")
        if not plan.steps:
            raise AirflowSkipException(f"{self.store}: nothing is to be scaled.")
        with opened_control(of_scaling(self.store), context["run_id"]) as control:
            control.record_facts(PLANNED, plan.told(), epoch=1)
        return {"steps": len(plan.steps), "seal": plan.seal}


class ApproveScaling(Consent):
    """Ask a person before a store is scaled: always."""

    template_fields: Sequence[str] = ("subject", "body", "store")

    def __init__(self, *, store: str, **kwargs: Any) -> None:
        super().__init__(lasts=ASKS_FOR, **kwargs)
        self.store = store
        self._run = ""

    @property
    def removal(self) -> Removal:
        """The scaling of the store."""
        return scaling_of(self.store)

    def execute(self, context: Context) -> Any:
        """Write the question and wait, without a worker. Skipped where another run asks the same, or was told No today."""
        self._run = context["run_id"]
        self.notifiers = [self._tell]  # type: ignore[list-item]  # called by Airflow once the question stands, before it waits
        return super().execute(context)

    def _tell(self, context: Context) -> None:
        tell_waiting(planned(self.store, self._run)[0], of_scaling(self.store), context, self.log)

    def look(self) -> Shown:
        """Show the plan of this run. Raises NoFacts, NoPlan."""
        return shown(planned(self.store, self._run)[0])

    def answered(self, context: Context, answer: str, who: str) -> None:
        """Note it; fail on a no."""
        with opened_control(self.removal.whose, context["run_id"]) as control:
            control.record_approval(self.removal.action, 1, answer=answer, by_whom=who)
        if answer != APPROVE:
            raise AirflowFailException(
                f"{who} rejected the scaling of {self.store}. Nothing was changed. Nobody is asked for the same again for"
                f" {NO_HOLDS_FOR}; for longer, mend its `scaling` in include/estate/estate.yaml."
            )


class ScaleStore(OfAStore):
    """Do what was agreed to, step by step. What is done already is left, what has become otherwise is refused."""

    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> list[str]:
        """Give what was asked for. Raises NoPlan, Overtaken, NotRegistered, and what AWS refuses; skipped without a yes."""
        from sluice.stores.rds import NotYet

        plan, at, now = planned(self.store, context["run_id"])
        scaling_of(self.store).check(shown(plan), context["run_id"])
        if now > at + PATIENCE:
            raise AirflowFailException(
                f"{self.store}: the plan is of {at:%Y-%m-%d %H:%M %Z}, and the load is another by now. Nothing more was done."
                " Run scale_capacity again."
            )
        with opened_ledger(f"scale {self.store}") as ledger:
            for number, step in enumerate(plan.steps, 1):
                try:
                    self._take(ledger.scalings, plan, number, step, context)
                except NotYet as busy:
                    self.log.info("%s", busy)
                    _look_again()
        return [str(step) for step in plan.steps]

    def _take(self, scalings: Scalings, plan: Plan, number: int, step: Step, context: Context) -> None:
        from sluice.insight.scaling.applying import Overtaken
        from sluice.insight.scaling.planning import is_time

        maintenance, said = scaled.estate().insight.maintenance, bool(context["params"]["now"])
        if not is_time(step, scalings.now(), maintenance, said):
            raise Overtaken(
                f"{self.store}: {step.before} → {step.after} restarts it at once, which was agreed to for the maintenance, and"
                " that is over. Nothing more was done. Run scale_capacity again, with `now` where it cannot wait."
            )
        noted = _Noted(scalings, (self.store, context["run_id"], plan.seal, number), step)
        if step.action == "register_units":
            self._register(step, noted)
        else:
            self._change(step, noted)
        self.log.info("asked for: %s", step)

    def _register(self, step: Step, noted: _Noted) -> None:
        from sluice.insight.scaling.applying import Overtaken
        from sluice.insight.scaling.units import register

        store, scaling = scaled.scaling_of_store(self.store)
        standing = scaled.standing_of(self.store, step.subject, {})
        if standing is None:
            raise Overtaken(f"{self.store}: table {step.subject} is gone. Nothing was done with it.")
        noted.begin()
        register(autoscaling_of(store.connection), scaling, standing)

    def _change(self, step: Step, noted: _Noted) -> None:
        from sluice.insight.scaling.applying import apply_step
        from sluice.stores.rds import RdsDown

        client, instance = scaled.rds_client(scaled.scaling_of_store(self.store)[0])
        try:
            apply_step(client, self.store, instance, step, noted.begin)
        except RdsDown:  # it may have been taken
            raise
        except SluiceError:
            noted.refuse()
            raise


@dataclass
class _Noted:
    """A step in the ledger: begun before it is asked for, and refused where it was, at the first time of asking."""

    scalings: Scalings
    key: tuple[str, str, str, int]
    step: Step
    first: bool = False

    def begin(self) -> None:
        names = ("rule", "way", "action", "subject", "before", "after", "why")
        self.first = self.scalings.begin(*self.key, {name: str(getattr(self.step, name)) for name in names})

    def refuse(self) -> None:
        if self.first:
            self.scalings.refuse(*self.key)


class VerifyScaling(OfAStore):
    """See that it stands, by looking again. No worker waits for RDS."""

    def execute(self, context: Context) -> dict[str, str]:
        """Give how far each step is. Raises NotScaled where one was not begun, or takes too long."""
        from sluice.insight.scaling.applying import NotScaled

        plan, at, now = planned(self.store, context["run_id"])
        states = {step.what: self._state(step) for step in plan.steps}
        self.log.info("%s", states)
        with opened_ledger(f"verify scaling {self.store}") as ledger:
            begun = max(ledger.scalings.last(self.store).values(), default=at)
            lacking = [what for what, state in states.items() if state is None]
            if lacking and now > begun + SHOWS_WITHIN:
                raise NotScaled(
                    f"{self.store}: to {', '.join(lacking)} was asked for, and it stands as before. Somebody may have taken it"
                    " back, or the service did not take it. Look at its events, then run scale_capacity again."
                )
            if now > at + PATIENCE and "under way" in states.values():
                raise NotScaled(
                    f"{self.store}: after {PATIENCE}, still under way: {states}. Look at its events in RDS."
                )
            if lacking or "under way" in states.values():
                _look_again()
            ledger.scalings.verify(self.store, context["run_id"], plan.seal)
        return {what: str(state) for what, state in states.items()}

    def _state(self, step: Step) -> str | None:
        from sluice.insight.scaling.applying import verify_step
        from sluice.insight.scaling.units import is_registered

        store, scaling = scaled.scaling_of_store(self.store)
        if step.action == "register_units":
            standing = scaled.standing_of(self.store, step.subject, {})
            return "there" if standing and is_registered(scaling, standing) else None
        client, instance = scaled.rds_client(store)
        return verify_step(client, self.store, instance, step)


def scaling_of(store: str) -> Removal:
    """Name the scaling of a store, as a thing that needs a yes."""
    return Removal(
        of_scaling(store), "scale", "scaling", (), "include/estate/estate.yaml", "Nothing was scaled.", NO_HOLDS_FOR
    )  # fmt: skip


def of_scaling(store: str) -> str:
    """Name a store's scaling in the ledger, as no table and no file is called."""
    return f"scaling/{store}"


def planned(store: str, run: str) -> tuple[Plan, datetime, datetime]:
    """Give the plan of a run, when it was made, and what time it is. Raises NoFacts, NoPlan."""
    from sluice.insight.scaling.plan import read_plan

    with opened_control(of_scaling(store), run) as control:
        measured = control.facts(PLANNED)
    return read_plan(measured.facts), measured.at, measured.now


def shown(plan: Plan) -> Shown:
    """Write the question, in Markdown: a list, as the panel is narrow."""
    from sluice.insight.scaling.plan import KINDS

    lines = []
    for step in plan.steps:
        when = "at once" if step.at_once else "in the instance's own maintenance window"
        lines += [
            f"- **{step.subject}**: {KINDS[step.action].said}, {step.before} → {step.after}{step.besides}, {when}",
            f"    - **Why**: {step.why}",
            f"    - **Disturbs**: {step.disturbs}",
            f"    - **Costs**: {step.costs}",
        ]
    lines += [f"- **Held back**: {held}" for held in plan.held]
    return Shown(plan.seal, True, f"Scale {plan.store}?", "\n".join(lines))


def _look_again() -> NoReturn:
    raise AirflowRescheduleException(datetime.now(UTC) + EVERY)  # type: ignore[no-untyped-call]
