"""What the endpoints of a broker share; read through FastStream's composition of configs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from faststream._internal.configs import BrokerConfig, UnderlyingDriverAnnotation
from faststream._internal.parser import DefaultCodec
from faststream.exceptions import IncorrectState

from .connection import AwsConnection
from .encoding import TRACE_HEADER
from .producer import SQSProducer
from .transport import AwsTransport


def _driver_annotations() -> Mapping[Any, UnderlyingDriverAnnotation]:
    # The annotations need the broker, which needs this module.
    from . import annotations, broker, message

    rows = {
        broker.SQSBroker: ("SQSBroker", annotations.SQSBroker),
        message.SQSMessage: ("SQSMessage", annotations.SQSMessage),
        message.SQSBatchMessage: ("SQSBatchMessage", annotations.SQSBatchMessage),
    }
    return MappingProxyType(
        {
            driver: UnderlyingDriverAnnotation(
                type_hint=hint, module=annotations.__name__, name=name
            )
            for driver, (name, hint) in rows.items()
        }
    )


@dataclass(kw_only=True)
class SQSBrokerConfig(BrokerConfig):
    """A router has one too; only the broker's own is ever connected."""

    producer: SQSProducer = field(default_factory=SQSProducer)
    trace_attribute: str = TRACE_HEADER
    default_driver_annotations: Mapping[Any, Any] = field(default_factory=_driver_annotations)
    _connection: AwsConnection | None = field(default=None, init=False, repr=False)

    @property
    def connection(self) -> AwsConnection:
        if self._connection is None:
            msg = "The broker is not connected; call connect() first"
            raise IncorrectState(msg)
        return self._connection

    def connect(self, connection: AwsConnection) -> None:
        self._connection = connection
        self.producer.connect(
            AwsTransport(connection),
            self.fd_config._serializer,
            self.broker_codec or DefaultCodec(),
        )

    def disconnect(self) -> None:
        self._connection = None
        self.producer.disconnect()
