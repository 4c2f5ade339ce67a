"""How each kind of channel is spoken to: through Airflow's own notifiers, by connections that hold all secrets.

Their `notify` is called and never the notifier itself: that would render the text as a template, and in the text there is what
somebody else wrote.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, cast

from sluice.errors import Terminal, Transient
from sluice.estate.models import Channel
from sluice.estate.severity import SEVERITIES, Severity, is_as_urgent
from sluice.flow.connections import NoConnection

if TYPE_CHECKING:
    from airflow.providers.http.hooks.http import HttpHook

    from sluice.estate.models import EstateFile

_NO_LOG = logging.Logger("hushed")  # of no tree: whoever sets up logging cannot make it speak
_NO_LOG.addHandler(logging.NullHandler())
PATIENCE = 15
"""Seconds until an alert that gets no answer is tried again."""
LONGEST_SUBJECT = 100
"""Characters, by SNS's rule."""


class AlertLate(Transient):
    """Who takes the alerts cannot be reached, or failed inside."""


class AlertRefused(Terminal):
    """Who takes the alerts will not have this one."""


@dataclass(frozen=True)
class Notice:
    """What people are told."""

    severity: Severity
    subject: str
    text: str
    """The words that a person reads."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What a machine reads beside them."""


def channels_of(estate: EstateFile) -> list[Channel]:
    """Give every way by which the estate's people are told: `alerts`, which is told of P1 to P3, and those of `notify`."""
    plain = [Channel(kind="http", connection=estate.alerts, since="P3")] if estate.alerts else []
    return [*plain, *estate.notify]


def name_of(channel: Channel) -> str:
    """Name a channel as the ledger notes it."""
    return " ".join((channel.kind, channel.connection, *channel.to))


def taken_by(channel: Channel) -> list[Severity]:
    """Give the severities that a channel is told of."""
    return [one for one in SEVERITIES if is_as_urgent(one, channel.since)]


def send(channel: Channel, notice: Notice) -> None:
    """Tell one channel. Raises NoConnection, AlertLate, AlertRefused."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

    try:
        # Asked for first: of one that is not there, each hook says something else, and AWS's takes what the machine has.
        BaseHook.get_connection(channel.connection)
    except AirflowException as error:
        raise NoConnection(
            f"Airflow has no connection {channel.connection!r}: add it (Admin → Connections)."
        ) from error
    try:
        _SENDERS[channel.kind](channel, notice)
    except AirflowNotFoundException:
        raise _refused(channel, notice, f"it lacks what {channel.kind} needs") from None


def hushed_hook(method: str, connection: str) -> HttpHook:
    """Give Airflow's hook for HTTP without a word in the task's log: it writes the address there, a secret with most webhooks."""
    from airflow.providers.http.hooks.http import HttpHook

    hook = HttpHook(method=method, http_conn_id=connection)
    hook._log = cast("Any", _NO_LOG)  # what its property `log` gives
    return hook


def _post(channel: Channel, notice: Notice) -> None:
    """One POST of JSON; `text` is the word that chat webhooks show."""
    from requests import RequestException

    hook = hushed_hook("POST", channel.connection)
    body = {"severity": notice.severity, "subject": notice.subject, "text": notice.text, **notice.details}
    try:
        # Whether it was taken is judged here: the hook has one error for all answers.
        answer = hook.run(json=body, extra_options={"timeout": PATIENCE, "check_response": False})
    except RequestException as error:  # its text may hold the address, which is a secret with most webhooks
        raise _late(channel, notice, type(error).__name__) from None
    if answer.status_code == 429 or answer.status_code >= 500:
        raise _late(channel, notice, f"it answered {answer.status_code}")
    if not answer.ok:
        raise _refused(channel, notice, f"it answered {answer.status_code}")


def _slack(channel: Channel, notice: Notice) -> None:
    from urllib.error import URLError

    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier
    from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

    # Slack's own rule: these three. Else a table's name could call a whole channel.
    text = escape(notice.text, quote=False)
    try:
        _notify(SlackWebhookNotifier(slack_webhook_conn_id=channel.connection, text=text, timeout=PATIENCE))
    except AirflowNotFoundException:
        raise
    except (AirflowException, URLError, OSError) as error:  # the hook has one error for all answers
        raise _late(channel, notice, type(error).__name__) from None


def _sns(channel: Channel, notice: Notice) -> None:
    from airflow.providers.amazon.aws.notifications.sns import SnsNotifier
    from botocore.exceptions import BotoCoreError, ClientError

    (topic,) = channel.to
    region = topic.split(":")[3] if topic.count(":") >= 5 else None
    subject = notice.subject.encode("ascii", "replace").decode()[:LONGEST_SUBJECT]
    told = {"severity": notice.severity}
    notifier = SnsNotifier(
        aws_conn_id=channel.connection, target_arn=topic, region_name=region,
        subject=subject, message=notice.text, message_attributes=told,
    )  # fmt: skip
    try:
        _notify(notifier)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        failed = _late if status == 429 or status >= 500 else _refused
        raise failed(channel, notice, error.response["Error"]["Code"]) from None
    except BotoCoreError as error:
        raise _late(channel, notice, type(error).__name__) from None


def _smtp(channel: Channel, notice: Notice) -> None:
    from smtplib import SMTPAuthenticationError, SMTPException, SMTPRecipientsRefused

    from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

    subject = " ".join(notice.subject.split())  # a line break would begin another header
    page = f"<pre>{escape(notice.text)}</pre>"
    notifier = SmtpNotifier(to=list(channel.to), subject=subject, html_content=page, smtp_conn_id=channel.connection)
    try:
        _notify(notifier)
    except AirflowNotFoundException:
        raise
    except (SMTPAuthenticationError, SMTPRecipientsRefused, ValueError) as error:
        raise _refused(channel, notice, type(error).__name__) from None
    except (AirflowException, SMTPException, OSError) as error:
        raise _late(channel, notice, type(error).__name__) from None


def _apprise(channel: Channel, notice: Notice) -> None:
    """Whatever the connection's `config` names. Airflow's hook reads it; its own `notify` is silent where nobody was told."""
    from airflow.providers.apprise.hooks.apprise import AppriseHook
    from apprise import Apprise, NotifyType

    hook, apprise = AppriseHook(apprise_conn_id=channel.connection), Apprise()
    try:
        hook.set_config_from_conn(hook.get_connection(channel.connection), apprise)
    except (KeyError, TypeError, ValueError) as error:
        raise _refused(channel, notice, f"its `config` cannot be read ({type(error).__name__})") from None
    kind = NotifyType.FAILURE if notice.severity in ("P1", "P2") else NotifyType.WARNING
    if not len(apprise):
        raise _refused(channel, notice, "its `config` names no service that there is")
    if not apprise.notify(body=notice.text, title=notice.subject, notify_type=kind, tag="all"):
        raise _late(channel, notice, "one of its services did not take it")


_SENDERS: Mapping[str, Callable[[Channel, Notice], None]] = {
    "http": _post,
    "slack": _slack,
    "sns": _sns,
    "smtp": _smtp,
    "apprise": _apprise,
}


def _notify(notifier: Any) -> None:
    """Have a notifier tell, without a run around it."""
    notifier.notify({})


def _late(channel: Channel, notice: Notice, why: str) -> AlertLate:
    return AlertLate(f"{_lost(channel, notice)}: {why}. It is tried again by itself.")


def _refused(channel: Channel, notice: Notice, why: str) -> AlertRefused:
    return AlertRefused(f"{_lost(channel, notice)}: {why}. Mend the connection.")


def _lost(channel: Channel, notice: Notice) -> str:
    return f"Nobody was told by {channel.connection!r} that: {notice.text}"
