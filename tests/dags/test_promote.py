"""The graph of a promotion: what users wait for, and what they do not."""

from __future__ import annotations


def test_users_are_led_to_the_new_server_though_the_vault_does_not_answer(bag) -> None:
    dag = bag.dags["promote_replica"]
    assert dag.get_task("promote_replica").downstream_task_ids == {"switch_name", "switch_pooler", "ship_record"}
    for switch in ("switch_name", "switch_pooler"):
        assert dag.get_task(switch).upstream_task_ids == {"promote_replica"}
