"""Say how the drills of every store go: how long it takes to come back, what would be lost, when that will be too long.

Every morning, each store that is backed up. `show_drills` puts the certificates of months together. *Details* → *Evidence*
opens the picture: the phases of each day one upon the other, below the store's RTO. Its log says at which pace what is stored
comes back, and on which day the RTO will be passed, if it goes on like this. Under eight days it says no day. `make_runbooks`
writes what to do on the bad days, with the names, numbers and contacts of this estate, to `docs/runbooks/` in the vault. Nothing
is restored here, and nothing is changed.

**Red?** A certificate in the vault cannot be read, or the vault cannot be reached: the message says which. Drills and backups
do not depend on it.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable
from sluice.flow.policy import UPKEEP
from sluice.flow.safety.reaping import ListBackedUp
from sluice.flow.safety.reporting import MakeRunbooks, ShowDrills

with DAG(
    dag_id="report_safety",
    schedule=CronDataIntervalTimetable("0 7 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={**UPKEEP},
    doc_md=__doc__,
    tags=["safety"],
):
    stores = ListBackedUp(task_id="list_stores")
    ShowDrills.partial(task_id="show_drills", map_index_template="{{ task.store }}").expand(store=stores.output)
    MakeRunbooks(task_id="make_runbooks")
