-- What a run has left is shown beside it in Airflow: found without reading years of runs.
CREATE INDEX transition_by ON control.transition (run);
CREATE INDEX fact_by ON control.fact (run);
CREATE INDEX evidence_by ON control.evidence (run);
CREATE INDEX approval_of ON control.approval (migration, id);
