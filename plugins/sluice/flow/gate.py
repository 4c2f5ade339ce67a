"""A gate on the graph: suites and invariants over a step's facts; its evidence is kept, and linked on the task.

Red fails at once, without retries, and says which rows. Airflow's own retries are for a store that is down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from sluice.failpoints import failpoint
from sluice.flow.connections import open_vault, opened_control, opened_kind
from sluice.flow.evidence_link import KEY, SEAL, EvidenceLink
from sluice.flow.project import ROOT
from sluice.flow.steps import skip_unless_on_the_way

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.ledger.control import Control, Measured
    from sluice.proof.gates.evidence import Evidence
    from sluice.proof.gates.run import Judged


class FactsGate(BaseOperator):
    """Judge the last facts of `gate`, and keep the evidence. Whose they are, and by what they are judged, a kind of gate says."""

    operator_extra_links = (EvidenceLink(),)
    ui_color = "#fdf3d6"
    freshness = timedelta(minutes=30)
    """How old facts may be that are judged."""

    def __init__(self, *, gate: str, suites: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**{"trigger_rule": "none_failed", **kwargs})
        self.gate = gate
        self.suites = [gate, *suites]

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the verdict's summary. Raises AirflowFailException when it is red."""
        with opened_control(self.whose, context["run_id"]) as control:
            measured = control.facts(self.gate)
            judged = self._judge(measured)
            failpoint("gate.judged")
            evidence = self._keep(judged, measured, context)
            failpoint("gate.kept")
            verdict = judged.verdict
            control.record_evidence(
                self.gate,
                measured.epoch,
                passed=verdict.passed,
                compared=verdict.compared,
                key=evidence.key,
                sha256=evidence.sha256,
            )
            failpoint("gate.recorded")
        if not verdict.passed:
            raise AirflowFailException(f"{verdict.describe()}\nEvidence: {evidence.key}")
        self.log.info("%s\nEvidence: %s", verdict.describe(), evidence.key)
        return verdict.summary()

    @property
    def whose(self) -> str:
        """The name under which the ledger keeps the facts."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """What the verdict speaks of."""
        return self.whose

    def _judge(self, measured: Measured) -> Judged:
        from sluice.proof.gates.run import judge

        return judge(
            self.gate,
            measured.facts,
            subject=self.subject,
            suites=self.suites,
            window=None,
            freshness=self.freshness,
            now=measured.now,
            facts_at=measured.at,
            root=ROOT,
            samples=samples_of(measured.facts),
        )

    def _keep(self, judged: Judged, measured: Measured, context: Context) -> Evidence:
        from sluice.proof.gates.evidence import code_version, keep

        ti = context["ti"]
        evidence = keep(
            open_vault(),
            judged,
            measured.facts,
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=f"{ti.task_id}.{ti.map_index}" if ti.map_index is not None and ti.map_index >= 0 else ti.task_id,
            try_number=ti.try_number,
            extra={"measured_at": measured.at, "epoch": measured.epoch, "code": code_version(ROOT)},
        )
        ti.xcom_push(key=KEY, value=evidence.key)
        ti.xcom_push(key=SEAL, value=evidence.sha256)
        return evidence


class Gate(FactsGate):
    """A gate of a migration. `step` is the step whose way it stands on; None judges whenever it is reached."""

    template_fields: Sequence[str] = ("migration", "gate", "suites")

    def __init__(self, *, migration: str, gate: str, step: str | None = None, **kwargs: Any) -> None:
        super().__init__(gate=gate, **kwargs)
        self.migration = migration
        self.step = step

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the verdict's summary, unless the step is not taken. Raises AirflowFailException when it is red."""
        if self.step:
            skip_unless_on_the_way(self.step, context)
        return super().execute(context)

    @property
    def whose(self) -> str:
        """The migration."""
        return self.migration

    def _judge(self, measured: Measured) -> Judged:
        from sluice.proof.gates.run import judge
        from sluice.proof.gates.suites import suites_for

        with opened_kind(self.migration) as (m, kind):
            return judge(
                self.gate,
                measured.facts,
                subject=m.source.table,
                suites=[one for suite in self.suites for one in suites_for(ROOT, suite, m.kind)],
                window=kind.sample(),
                freshness=m.gates.freshness,
                now=measured.now,
                facts_at=measured.at,
                root=ROOT,
                samples=samples_of(measured.facts),
            )


def proven(control: Control, gate: str, fresh: timedelta, manifest: str | None = None) -> Measured:
    """Give the facts of this run that its gate was green for: no older than `fresh`, and of that manifest if one is given.

    What takes something away asks this first: a task may be cleared, or marked by hand. Raises NoFacts, AirflowFailException.
    """
    measured, judged = control.facts(gate), control.evidence(gate)
    whose, done = f"{control.migration}: gate_{gate}", "Nothing was taken away:"
    if judged is None or judged["at"] < measured.at or not judged["passed"]:
        raise AirflowFailException(f"{whose} has not passed in this run. {done} clear it.")
    if (age := measured.now - measured.at) > fresh:
        raise AirflowFailException(
            f"{whose} has judged what is {age} old, and only {fresh} counts. {done} clear the task before it."
        )
    if manifest and manifest != (told := about(measured.facts)):
        raise AirflowFailException(
            f"{whose} has judged another manifest, {told}, and by now it is {manifest}. {done} clear the task before it."
        )
    return measured


def about(facts: Mapping[str, Any]) -> str:
    """Name the manifest that facts are about, as an answer and a gate are held to it: its key, and its hash."""
    return f"{facts['manifest']} {facts.get('manifest_sha256')}"


def samples_of(facts: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What to show beside a failed count: rows by keys and columns, never values, and statements of the application.

    The fact `<count>_told` names what `<count>` has counted.
    """
    told = {
        name.removesuffix("_told"): [{"row": text} for text in str(value).split("; ") if text]
        for name, value in facts.items()
        if name.endswith("_told")
    }
    listed = [{"row": text} for text in str(facts.get("diff_samples", "")).split("; ") if text]
    reads = {
        name: [{"read": text} for text in str(facts[where]).splitlines()]
        for name, where in _READS.items()
        if where in facts
    }
    return {**told, **{name: [s for s in listed if word in s["row"]] for name, word in _WORDS.items()}, **reads}


_READS = {
    "shadow_differences": "shadow_differing",
    "shadow_slower": "shadow_slow",
    "shadow_skipped": "shadow_skipped_why",
}
_WORDS = {"rows_missing": " missing", "rows_extra": " extra", "rows_different": " different"}
