"""A FastStream broker for AWS: reads SQS queues, publishes to SQS queues and SNS topics."""

from .annotations import SQSBatchMessage, SQSMessage
from .broker import SQSBroker
from .destinations import SNSTopic, SQSQueue
from .encoding import TRACE_HEADER
from .errors import (
    AwsBrokerError,
    BatchPublishFailed,
    InvalidAttribute,
    MessageRefused,
    MessageTooLarge,
    MissingGroupId,
    PartialBatchFailure,
    TooManyAttributes,
)
from .outgoing import ORDER_KEPT, BatchResult, NotPublished, OutgoingMessage, Published
from .received import Outcome, ReceivedMessage
from .response import SQSPublishCommand, SQSResponse
from .router import SQSRoute, SQSRoutePublisher, SQSRouter
from .settings import Backoff, ConsumerSettings, Heartbeat, Limits

__all__ = (
    "ORDER_KEPT",
    "TRACE_HEADER",
    "AwsBrokerError",
    "Backoff",
    "BatchPublishFailed",
    "BatchResult",
    "ConsumerSettings",
    "Heartbeat",
    "InvalidAttribute",
    "Limits",
    "MessageRefused",
    "MessageTooLarge",
    "MissingGroupId",
    "NotPublished",
    "Outcome",
    "OutgoingMessage",
    "PartialBatchFailure",
    "Published",
    "ReceivedMessage",
    "SNSTopic",
    "SQSBatchMessage",
    "SQSBroker",
    "SQSMessage",
    "SQSPublishCommand",
    "SQSQueue",
    "SQSResponse",
    "SQSRoute",
    "SQSRoutePublisher",
    "SQSRouter",
    "TooManyAttributes",
)
