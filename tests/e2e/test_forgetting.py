"""An account is forgotten on a running platform, and nothing of its names is left anywhere."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.bootstrap.operators import operator
from adapters.inbound.cli import local
from domain.accounts.forgetting import FORGETTING
from domain.devices.device import DEVICE, Device, DeviceClaimed, DeviceStatus
from domain.devices.lane import LANE, Lane
from domain.kernel.event import category_of
from domain.kernel.personal import FORGOTTEN
from tests.e2e.test_main_job import has_session
from tests.support.household import Household, connected
from tests.support.plaintext import PlainText, receive
from tests.support.platform import LoopThread, Platform
from tests.support.single_sign_on import ALEXA, PROCESSES, RealBrowser, Site
from tests.support.waiting import eventually

MARKER, SPARED = "Zebrafink7c1d", "Blaumeise2b9e"
ADDRESS = MARKER.lower()
LEAVER, FRIEND = f"{ADDRESS}@example.org", f"{ADDRESS}-friend@example.org"
HOST = f"{SPARED.lower()}@example.org"
LINKED = "openid email offline_access devices:read commands:write"
RENAMES = 52
"""More than the events between two snapshots of a device."""

pytestmark = pytest.mark.slow


async def rename(household: Household, device_id: str, name: str) -> None:
    async def renamed() -> bool:
        version = (await household.device(device_id)).headers["ETag"]
        answer = await household.api.patch(
            f"/v1/devices/{device_id}", json={"name": name}, headers={"If-Match": version}
        )
        return answer.is_success

    await eventually(renamed, within=20, what=f"the name {name}")


async def bury_a_rename(platform: Platform, household: Household, device_id: str) -> None:
    """What the relay published lands in the dead letters: as after ten vain receives."""
    settings = platform.settings
    await platform.supervisor.stop("projector")
    await rename_blindly(household, device_id, f"{MARKER} buried")
    async with platform.engines.place.client("sqs") as client:

        async def taken() -> list[dict[str, Any]]:
            return await receive(client, settings.devices_queue)

        for message in await eventually(taken, within=20, what="the published rename"):
            await client.send_message(
                QueueUrl=settings.devices_dead_letters,
                MessageBody=message["Body"],
                MessageGroupId=f"device-{device_id}",
                MessageDeduplicationId=message["MessageId"],
            )
            await client.delete_message(
                QueueUrl=settings.devices_queue, ReceiptHandle=message["ReceiptHandle"]
            )
    await platform.supervisor.start(local.process("projector", platform.process_environment))


async def rename_blindly(household: Household, device_id: str, name: str) -> None:
    """By the version in the stream: the read model stands still."""
    answer = await household.api.patch(
        f"/v1/devices/{device_id}",
        json={"name": name},
        headers={"If-Match": f'"{RENAMES + 1}"'},
    )
    assert answer.is_success, answer.text


async def forget(platform: Platform, account_id: str, *options: str) -> dict[str, Any]:
    return dict(await homecast(platform, "forget", account_id, *options))


async def homecast(platform: Platform, *words: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adapters.inbound.cli", *words, "--json"),
        env=os.environ | platform.process_environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, problems = await asyncio.wait_for(process.communicate(), 180)
    assert process.returncode == 0, (out + problems).decode()
    return json.loads(out)


async def test_no_name_of_a_forgotten_account_is_left_anywhere(tmp_path: Path) -> None:
    marker, spared = PlainText(MARKER), PlainText(SPARED)
    platform = Platform(tmp_path / "run", persist=True)
    async with platform:
        place = platform.engines.place
        found = Household.found
        async with (
            await found(platform.settings, platform.endpoint_url) as leaving,
            await found(platform.settings, platform.endpoint_url) as staying,
        ):
            _, online = await leaving.new_device(f"{MARKER} lamp")
            _, offline = await leaving.new_device(f"{MARKER} door")
            _, early = await leaving.new_device(f"{MARKER} given away")
            _, other = await staying.new_device(f"{SPARED} lamp")
            await leaving.api.delete(f"/v1/devices/{early.device_id}")
            async with connected(online, other):
                await has_session(online)
                await has_session(other)
                await leaving.submit(online.device_id, "OnOff.On", wait=5)
                for number in range(RENAMES):
                    await rename(leaving, offline.device_id, f"{MARKER} door {number}")
                await bury_a_rename(platform, leaving, offline.device_id)
                assert await marker.tables(place), "the search finds nothing where there is some"
                key = await stored_key(platform, leaving.account_id)
                done = await forget(platform, leaving.account_id, "--after", "0s", "--yes")
            assert (done["status"], done["found"], done["devices"]) == ("FORGOTTEN", {}, 2)
            assert done["names"] == RENAMES + 3
            await assert_nowhere(marker, platform)
            await assert_goes_on(spared, platform, staying, other.device_id)
            await assert_cut_off(leaving)
            await assert_replays(platform, leaving.account_id)
            await assert_restored_keys_are_destroyed_again(platform, key, leaving.account_id)
    in_files, looked = marker.files(tmp_path)
    assert in_files == []
    assert looked > 10
    assert spared.files(tmp_path)[0], "the other account's names are there still"


async def test_no_address_of_a_person_who_had_signed_up_is_left_anywhere(tmp_path: Path) -> None:
    """The outbox of this machine stands for people's mailboxes, which are theirs: left out."""
    marker = PlainText(ADDRESS)
    platform = Platform(tmp_path / "run", processes=PROCESSES, persist=True)
    with LoopThread() as thread:
        async with platform:
            site = Site(platform, thread)
            await site.begin()
            async with site.browser() as leaving, site.browser() as staying:
                leaving.http.headers["User-Agent"] = f"{ADDRESS} browser"
                await staying.sign_up(site.mailbox, HOST)  # type: ignore[arg-type]  # has a link too
                await leaving.sign_up(site.mailbox, LEAVER)  # type: ignore[arg-type]
                async with site.client("skill", scope=LINKED, redirect_uri=ALEXA) as skill:
                    token = await site.linked(skill, leaving)
                await invite(leaving, site, FRIEND)
                await invite(leaving, site, HOST)
                await join(staying, site, HOST)
                await invite(staying, site, LEAVER)
                await join(leaving, site, LEAVER)
                exported = await download(leaving, "memberships")
                account_id = exported["account"]["account_id"]
                assert exported["account"]["email"] == LEAVER
                assert [len(exported[one]) for one in ("memberships", "linked_services")] == [1, 1]
                assert marker.files(site.mailbox.folder)[0], "the search finds nothing where it is"
                done = await forget(platform, account_id, "--after", "0s", "--yes")
                assert (done["status"], done["found"]) == ("FORGOTTEN", {})
                await assert_nowhere(marker, platform, dead_letters=0)
                assert await site.devices(token["access_token"]) == 401
                await leaving.get("/account")
                assert leaving.path == "/signin"
                assert (await download(staying))["memberships"] == []
                shutil.rmtree(site.mailbox.folder)
    in_files, looked = marker.files(tmp_path)
    assert in_files == []
    assert looked > 10


async def invite(browser: RealBrowser, site: Site, email: str) -> None:
    await browser.get("/account/homes")
    await browser.send("/account/homes/invite", email=email, role="member")
    await invitation(site, email)


async def invitation(site: Site, email: str) -> str:
    """The link of its mail, when that has come after the one of the sign-up."""

    async def arrived() -> str | None:
        link = await site.mailbox.link("invitation", email)
        return link if "invitation=" in link else None

    link: str = await eventually(arrived, within=30, what="the mail of the invitation")
    return link


async def join(browser: RealBrowser, site: Site, email: str) -> None:
    await browser.get(await invitation(site, email))
    await browser.send("/account/homes/join")


async def download(browser: RealBrowser, awaited: str = "") -> dict[str, Any]:
    """One's data; once something stands under ``awaited``, for read models lag."""

    async def found() -> dict[str, Any] | None:
        await browser.get("/account/data")
        answer = await browser.send("/account/data/download", follow=False)
        exported: dict[str, Any] = answer.json()
        return exported if not awaited or exported[awaited] else None

    held: dict[str, Any] = await eventually(found, within=20, what="one's data")
    return held


async def test_it_goes_on_after_kills_of_everything_that_works_on_it(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "run")
    async with platform, await Household.found(platform.settings, platform.endpoint_url) as home:
        for number in range(4):
            await home.new_device(f"Lamp {number}")
        asked = asyncio.create_task(forget(platform, home.account_id, "--after", "2s", "--yes"))
        for name in ("policies", "relay", "policies", "projector", "policies"):
            await asyncio.sleep(1.5)  # so that they die at different stages
            await platform.kill(name)
            await platform.restart(name)
        done = await asked
        assert (done["status"], done["devices"]) == ("FORGOTTEN", 4)
        async with operator(platform.settings) as core:
            stream = FORGETTING.stream(home.account_id)
            events = [one.event.TOPIC for one in await core.accounts.store.read(stream)]
        assert events == [
            "accounts.forgetting_requested",
            "accounts.forgetting_started",
            "accounts.account_forgotten",
        ]


async def assert_nowhere(marker: PlainText, platform: Platform, *, dead_letters: int = 1) -> None:
    place = platform.engines.place
    assert await marker.tables(place) == {}
    in_queues, messages = await marker.queues(place)
    assert in_queues == []
    assert messages >= dead_letters, "the dead letter is still there, sealed"
    assert await marker.objects(place) == []
    in_redis, keys = await marker.redis(platform.redis_url)
    assert in_redis == []
    assert keys > 0


async def assert_goes_on(
    spared: PlainText, platform: Platform, staying: Household, device_id: str
) -> None:
    answer = await staying.device(device_id)
    assert answer.json()["name"] == f"{SPARED} lamp"
    assert await spared.tables(platform.engines.place)
    await rename(staying, device_id, f"{SPARED} lamp again")
    await staying.new_device(f"{SPARED} new lamp")


async def assert_cut_off(leaving: Household) -> None:
    """A token that was used of late may be accepted for half a minute; it sees nothing."""
    answer = await leaving.api.get("/v1/devices")
    assert answer.status_code == 401 or answer.json()["items"] == []


async def stored_key(platform: Platform, account_id: str) -> dict[str, Any]:
    """As a backup of the keys would have it."""
    async with platform.engines.place.client("dynamodb") as client:
        answer = await client.get_item(
            TableName=platform.settings.keys_table, Key={"subject": {"S": account_id}}
        )
        item: dict[str, Any] = answer["Item"]
        return item


async def assert_restored_keys_are_destroyed_again(
    platform: Platform, key: dict[str, Any], account_id: str
) -> None:
    async with platform.engines.place.client("dynamodb") as client:
        await client.put_item(TableName=platform.settings.keys_table, Item=key)
    assert FORGOTTEN not in await names_of(platform, account_id), "the old key opens names again"
    assert await homecast(platform, "forget", "--reapply") == [account_id]
    assert await names_of(platform, account_id) == {FORGOTTEN}


async def names_of(platform: Platform, account_id: str) -> set[str]:
    async with operator(platform.settings) as core:
        return {
            one.event.name
            async for one in core.store.scan()
            if isinstance(one.event, DeviceClaimed) and one.event.account_id == account_id
        }


async def assert_replays(platform: Platform, account_id: str) -> None:
    """Every stream folds from its first event on; the names of the account are erased."""
    async with operator(platform.settings) as core:
        devices: dict[str, Device] = {}
        names: dict[str, set[str]] = {}
        lanes: dict[str, Lane] = {}
        async for one in core.store.scan():
            stream = one.event.originator_id
            match category_of(stream):
                case "device":
                    state = devices.get(stream, DEVICE.initial(stream))
                    devices[stream] = DEVICE.fold(state, one.event)
                    name = getattr(one.event, "name", None)
                    owner = devices[stream].account_id
                    if name is not None and owner == account_id:
                        names.setdefault(stream, set()).add(name)
                case "lane":
                    lanes[stream] = LANE.fold(lanes.get(stream, LANE.initial(stream)), one.event)
    assert len(names) == 3
    assert all(found == {FORGOTTEN} for found in names.values())
    assert all(devices[stream].status == DeviceStatus.RELEASED for stream in names)
    assert not any(lane.is_open for lane in lanes.values() if lane.account_id == account_id)
    assert len(devices) == len(lanes) == 5
