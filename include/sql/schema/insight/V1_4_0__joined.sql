-- What joins an incident that is open is told, too: what of it people have read of already must be known.
ALTER TABLE insight.incident ADD COLUMN named jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN insight.incident.named IS 'What a message has named, and since when it is well; null while it is not.';

-- What is open was told whole when it opened: an upgrade tells nothing of it again. What was silenced, or hung below something
-- else, was told to nobody.
UPDATE insight.incident SET named = (
    SELECT coalesce(jsonb_agg(jsonb_build_object('rule', m -> 'rule', 'store', m -> 'store', 'metric', m -> 'metric',
                                                 'subject', m -> 'subject', 'well_since', NULL)), '[]')
    FROM jsonb_array_elements(members) AS m
    WHERE m ->> 'hushed' IS NULL AND NOT coalesce((m ->> 'follows')::boolean, false)
) WHERE told IS NOT NULL AND cleared IS NULL;

ALTER TABLE insight.message DROP CONSTRAINT message_kind_check;
ALTER TABLE insight.message ADD CONSTRAINT message_kind_check
    CHECK (kind IN ('opened', 'back', 'worse', 'more', 'reminder', 'cleared'));
