"""Data keys: the keyring contract against memory, moto and the embedded AWS, and its wrappers."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from adapters.outbound.keys.dynamodb_keyring import DynamoDbKeyring
from adapters.outbound.keys.forgotten import ForgottenObjects
from adapters.outbound.keys.kms import KmsKeyWrapper
from adapters.outbound.keys.local_file import LocalKeyFile
from adapters.outbound.keys.ports import KeyWrapper
from adapters.outbound.memory.keyring import MemoryKeyring
from adapters.outbound.objects.s3 import S3Objects
from commands.kernel.expiring import Expiring
from domain.kernel.errors import ContractError, StoreUnavailable, SubjectForgotten
from tests.support.keyring_contract import KeyringContract, Pair, RacingKeyringContract, new_subject
from tests.support.tables import REGION, connect, create_table
from tests.support.waiting import eventually


@dataclass
class Scene:
    """``keyring`` makes another process's on the same table."""

    dynamodb: Any
    s3: Any
    table: str
    bucket: str
    wrapper: KeyWrapper

    @property
    def objects(self) -> S3Objects:
        return S3Objects(self.s3, self.bucket)

    def keyring(self) -> DynamoDbKeyring:
        forgotten = ForgottenObjects(self.objects)
        return DynamoDbKeyring(self.dynamodb, self.table, wrapper=self.wrapper, forgotten=forgotten)

    async def item(self, subject: str) -> Any:
        answer = await self.dynamodb.get_item(
            TableName=self.table, Key={"subject": {"S": subject}}, ConsistentRead=True
        )
        return answer.get("Item")


@asynccontextmanager
async def scene_at(url: str, key_file: Path | None) -> AsyncIterator[Scene]:
    """With a key file, or else with KMS."""
    async with AsyncExitStack() as stack:
        connection = connect(url)
        dynamodb = await stack.enter_async_context(connection.dynamodb())
        s3 = await stack.enter_async_context(connection.s3())
        wrapper: KeyWrapper
        if key_file is None:
            kms = await stack.enter_async_context(connection.kms())
            wrapper = KmsKeyWrapper(kms, await new_kms_key(kms))
        else:
            wrapper = LocalKeyFile(key_file)
        table, bucket = f"keys-{uuid4().hex[:12]}", f"objects-{uuid4().hex[:12]}"
        await create_table(dynamodb, table, ("subject", "S"))
        where: Any = {"LocationConstraint": REGION}
        await s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
        yield Scene(dynamodb, s3, table, bucket, wrapper)


async def new_kms_key(kms: Any) -> str:
    return str((await kms.create_key())["KeyMetadata"]["Arn"])


class TestMemory(KeyringContract, RacingKeyringContract):
    @pytest.fixture
    def keyrings(self) -> Pair:
        keyring = MemoryKeyring()
        return keyring, keyring


class OnDynamoDb(KeyringContract):
    @pytest.fixture
    def keyrings(self, scene: Scene) -> Pair:
        return scene.keyring(), scene.keyring()

    async def test_a_tombstone_holds_no_key(self, scene: Scene) -> None:
        known, unknown = new_subject(), new_subject()
        keyring = scene.keyring()
        await keyring.for_sealing(known)
        assert set(await scene.item(known)) == {"subject", "wrapped", "created_at"}
        for subject in (known, unknown):
            await keyring.destroy(subject)
            assert set(await scene.item(subject)) == {"subject", "forgotten_at"}

    async def test_the_time_that_unwrapping_takes_is_part_of_the_time_a_key_is_kept(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subject, keyring, other = new_subject(), scene.keyring(), scene.keyring()
        await other.for_sealing(subject)
        unwrap = scene.wrapper.unwrap

        async def slow(wrapped: bytes, of: str) -> bytes:
            await other.destroy(subject)
            await asyncio.sleep(0.3)
            return await unwrap(wrapped, of)

        monkeypatch.setattr(scene.wrapper, "unwrap", slow)
        monkeypatch.setattr(keyring, "_keys", Expiring(10, seconds=0.25))
        await keyring.for_opening(subject)
        assert await keyring.for_opening(subject) is None

    async def test_the_key_itself_is_stored_wrapped_only(self, scene: Scene) -> None:
        subject = new_subject()
        key = await scene.keyring().for_sealing(subject)
        wrapped = bytes((await scene.item(subject))["wrapped"]["B"])
        assert key.material not in wrapped
        assert await scene.wrapper.unwrap(wrapped, subject) == key.material

    async def test_a_wrapped_key_is_of_no_use_to_another_subject(self, scene: Scene) -> None:
        mine, theirs = new_subject(), new_subject()
        await scene.keyring().for_sealing(mine)
        stolen = {**await scene.item(mine), "subject": {"S": theirs}}
        await scene.dynamodb.put_item(TableName=scene.table, Item=stolen)
        with pytest.raises(ContractError):
            await scene.keyring().for_opening(theirs)

    async def test_after_a_restore_the_list_is_applied_again(self, scene: Scene) -> None:
        subject, other, stays = (new_subject() for _ in range(3))
        keyring = scene.keyring()
        kept = await keyring.for_sealing(stays)
        for each in (subject, other):
            await keyring.for_sealing(each)
        backup = await scene.item(subject)
        await keyring.destroy(subject)
        await keyring.destroy(other)
        await scene.dynamodb.put_item(TableName=scene.table, Item=backup)
        assert not await keyring.forgotten(subject)
        assert await keyring.reapply() == [subject]
        assert await keyring.reapply() == []
        assert set(await scene.item(subject)) == {"subject", "forgotten_at"}
        assert await scene.keyring().for_opening(stays) == kept

    async def test_a_restore_without_the_item_is_corrected_too(self, scene: Scene) -> None:
        subject, keyring = new_subject(), scene.keyring()
        await keyring.destroy(subject)
        key: Any = {"subject": {"S": subject}}
        await scene.dynamodb.delete_item(TableName=scene.table, Key=key)
        assert await keyring.reapply() == [subject]
        with pytest.raises(SubjectForgotten):
            await scene.keyring().for_sealing(subject)

    async def test_a_key_whose_end_cannot_be_listed_stays(self, scene: Scene) -> None:
        subject = new_subject()
        key = await scene.keyring().for_sealing(subject)
        broken = Scene(scene.dynamodb, scene.s3, scene.table, "no-such-bucket", scene.wrapper)
        with pytest.raises(StoreUnavailable):
            await broken.keyring().destroy(subject)
        assert await scene.keyring().for_opening(subject) == key

    async def test_a_missing_table_is_unavailable(self, scene: Scene) -> None:
        lost = Scene(scene.dynamodb, scene.s3, "no-such-table", scene.bucket, scene.wrapper)
        with pytest.raises(StoreUnavailable):
            await lost.keyring().for_opening("anybody")

    async def test_an_object_comes_back_and_is_listed(self, scene: Scene) -> None:
        objects = scene.objects
        assert await objects.get("a/1", limit=10) is None
        for key in ("a/2", "a/1", "b/1"):
            await objects.put(key, key.encode())
        assert await objects.get("a/1", limit=10) == b"a/1"
        assert await objects.keys("a/") == ["a/1", "a/2"]
        with pytest.raises(ContractError):
            await objects.get("a/1", limit=2)


class TestMoto(OnDynamoDb):
    @pytest.fixture
    async def scene(self, moto_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
        async with scene_at(moto_url, tmp_path / "key") as scene:
            yield scene


class TestMotoWithKms(OnDynamoDb):
    @pytest.fixture
    async def scene(self, moto_url: str) -> AsyncIterator[Scene]:
        async with scene_at(moto_url, None) as scene:
            yield scene


class TestMiniStack(OnDynamoDb, RacingKeyringContract):
    @pytest.fixture
    async def scene(self, ministack_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
        async with scene_at(ministack_url, tmp_path / "key") as scene:
            yield scene


class TestMiniStackWithKms(OnDynamoDb, RacingKeyringContract):
    @pytest.fixture
    async def scene(self, ministack_url: str) -> AsyncIterator[Scene]:
        async with scene_at(ministack_url, None) as scene:
            yield scene

    async def test_a_kms_key_that_is_unknown_is_unavailable(self, scene: Scene) -> None:
        assert isinstance(scene.wrapper, KmsKeyWrapper)
        wrapper = KmsKeyWrapper(scene.wrapper._client, f"alias/{uuid4().hex}")
        with pytest.raises(StoreUnavailable):
            await wrapper.wrap(b"x" * 32, "subject")


# --- the key file ---------------------------------------------------------------------------------


async def test_a_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    files = [LocalKeyFile(path) for _ in range(8)]
    wrapped = await asyncio.gather(*(file.wrap(b"x" * 32, "s") for file in files))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert {await LocalKeyFile(path).unwrap(one, "s") for one in wrapped} == {b"x" * 32}


async def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    await LocalKeyFile(path).wrap(b"x" * 32, "s")
    path.chmod(0o640)
    with pytest.raises(StoreUnavailable):
        await LocalKeyFile(path).wrap(b"x" * 32, "s")


async def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    with pytest.raises(StoreUnavailable):
        await LocalKeyFile(path).wrap(b"x" * 32, "s")
    with pytest.raises(StoreUnavailable):
        await LocalKeyFile(tmp_path / "key" / "below a file").wrap(b"x" * 32, "s")


async def test_what_another_key_file_wrapped_does_not_open(tmp_path: Path) -> None:
    wrapped = await LocalKeyFile(tmp_path / "one").wrap(b"x" * 32, "s")
    for file, subject, text in (
        ("other", "s", wrapped),
        ("one", "t", wrapped),
        ("one", "s", wrapped[:-1]),
        ("one", "s", b""),
    ):
        with pytest.raises(ContractError):
            await LocalKeyFile(tmp_path / file).unwrap(text, subject)


# --- how long a key stays in memory ---------------------------------------------------------------


async def left(held: Expiring[Any, Any], count: int) -> None:
    async def so_few() -> bool:
        return len(held) == count

    await eventually(so_few, within=5, every=0.01)


async def test_an_entry_goes_when_its_time_is_over_whether_read_or_not() -> None:
    held: Expiring[str, str] = Expiring(10, seconds=0.05)
    held.put("a", "A")
    assert held.get("a") is not None
    await left(held, 0)
    assert held.get("a") is None


async def test_an_entry_made_of_something_older_goes_with_that() -> None:
    held: Expiring[str, str] = Expiring(10, seconds=60)
    held.put("fresh", "F")
    held.put("old", "O", since=time.monotonic() - 59.95)
    assert held.get("old") is not None
    await left(held, 1)
    assert held.get("fresh") is not None
    held.clear()


async def test_entries_are_bounded_in_number() -> None:
    held: Expiring[int, int] = Expiring(3)
    for n in range(5):
        held.put(n, n)
    assert [n for n in range(5) if held.get(n)] == [2, 3, 4]
    held.drop(3)
    assert len(held) == 2
    held.clear()


async def test_a_keyring_forgets_unwrapped_keys(tmp_path: Path, ministack_url: str) -> None:
    async with scene_at(ministack_url, tmp_path / "key") as scene:
        keyring = scene.keyring()
        keyring._keys = Expiring(5, seconds=0.05)
        await keyring.for_sealing("a")
        await left(keyring._keys, 0)
