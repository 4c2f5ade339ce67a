"""The items of a legacy table, by number and as dirty as years make them; and those that no record can be made of.

Pure, and the same for the same seed: who knows a table and a number knows the item, without reading it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from sluice.local.tyler.shape import LEGACY
from sluice.stores.dynamodb.values import Item, Value

LARGE = 390_000
EVERY_LARGE = 4_000
"""One item in so many is large; the first of each such stretch."""
LONG_AGO, FAR = 1_500_000_000, 4_102_444_800
DIGITS = "1234567890123456789.0123456789012345678"
DAYS = [f"20{20 + n % 6}-{1 + n % 12:02}-{1 + n % 28:02}T{n % 24:02}:30:00" for n in range(500)]


def legacy_item(table: str, number: int, seed: int = 1) -> Item:
    """Give the item of a table by its number."""
    random = Random(f"{seed} {table} {number}")
    item = {LEGACY[table].key: {"S": name_of(table, number)}, **MAKERS[table](number, random)}
    if number % EVERY_LARGE == 1 and table in ("users", "audit"):
        item["scan"] = {"S": "x" * LARGE}
    return item


def name_of(table: str, number: int) -> str:
    """Give the key of an item of a table."""
    return f"{LEGACY[table].kind[0]}{number:07}"


def moment(random: Random) -> Value:
    """Give a time as one or another release wrote it: with a zone, without, as milliseconds."""
    day = random.choice(DAYS)
    forms: tuple[Value, ...] = ({"S": f"{day}Z"}, {"S": day}, {"S": f"{day}.250+02:00"}, {"S": day[:10]})
    return {"N": str(1_577_836_800_000 + random.randrange(10**11))} if random.random() < 0.1 else random.choice(forms)


def _user(number: int, random: Random) -> Item:
    # Every fiftieth has the address of somebody else; some have it in capitals, or with a blank behind.
    address = f"user{number - (number % 50 == 7)}@example.com"
    item: Item = {
        "email": {"S": random.choice((address, address, address.upper(), f"{address} "))},
        "name": {"S": random.choice(("Zoë", "Zoe\u0308", "O'Brien", "李雷", "👩‍👩‍👧"))},
        "status": {"S": random.choice(("ACTIVE", "LOCKED", "AWAY"))},
        "created": moment(random),
        "updated": moment(random),
        "balance": {"N": random.choice((DIGITS, "-0.10", "1.0", "1E+30", "0"))},
        "note": random.choice(({"S": ""}, {"NULL": True}, {"S": "trailing space "})),
    }
    if random.random() < 0.6:
        item["roles"] = {"SS": random.sample(("admin", "editor", "reader"), random.randint(1, 2))}
    if random.random() < 0.2:
        item["legacy-flags.v1"] = {"M": {"deep": {"L": [{"M": {"leaf": {"N": "1.50"}}}, {"BOOL": False}]}}}
    for name, share in (("email", 0.03), ("status", 0.05), ("created", 0.07), ("updated", 0.3)):
        if random.random() < share:
            del item[name]
    return item


def _contractor(number: int, random: Random) -> Item:
    item: Item = {"name": {"S": f"Contractor {number}"}, "token": {"S": f"{random.getrandbits(96):024x}"}}
    item |= {"created": moment(random), "expiry": moment(random), "sites": {"NS": ["0.50", str(number + 1)]}}
    for name, share in (("created", 0.1), ("token", 0.05), ("expiry", 0.1)):
        if random.random() < share:
            del item[name]
    return item


def _token(number: int, random: Random) -> Item:
    # Nobody ever removed what had expired.
    expires = (LONG_AGO if random.random() < 0.7 else FAR) + random.randrange(10_000_000)
    hashed: Item = {"hash": {"S": f"{random.getrandbits(128):032x}"}, "device": {"S": "ios"}}
    return {"userId": {"S": name_of("users", random.randrange(100_000))}, "expires": {"N": str(expires)}, **hashed}


def _audit(number: int, random: Random) -> Item:
    item: Item = {
        "timestamp": moment(random),
        "action": {"S": random.choice(("LOGIN", "EDIT", "DELETE"))},
        "amount": {"N": random.choice(("1.10", DIGITS, "-7"))},
    }
    if random.random() < 0.9:
        item["userId"] = {"S": random.choice((name_of("users", random.randrange(100_000)), ""))}
    if number % 97 == 0:
        item["proof"] = {"B": bytes([number % 256, 0, 255])}
    return item


def _config(number: int, random: Random) -> Item:
    values: tuple[Value, ...] = ({"BOOL": True}, {"N": DIGITS}, {"L": []}, {"M": {}}, {"S": "on"})
    return {"value": random.choice(values), "of": {"SS": ["b", "a"]}}


MAKERS: dict[str, Callable[[int, Random], Item]] = {
    "users": _user,
    "contractors": _contractor,
    "refresh-tokens": _token,
    "audit": _audit,
    "config": _config,
}


@dataclass(frozen=True)
class Poison:
    """An item of which no records can be made, and what a person makes of it: another item, or nothing."""

    table: str
    what: str
    item: Item
    mended: Item | None


def poisons() -> tuple[Poison, ...]:
    """Give one of each sort."""
    return (
        _poison("users", "a time that nobody can read", {"created": {"S": "some day in spring"}}, created=DAYS[0]),
        _poison("users", "too many roles", {"roles": {"SS": [f"r{n:03}" for n in range(120)]}}, roles=None),
        _poison("users", "an attribute of our own name", {"entityType": {"S": "person"}}, entityType=None),
        _poison("users", "too large for a record", {"scan": {"S": "x" * 409_000}}, scan="cut off"),
        _poison("contractors", "an expiry in words", {"expiry": {"S": "never"}}, expiry=None),
        _poison("refresh-tokens", "a token of nobody", {"expires": {"N": str(FAR)}}, gone=True),
        _poison("audit", "no time", {"action": {"S": "LOGIN"}}, timestamp=DAYS[1]),
        _poison("audit", "a time in another form", {"timestamp": {"S": "31.12.2023"}}, timestamp="2023-12-31"),
        _poison("config", "an attribute of our own name", {"PK": {"S": "x"}}, PK=None),
    )


def _poison(table: str, what: str, item: Item, gone: bool = False, **better: str | None) -> Poison:
    poisoned = {LEGACY[table].key: {"S": f"poison: {what}"}, **item}
    kept = {name: value for name, value in poisoned.items() if name not in better}
    mended = {**kept, **{name: {"S": value} for name, value in better.items() if value is not None}}
    return Poison(table, what, poisoned, None if gone else mended)
