"""Parameters of a handler that FastStream fills in."""

from typing import Annotated

from faststream._internal.context import Context
from faststream.annotations import ContextRepo, Logger
from faststream.params import NoCast

from .broker import SQSBroker as _Broker
from .message import SQSBatchMessage as _BatchMessage
from .message import SQSMessage as _Message

__all__ = ("ContextRepo", "Logger", "NoCast", "SQSBatchMessage", "SQSBroker", "SQSMessage")

SQSMessage = Annotated[_Message, Context("message")]
SQSBatchMessage = Annotated[_BatchMessage, Context("message")]
SQSBroker = Annotated[_Broker, Context("broker")]
