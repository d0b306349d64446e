"""The platform on one machine: which programs there are, and the environment that they share."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from adapters.inbound.cli.supervisor import Supervisor
from adapters.outbound.aws_stack.functions import deploy
from adapters.outbound.aws_stack.provision import Place, provision
from adapters.outbound.embedded.ministack import CREDENTIALS, MiniStack
from adapters.outbound.embedded.ports import LOOPBACK, Ports
from adapters.outbound.embedded.program import Program, Ready
from adapters.outbound.embedded.redis import Redis

REGION = "eu-central-1"
PLATFORM = (
    "api",
    "gateway",
    "relay",
    "projector",
    "sweeper",
    "policies",
    "outbox",
    "transcoder",
    "deliverer",
)
"""In the order of their start."""
FUNCTIONS = ("api", "relay", "projector")
"""Those that ``serverless.yml`` has as functions."""
COMMANDS = {
    "api": ("-m", "adapters.inbound.http"),
    "gateway": ("-m", "adapters.inbound.gateway"),
    "relay": ("-m", "adapters.inbound.workers", "relay"),
    "projector": ("-m", "adapters.inbound.workers", "projector"),
    "sweeper": ("-m", "adapters.inbound.workers", "sweeper"),
    "policies": ("-m", "adapters.inbound.workers", "policies"),
    "outbox": ("-m", "adapters.inbound.workers", "outbox"),
    "transcoder": ("-m", "adapters.inbound.workers", "transcoder"),
    "deliverer": ("-m", "adapters.inbound.workers", "deliverer"),
}
RHYTHM = {
    # A poll that is cut off at the embedded AWS lives on and swallows the next message, and a long
    # poll wakes in steps of 100 ms: many short ones are both safer and faster.
    "HOMECAST_QUEUE_WAIT_SECONDS": "0",
    "HOMECAST_QUEUE_POLL_INTERVAL": "0.05",
    "HOMECAST_STREAM_POLL_INTERVAL": "0.1",
    # After a kill -9 the next relay waits for so long; the writes that it costs are free here.
    "HOMECAST_RELAY_LEASE_SECONDS": "4",
    # Who plays with the demo looks at the reports at once.
    "HOMECAST_STATISTICS_INTERVAL": "5",
}
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")

OF_THE_OPERATOR = {
    "policies": ("HOMECAST_WEBHOOK_URL",),
    "outbox": ("HOMECAST_WEBHOOK_URL", "HOMECAST_WEBHOOK_SECRET"),
}
"""What a process takes over from the environment of `homecast up`, and no other process sees."""


def inherited() -> dict[str, str]:
    """What any program needs of ours; no credentials and no other settings."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


@dataclass(frozen=True)
class Engines:
    """MiniStack and Redis in one directory, at the ports that are remembered there, and the key
    that stands in for KMS."""

    ministack: MiniStack
    redis: Redis
    key_file: Path

    @classmethod
    def in_directory(
        cls, directory: Path, ports: Ports, *, persist: bool = True, roles: bool = False
    ) -> Engines:
        """``roles``: those of functions are enforced."""
        return cls(
            MiniStack(directory / "aws", ports.of("ministack"), REGION, persist, roles),
            Redis(directory / "redis", ports.of("redis")),
            directory / "key",
        )

    @property
    def place(self) -> Place:
        return Place(
            REGION,
            self.ministack.endpoint_url,
            CREDENTIALS["AWS_ACCESS_KEY_ID"],
            CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    async def start(self, supervisor: Supervisor) -> None:
        self.ministack.prepare()
        self.redis.prepare()
        await supervisor.start(self.redis.program(inherited()))
        await supervisor.start(self.ministack.program(inherited()), within=60)

    async def stack(self, prefix: str) -> dict[str, str]:
        """Create or update the stack; all settings that name something in the engines."""
        outputs = await provision(self.place, stack=prefix, prefix=prefix)
        # Of its keys the embedded KMS keeps what it had when it was last stopped in peace: what
        # they wrap would not survive a crash.
        keys = {"HOMECAST_KMS_KEY": "", "HOMECAST_KEY_FILE": str(self.key_file)}
        folders = {
            "HOMECAST_REPORTS_FOLDER": str(self.key_file.with_name("reports")),
            "HOMECAST_MAIL_FOLDER": str(self.key_file.with_name("mail")),
        }
        return self._settings(outputs) | keys | folders

    async def functions(self, stage: str) -> dict[str, str]:
        """The same with the functions of `serverless.yml`, and the address of their API.

        Functions have no file in common with the processes: all of them use the embedded KMS.
        """
        return self._settings(await deploy(self.place, stage=stage, redis_url=self.redis.url))

    def _settings(self, outputs: Mapping[str, str]) -> dict[str, str]:
        return {
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": REGION,
            "HOMECAST_AWS_REGION": REGION,
            "HOMECAST_AWS_ENDPOINT_URL": self.ministack.endpoint_url,
            "HOMECAST_REDIS_URL": self.redis.url,
            **outputs,
            **RHYTHM,
        }


def addresses(
    ports: Ports, *, api_port: int | None = None, api_preferred: int = 0
) -> dict[str, str]:
    """Where the processes listen, as settings."""
    api = ports.of("api", preferred=api_preferred, exactly=api_port)
    gateway = ports.of("gateway")
    return {
        "HOMECAST_API_HOST": LOOPBACK,
        "HOMECAST_API_PORT": str(api),
        "HOMECAST_API_URL": f"http://{LOOPBACK}:{api}",
        # Passkeys belong to a name; an address is none (WebAuthn, section 5.1.2).
        "HOMECAST_PUBLIC_URL": f"http://localhost:{api}",
        "HOMECAST_GATEWAY_HOST": LOOPBACK,
        "HOMECAST_GATEWAY_PORT": str(gateway),
        "HOMECAST_GATEWAY_URL": f"ws://{LOOPBACK}:{gateway}/v1/device",
    }


def ad_broker(port: int, folder: Path) -> Program:
    """The demo's; its films are made before it answers."""
    module = "adapters.inbound.cli.ad_demo.broker"
    command = (sys.executable, "-m", module, str(port), str(folder))
    ready = answers(f"http://{LOOPBACK}:{port}/health/ready")
    return Program("ad-broker", command, inherited() | {"PYTHONUNBUFFERED": "1"}, ready)


def process(name: str, environment: Mapping[str, str]) -> Program:
    """One of the platform's own processes."""
    command = (sys.executable, *COMMANDS[name])
    theirs = {
        variable: os.environ[variable]
        for variable in OF_THE_OPERATOR.get(name, ())
        if variable in os.environ
    }
    whole = inherited() | {"PYTHONUNBUFFERED": "1"} | theirs | dict(environment)
    ready = readiness(name, environment)
    return Program(name, command, whole, ready) if ready else Program(name, command, whole)


def readiness(name: str, environment: Mapping[str, str]) -> Ready | None:
    """The workers have no address to ask; they are ready when they run."""
    if name == "api":
        return answers(f"{environment['HOMECAST_API_URL']}/health/ready")
    if name == "gateway":
        port = environment["HOMECAST_GATEWAY_PORT"]
        return answers(f"http://{LOOPBACK}:{port}/health/ready")
    return None


def answers(url: str) -> Ready:
    async def look() -> bool:
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:  # noqa: S501 loopback, no TLS
            try:
                return (await client.get(url, timeout=2)).is_success
            except httpx.TransportError:
                return False

    return look
