-- Control: what happened and who said so. It reconciles from the marks at the start of every run.

CREATE SCHEMA IF NOT EXISTS control;

CREATE TABLE control.transition (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration   text NOT NULL,
    step        text NOT NULL,
    from_phase  text NOT NULL,
    to_phase    text NOT NULL,
    epoch       integer NOT NULL,
    run         text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX transition_of ON control.transition (migration, id);

CREATE TABLE control.fact (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration  text NOT NULL,
    gate       text NOT NULL,
    epoch      integer NOT NULL,
    run        text NOT NULL,
    facts      jsonb NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX fact_of ON control.fact (migration, gate, id);
COMMENT ON TABLE control.fact IS 'What each step measured. Gates judge these, never a whole live table.';

CREATE TABLE control.evidence (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration  text NOT NULL,
    gate       text NOT NULL,
    epoch      integer NOT NULL,
    run        text NOT NULL,
    passed     boolean NOT NULL,
    compared   bigint NOT NULL,
    key        text NOT NULL,
    sha256     text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX evidence_of ON control.evidence (migration, gate, id);

CREATE TABLE control.approval (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration  text NOT NULL,
    action     text NOT NULL,
    epoch      integer NOT NULL,
    run        text NOT NULL,
    answer     text NOT NULL,
    by_whom    text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE control.backfill_window (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration   text NOT NULL,
    lower       timestamptz NOT NULL,
    upper       timestamptz NOT NULL,
    rows        bigint NOT NULL,
    hash        text NOT NULL,
    filled      bigint NOT NULL,
    run         text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX backfill_window_of ON control.backfill_window (migration, lower, id);
COMMENT ON TABLE control.backfill_window IS 'One row each time a window is filled: the same window gives the same rows and hash each time.';

CREATE SCHEMA IF NOT EXISTS sluice;
CREATE VIEW sluice.status AS
SELECT DISTINCT ON (t.migration) t.migration, t.to_phase AS phase, t.epoch, t.step AS last_step, t.at AS since, t.run,
       (SELECT e.gate || CASE WHEN e.passed THEN ' green' ELSE ' RED' END FROM control.evidence e
        WHERE e.migration = t.migration ORDER BY e.id DESC LIMIT 1) AS last_gate,
       (SELECT e.key FROM control.evidence e WHERE e.migration = t.migration ORDER BY e.id DESC LIMIT 1) AS evidence
FROM control.transition t ORDER BY t.migration, t.id DESC;
COMMENT ON VIEW sluice.status IS 'The last known phase of each migration, for psql: SELECT * FROM sluice.status;';
