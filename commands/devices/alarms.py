"""Policy ``alarms``: tells the operator's systems of lost devices, and of their end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from commands.kernel.policy import Action, Emit, Policy, PolicyState
from domain.devices.device import DeviceClaimed, DeviceReleased, DeviceReportedLost
from domain.kernel.event import Event
from domain.kernel.personal import personal_fields

WEBHOOK = "webhook"
_ENVELOPE = {"originator_id", "originator_version", "timestamp"}


class Alarm(PolicyState):
    """``raised``: the device is lost; ``ended``: by the event that was folded last."""

    raised: bool = False
    ended: bool = False


def fold(alarm: Alarm, event: Event) -> Alarm:
    match event:
        case DeviceReportedLost():
            return Alarm(raised=True)
        case DeviceClaimed() | DeviceReleased():
            return Alarm(ended=alarm.raised)
        case _:
            return Alarm(raised=alarm.raised)


def react(alarm: Alarm, event: Event) -> Sequence[Action]:
    match event:
        case DeviceReportedLost():
            return [Emit(WEBHOOK, without_personal_data(event))]
        case DeviceReleased() if alarm.ended:
            return [Emit(WEBHOOK, without_personal_data(event))]
        case _:
            return ()


def without_personal_data(event: Event) -> dict[str, Any]:
    """What a webhook sends of an event: see ``adapters/outbound/webhooks``."""
    hidden = _ENVELOPE | personal_fields(type(event)).keys()
    return {
        "type": event.TOPIC,
        "subject": event.originator_id,
        "time": event.timestamp.isoformat(),
        "data": event.model_dump(mode="json", exclude=hidden),
    }


ALARMS = Policy(
    name="alarms",
    category="device",
    since=datetime(2026, 11, 25, tzinfo=UTC),
    state=Alarm,
    fold=fold,
    react=react,
)
