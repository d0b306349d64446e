"""Where the keys of beacons come from."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.bootstrap.statistics import beacon_keys, own_folder
from adapters.inbound.http.beacon_tokens import BeaconTokens
from adapters.outbound.keys.key_ring import parsed_ring
from adapters.outbound.keys.local_file import key_of
from adapters.settings import Settings
from projections.media.statistics import Facts, Kind

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def ring(*names: str) -> SecretStr:
    parts = (f"{name}:{base64.b64encode(os.urandom(64)).decode()}" for name in names)
    return SecretStr(", ".join(parts))


def test_the_first_key_of_the_ring_signs_and_all_of_them_open() -> None:
    old = ring("a")
    both = SecretStr(f"{ring('b').get_secret_value()},{old.get_secret_value()}")
    token = BeaconTokens(beacon_keys(Settings(beacon_keys=old))).sign(Kind.START, Facts(), now=NOW)
    renewed = BeaconTokens(beacon_keys(Settings(beacon_keys=both)))
    assert renewed.verify(Kind.START, token, now=NOW).kind is Kind.START
    assert renewed.sign(Kind.START, Facts(), now=NOW).split(".")[1] == "b"


def test_processes_with_one_key_file_understand_each_other(tmp_path: Path) -> None:
    settings = Settings(key_file=tmp_path / "key")
    token = BeaconTokens(beacon_keys(settings)).sign(Kind.START, Facts(broker="acme"), now=NOW)
    told = BeaconTokens(beacon_keys(settings)).verify(Kind.START, token, now=NOW)
    assert told.facts.broker == "acme"
    derived = beacon_keys(settings)
    assert key_of(tmp_path / "key") not in derived.keys[derived.current]


def test_without_any_key_it_does_not_start() -> None:
    with pytest.raises(ValueError, match="HOMECAST_BEACON_KEYS"):
        beacon_keys(Settings())


@pytest.mark.parametrize("text", ["a", "a:", ":QUJD", "a:secret!", "a:QUJD,a:QUJD", "a:QUJD,", ","])
def test_what_is_no_ring_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="key") as refused:
        parsed_ring(text)
    assert "secret" not in str(refused.value)
    assert "QUJD" not in str(refused.value)


def test_a_key_of_another_length_is_refused() -> None:
    short = base64.b64encode(b"x" * 32).decode()
    with pytest.raises(ValueError, match="64 bytes"):
        beacon_keys(Settings(beacon_keys=SecretStr(f"a:{short}")))


def test_a_folder_that_others_can_write_to_is_not_believed(tmp_path: Path) -> None:
    folder = own_folder(tmp_path / "reports")
    assert folder.stat().st_mode & 0o077 == 0
    folder.chmod(0o777)
    with pytest.raises(PermissionError):
        own_folder(folder)
