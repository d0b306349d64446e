"""All settings, from the environment (prefix ``HOMECAST_``) or a dotenv file beside the process.

AWS credentials and profiles come from the usual AWS variables. The names of tables, topics and
queues are outputs of the CloudFormation stack under ``deploy/``: ``DevicesEventsTable`` arrives as
``HOMECAST_DEVICES_EVENTS_TABLE``. The table in ``docs/settings.md`` is generated from here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

RUN_DIRECTORY = Path(".homecast")
ENVIRONMENT_FILE = RUN_DIRECTORY / "environment"
"""Written by ``homecast up``: where the platform on this machine is to be found."""

OVERRIDES = "overrides"
"""Beside it: settings that ``homecast up`` puts over the stack's own, after a restore."""

AWS_NAMES = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"})


LOOPBACK = {("http", "127.0.0.1"), ("http", "localhost"), ("http", "::1")}

CONTEXTS = ("accounts", "devices", "media")
"""Each with a table of events, one of snapshots, and a topic."""

READ_MODELS = {
    "devices": "devices",
    "remote_commands": "devices",
    "memberships": "accounts",
    "creatives": "media",
    "brokers": "media",
}
"""By name, the context whose events it is made of. Each has two slots, blue and green."""


class SlotNames(NamedTuple):
    """Table name, URL of queue and of dead letters, ARN of the subscription to the queue."""

    table: str
    queue: str
    dead_letters: str
    subscription: str


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="HOMECAST_", extra="ignore", frozen=True)

    # AWS
    aws_region: str = Field("eu-central-1", description="Region of all resources")
    aws_endpoint_url: str | None = Field(
        None, description="Where AWS is, if not at AWS: the embedded engine on one machine"
    )
    aws_max_connections: int = Field(64, ge=1, description="HTTP connections per client")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Hints, presence, routing")

    # Outputs of the stack
    devices_events_table: str = Field("", description="Events of the devices context")
    devices_snapshots_table: str = Field("", description="Snapshots of the devices context")
    accounts_events_table: str = Field("", description="Events of the accounts context")
    accounts_snapshots_table: str = Field("", description="Snapshots of the accounts context")
    vault_table: str = Field("", description="Token hashes and credentials")
    keys_table: str = Field("", description="Data keys of personal data, wrapped")
    kms_key: str = Field(
        "", description="KMS key that wraps the data keys; empty: the key file does"
    )
    objects_bucket: str = Field("", description="Large events, and the list of the forgotten")
    media_bucket: str = Field("", description="Films: originals and renditions")
    relay_table: str = Field("", description="Leases and checkpoints of the relays")
    devices_table: str = Field("", description="Read model: devices")
    remote_commands_table: str = Field("", description="Read model: remote commands")
    twins_table: str = Field("", description="Reported state")
    devices_topic: str = Field("", description="ARN of the devices context's SNS FIFO topic")
    accounts_topic: str = Field("", description="ARN of the accounts context's SNS FIFO topic")
    devices_queue: str = Field("", description="URL of the queue of the devices projection")
    remote_commands_queue: str = Field("", description="URL of the remote commands' queue")
    devices_dead_letters: str = Field("", description="URL of the devices' dead-letter queue")
    remote_commands_dead_letters: str = Field(
        "", description="URL of the remote commands' dead-letter queue"
    )
    devices_subscription: str = Field("", description="ARN: topic to the devices' queue")
    remote_commands_subscription: str = Field(
        "", description="ARN: topic to the remote commands' queue"
    )
    read_models_table: str = Field("", description="Which slot of each read model is live")
    devices_green_table: str = Field("", description="Read model devices, second slot")
    devices_green_queue: str = Field("", description="URL of its queue")
    devices_green_dead_letters: str = Field("", description="URL of its dead letters")
    devices_green_subscription: str = Field("", description="ARN: topic to its queue")
    remote_commands_green_table: str = Field("", description="Remote commands, second slot")
    remote_commands_green_queue: str = Field("", description="URL of its queue")
    remote_commands_green_dead_letters: str = Field("", description="URL of its dead letters")
    remote_commands_green_subscription: str = Field("", description="ARN: topic to its queue")

    memberships_table: str = Field("", description="Read model: memberships")
    memberships_queue: str = Field("", description="URL of the queue of the memberships projection")
    memberships_dead_letters: str = Field(
        "", description="URL of the memberships' dead-letter queue"
    )
    memberships_subscription: str = Field("", description="ARN: topic to the memberships' queue")
    memberships_green_table: str = Field("", description="Memberships, second slot")
    memberships_green_queue: str = Field("", description="URL of its queue")
    memberships_green_dead_letters: str = Field("", description="URL of its dead letters")
    memberships_green_subscription: str = Field("", description="ARN: topic to its queue")

    media_events_table: str = Field("", description="Events of the media context")
    media_snapshots_table: str = Field("", description="Snapshots of the media context")
    media_topic: str = Field("", description="ARN of the media context's SNS FIFO topic")
    creatives_table: str = Field("", description="Read model: creatives")
    creatives_queue: str = Field("", description="URL of the queue of the creatives projection")
    creatives_dead_letters: str = Field("", description="URL of the creatives' dead-letter queue")
    creatives_subscription: str = Field("", description="ARN: topic to the creatives' queue")
    creatives_green_table: str = Field("", description="Creatives, second slot")
    creatives_green_queue: str = Field("", description="URL of its queue")
    creatives_green_dead_letters: str = Field("", description="URL of its dead letters")
    creatives_green_subscription: str = Field("", description="ARN: topic to its queue")
    brokers_table: str = Field("", description="Read model: brokers")
    brokers_queue: str = Field("", description="URL of the queue of the brokers projection")
    brokers_dead_letters: str = Field("", description="URL of the brokers' dead-letter queue")
    brokers_subscription: str = Field("", description="ARN: topic to the brokers' queue")
    brokers_green_table: str = Field("", description="Brokers, second slot")
    brokers_green_queue: str = Field("", description="URL of its queue")
    brokers_green_dead_letters: str = Field("", description="URL of its dead letters")
    brokers_green_subscription: str = Field("", description="ARN: topic to its queue")

    parked_table: str = Field("", description="What stopped the rows that are parked")

    policy_states_table: str = Field("", description="Gated states of the policies")
    timeouts_table: str = Field("", description="Durable time-outs of the policies")
    alarms_queue: str = Field("", description="URL of the queue of the policy `alarms`")
    alarms_dead_letters: str = Field("", description="URL of its dead-letter queue")
    forgetting_queue: str = Field("", description="URL of the queue of the policy `forgetting`")
    forgetting_dead_letters: str = Field("", description="URL of its dead-letter queue")
    departures_queue: str = Field("", description="URL of the queue of the policy `departures`")
    departures_dead_letters: str = Field("", description="URL of its dead-letter queue")
    farewells_queue: str = Field("", description="URL of the queue of the policy `farewells`")
    farewells_dead_letters: str = Field("", description="URL of its dead-letter queue")
    erasure_queue: str = Field("", description="URL of the queue of the policy `erasure`")
    erasure_dead_letters: str = Field("", description="URL of its dead-letter queue")
    mail_queue: str = Field("", description="URL of the queue of the policy `mail`")
    mail_dead_letters: str = Field("", description="URL of its dead-letter queue")
    transcoding_queue: str = Field("", description="URL of the queue of the policy `transcoding`")
    transcoding_dead_letters: str = Field("", description="URL of its dead-letter queue")
    fetches_queue: str = Field("", description="URL of the queue of films to be fetched")
    fetches_dead_letters: str = Field("", description="URL of its dead-letter queue")
    renders_queue: str = Field("", description="URL of the queue of films to be rendered here")
    renders_dead_letters: str = Field("", description="URL of its dead-letter queue")
    renders_table: str = Field("", description="Jobs of the transcoder on one machine")
    job_events_queue: str = Field("", description="URL of the queue of what transcoders report")
    job_events_dead_letters: str = Field("", description="URL of its dead-letter queue")
    statistics_stream: str = Field("", description="Kinesis stream of the statistics of ads")
    statistics_bucket: str = Field("", description="Statistics of ads, as Parquet files by day")
    athena_database: str = Field("", description="Glue database of the table `statistics`")
    athena_work_group: str = Field("", description="Athena work group of the reports")
    outbox_queue: str = Field("", description="URL of the queue of effects to be delivered")
    outbox_dead_letters: str = Field("", description="URL of the queue of effects given up")

    # Effects outside
    webhook_url: str = Field(
        "", description="Where alarms are sent as CloudEvents: HTTPS, or HTTP on this machine"
    )
    webhook_secret: SecretStr = Field(
        SecretStr(""), description="Signs them (Standard Webhooks): `whsec_` and base64"
    )

    # Media
    media_url: str = Field(
        "", description="Where films are served, if neither by CloudFront nor by the API's `/media`"
    )
    transcoder: Literal["ffmpeg", "mediaconvert"] = Field(
        "ffmpeg", description="Who renders films: this machine, or AWS Elemental MediaConvert"
    )
    media_convert_queue: str = Field("", description="ARN of MediaConvert's queue for films")
    media_convert_hop_queue: str = Field("", description="ARN of the queue of what waited too long")
    media_convert_role: str = Field("", description="ARN of the role that MediaConvert takes")
    media_domain: str = Field("", description="Domain of CloudFront's distribution of films")
    work_folder: Path | None = Field(
        None, description="For films while they are worked on; else the system's for such files"
    )
    renders_at_once: int = Field(1, ge=1, le=64, description="Films rendered at once by a worker")
    fetches_at_once: int = Field(4, ge=1, le=64, description="Films fetched at once by a worker")
    largest_film: int = Field(
        2_000_000_000, ge=1, description="Bytes; a larger original is not fetched"
    )
    allowed_private_hosts: str = Field(
        "",
        description="`host:port`, comma-separated: brokers and films that may be reached there"
        " although the address is private. All other private addresses are refused",
    )
    trusted_proxies: str = Field(
        "",
        description="Networks (CIDR), comma-separated, of ad-stitching servers and proxies that may"
        " speak for a device (`X-Forwarded-For`, `X-Device-*`), in ad requests only",
    )
    reverse_proxies: str = Field(
        "",
        description="Networks (CIDR), comma-separated, of proxies in front of the API that clients"
        " cannot go around: their `X-Forwarded-For` and `-Proto` say who is calling, at sign-ins"
        " and for tokens too, and CloudFront's word on the country counts",
    )
    beacon_url: str = Field(
        "", description="Where players find `/beacons/`, in public; the API's address if empty"
    )
    beacon_keys: SecretStr = Field(
        SecretStr(""),
        description="Keys that seal beacons: `id:base64` of 64 random bytes each, comma-separated,"
        " the first of which is used and all of which are taken. Empty: made of the key file",
    )
    reports: Literal["duckdb", "athena"] = Field(
        "duckdb", description="Who makes the reports of statistics: this machine, or Amazon Athena"
    )
    reports_folder: Path | None = Field(
        None, description="DuckDB's copy of the statistics, 4 GB at most; else one of the system's"
    )
    ad_requests_per_minute: int = Field(600_000, ge=1, description="Ad requests a minute and key")

    # Accounts
    account_keys: SecretStr = Field(
        SecretStr(""),
        description="Keys of e-mail hashes, refresh tokens and forms: `id:base64` of 32 random"
        " bytes each, comma-separated, the first of which is used and all of which are taken; the"
        " last one stays for ever. Empty: made of the key file",
    )
    public_url: str = Field(
        "", description="The issuer: where browsers find the API; its own address if empty"
    )
    mailer: Literal["local", "ses"] = Field(
        "local", description="Who sends mail: an outbox on this machine, or Amazon SES"
    )
    mail_folder: Path = Field(
        RUN_DIRECTORY / "mail", description="Where the outbox on this machine puts its mails"
    )
    deletion_days: int = Field(
        7, ge=0, le=365, description="Days between asking to be deleted and the deletion"
    )
    mail_from: str = Field(
        "Homecast <no-reply@localhost>", description="Sender of mails; SES knows it as verified"
    )

    # Personal data
    key_file: Path | None = Field(
        None, description="32 bytes that wrap the data keys on one machine, made at the first use"
    )

    # Processes
    api_host: str = Field("127.0.0.1", description="Address the HTTP API listens on")
    api_port: int = Field(8080, ge=0, le=65535)
    api_url: str = Field("http://127.0.0.1:8080", description="Where clients find the API")
    gateway_host: str = Field("127.0.0.1", description="Address the gateway listens on")
    gateway_port: int = Field(8090, ge=0, le=65535)
    gateway_url: str = Field("ws://127.0.0.1:8090/v1/device", description="Where devices connect")

    # Rhythm
    store_generation: int = Field(1, ge=1, description="Raised when a backup was restored")
    queue_wait_seconds: int = Field(20, ge=0, le=20, description="Long poll of a queue")
    queue_poll_interval: float = Field(
        0.0, ge=0, description="Pause between short polls, in seconds (queue_wait_seconds = 0)"
    )
    stream_poll_interval: float = Field(
        0.25, gt=0, description="Pause between reads of a shard with nothing new, in seconds"
    )
    relay_lease_seconds: float = Field(
        10.0, gt=0, description="A relay that is silent for so long loses its shards to another"
    )
    statistics_interval: float = Field(
        60.0,
        gt=0,
        description="Seconds that a record waits for its file, where no Firehose delivers",
    )
    sweep_interval: float = Field(1.0, gt=0, description="Seconds between looks for due commands")
    rate_limit_per_minute: int = Field(
        600, ge=1, description="Requests a minute and token; submits count like all others"
    )
    devices_per_account: int = Field(
        1000, ge=1, description="Devices that an account may own; a claim beyond them is refused"
    )

    # Seeing
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    tracer: Literal["null", "xray"] = Field("null", description="Where spans go")

    @field_validator("webhook_url")
    @classmethod
    def _not_in_clear_over_a_network(cls, url: str) -> str:
        where = urlsplit(url)
        if url and where.scheme != "https" and (where.scheme, where.hostname) not in LOOPBACK:
            raise ValueError("a webhook needs https, but on this machine")
        return url

    @property
    def films_url(self) -> str:
        """Where others than this process serve films; empty: the API does, below ``/media``."""
        return self.media_url or (f"https://{self.media_domain}" if self.media_domain else "")

    @property
    def issuer(self) -> str:
        """Without a slash at its end (RFC 8414 section 2)."""
        return (self.public_url or self.api_url).rstrip("/")

    def events_table(self, context: str) -> str:
        return str(getattr(self, f"{context}_events_table"))

    def snapshots_table(self, context: str) -> str:
        return str(getattr(self, f"{context}_snapshots_table"))

    def topic(self, context: str) -> str:
        return str(getattr(self, f"{context}_topic"))

    def slot(self, model: str, slot: str) -> SlotNames:
        """Blue carries the plain names, green its own."""
        prefix = model if slot == "blue" else f"{model}_{slot}"
        return SlotNames(*(str(getattr(self, f"{prefix}_{field}")) for field in SlotNames._fields))


def load_settings() -> Settings:
    """From the environment; without it, from the platform that runs in this folder."""
    if "HOMECAST_DEVICES_EVENTS_TABLE" not in os.environ and ENVIRONMENT_FILE.exists():
        export(read_environment(ENVIRONMENT_FILE))
    return Settings()


def read_environment(path: Path) -> dict[str, str]:
    """``NAME=value`` lines. Raises ``PermissionError`` for a file of another user."""
    if path.stat().st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user")
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def export(values: dict[str, str]) -> None:
    """Into this process's environment, where the AWS libraries look too; what is set there wins.

    Only names that ``homecast up`` writes: another one could make those libraries run a program.
    """
    for name, value in values.items():
        if name.startswith("HOMECAST_") or name in AWS_NAMES:
            os.environ.setdefault(name, value)
