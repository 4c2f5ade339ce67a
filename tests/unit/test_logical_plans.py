"""What is put back around a database, as statements; and how far a long piece of work is said to be."""

from __future__ import annotations

import pytest
from sluice.safety.logical.dump import Globals, Membership, Right, Role, Setting
from sluice.safety.logical.progress import Progress, told
from sluice.safety.logical.restoring import first_error
from sluice.safety.logical.roles import Around, plan_memberships, plan_rest
from sluice.stores.statements import as_text

AROUND = Globals(
    (Role("boss", "SUPERUSER LOGIN"), Role('own"er', "NOLOGIN")),
    (Membership("boss", 'own"er', "WITH ADMIN OPTION"), Membership('own"er', "boss", "")),
    (
        Setting('own"er', False, "search_path", 'shop, "$user", "a ""b"", c"'),
        Setting("boss", False, "work_mem", "65536"),
        Setting("boss", True, "app.tenant_id", "it's 100 %"),
        Setting(None, True, "search_path", ""),
        Setting(None, False, "timezone", "UTC"),
    ),
    (Right(None, "CONNECT", False), Right("boss", "CREATE", True)),
)


def texts(plan: list[object]) -> list[str]:
    """Give statements as PostgreSQL would get them."""
    return [as_text(step).strip() for step in plan]  # type: ignore[arg-type]


def test_on_a_server_of_its_own_all_is_put_back() -> None:
    around = Around(AROUND, "shop", 'own"er', {"boss"}, lent=False)
    assert [role.name for role in around.missing] == ['own"er']
    assert texts([*plan_memberships(around)]) == [
        'GRANT "boss" TO "own""er" WITH ADMIN OPTION',
        'GRANT "own""er" TO "boss"',
    ]
    assert texts([*plan_rest(around)]) == [
        """ALTER ROLE "own""er" SET "search_path" TO 'shop', '$user', 'a "b", c'""",
        """ALTER ROLE "boss" SET "work_mem" TO '65536'""",
        """ALTER ROLE "boss" IN DATABASE "shop" SET "app"."tenant_id" TO 'it''s 100 %'""",
        """ALTER DATABASE "shop" SET "search_path" TO ''""",
        """ALTER ROLE ALL SET "timezone" TO 'UTC'""",
        'ALTER DATABASE "shop" OWNER TO "own""er"',
        'REVOKE ALL ON DATABASE "shop" FROM PUBLIC',
        'GRANT CONNECT ON DATABASE "shop" TO PUBLIC',
        'GRANT CREATE ON DATABASE "shop" TO "boss" WITH GRANT OPTION',
    ]


def test_on_a_server_that_is_lent_nobody_who_was_there_is_changed() -> None:
    around = Around(AROUND, "copy", 'own"er', {"boss"}, lent=True)
    made = texts([*plan_memberships(around), *plan_rest(around)])
    assert made[0] == 'GRANT "boss" TO "own""er" WITH ADMIN OPTION'
    assert not [line for line in made if line.startswith(("ALTER ROLE ALL", 'ALTER ROLE "boss" SET', "ALTER DATABASE"))
                and "search_path" not in line]  # fmt: skip
    assert 'GRANT "own""er" TO "boss"' not in made
    assert """ALTER ROLE "boss" IN DATABASE "copy" SET "app"."tenant_id" TO 'it''s 100 %'""" in made


@pytest.mark.parametrize(
    ("done", "whole", "seconds", "said"),
    [
        (0, 100, 5.0, "0 bytes"),
        (1000, None, 5.0, "1,000 bytes"),
        (250, 1000, 60.0, "250 of about 1,000 bytes, about 3 min left"),
        (1200, 1000, 60.0, "1,200 of about 1,000 bytes, about 0 min left"),
    ],
)
def test_how_far_it_is(done: int, whole: int | None, seconds: float, said: str) -> None:
    assert told(done, whole, seconds) == said


def test_it_is_told_now_and_then_and_only_then_looked_at() -> None:
    said: list[str] = []
    progress, looks = Progress(said.append, "shop is dumped", None, every=1000), iter(range(5))
    progress.at(lambda: next(looks))
    assert (said, next(looks)) == ([], 0)
    progress.every = 0
    progress.at(lambda: next(looks))
    assert said == ["shop is dumped: 1 bytes"]


def test_the_first_error_is_told_whatever_follows() -> None:
    words = (
        "pg_restore: note\npg_restore: error: could not execute query: ERROR:  no such type\nCommand was: CREATE\n\n"
        * 3
    )
    assert first_error(words).startswith(
        "pg_restore: error: could not execute query: ERROR:  no such type Command was: CREATE"
    )
    assert first_error("Killed\n") == "Killed"
    assert first_error("") == "it said nothing"
