"""MiniStack: AWS on the loopback interface. It writes its state when it is stopped by SIGTERM."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from adapters.outbound.embedded.ports import LOOPBACK
from adapters.outbound.embedded.program import Program

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""It takes any; these can open nothing elsewhere."""


@dataclass(frozen=True)
class MiniStack:
    """``roles``: functions may do what their roles allow. Our own credentials may do anything."""

    directory: Path
    port: int
    region: str = "eu-central-1"
    persist: bool = True
    roles: bool = False

    @property
    def endpoint_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def program(self, environment: dict[str, str]) -> Program:
        """``environment``: what a Python process needs to run here (``PATH``)."""
        persist = "1" if self.persist else "0"
        return Program(
            "ministack",
            (sys.executable, "-m", "ministack"),
            environment
            | CREDENTIALS
            | {
                "GATEWAY_PORT": str(self.port),
                "BIND_HOST": LOOPBACK,  # it would listen on all interfaces
                "MINISTACK_HOST": LOOPBACK,  # queue URLs would say localhost
                "MINISTACK_REGION": self.region,
                "AUTH": str(self.roles).lower(),
                "IOT_MTLS_ENABLED": "0",  # port 8883, on all interfaces
                "SFTP_ENABLED": "0",
                "DOCKER_HOST": f"unix://{self.directory / 'no-docker.sock'}",
                "LOG_LEVEL": "WARNING",
                "PERSIST_STATE": persist,
                "STATE_DIR": str(self.directory / "state"),
                "S3_PERSIST": persist,
                "S3_DATA_DIR": str(self.directory / "s3"),
                "TMPDIR": str(self.directory),
            },
            self.ready,
        )

    def prepare(self) -> None:
        (self.directory / "state").mkdir(parents=True, exist_ok=True)

    async def ready(self) -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False, verify=False) as client:  # noqa: S501 loopback, no TLS
                answer = await client.get(f"{self.endpoint_url}/_ministack/ready", timeout=1)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK
