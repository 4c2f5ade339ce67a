-- What the watch must know from look to look.
ALTER TABLE insight.rule_state ADD COLUMN level double precision;
COMMENT ON COLUMN insight.rule_state.level IS 'The level beyond which it was wrong when it began; null where no level is known.';

CREATE TABLE insight.channel (
    name   text PRIMARY KEY,
    since  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE insight.channel IS 'Since when each channel is told: of what was before it, only what is open still.';
INSERT INTO insight.channel (name, since)
SELECT t.channel, min(m.at) FROM insight.telling AS t JOIN insight.message AS m ON m.id = t.message GROUP BY t.channel;
