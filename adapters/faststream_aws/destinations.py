"""Where messages go to and come from: a queue by name or URL, a topic by ARN."""

from dataclasses import dataclass

from faststream.exceptions import SetupError

_TOPIC_ARN = "arn:"
_FIFO_SUFFIX = ".fifo"


@dataclass(frozen=True, slots=True)
class SQSQueue:
    """A queue, which must exist. With ``url`` the name is never looked up.

    A router's prefix is put before a name and never before a URL.
    """

    name: str = ""
    url: str = ""

    def __post_init__(self) -> None:
        if bool(self.name) == bool(self.url):
            msg = "A queue is given by its name or by its URL"
            raise SetupError(msg)

    @classmethod
    def of(cls, queue: "str | SQSQueue") -> "SQSQueue":
        if isinstance(queue, SQSQueue):
            return queue
        is_url = queue.startswith(("http://", "https://"))
        return cls(url=queue) if is_url else cls(name=queue)

    @property
    def address(self) -> str:
        """What the queue was given by."""
        return self.url or self.name

    @property
    def short_name(self) -> str:
        return self.name or self.url.rsplit("/", 1)[-1]

    @property
    def fifo(self) -> bool:
        return self.address.endswith(_FIFO_SUFFIX)

    def with_prefix(self, prefix: str) -> "SQSQueue":
        return SQSQueue(name=prefix + self.name) if prefix and self.name else self


@dataclass(frozen=True, slots=True)
class SNSTopic:
    """A topic, which must exist."""

    arn: str

    def __post_init__(self) -> None:
        if not self.arn.startswith(_TOPIC_ARN):
            msg = f"A topic is given by its ARN, not {self.arn!r}"
            raise SetupError(msg)

    @classmethod
    def of(cls, topic: "str | SNSTopic") -> "SNSTopic":
        return topic if isinstance(topic, SNSTopic) else cls(topic)

    @property
    def address(self) -> str:
        return self.arn

    @property
    def short_name(self) -> str:
        return self.arn.rsplit(":", 1)[-1]

    @property
    def fifo(self) -> bool:
        return self.arn.endswith(_FIFO_SUFFIX)

    def with_prefix(self, prefix: str) -> "SNSTopic":
        return self


Destination = SQSQueue | SNSTopic


def read_destination(address: str) -> Destination:
    """The inverse of ``Destination.address``."""
    return SNSTopic(address) if address.startswith(_TOPIC_ARN) else SQSQueue.of(address)


def choose_destination(
    queue: "str | SQSQueue | None",
    topic: "str | SNSTopic | None",
) -> Destination:
    """The one of the two that was given."""
    if queue is not None and topic is None:
        return SQSQueue.of(queue)
    if topic is not None and queue is None:
        return SNSTopic.of(topic)
    msg = "Give either `queue` or `topic`"
    raise SetupError(msg)
