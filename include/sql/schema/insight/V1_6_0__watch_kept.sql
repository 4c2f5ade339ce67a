-- What the watch must know from look to look.
ALTER TABLE insight.rule_state ADD COLUMN level double precision;
COMMENT ON COLUMN insight.rule_state.level IS 'The level beyond which it was wrong when it began; null where no level is known.';
