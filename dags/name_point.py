"""Name this moment of a store, before something risky: a release, a migration by hand, a big DELETE.

Started by a person, who says what it is called. The point is written into the server's log, and its position noted in the vault;
`verify_point` waits until the log is kept up to there. From then on `restore__NAME` brings the store back to it (*point*, and the
name), beside the one that lives, as far back as its window goes. Nothing else is done to the store.

**Red?** `name_point`: the name is taken, there is no backup yet, or the role that backs up may not name points (the message says
which GRANT). `verify_point`: the log is not kept up to the point yet; look at `ship_log__NAME`, or at pgBackRest's archiving, and
clear it. Do not begin what is risky before it is green.
"""

from __future__ import annotations

from airflow.sdk import DAG
from sluice.flow.policy import defaults
from sluice.flow.safety.forms import point_form
from sluice.flow.safety.naming import NamePoint, VerifyPoint
from sluice.flow.safety.stores import pointed


def name_point(name: str) -> DAG:
    """Name it, and see that it can be brought back to."""
    with DAG(
        dag_id=f"name_point__{name}",
        schedule=None,
        catchup=False,
        max_active_runs=1,
        params=point_form(),
        default_args=defaults(name) | {"store": name},
        doc_md=__doc__.replace("NAME", name),
        tags=["safety", name],
    ) as dag:
        VerifyPoint(task_id="verify_point", point=NamePoint(task_id="name_point").output)
    return dag


for name in pointed():
    dag = name_point(name)
    globals()[dag.dag_id] = dag
