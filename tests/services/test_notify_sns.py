"""Amazon's SNS as a channel: a topic gets it in its own region, and one that is not there is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from sluice.estate.models import Channel
from sluice.flow.alerting import AlertRefused
from sluice.flow.insight.channels import Notice, send

REGION = "eu-central-1"
TEXT = "P1 shop: <b> & {{ 7 * 7 }}"


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Callable[[], list[dict[str, Any]]]]]:
    """A topic that a queue has subscribed to, and what came into the queue. The connection is of another region."""
    keys = {"aws_access_key_id": "SCRATCH", "aws_secret_access_key": "SCRATCH", "region_name": REGION}
    login = {"conn_type": "aws", "login": "SCRATCH", "password": "SCRATCH", "extra": {"region_name": "us-east-1"}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_OPS", json.dumps(login))
    with mock_aws():
        sns, sqs = boto3.client("sns", **keys), boto3.client("sqs", **keys)
        queue = sqs.create_queue(QueueName="ops")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        made = sns.create_topic(Name="ops")["TopicArn"]
        sns.subscribe(TopicArn=made, Protocol="sqs", Endpoint=arn)
        yield made, lambda: [json.loads(one["Body"]) for one in sqs.receive_message(QueueUrl=queue)["Messages"]]


def to(arn: str) -> Channel:
    return Channel(kind="sns", connection="aws_ops", to=(arn,))


def test_a_topic_gets_it_in_its_own_region(topic):
    arn, received = topic
    send(to(arn), Notice("P2", "ä" * 200, TEXT))
    (body,) = received()
    assert (body["Message"], body["Subject"]) == (TEXT, "?" * 100)
    assert body["MessageAttributes"]["severity"]["Value"] == "P2"


def test_a_topic_that_is_not_there_is_refused(topic):
    arn, _ = topic
    with pytest.raises(AlertRefused, match="NotFound"):
        send(to(f"{arn}-gone"), Notice("P2", "locks", TEXT))
