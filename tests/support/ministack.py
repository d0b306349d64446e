"""The embedded AWS engine for tests: one process on a free port, with a state of its own.

A test folder gets the fixture by importing it in its conftest.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest


class MiniStack:
    """Started once and stopped once. What it says goes to ``log_path``."""

    def __init__(self, directory: Path) -> None:
        self.log_path = directory / "ministack.log"
        self._state = directory / "state"
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self, timeout: float = 20.0) -> None:
        """Return when it answers; raise TimeoutError with its last words otherwise."""
        self._port = _free_port()
        self._state.mkdir(exist_ok=True)
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ministack"],
                env={**os.environ, **self._environment()},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + timeout
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.stop()
                raise TimeoutError(self.log_path.read_text()[-2000:])
            time.sleep(0.05)

    def stop(self, timeout: float = 10.0) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(f"{self.endpoint_url}/health", timeout=1) as answer,
        ):
            return bool(answer.status == 200)
        return False

    def _environment(self) -> dict[str, str]:
        return {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            "PERSIST_STATE": "0",
            "S3_DATA_DIR": str(self._state / "s3"),
            "S3_PERSIST": "0",
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(self._state),
        }


@pytest.fixture(scope="session")
def ministack_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="ministack-") as directory:
        engine = MiniStack(Path(directory))
        engine.start()
        try:
            yield engine.endpoint_url
        finally:
            engine.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
