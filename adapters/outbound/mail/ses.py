"""Mail by Amazon SES (API version 2)."""

from __future__ import annotations

from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from adapters.outbound.dynamodb.client import error_code
from commands.accounts.addresses import ascii_domain
from commands.accounts.ports import Mail, MailRefused, MailUnavailable

CHARSET = "UTF-8"
FOR_GOOD = frozenset({"MessageRejected", "BadRequestException"})
"""The mail itself is wrong. What is wrong with the sender (not verified, paused) can be mended,
and the mail waits for it as long as its outbox lets it."""
OF_SENDER = ("not verified", "sandbox", "paused", "suspended", "disabled")
"""In SES's words on a ``MessageRejected`` that is about an identity or the account."""


class SesClient(Protocol):
    """As much of ``aiobotocore``'s client as is needed."""

    async def send_email(self, **request: Any) -> Any: ...


class SesMailer:
    """The port ``Mailer``. ``sender``: an identity that SES has verified."""

    def __init__(self, client: SesClient, *, sender: str) -> None:
        self._client = client
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        try:
            await self._client.send_email(**request_of(mail, sender=self._sender))
        except ClientError as error:
            code = error_code(error)
            if code in FOR_GOOD and not _is_of_sender(error):
                raise MailRefused(f"SES: {code}") from error
            raise MailUnavailable(f"SES: {code}") from error
        except (BotoCoreError, ResponseParserError) as error:
            raise MailUnavailable(f"SES: {type(error).__name__}") from error


def _is_of_sender(error: ClientError) -> bool:
    said = error.response.get("Error", {}).get("Message", "").lower()
    return any(words in said for words in OF_SENDER)


def request_of(mail: Mail, *, sender: str) -> dict[str, Any]:
    """Of ``SendEmail``. SES signs and dates it."""
    return {
        "FromEmailAddress": sender,
        "Destination": {"ToAddresses": [ascii_address(mail.to)]},
        "Content": {
            "Simple": {
                "Subject": _content(mail.subject),
                "Body": {"Text": _content(mail.text), "Html": _content(mail.html)},
                "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
            }
        },
    }


def ascii_address(address: str) -> str:
    """SES takes domains as punycode, and no local part beyond ASCII. Raises ``MailRefused``."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local.encode('ascii').decode()}@{ascii_domain(domain)}"
    except ValueError as error:
        raise MailRefused("SES takes no such address") from error


def _content(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": CHARSET}
