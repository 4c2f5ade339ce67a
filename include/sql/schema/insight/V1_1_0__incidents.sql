-- What was found wrong, what became of it, and who was told.
CREATE TABLE insight.rule_state (
    rule     text NOT NULL,
    store    text NOT NULL,
    metric   text NOT NULL,
    subject  text NOT NULL,
    phase    text NOT NULL CHECK (phase IN ('pending', 'firing', 'missing')),
    since    timestamptz NOT NULL,
    seen     timestamptz NOT NULL,
    streak   integer NOT NULL,
    value    double precision NOT NULL,
    PRIMARY KEY (rule, store, metric, subject)
);
COMMENT ON TABLE insight.rule_state IS 'How each rule stands where something is wrong or about to be. What is well has no row.';

CREATE TABLE insight.incident (
    id            bigint PRIMARY KEY,
    store         text NOT NULL,
    cause         text NOT NULL,
    severity      text NOT NULL CHECK (severity IN ('P1', 'P2', 'P3', 'P4')),
    opened        timestamptz NOT NULL,
    quiet         timestamptz,
    cleared       timestamptz,
    times         integer NOT NULL DEFAULT 0,
    hushed        text,
    told          text,
    told_at       timestamptz,
    told_cleared  boolean NOT NULL DEFAULT false,
    members       jsonb NOT NULL,
    evidence      text NOT NULL DEFAULT ''
);
COMMENT ON TABLE insight.incident IS 'What is wrong at one store for one cause. '''' is the estate. Open while cleared is null.';
CREATE UNIQUE INDEX incident_one_open ON insight.incident (store, cause) WHERE cleared IS NULL;
CREATE INDEX incident_cleared ON insight.incident (cleared);

CREATE TABLE insight.message (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident  bigint NOT NULL REFERENCES insight.incident ON DELETE CASCADE,
    kind      text NOT NULL CHECK (kind IN ('opened', 'back', 'worse', 'reminder', 'cleared')),
    at        timestamptz NOT NULL,
    severity  text NOT NULL,
    subject   text NOT NULL,
    text      text NOT NULL,
    details   jsonb NOT NULL,
    UNIQUE (incident, kind, at)
);
COMMENT ON TABLE insight.message IS 'What people are told: kept with the look that found it, told afterwards.';
CREATE INDEX message_at ON insight.message (at);

CREATE TABLE insight.telling (
    message   bigint NOT NULL REFERENCES insight.message ON DELETE CASCADE,
    channel   text NOT NULL,
    told_at   timestamptz,
    tries     integer NOT NULL DEFAULT 1,
    failure   text,
    PRIMARY KEY (message, channel)
);
COMMENT ON TABLE insight.telling IS 'Which channel took a message, and when; where told_at is null, why not.';

CREATE VIEW insight.wrong AS
SELECT id, severity, CASE store WHEN '' THEN 'the estate' ELSE store END AS store, cause, opened, hushed, told_at,
       jsonb_array_length(members) AS members, members -> 0 ->> 'text' AS first
FROM insight.incident WHERE cleared IS NULL ORDER BY severity, opened;
COMMENT ON VIEW insight.wrong IS 'What is wrong now, for psql: SELECT * FROM insight.wrong;';
