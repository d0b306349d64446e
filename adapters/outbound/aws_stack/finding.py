"""What a look at one thing gave, and what to do about it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

DEPLOY = "run `make up` here, or `npx osls deploy` for AWS: the stack differs from deploy/"


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """``advice`` is what to type or to look at; empty where all is well."""

    subject: str
    verdict: Verdict
    detail: str
    advice: str = ""


def ok(subject: str, detail: str) -> Finding:
    return Finding(subject, Verdict.OK, detail)


def warn(subject: str, detail: str, advice: str) -> Finding:
    return Finding(subject, Verdict.WARN, detail, advice)


def fail(subject: str, detail: str, advice: str) -> Finding:
    return Finding(subject, Verdict.FAIL, detail, advice)


Look = tuple[Verdict, str, str]
"""Verdict, detail, advice."""


async def looked(subject: str, look: Awaitable[Look]) -> Finding:
    """A refused call is a finding too."""
    try:
        return Finding(subject, *await look)
    except (ClientError, BotoCoreError, KeyError) as error:
        return Finding(subject, Verdict.FAIL, str(error), DEPLOY)


def last(name: str, separator: str = ":") -> str:
    return name.rsplit(separator, 1)[-1]
