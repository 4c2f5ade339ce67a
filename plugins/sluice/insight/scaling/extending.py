"""What is proposed for a disk that is full, and for those of its replicas: RDS extends none of these along. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.insight.scaling.disk import LEAST_BOUND, STRIPED_FROM, Disk, Settings, share
from sluice.insight.scaling.evaluating import Holds
from sluice.insight.scaling.instance import Follower, InstanceStanding, takes_change
from sluice.insight.scaling.plan import Held, Step

LASTING = (
    "Nobody: the disk stays as it is in use, {slower} while RDS rearranges it. It can never be made smaller, and not be changed"
    " again for six hours."
)


def extend(instance: InstanceStanding, by: int, most: int, found: Holds) -> Iterator[Step | Held]:
    """Propose the disk `by` percent larger, `most` GiB at most; then those of its replicas that would be smaller than it."""
    wanted = min(instance.disk.grown_by(by), most)
    if _too_little(instance.disk, wanted):
        yield Held(
            "storage",
            f"{found}. The disk has {instance.disk.size} GiB, RDS extends by a tenth at least, and the estate allows {most} GiB"
            " (`watch: {disk: {most: …}}`). Archive what is old, or allow more.",
        )
        return
    told = instance.disk.besides(wanted, most)
    why = f"{found}.{_its_own(instance.disk, wanted, told)}"
    yield _step(instance.name, instance.disk, wanted, told, why, instance.stands_by)
    for one in instance.followers:
        yield from _follow(instance, one, wanted, most, found)


def _follow(instance: InstanceStanding, one: Follower, wanted: int, most: int, found: Holds) -> Iterator[Step | Held]:
    """Propose the disk of a replica at least as large, or say why not; nothing where it is so already."""
    if one.disk is None:
        yield _held(one, "RDS is not asked about it here: it is in another region, or on its way out. Extend it there.")
        return
    if one.disk.size >= wanted:
        return
    after = max(wanted, share(one.disk.size, LEAST_BOUND))
    if not takes_change(one.status, of_disk=True):
        yield _held(one, f"it is {one.status}. The next extension takes it along; else extend it by hand.")
    elif one.pending:
        yield _held(one, f"{', '.join(one.pending)} waits for its window, and a change at once would bring that along.")
    elif after > most:
        yield _held(
            one, f"it has {one.disk.size} GiB, RDS extends by a tenth at least, and the estate allows {most} GiB."
        )
    else:
        told = one.disk.besides(after, most)
        why = f"{found}. {one.name} takes in all that {instance.name} does, and RDS does not extend it along."
        yield _step(one.name, one.disk, after, told, why + _its_own(one.disk, after, told), stands_by=False)


def _step(name: str, disk: Disk, wanted: int, told: Settings, why: str, stands_by: bool) -> Step:
    slower = (
        "slower for hours, as over 400 GiB it is copied," if disk.size < STRIPED_FROM <= wanted else "a little slower"
    )
    iops = dict(told).get("Iops")
    more = f", and {iops} IOPS instead of {disk.iops}" if iops and disk.iops and iops > disk.iops else ""
    return Step(
        "storage", "up", "extend_storage", name, f"{disk.size} GiB", f"{wanted} GiB", why, LASTING.format(slower=slower),
        f"{wanted - disk.size} GiB more of {disk.kind}{more}{', and as much for its standby' if stands_by else ''}",
        settings=told,
    )  # fmt: skip


def _its_own(disk: Disk, wanted: int, told: Settings) -> str:
    """Say what becomes of its own growth, where RDS extends it by itself, too."""
    bound = dict(told).get("MaxAllocatedStorage", disk.extends_itself_to)
    if not bound:
        return ""
    if bound <= wanted:
        return " RDS extends it by itself no more: the estate allows no more than that."
    return f" RDS extends it by itself, too, up to {bound} GiB, when a tenth is left."


def _held(one: Follower, why: str) -> Held:
    return Held("storage", f"{one.name} is not extended with it: {why}")


def _too_little(disk: Disk, wanted: int) -> bool:
    return wanted < share(disk.size, LEAST_BOUND)
