"""Take a step of a plan in RDS, and see that it stands. May happen twice: what is done already is left, what has become otherwise
is refused. Only a replica that a rule has made is ever taken away, and nothing else is deleted.

`client` is boto3's for `rds`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

from sluice.errors import Terminal
from sluice.insight.scaling.instance import MADE_FOR, pending_of, takes_change
from sluice.insight.scaling.plan import Step, replicas
from sluice.stores.rds import Absent, AlreadyStands, NotYet, find_instance, speaking, tags_of

State: TypeAlias = Literal["there", "in its window", "under way"]
AS_ITS_SOURCE = ("DBInstanceClass", "AutoMinorVersionUpgrade", "CopyTagsToSnapshot")
"""What a replica is told besides: what RDS would else choose by itself."""
BOUND = "MaxAllocatedStorage"
"""How far a disk grows by itself: it may go down, as the estate's own bound is the lower one."""


class Overtaken(Terminal):
    """What was agreed to is no more: somebody has changed the instance since."""


class NotScaled(Terminal):
    """RDS has taken a change and not done it."""


class NotOfRds(Terminal):
    """A step is nothing that RDS does."""


@dataclass(frozen=True)
class _Change:
    """How one action is taken in RDS."""

    stands: Callable[[Mapping[str, Any]], str]
    """Writes how the instance is, as a step writes what it is before."""
    check: Callable[[Any, str, Mapping[str, Any], Step], None]
    """Raises Overtaken where it must not be done."""
    ask: Callable[[Any, str, Mapping[str, Any], Step], None]
    verify: Callable[[Any, str, str, Step], State | None]
    setting: Callable[[Step], tuple[str, Any]] | None = None
    """What of the instance is set, and to what; None where another instance comes or goes."""
    of_disk: bool = False
    """Whether it is the disk that changes, which may be a replica's."""


def apply_step(client: Any, store: str, instance: str, step: Step, before: Callable[[], object] = lambda: None) -> None:
    """Ask RDS for it; `before` is called just before that, and not where nothing is asked for.

    Raises Overtaken, Absent, NotYet, NoCapacity, Throttled, RdsDown, AccessDenied, RdsRefused: all but RdsDown say that
    nothing was taken.
    """
    change = _change_of(store, step)
    found = _found(client, store, _changed(instance, step, change))
    if verify_step(client, store, instance, step) is not None:
        return
    if not takes_change(found["DBInstanceStatus"], of_disk=change.of_disk):
        raise NotYet(
            f"{store}: {found['DBInstanceIdentifier']} is {found['DBInstanceStatus']}. It is tried again by itself."
        )
    _check_whose(store, instance, found)
    _check_before(store, found, step, change)
    change.check(client, store, found, step)
    before()
    change.ask(client, store, found, step)


def verify_step(client: Any, store: str, instance: str, step: Step) -> State | None:
    """Say how far it is by now; None where it was not begun. Raises Absent, NotScaled, Throttled, RdsDown, AccessDenied."""
    return _change_of(store, step).verify(client, store, instance, step)


def _changed(instance: str, step: Step, change: _Change) -> str:
    """Name the instance that a step asks about: a disk may be that of a replica."""
    return step.subject if change.of_disk else instance


def _gone(client: Any, store: str, instance: str, step: Step) -> State | None:
    found = find_instance(client, step.subject)
    return "there" if found is None else "under way" if found["DBInstanceStatus"] == "deleting" else None


def _modified(client: Any, store: str, instance: str, step: Step) -> State | None:
    change = _change_of(store, step)
    found = _found(client, store, _changed(instance, step, change))
    name, wanted = _setting(change, step)
    if found[name] == wanted:
        return "under way" if found["DBInstanceStatus"] == "modifying" else "there"
    if (found.get("PendingModifiedValues") or {}).get(name) == wanted:
        return "under way" if step.at_once else "in its window"
    return None


def _replica_there(client: Any, store: str, instance: str, step: Step) -> State | None:
    found = find_instance(client, step.subject)
    if found is None:
        return None
    if tags_of(found).get(MADE_FOR) != store:
        raise AlreadyStands(f"{store}: an instance {step.subject} stands that no rule has made. Look whose it is.")
    if found.get("ReadReplicaSourceDBInstanceIdentifier") != instance:
        raise AlreadyStands(
            f"{store}: {step.subject} follows {instance} no more: it was promoted. Nothing was made. Run scale_capacity again:"
            " it takes another name."
        )
    if found["DBInstanceStatus"] in (
        "failed",
        "incompatible-network",
        "incompatible-parameters",
        "incompatible-restore",
    ):
        raise NotScaled(
            f"{store}: {step.subject} is {found['DBInstanceStatus']}. Look at its events in RDS, then delete it."
        )
    return "there" if found["DBInstanceStatus"] == "available" else "under way"


def _check_whose(store: str, instance: str, found: Mapping[str, Any]) -> None:
    """Raise Overtaken unless it is the store's own instance, or a replica of that."""
    name = found["DBInstanceIdentifier"]
    if name != instance and found.get("ReadReplicaSourceDBInstanceIdentifier") != instance:
        raise Overtaken(f"{store}: {name} is no replica of {instance} by now. Nothing was done with it.")


def _check_before(store: str, found: Mapping[str, Any], step: Step, change: _Change) -> None:
    """Raise Overtaken unless the instance is as it was when somebody agreed."""
    stands, pending = change.stands(found), pending_of(found)
    if pending and step.at_once and change.setting:
        raise Overtaken(
            f"{store}: {', '.join(pending)} of {found['DBInstanceIdentifier']} waits for its window by now, and a change at once"
            " would bring that along. Nothing was done. Have that done, or take it back, then run scale_capacity again."
        )
    if stands != step.before:
        raise Overtaken(
            f"{store}: {step.before} → {step.after} was agreed to, and {found['DBInstanceIdentifier']} has {stands} by now."
            " Nothing was done. Run scale_capacity again: it plans by what stands."
        )
    if less := [name for name, value in step.settings if value < (found.get(name) or 0) and name != BOUND]:
        raise Overtaken(
            f"{store}: {found['DBInstanceIdentifier']} has more {', '.join(less)} by now than was agreed to{step.besides}."
            " Nothing was done. Run scale_capacity again: it plans by what stands."
        )


def _modify(client: Any, store: str, found: Mapping[str, Any], step: Step) -> None:
    name, wanted = _setting(_change_of(store, step), step)
    told: dict[str, Any] = {name: wanted, **dict(step.settings), "ApplyImmediately": step.at_once}
    with speaking("scale", f"{found['DBInstanceIdentifier']} ({store})"):
        client.modify_db_instance(DBInstanceIdentifier=found["DBInstanceIdentifier"], **told)


def _add(client: Any, store: str, found: Mapping[str, Any], step: Step) -> None:
    told: dict[str, Any] = {name: found[name] for name in AS_ITS_SOURCE if found.get(name) is not None}
    told |= {
        "DBInstanceIdentifier": step.subject,
        "SourceDBInstanceIdentifier": found["DBInstanceIdentifier"],
        "PubliclyAccessible": bool(found.get("PubliclyAccessible")),
        "DeletionProtection": False,
        "EnableIAMDatabaseAuthentication": bool(found.get("IAMDatabaseAuthenticationEnabled")),
        "VpcSecurityGroupIds": [one["VpcSecurityGroupId"] for one in found.get("VpcSecurityGroups") or ()],
        "Tags": [{"Key": MADE_FOR, "Value": store}],
    }
    if port := (found.get("Endpoint") or {}).get("Port"):
        told["Port"] = port
    with speaking("make", f"{step.subject} ({store})"):
        client.create_db_instance_read_replica(**told)


def _check_ours(client: Any, store: str, found: Mapping[str, Any], step: Step) -> None:
    there = find_instance(client, step.subject)
    ours = there is not None and tags_of(there).get(MADE_FOR) == store
    if there is None or not ours or there.get("ReadReplicaSourceDBInstanceIdentifier") != found["DBInstanceIdentifier"]:
        raise Overtaken(f"{store}: {step.subject} is no replica that a rule has made. It stays, and nothing was done.")


def _drop(client: Any, store: str, found: Mapping[str, Any], step: Step) -> None:
    with speaking("take away", f"{step.subject} ({store})"):
        client.delete_db_instance(DBInstanceIdentifier=step.subject, SkipFinalSnapshot=True)


def _nothing(client: Any, store: str, found: Mapping[str, Any], step: Step) -> None:
    """There is nothing more to be checked."""


def _followers(found: Mapping[str, Any]) -> str:
    return replicas(len(found.get("ReadReplicaDBInstanceIdentifiers") or ()))


def _setting(change: _Change, step: Step) -> tuple[str, Any]:
    assert change.setting is not None
    return change.setting(step)


def _found(client: Any, store: str, instance: str) -> dict[str, Any]:
    found = find_instance(client, instance)
    if found is None:
        raise Absent(
            f"{store}: RDS has no instance {instance}. Check `watch: {{cloud: …}}` and the connection's region."
        )
    return found


EXTEND = _Change(
    stands=lambda found: f"{found['AllocatedStorage']} GiB",
    check=_nothing,
    ask=_modify,
    verify=_modified,
    setting=lambda step: ("AllocatedStorage", int(step.after.removesuffix(" GiB"))),
    of_disk=True,
)
CLASS = _Change(
    stands=lambda found: str(found["DBInstanceClass"]),
    check=_nothing,
    ask=_modify,
    verify=_modified,
    setting=lambda step: ("DBInstanceClass", step.after),
)
ADD = _Change(stands=_followers, check=_nothing, ask=_add, verify=_replica_there)
DROP = _Change(stands=_followers, check=_check_ours, ask=_drop, verify=_gone)


def _change_of(store: str, step: Step) -> _Change:
    """Say how a step is taken: one that is not known is never sent as another. Raises NotOfRds."""
    match step.action:
        case "extend_storage":
            return EXTEND
        case "change_class":
            return CLASS
        case "add_replica":
            return ADD
        case "drop_replica":
            return DROP
        case "register_units":
            pass
        case never if TYPE_CHECKING:
            assert_never(never)
    raise NotOfRds(f"{store}: {step.action} is nothing that RDS does. Nothing was done. Run scale_capacity again.")
