-- Backups of one database by pg_dump, and what comes back of them.

-- name: find_database
SELECT current_setting('server_version') AS server, current_setting('server_version_num')::int / 10000 AS major,
       (SELECT rolname FROM pg_roles WHERE oid = 10) AS superuser, d.datname AS name, pg_get_userbyid(d.datdba) AS owner,
       pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate, d.datctype AS ctype,
       -- Its column has another name in each release.
       CASE d.datlocprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END AS provider,
       coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale') AS locale,
       pg_database_size(d.oid) AS bytes
FROM pg_database d WHERE d.datname = current_database()

-- name: lock_dumps
SELECT pg_try_advisory_lock(hashtext('sluice.dump'), hashtext(%(store)s)) AS held

-- name: list_roles
-- As CREATE ROLE wants it. Passwords are not asked for: they are nobody's business, and a managed service hides them.
SELECT rolname AS name, concat_ws(' ',
           CASE WHEN rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END, CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
           CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END, CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
           CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, CASE WHEN rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
           CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
           CASE WHEN rolconnlimit >= 0 THEN 'CONNECTION LIMIT ' || rolconnlimit END,
           CASE WHEN isfinite(rolvaliduntil) THEN 'VALID UNTIL ' || quote_literal(rolvaliduntil) END) AS options
FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1

-- name: list_memberships
-- From 16 on each has options of its own.
SELECT DISTINCT pg_get_userbyid(m.roleid) AS role, pg_get_userbyid(m.member) AS member,
       CASE WHEN to_jsonb(m) ? 'set_option' THEN concat('WITH ADMIN ', m.admin_option::text, ', INHERIT ', to_jsonb(m)->>'inherit_option',
                                                       ', SET ', to_jsonb(m)->>'set_option')
            WHEN m.admin_option THEN 'WITH ADMIN OPTION' ELSE '' END AS options
FROM pg_auth_members m ORDER BY 1, 2, 3

-- name: list_settings
-- Of roles, and of this database; what other databases are set to is theirs.
SELECT r.rolname AS role, x.setdatabase <> 0 AS here, split_part(s.setting, '=', 1) AS name,
       substr(s.setting, strpos(s.setting, '=') + 1) AS value
FROM pg_db_role_setting x CROSS JOIN unnest(x.setconfig) AS s(setting) LEFT JOIN pg_roles r ON r.oid = x.setrole
WHERE x.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY 1 NULLS FIRST, 2, 3

-- name: list_rights
-- On the database itself; none where nobody has changed them.
SELECT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END AS grantee, a.privilege_type AS right, a.is_grantable AS further
FROM pg_database d CROSS JOIN aclexplode(d.datacl) AS a WHERE d.datname = current_database() ORDER BY 1, 2

-- name: list_computed
SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' ORDER BY 1, 2

-- name: list_invalid
SELECT i.indexrelid::regclass::text AS name FROM pg_index i WHERE NOT i.indisvalid ORDER BY 1

-- name: find_uncounted
-- Large objects are counted where the role may read the table that holds them.
SELECT (SELECT count(*) FROM pg_tablespace) - 2 AS tablespaces,
       CASE WHEN has_table_privilege('pg_largeobject', 'SELECT') THEN 0 ELSE (SELECT count(*) FROM pg_largeobject_metadata) END AS objects,
       (SELECT count(*) FROM pg_roles WHERE rolcanlogin AND rolname !~ '^pg_') AS logins

-- name: list_names
SELECT rolname AS name FROM pg_roles

-- name: create_copy
CREATE DATABASE {database} TEMPLATE template0 ENCODING {encoding} LC_COLLATE {collate} LC_CTYPE {ctype}

-- name: locale_icu
LOCALE_PROVIDER icu ICU_LOCALE {locale}

-- name: locale_builtin
LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale}

-- name: locale_libc
LOCALE_PROVIDER libc

-- name: drop_copy
DROP DATABASE IF EXISTS {database} WITH (FORCE)

-- name: list_copies
SELECT datname AS name FROM pg_database WHERE starts_with(datname, %(prefix)s) ORDER BY 1

-- name: find_size
SELECT pg_database_size(current_database()) AS bytes

-- name: find_self
SELECT rolsuper AS superuser FROM pg_roles WHERE rolname = current_user

-- name: create_role
CREATE ROLE {role} WITH {options}

-- name: create_bare_role
CREATE ROLE {role}

-- name: mark_role
COMMENT ON ROLE {role} IS {mark}

-- name: list_marked_roles
SELECT rolname AS name FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = %(mark)s ORDER BY 1

-- name: drop_role
DROP ROLE {role}

-- name: join_role
GRANT {role} TO CURRENT_USER

-- name: grant_role
GRANT {role} TO {member} {options}

-- name: set_for_role
ALTER ROLE {role} SET {name} TO {value}

-- name: set_for_everybody
ALTER ROLE ALL SET {name} TO {value}

-- name: set_for_role_here
ALTER ROLE {role} IN DATABASE {database} SET {name} TO {value}

-- name: set_for_database
ALTER DATABASE {database} SET {name} TO {value}

-- name: give_database
ALTER DATABASE {database} OWNER TO {owner}

-- name: close_database
REVOKE ALL ON DATABASE {database} FROM PUBLIC

-- name: grant_database
GRANT {right} ON DATABASE {database} TO {grantee} {further}

-- name: open_database
GRANT CREATE ON DATABASE {database} TO {role}

-- name: open_schema
GRANT CREATE ON SCHEMA public TO {role}

-- name: shut_database
REVOKE CREATE ON DATABASE {database} FROM {role}

-- name: shut_schema
REVOKE CREATE ON SCHEMA public FROM {role}

-- name: lock_tables
LOCK TABLE {tables} IN ACCESS SHARE MODE
