"""What a look at one thing gave, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
