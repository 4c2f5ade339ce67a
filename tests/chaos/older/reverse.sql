CREATE OR REPLACE FUNCTION sluice.reverse__user_sessions()
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
            TRUNCATE "app"."user_sessions__old";
        EXCEPTION WHEN object_in_use THEN
            DELETE FROM "app"."user_sessions__old";
        END;
        RETURN NULL;
    END IF;
    
    
    IF TG_OP = 'UPDATE' AND NOT ((OLD."id" = NEW."id") IS NOT TRUE) THEN
        UPDATE "app"."user_sessions__old" SET "tenant_id" = NEW."tenant_id", "user_id" = NEW."user_id", "started_at" = NEW."started_at", "ended_at" = NEW."ended_at", "device" = NEW."device", "ip" = NEW."ip", "score" = NEW."score", "note" = NEW."note" WHERE "id" = OLD."id";
    ELSE
        IF TG_OP <> 'INSERT' THEN
            DELETE FROM "app"."user_sessions__old" WHERE "id" = OLD."id";
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO "app"."user_sessions__old" ("id", "tenant_id", "user_id", "started_at", "ended_at", "device", "ip", "score", "note") OVERRIDING SYSTEM VALUE VALUES (NEW."id", NEW."tenant_id", NEW."user_id", NEW."started_at", NEW."ended_at", NEW."device", NEW."ip", NEW."score", NEW."note");
        END IF;
    END IF;
    
    RETURN NULL;
END $function$
