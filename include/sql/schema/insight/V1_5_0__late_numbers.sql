-- Work that grows with what is new, and not with what is kept: hours of which numbers came late, and series that ended.

CREATE TABLE insight.late_hour (
    hour  timestamptz PRIMARY KEY
);
COMMENT ON TABLE insight.late_hour IS 'Hours of which a number came when they may have been rolled up already: they are rolled up again, once.';

ALTER TABLE insight.series ADD COLUMN seen date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date;
COMMENT ON COLUMN insight.series.seen IS 'No number is of a later day than this, in UTC: a series that ended is not looked through for ever.';

-- What was written last lies together: some hours of all series are found without reading all.
CREATE INDEX sample_by_time ON insight.sample USING brin (at) WITH (autosummarize);
CREATE INDEX hour_by_time ON insight.hour USING brin (at) WITH (autosummarize);
CREATE INDEX day_by_time ON insight.day USING brin (at) WITH (autosummarize);
