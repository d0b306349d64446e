"""What the account's live stream makes of its feed, message by message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from adapters.inbound.http.ring import Ring
from adapters.inbound.http.translation import Recent, Told, Translation
from domain.devices.capabilities import KINDS, DeviceKind
from domain.devices.device import DeviceClaimed, DeviceReleased
from domain.devices.lane import LaneOpened
from domain.devices.remote_command import (
    RemoteCommandAccepted,
    RemoteCommandSent,
    RemoteCommandSucceeded,
)
from domain.kernel.event import Event
from domain.kernel.recorded import Context, Recorded
from projections.devices.ports import FeedReset
from projections.devices.remote_commands import fold
from tests.unit.http.world import ACCOUNT, OTHER, START

DEVICE = "a" * 26


def claimed(version: int = 1, account_id: str = ACCOUNT) -> Event:
    return DeviceClaimed(
        originator_id=f"device-{DEVICE}",
        originator_version=version,
        timestamp=START,
        account_id=account_id,
        name="Lamp",
        kind=DeviceKind.ON_OFF_LIGHT,
        capabilities=KINDS[DeviceKind.ON_OFF_LIGHT],
    )


def released(version: int = 2) -> Event:
    return DeviceReleased(
        originator_id=f"device-{DEVICE}", originator_version=version, timestamp=START, by="me"
    )


def opened(version: int) -> Event:
    return LaneOpened(
        originator_id=f"lane-{DEVICE}",
        originator_version=version,
        timestamp=START,
        account_id=ACCOUNT,
        device_version=1,
    )


def accepted(number: int, account_id: str = ACCOUNT, **args: Any) -> RemoteCommandAccepted:
    return RemoteCommandAccepted(
        originator_id=f"lane-{DEVICE}",
        originator_version=number,
        timestamp=START,
        number=number,
        step=1,
        account_id=account_id,
        client_id="t",
        command="OnOff.On",
        args=args,
        expires_at=START + timedelta(seconds=60),
        execution_timeout=30,
    )


def sent(number: int, version: int) -> Event:
    return RemoteCommandSent(
        originator_id=f"lane-{DEVICE}",
        originator_version=version,
        timestamp=START,
        number=number,
        step=2,
        attempt=1,
        session="S",
        deadline=START + timedelta(seconds=30),
    )


def succeeded(number: int, version: int, **result: Any) -> Event:
    return RemoteCommandSucceeded(
        originator_id=f"lane-{DEVICE}",
        originator_version=version,
        timestamp=START,
        number=number,
        step=3,
        result=result,
    )


def recorded(event: Event) -> Recorded:
    return Recorded(event, Context("corr", "cause", "test"), "token")


def told(translation: Translation, *events: Event) -> list[Told]:
    return [one for event in events for one in translation.of(recorded(event))]


def presence(translation: Translation, *, online: bool = True) -> Sequence[Told]:
    message = {"type": "presence", "device_id": DEVICE, "online": online}
    return list(translation.of(message))


def snapshot_of(version: int) -> dict[str, Any]:
    return {"id": DEVICE, "online": None, "version": version}


def test_nothing_is_told_of_a_device_after_its_release() -> None:
    translation = Translation(ACCOUNT)
    told(translation, claimed())
    assert presence(translation)
    told(translation, released())
    for message in ("presence", "twin", "progress"):
        content: dict[str, Any] = {
            "type": message,
            "device_id": DEVICE,
            "online": False,
            "state": {},
        }
        assert not list(translation.of(content))
    assert not translation.online


def test_a_snapshot_says_which_devices_the_account_has() -> None:
    translation = Translation(ACCOUNT)
    translation.shown([snapshot_of(1)])
    assert presence(translation)
    translation.shown([])  # its release was missed
    assert not presence(translation, online=False)
    assert not translation.online


def test_a_snapshot_that_lags_forgets_no_new_device_and_brings_back_no_released_one() -> None:
    translation = Translation(ACCOUNT)
    told(translation, claimed())
    translation.shown([])
    assert presence(translation)
    told(translation, released())
    translation.shown([snapshot_of(1)])
    assert not presence(translation, online=False)


def test_after_a_loss_only_a_snapshot_is_believed() -> None:
    translation = Translation(ACCOUNT)
    told(translation, claimed())
    assert not list(translation.of(FeedReset()))
    translation.shown([])
    assert not presence(translation)


def test_a_device_and_a_command_of_somebody_else_are_not_told() -> None:
    translation = Translation(ACCOUNT)
    assert not told(translation, claimed(account_id=OTHER))
    assert not told(translation, accepted(2, OTHER))
    row = fold(None, accepted(3, OTHER)).model_dump(mode="json")
    assert not list(translation.of({"type": "command", "command": row}))


def test_steps_of_commands_from_before_the_claim_are_not_told() -> None:
    translation = Translation(ACCOUNT)
    told(translation, claimed(), opened(7))
    assert not told(translation, succeeded(5, 9, secret="theirs"))
    assert [name for name, _ in told(translation, accepted(8))] == ["command"]


def test_of_a_command_that_has_ended_no_row_is_kept() -> None:
    translation = Translation(ACCOUNT)
    steps = told(translation, accepted(2, a="x" * 100), sent(2, 3), succeeded(2, 4, big="y" * 8000))
    assert [one["status"] for _, one in steps] == ["ACCEPTED", "SENT", "SUCCEEDED"]
    assert steps[2][1]["command"] == "OnOff.On"
    assert translation._rows._weight == 0
    assert not told(translation, succeeded(2, 4))


def test_rows_of_open_commands_are_bounded_by_their_bytes() -> None:
    translation = Translation(ACCOUNT)
    told(translation, *(accepted(number, a="x" * 30_000) for number in range(2, 60)))
    assert 900_000 < translation._rows._weight < 1_000_000
    step = told(translation, sent(2, 99))[0][1]
    assert (step["status"], step.get("command")) == ("SENT", None), "told, though not kept"


def test_what_is_recent_is_bounded_in_number_and_weight() -> None:
    recent: Recent[str, int] = Recent(size=3, room=10)
    for name in "abcd":
        recent.put(name, 1, 1)
    assert (recent.get("a"), recent.get("b")) == (None, 1)
    recent.put("d", 2, 9)
    assert (recent.get("c"), recent.get("d")) == (1, 2)
    assert recent._weight == 10
    recent.drop("d")
    assert recent._weight == 1


def test_a_ring_and_its_streams_are_bounded_by_their_bytes() -> None:
    ring = Ring("I", room=1000)
    stream = ring.open()
    ring.emit("twin", {"state": "x" * 5000})
    assert not stream.cut, "what is larger than the room is still handed on"
    assert ring.since("I-0") is None
    ring.emit("twin", {})
    assert stream.cut
    for _ in range(100):
        ring.emit("twin", {"state": "x" * 100})
    assert ring._held == sum(len(one.text) for one in ring._kept) <= 1000
    assert 3 < len(ring._kept) < 10
    stream.clear()
    assert stream._held == 0


def test_what_a_ring_has_held_for_too_long_is_dropped_and_a_client_starts_anew() -> None:
    ring = Ring("I")
    ring.emit("device", {"name": "Lamp"})
    ring.purge()
    assert ring.since("I-0") is not None
    ring.purge(seconds=0)
    assert ring.since("I-0") is None
    assert (ring._held, len(ring._kept)) == (0, 0)
    assert ring.since("I-1") == [], "who has seen all misses nothing"
