"""Is the new table like the old one? Everything that the catalogue says of a table, as lines, before and after."""

from __future__ import annotations

from tests.zoo.catalogue import Connection

# Each query gives lines of text for the table %(oid)s; what must differ by design (names of indexes, NOT NULL of the
# column that cuts, statistics) is left out.
ASKED = {
    "column": """
        SELECT format('%%s %%s%%s%%s default %%s collate %%s storage %%s compression %%s statistics %%s options %%s', a.attname,
               format_type(a.atttypid, a.atttypmod),
               CASE a.attidentity WHEN '' THEN '' ELSE ' identity ' || a.attidentity::text END,
               CASE a.attgenerated WHEN '' THEN '' ELSE ' generated ' || a.attgenerated::text END,
               coalesce(pg_get_expr(d.adbin, d.adrelid), '-'), a.attcollation::regcollation, a.attstorage, a.attcompression,
               coalesce(a.attstattarget, -1), coalesce(a.attoptions::text, '-'))
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped""",
    "not null": """
        SELECT attname FROM pg_attribute WHERE attrelid = %(oid)s AND attnum > 0 AND attnotnull AND NOT attisdropped""",
    "column grant": """
        SELECT format('%%s %%s to %%s', a.attname, g.privilege_type, g.grantee::regrole) FROM pg_attribute a
        CROSS JOIN LATERAL aclexplode(a.attacl) g WHERE a.attrelid = %(oid)s AND NOT a.attisdropped""",
    "grant": """
        SELECT format('%%s to %%s%%s', g.privilege_type, CASE g.grantee WHEN 0 THEN 'public' ELSE g.grantee::regrole::text END,
               CASE WHEN g.is_grantable THEN ' grantable' ELSE '' END)
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) g WHERE c.oid = %(oid)s AND g.grantee <> c.relowner""",
    "comment": """
        SELECT format('%%s: %%s', coalesce(a.attname, 'table'), d.description) FROM pg_description d
        LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0
        WHERE d.classoid = 'pg_class'::regclass AND d.objoid = %(oid)s""",
    "check": """
        SELECT format('%%s %%s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE conrelid = %(oid)s AND contype = 'c'""",
    "index": """
        SELECT regexp_replace(pg_get_indexdef(indexrelid), '^CREATE (UNIQUE )?INDEX .* USING', '\\1USING')
        FROM pg_index WHERE indrelid = %(oid)s AND NOT indisprimary""",
    "trigger": """
        SELECT format('%%s %%s %%s', tgname, tgenabled, regexp_replace(
               pg_get_triggerdef(oid), ' ON .* (FOR EACH|FROM|NOT DEFERR|DEFERR|REFERENCING)', ' … \\1'))
        FROM pg_trigger WHERE tgrelid = %(oid)s AND NOT tgisinternal AND tgname NOT LIKE '!sluice%%'""",
    "foreign key out": """
        SELECT format('%%s %%s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE conrelid = %(oid)s AND contype = 'f' AND conparentid = 0""",
    "foreign key in": """
        SELECT format('%%s on %%s (%%s) valid %%s', conname, conrelid::regclass, conkey::text, convalidated) FROM pg_constraint
        WHERE confrelid = %(oid)s AND conrelid <> confrelid AND contype = 'f' AND conparentid = 0""",
    "view": """
        SELECT DISTINCT format('%%s', r.ev_class::regclass) FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = %(oid)s AND r.ev_class <> %(oid)s""",
    "rule": "SELECT rulename::text FROM pg_rewrite WHERE ev_class = %(oid)s",
    "policy": """
        SELECT format('%%s %%s %%s %%s', polname, polcmd, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
        FROM pg_policy WHERE polrelid = %(oid)s""",
    "table": """
        SELECT format('owner %%s, row security %%s %%s, replica identity %%s, options %%s', relowner::regrole, relrowsecurity,
               relforcerowsecurity, relreplident, coalesce(
                 -- What is stored is in the leaves.
                 (SELECT leaf.reloptions FROM pg_partition_tree(t.oid) p JOIN pg_class leaf ON leaf.oid = p.relid
                  WHERE p.isleaf AND t.relkind = 'p' LIMIT 1), t.reloptions)::text)
        FROM pg_class t WHERE t.oid = %(oid)s""",
    "publication": "SELECT prpubid::text FROM pg_publication_rel WHERE prrelid = %(oid)s",
    "statistics object": "SELECT stxkind::text || stxkeys::text FROM pg_statistic_ext WHERE stxrelid = %(oid)s",
    "sequence owned": """
        SELECT format('%%s of %%s', a.attname, d.deptype) FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.refobjid = %(oid)s AND d.classid = 'pg_class'::regclass""",
}

Lines = set[tuple[str, str]]


def portrait(c: Connection, oid: int) -> Lines:
    """Everything that is said of a table."""
    return {
        (what, next(iter(row.values())))
        for what, query in ASKED.items()
        for row in c.execute(query, {"oid": oid}).fetchall()  # type: ignore[arg-type]
    }


def unlike(before: Lines, after: Lines, changed: set[str], cut: set[str]) -> list[str]:
    """Say what is gone and what is new. Columns that were meant to change, and NOT NULL of what cuts, are passed over."""

    def meant(what: str, text: str) -> bool:
        return (what in ("column", "not null") and text.split(" ")[0] in changed) or (
            what == "not null" and text in cut
        )

    gone = [f"gone: {what}: {text}" for what, text in sorted(before - after) if not meant(what, text)]
    new = [f"new: {what}: {text}" for what, text in sorted(after - before) if not meant(what, text)]
    return gone + new
