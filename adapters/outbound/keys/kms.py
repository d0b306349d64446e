"""Data keys wrapped by one KMS key; its use for a subject shows in CloudTrail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from adapters.outbound.dynamodb.client import error_code, store_errors
from domain.kernel.errors import ContractError

if TYPE_CHECKING:
    from types_aiobotocore_kms import KMSClient

NOT_OURS = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class KmsKeyWrapper:
    """The port ``KeyWrapper``. ``key``: id, ARN or alias of a symmetric key."""

    def __init__(self, client: KMSClient, key: str) -> None:
        self._client = client
        self._key = key

    async def wrap(self, material: bytes, subject: str) -> bytes:
        with store_errors():
            answer = await self._client.encrypt(
                KeyId=self._key, Plaintext=material, EncryptionContext={"subject": subject}
            )
        return answer["CiphertextBlob"]

    async def unwrap(self, wrapped: bytes, subject: str) -> bytes:
        with store_errors():
            try:
                answer = await self._client.decrypt(
                    KeyId=self._key,
                    CiphertextBlob=wrapped,
                    EncryptionContext={"subject": subject},
                )
            except ClientError as error:
                if error_code(error) in NOT_OURS:
                    raise ContractError("a data key was not wrapped for this subject") from error
                raise
        return answer["Plaintext"]
