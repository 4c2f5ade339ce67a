"""Put back what lies around a database: roles before it, so that all has an owner; settings and rights behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import errors, sql

from sluice.safety.driver import Tell
from sluice.safety.logical.dump import Globals, Role, Setting
from sluice.stores.postgres import Connection, one, rows
from sluice.stores.statements import as_text, raw, statement

MARK = "made by sluice for a scratch; goes with it"
"""The comment on a role that was made for a copy on a server that is lent."""
LISTS = {"search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries"}
"""Settings that are lists of names, each quoted by itself (GUC_LIST_QUOTE): as one text they would be one name."""
_ITEM = re.compile(r'"((?:[^"]|"")*)"|([^,\s"]+)')


@dataclass(frozen=True)
class Around:
    """What a dump says lies around its database, and where it is put back."""

    globals: Globals
    database: str
    """The name of the copy."""
    owner: str
    there: Set[str]
    """The roles that the server had before: they are left as they are."""
    lent: bool
    """Whether the server is somebody else's: what is of all of it is left alone."""

    @property
    def missing(self) -> list[Role]:
        """The roles that are not there."""
        return [role for role in self.globals.roles if role.name not in self.there]


def plan_memberships(around: Around) -> list[sql.Composed]:
    """Plan who is a member of which; on a server that is lent, of the roles alone that were missing. Pure."""
    missing = {role.name for role in around.missing}
    return [
        statement(
            "logical.grant_role",
            role=sql.Identifier(found.role),
            member=sql.Identifier(found.member),
            options=raw(found.options),
        )
        for found in around.globals.memberships
        if not around.lent or found.member in missing
    ]


def plan_rest(around: Around) -> list[sql.Composed]:
    """Plan what comes behind the database: settings, its owner, and what is allowed with it. Pure."""
    database = sql.Identifier(around.database)
    found = [_set(one_of, database) for one_of in around.globals.settings if _ours(one_of, around)]
    if not around.lent:  # there it stays with whoever made it, who must be able to drop it
        found.append(statement("logical.give_database", database=database, owner=sql.Identifier(around.owner)))
    if around.globals.rights:
        found.append(statement("logical.close_database", database=database))
    for one_of in around.globals.rights:
        grantee = sql.Identifier(one_of.grantee) if one_of.grantee else raw("PUBLIC")
        further = raw("WITH GRANT OPTION" if one_of.further else "")
        parts = {"database": database, "right": raw(one_of.right), "grantee": grantee, "further": further}
        found.append(statement("logical.grant_database", **parts))
    return found


def apply(c: Connection, plan: Iterable[sql.Composed], lent: bool, tell: Tell) -> None:
    """Do it. On a server that is lent, what its role may not do is told, and left: the comparison sees what came of it."""
    for step in plan:
        try:
            c.execute(step)
        except errors.InsufficientPrivilege as error:
            if not lent:
                raise
            tell(f"not allowed there: {as_text(step, c).strip()}: {str(error).splitlines()[0]}")


def make_roles(c: Connection, around: Around, tell: Tell) -> None:
    """Make the roles that are missing, and their memberships."""
    almighty = one(c, statement("logical.find_self"))["superuser"]
    for role in around.missing:
        _make(c, role, around.lent, tell)
        if not almighty:  # only a member of a role may give it what it owned
            c.execute(statement("logical.join_role", role=sql.Identifier(role.name)))
    apply(c, plan_memberships(around), around.lent, tell)


@contextmanager
def opened(c: Connection, around: Around) -> Iterator[None]:
    """Let the roles that were missing own what lies in the database and in `public`, while it comes back.

    Who is no superuser gives nobody what he could not have made himself.
    """
    names = [] if one(c, statement("logical.find_self"))["superuser"] else [role.name for role in around.missing]
    _each(c, "open", names, around.database)
    yield
    _each(c, "shut", names, around.database)


def drop_made(c: Connection) -> None:
    """Drop the roles that were made for copies, where no other copy needs them still."""
    for row in rows(c, statement("logical.list_marked_roles"), mark=MARK):
        try:
            c.execute(statement("logical.drop_role", role=sql.Identifier(row["name"])))
        except (
            errors.DependentObjectsStillExist,
            errors.InsufficientPrivilege,
        ):  # another's copy has it, or has made it
            continue


def names_in(c: Connection) -> frozenset[str]:
    """Name the roles of a server."""
    return frozenset(row["name"] for row in rows(c, statement("logical.list_names")))


def _make(c: Connection, role: Role, lent: bool, tell: Tell) -> None:
    name = sql.Identifier(role.name)
    try:
        c.execute(statement("logical.create_role", role=name, options=raw(role.options)))
    except errors.InsufficientPrivilege as error:
        if not lent:
            raise
        tell(f"role {role.name} is made without {role.options}: {str(error).splitlines()[0]}")
        c.execute(statement("logical.create_bare_role", role=name))
    if lent:
        c.execute(statement("logical.mark_role", role=name, mark=sql.Literal(MARK)))


def _each(c: Connection, verb: str, names: Iterable[str], database: str) -> None:
    for name in names:
        role = sql.Identifier(name)
        c.execute(statement(f"logical.{verb}_database", role=role, database=sql.Identifier(database)))
        c.execute(statement(f"logical.{verb}_schema", role=role))


def _ours(setting: Setting, around: Around) -> bool:
    return setting.here or not around.lent or setting.role in {role.name for role in around.missing}


def _set(setting: Setting, database: sql.Identifier) -> sql.Composed:
    parts: dict[str, sql.Composable] = {"name": sql.Identifier(*setting.name.split(".")), "value": _value(setting)}
    if setting.role:
        parts["role"] = sql.Identifier(setting.role)
    if setting.here:
        parts["database"] = database
    verbs = {(True, True): "role_here", (True, False): "role", (False, True): "database", (False, False): "everybody"}
    return statement(f"logical.set_for_{verbs[bool(setting.role), setting.here]}", **parts)


def _value(setting: Setting) -> sql.Composable:
    if setting.name not in LISTS:
        return sql.Literal(setting.value)
    items: Sequence[str] = [
        quoted.replace('""', '"') if quoted else plain for quoted, plain in _ITEM.findall(setting.value)
    ]
    return sql.SQL(", ").join(map(sql.Literal, items)) if items else sql.Literal("")
