"""Everything is killed once in the middle of real traffic; then the books are audited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.settings import Settings
from tests.support.aws_proxy import AwsProxy
from tests.support.chaos import COMMANDS, App, Attack, Target, with_restarts
from tests.support.faults import Faults
from tests.support.household import Household, connected
from tests.support.ledger import Audit, audit, read_books
from tests.support.platform import Platform
from tests.support.tables import SESSION
from tests.support.waiting import eventually
from tests.support.wayward import WaywardDevice

DEVICES = 20
AWAY, TARDY = 18, 17
PER_SECOND, SECONDS = 5, 60
SETTLES_WITHIN = 60.0
"""Longer than a message taken by a killed process stays hidden (30 s), and any time-out (20 s)."""

pytestmark = pytest.mark.slow


@asynccontextmanager
async def attacked_platform(directory: Path) -> AsyncIterator[tuple[Platform, AwsProxy]]:
    platform = with_restarts(
        Platform(directory, extra={"HOMECAST_RATE_LIMIT_PER_MINUTE": "100000"})
    )
    faults = Faults(
        shuffle_streams=True, deliver_twice=True, error_share=0.01, slow_share=0.02, slowest=0.3
    )
    async with AwsProxy(platform.endpoint_url, faults=faults, metered=False) as proxy:
        platform.endpoint_for_processes = proxy.url
        async with platform:
            yield platform, proxy


async def new_fleet(household: Household) -> list[Target]:
    """Five kinds of trouble: prompt ones, slow ones that are cut off between receipt and result,
    one that is away for half of the time, and one whose results come after their time."""
    kinds, targets = list(COMMANDS), []
    for index in range(DEVICES):
        kind = kinds[index % len(kinds)]
        slow = index % 5 == 0
        latency = (0.8, 1.5) if slow else (9.0, 11.0) if index == TARDY else (0.02, 0.15)
        _, device = await household.new_device(
            f"Device {index}", kind, latency=latency, receipt_after=0.3 if slow else 2.0
        )
        device.drops_after_receipt = 3 if slow else 0
        device.away_for = 30 if index == AWAY else 0
        ttl, execution_timeout = 6 if index == AWAY else 30, 5 if index == TARDY else 20
        targets.append(Target(device, kind, ttl, execution_timeout))
    return targets


async def test_every_promise_holds_while_everything_is_killed_in_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        attacked_platform(tmp_path) as (platform, proxy),
        await Household.found(platform.settings, platform.endpoint_url) as household,
    ):
        targets = await new_fleet(household)
        devices = [target.device for target in targets]
        app = App(household, targets)
        attack = Attack(platform, proxy, devices)
        async with connected(*devices):
            async with asyncio.timeout(SECONDS + 30), asyncio.TaskGroup() as group:
                group.create_task(app.run(per_second=PER_SECOND, seconds=SECONDS))
                group.create_task(attack.run(plan(attack)))
            took = await settle(platform, app, devices, SETTLES_WITHIN)
        await settle(platform, app, devices, 10)  # what came as they were disconnected
        found = await audited(platform, app, devices)
        dead = await waiting_in(platform, *dead_letters(platform.settings))
        with capsys.disabled():
            print("\n" + figures(found, app, attack, proxy, devices, took))
        assert found.violations == []
        assert dead == 0
        assert_was_attacked(attack, proxy, devices)
        assert_had_everything(found)


def plan(attack: Attack) -> list[tuple[float, Any]]:
    """Seconds, and what happens then."""
    return [
        (4, attack.cut_some),
        (7, attack.kill("projector")),
        (13, attack.kill("gateway")),
        (19, attack.flush_redis),
        (24, attack.kill("relay")),
        (29, attack.cut_some),
        (32, attack.kill("sweeper")),
        (37, attack.kill("api")),
        (43, attack.kill_redis),
        (48, attack.cut_some),
        (52, attack.kill("gateway")),
        (55, attack.kill("projector")),
    ]


async def audited(platform: Platform, app: App, devices: list[WaywardDevice]) -> Audit:
    books = await read_books(platform.settings, platform.endpoint_url)
    books.answers = app.answers
    books.executed = {device.device_id: device.executed for device in devices}
    return audit(books)


async def settle(
    platform: Platform, app: App, devices: list[WaywardDevice], patience: float
) -> float:
    """Seconds until the queues are empty and nothing is missing or open, or until patience ends."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    settings = platform.settings

    async def settled() -> bool:
        queues = (settings.devices_queue, settings.remote_commands_queue)
        if loop.time() - start > patience:
            return True  # the audit will say what is wrong
        if await waiting_in(platform, *queues):
            return False
        return not (await audited(platform, app, devices)).violations

    await eventually(settled, within=patience + 30, every=0.5)
    return loop.time() - start


def dead_letters(settings: Settings) -> list[str]:
    queues = (settings.devices_queue, settings.remote_commands_queue)
    return [queue.removesuffix(".fifo") + "-dead-letters.fifo" for queue in queues]


async def waiting_in(platform: Platform, *queues: str) -> int:
    """Messages in these queues, hidden ones included."""
    client: Any = SESSION.create_client(
        "sqs", region_name=platform.settings.aws_region, endpoint_url=platform.endpoint_url
    )
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    async with client as sqs:
        answers = [
            await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names) for queue in queues
        ]
    return sum(int(value) for answer in answers for value in answer["Attributes"].values())


def figures(
    found: Audit,
    app: App,
    attack: Attack,
    proxy: AwsProxy,
    devices: list[WaywardDevice],
    took: float,
) -> str:
    received = sum(len(device.received) for device in devices)
    executed = sum(len(device.executed) for device in devices)
    return found.table(
        *((f"submits answered {status}", count) for status, count in sorted(app.heard.items())),
        ("received by devices", received),
        ("duplicates dropped by devices", received - executed),
        ("connections of devices cut", sum(device.dropped for device in devices)),
        ("sessions of devices", sum(device.sessions for device in devices)),
        *attack.done.items(),
        ("messages delivered again", proxy.done["redelivered"]),
        ("stream records out of place", proxy.done["shuffled"]),
        ("AWS calls", proxy.calls.total()),
        ("AWS calls failed on purpose", proxy.done["errors"]),
        ("AWS answers lost on purpose", proxy.done["lost_answers"]),
        ("seconds to settle", f"{took:.1f}"),
    )


def assert_was_attacked(attack: Attack, proxy: AwsProxy, devices: list[WaywardDevice]) -> None:
    """A run in which nothing went wrong would prove nothing."""
    assert attack.done["kills"] >= 6
    assert attack.done["Redis emptied"] == 2
    assert proxy.done["redelivered"] > 100
    assert proxy.done["shuffled"] > 100
    assert all(device.drops_after_receipt < 3 for device in devices)
    received = sum(len(device.received) for device in devices)
    assert received > sum(len(device.executed) for device in devices), "nothing came twice"


def assert_had_everything(found: Audit) -> None:
    assert found.final["SUCCEEDED"] > PER_SECOND * SECONDS / 2
    for status in ("FAILED", "EXPIRED", "CANCELED", "SUPERSEDED"):
        assert found.final[status] > 0, f"no command was {status}"
    assert found.figures["late results"] > 0
