"""Take a step of a plan in RDS, and see that it stands. May happen twice: what is done already is left, what has become otherwise
is refused. Only a replica that a rule has made is ever taken away, and nothing else is deleted.

`client` is boto3's for `rds`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

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


def apply_step(client: Any, store: str, instance: str, step: Step, before: Callable[[], object] = lambda: None) -> None:
    """Ask RDS for it; `before` is called just before that, and not where nothing is asked for.

    Raises Overtaken, Absent, NotYet, NoCapacity, Throttled, RdsDown, AccessDenied, RdsRefused: all but RdsDown say that
    nothing was taken.
    """
    found = _found(client, store, _changed(instance, step))
    if verify_step(client, store, instance, step) is not None:
        return
    if not takes_change(found["DBInstanceStatus"], of_disk=step.action == "extend_storage"):
        raise NotYet(
            f"{store}: {found['DBInstanceIdentifier']} is {found['DBInstanceStatus']}. It is tried again by itself."
        )
    _check_whose(store, instance, found)
    _check_before(store, found, step)
    before()
    {"add_replica": _add, "drop_replica": _drop}.get(step.action, _modify)(client, store, found, step)


def verify_step(client: Any, store: str, instance: str, step: Step) -> State | None:
    """Say how far it is by now; None where it was not begun. Raises Absent, NotScaled, Throttled, RdsDown, AccessDenied."""
    if step.action == "add_replica":
        return _replica_there(client, store, instance, step)
    if step.action == "drop_replica":
        gone = find_instance(client, step.subject)
        return "there" if gone is None else "under way" if gone["DBInstanceStatus"] == "deleting" else None
    return _modified(_found(client, store, _changed(instance, step)), step)


def _changed(instance: str, step: Step) -> str:
    """Name the instance that a step asks about: a disk may be that of a replica."""
    return step.subject if step.action == "extend_storage" else instance


def _modified(found: Mapping[str, Any], step: Step) -> State | None:
    name, wanted = _setting(step)
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


def _check_before(store: str, found: Mapping[str, Any], step: Step) -> None:
    """Raise Overtaken unless the instance is as it was when somebody agreed."""
    stands = {
        "extend_storage": f"{found['AllocatedStorage']} GiB",
        "change_class": str(found["DBInstanceClass"]),
    }.get(step.action, replicas(len(found.get("ReadReplicaDBInstanceIdentifiers") or ())))
    pending = pending_of(found)
    if pending and step.at_once and step.action in ("extend_storage", "change_class"):
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
    name, wanted = _setting(step)
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


def _drop(client: Any, store: str, found: Mapping[str, Any], step: Step) -> None:
    there = find_instance(client, step.subject)
    ours = there is not None and tags_of(there).get(MADE_FOR) == store
    if there is None or not ours or there.get("ReadReplicaSourceDBInstanceIdentifier") != found["DBInstanceIdentifier"]:
        raise Overtaken(f"{store}: {step.subject} is no replica that a rule has made. It stays, and nothing was done.")
    with speaking("take away", f"{step.subject} ({store})"):
        client.delete_db_instance(DBInstanceIdentifier=step.subject, SkipFinalSnapshot=True)


def _setting(step: Step) -> tuple[str, Any]:
    if step.action == "extend_storage":
        return "AllocatedStorage", int(step.after.removesuffix(" GiB"))
    return "DBInstanceClass", step.after


def _found(client: Any, store: str, instance: str) -> dict[str, Any]:
    found = find_instance(client, instance)
    if found is None:
        raise Absent(
            f"{store}: RDS has no instance {instance}. Check `watch: {{cloud: …}}` and the connection's region."
        )
    return found
