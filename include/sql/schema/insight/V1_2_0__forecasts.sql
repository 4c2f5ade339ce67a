-- What was forecast, and in which report: kept, so that it can be held against what came.
CREATE TABLE insight.forecast (
    series  integer NOT NULL REFERENCES insight.series,
    until   date NOT NULL,
    base    double precision NOT NULL,
    ahead   smallint[] NOT NULL,
    p10     double precision[] NOT NULL,
    p50     double precision[] NOT NULL,
    p90     double precision[] NOT NULL,
    PRIMARY KEY (series, until),
    CHECK (cardinality(ahead) = cardinality(p10) AND cardinality(p10) = cardinality(p50) AND cardinality(p50) = cardinality(p90))
);
COMMENT ON TABLE insight.forecast IS 'What was forecast by what was known before `until`: some days ahead of the last of them, which had `base`.';

CREATE TABLE insight.report (
    until    date PRIMARY KEY,
    since    date NOT NULL,
    monthly  boolean NOT NULL,
    key      text NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE insight.report IS 'Each capacity report by the first day that it knows nothing of, and where its JSON is in the vault.';
