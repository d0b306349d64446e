"""FastStream's log line with the queue's name in it."""

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from faststream._internal.logger import DefaultLoggerStorage, make_logger_state
from faststream._internal.logger.logging import get_broker_logger

if TYPE_CHECKING:
    from faststream._internal.basic_types import LoggerProto
    from faststream._internal.context import ContextRepo

_MESSAGE_ID_WIDTH = 10


class SQSParamsStorage(DefaultLoggerStorage):
    """Makes the queue column as wide as the longest name."""

    def __init__(self) -> None:
        super().__init__()
        self._queue_width = 5

    def register_subscriber(self, params: dict[str, Any]) -> None:
        self._queue_width = max(self._queue_width, len(params.get("queue", "")))

    def get_logger(self, *, context: "ContextRepo") -> "LoggerProto":
        logger = self._get_logger_ref()
        if logger is None:
            logger = self._make_logger(context)
            self._logger_ref.add(logger)
        return logger

    def _make_logger(self, context: "ContextRepo") -> logging.Logger:
        return get_broker_logger(
            name="sqs",
            default_context={"queue": ""},
            message_id_ln=_MESSAGE_ID_WIDTH,
            fmt=(
                "%(asctime)s %(levelname)-8s - "
                f"%(queue)-{self._queue_width}s | "
                f"%(message_id)-{_MESSAGE_ID_WIDTH}s - %(message)s"
            ),
            context=context,
            log_level=self.logger_log_level,
        )


make_sqs_logger_state = partial(make_logger_state, default_storage_cls=SQSParamsStorage)
