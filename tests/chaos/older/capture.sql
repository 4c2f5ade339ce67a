CREATE OR REPLACE FUNCTION sluice.capture__user_sessions()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET "IntervalStyle" TO 'postgres'
AS $function$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        BEGIN
            TRUNCATE "app"."user_sessions_by_month";
        EXCEPTION WHEN object_in_use THEN
            -- TRUNCATE … CASCADE of a table that both point at has this one in hand too.
            DELETE FROM "app"."user_sessions_by_month";
        END;
        DELETE FROM sluice.quarantine WHERE migration = 'user_sessions';
        RETURN NULL;
    END IF;
    
    
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND ((OLD."id" = NEW."id") IS NOT TRUE OR (OLD."started_at" = NEW."started_at") IS NOT TRUE)) THEN
        IF OLD."started_at" >= '{lower}'::timestamp with time zone AND OLD."started_at" < '{upper}'::timestamp with time zone THEN
            -- A snapshot older than the copy cannot see it and would leave it behind: here the conflict raises 40001, which
            -- users of these isolations repeat by agreement.
            IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
                INSERT INTO "app"."user_sessions_by_month" ("id", "tenant_id", "user_id", "started_at", "ended_at", "device", "ip", "score", "note") OVERRIDING SYSTEM VALUE VALUES (OLD."id", OLD."tenant_id", OLD."user_id", OLD."started_at", OLD."ended_at", OLD."device", OLD."ip", OLD."score", OLD."note") ON CONFLICT ("id", "started_at") DO NOTHING;
            END IF;
            DELETE FROM "app"."user_sessions_by_month" WHERE "id" = OLD."id" AND "started_at" = OLD."started_at";
        ELSE
            -- The same for a row that the copy put into quarantine.
            IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
                INSERT INTO sluice.quarantine (migration, key, reason) VALUES ('user_sessions', jsonb_build_array(OLD."id"), 'on its way out')
                ON CONFLICT (migration, key) DO NOTHING;
            END IF;
            DELETE FROM sluice.quarantine WHERE migration = 'user_sessions' AND key = jsonb_build_array(OLD."id");
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        IF NEW."started_at" >= '{lower}'::timestamp with time zone AND NEW."started_at" < '{upper}'::timestamp with time zone THEN
            INSERT INTO "app"."user_sessions_by_month" ("id", "tenant_id", "user_id", "started_at", "ended_at", "device", "ip", "score", "note") OVERRIDING SYSTEM VALUE VALUES (NEW."id", NEW."tenant_id", NEW."user_id", NEW."started_at", NEW."ended_at", NEW."device", NEW."ip", NEW."score", NEW."note")
            ON CONFLICT ("id", "started_at") DO UPDATE SET "tenant_id" = EXCLUDED."tenant_id", "user_id" = EXCLUDED."user_id", "started_at" = EXCLUDED."started_at", "ended_at" = EXCLUDED."ended_at", "device" = EXCLUDED."device", "ip" = EXCLUDED."ip", "score" = EXCLUDED."score", "note" = EXCLUDED."note";
        ELSE
            INSERT INTO sluice.quarantine (migration, key, reason)
            VALUES ('user_sessions', jsonb_build_array(NEW."id"), 'outside the partitions: ' || concat_ws(', ', NEW."started_at"))
            ON CONFLICT (migration, key) DO UPDATE SET reason = excluded.reason;
        END IF;
    END IF;
    
    RETURN NULL;
END $function$
