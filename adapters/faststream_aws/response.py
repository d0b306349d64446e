"""Commands that travel through publish middlewares, and a handler's answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from faststream.response.publish_type import PublishType
from faststream.response.response import BatchPublishCommand, PublishCommand, Response

from .outgoing import OutgoingMessage


class SQSResponse(Response):
    """Return it from a handler to set the options of the message its publisher sends."""

    def __init__(
        self,
        body: Any,
        *,
        headers: dict[str, Any] | None = None,
        correlation_id: str | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        delay_seconds: int | None = None,
    ) -> None:
        super().__init__(body, headers=headers, correlation_id=correlation_id)
        self.group_id = group_id
        self.deduplication_id = deduplication_id
        self.delay_seconds = delay_seconds

    def as_publish_command(self) -> "SQSPublishCommand":
        return SQSPublishCommand(
            self.body,
            headers=self.headers,
            correlation_id=self.correlation_id,
            group_id=self.group_id,
            deduplication_id=self.deduplication_id,
            delay_seconds=self.delay_seconds,
            _publish_type=PublishType.PUBLISH,
        )


class SQSPublishCommand(BatchPublishCommand):
    """``destination`` is a topic ARN, a queue URL or a queue name.

    Middlewares see bare bodies; what an ``OutgoingMessage`` said besides is kept aside and
    follows its body when they replace, drop or reorder bodies.
    """

    def __init__(
        self,
        *messages: Any,
        destination: str = "",
        group_id: str | None = None,
        deduplication_id: str | None = None,
        delay_seconds: int | None = None,
        headers: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        reply_to: str = "",
        _publish_type: PublishType,
    ) -> None:
        options = [_as_outgoing(message) for message in messages or (None,)]
        bodies = [option.body for option in options]
        super().__init__(
            *bodies,
            destination=destination,
            reply_to=reply_to,
            correlation_id=correlation_id,
            headers=dict(headers or {}),
            _publish_type=_publish_type,
        )
        self.group_id = group_id
        self.deduplication_id = deduplication_id
        self.delay_seconds = delay_seconds
        self._options = options

    @classmethod
    def from_cmd(cls, cmd: PublishCommand, *, batch: bool = False) -> "SQSPublishCommand":
        if isinstance(cmd, SQSPublishCommand) and not batch:
            return cmd
        body, extra_bodies = cls._parse_bodies(cmd.body, batch=batch)
        return cls(
            body,
            *extra_bodies,
            destination=cmd.destination,
            headers=cmd.headers,
            correlation_id=cmd.correlation_id,
            reply_to=cmd.reply_to,
            group_id=getattr(cmd, "group_id", None),
            deduplication_id=getattr(cmd, "deduplication_id", None),
            delay_seconds=getattr(cmd, "delay_seconds", None),
            _publish_type=cmd.publish_type,
        )

    @property
    def batch_bodies(self) -> tuple[Any, ...]:
        return (self.body, *self.extra_bodies)

    @batch_bodies.setter
    def batch_bodies(self, value: Sequence[Any]) -> None:
        if len(value) != len(self._options):
            self._options = [self._option_of(body) for body in value]
        self.body = value[0] if value else None
        self.extra_bodies = tuple(value[1:])

    def outgoing(self) -> list[OutgoingMessage]:
        """Each body with its own options, or else those of the command."""
        return [
            replace(
                option,
                body=body,
                group_id=option.group_id or self.group_id,
                deduplication_id=option.deduplication_id or self.deduplication_id,
                headers={**self.headers, **option.headers},
                correlation_id=option.correlation_id or self.correlation_id,
                delay_seconds=_first_given(option.delay_seconds, self.delay_seconds),
            )
            for body, option in zip(self.batch_bodies, self._options, strict=True)
        ]

    def _option_of(self, body: Any) -> OutgoingMessage:
        known = zip(self.batch_bodies, self._options, strict=True)
        return next((option for old, option in known if old is body), OutgoingMessage(body))


def _as_outgoing(message: Any) -> OutgoingMessage:
    if isinstance(message, OutgoingMessage):
        return message
    if isinstance(message, SQSResponse):
        return OutgoingMessage(
            message.body,
            group_id=message.group_id,
            deduplication_id=message.deduplication_id,
            headers=message.headers,
            correlation_id=message.correlation_id,
            delay_seconds=message.delay_seconds,
        )
    return OutgoingMessage(message)


def _first_given(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
