"""What the operator's systems are told of lost devices."""

from __future__ import annotations

from commands.devices.alarms import ALARMS, WEBHOOK
from commands.kernel.policy import Emit
from domain.devices.device import DEVICE
from domain.kernel.event import Event
from tests.support.given_policy import given_policy
from tests.support.streams import DeviceStep, claimed, released, renamed, reported_lost


def history(*steps: DeviceStep) -> list[Event]:
    device, events = DEVICE.initial("device-a"), list[Event]()
    for step in steps:
        for event in step(device):
            moved = event.model_copy(update={"timestamp": ALARMS.since})
            device = DEVICE.fold(device, moved)
            events.append(moved)
    return events


def told(event: Event, **data: str) -> Emit:
    return Emit(
        WEBHOOK,
        {
            "type": event.TOPIC,
            "subject": "device-a",
            "time": "2026-11-25T00:00:00+00:00",
            "data": data,
        },
    )


def test_a_lost_device_raises_an_alarm() -> None:
    *before, lost = history(claimed(), renamed("Bike"), reported_lost())
    given_policy(ALARMS, *before).when(lost).then(effects=[told(lost, by="token:t")])


def test_the_release_of_a_lost_device_ends_it() -> None:
    *before, end = history(claimed(), reported_lost(), renamed("Bike"), released())
    given_policy(ALARMS, *before).when(end).then(effects=[told(end, by="token:t")])


def test_nothing_else_is_told() -> None:
    steps = (claimed(), renamed("Bike"), released(), claimed(), renamed("Door"))
    events = history(*steps)
    for index, event in enumerate(events):
        given_policy(ALARMS, *events[:index]).when(event).then()
