-- A change that RDS has refused is none: its rule does not rest after it.
ALTER TABLE insight.scaling ADD COLUMN refused_at timestamptz;
COMMENT ON COLUMN insight.scaling.refused_at IS 'When it was refused: nothing was changed, and no rule rests. Null where it was taken, or nobody knows.';
