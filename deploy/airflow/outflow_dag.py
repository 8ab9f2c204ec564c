"""Syncs customers to the marketing tools after the warehouse was built."""

from datetime import timedelta

import pendulum
from airflow.decorators import dag, task
from airflow.models import Variable

from outflow_trigger import trigger


@dag(
    schedule="@hourly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    tags=["outflow"],
)
def outflow():
    @task
    def build_models() -> None:
        """Whatever makes the tables that Outflow reads."""

    @task(execution_timeout=timedelta(hours=2))
    def sync(name: str, run_id=None, ti=None) -> dict:
        # Airflow fills in both. A retry follows the run this task started before, and starts another only if
        # that one has failed.
        return trigger(
            url=Variable.get("outflow_url"),
            token=Variable.get("outflow_token"),
            sync=name,
            key=f"airflow/{run_id}/{name}",
            attempt=ti.try_number,
            timeout=7000,
        )

    build_models() >> sync.expand(name=["customers", "companies"])


outflow()
