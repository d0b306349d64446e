"""What holds for every template, whatever it is filled with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.inbound.http.accounts.rendering import ASSETS, TEMPLATES

SOURCES = sorted(TEMPLATES.glob("*.html"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_escapes_the_escaping_and_nothing_is_inline(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)
    assert "<style" not in text
    assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r'(?:src|href|action)="(?!/|#|\{)', text)
    assert not re.search(r"\s(?!url)[a-z-]+=\{\{", text), (
        "every value of an attribute stands in quotes"
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_form_is_sent_by_post_and_carries_a_token(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for form in re.findall(r"<form.*?</form>", text, re.DOTALL):
        assert 'method="post"' in form
        assert "token(" in form or 'name="csrf"' in form


def test_assets_name_nothing_of_elsewhere() -> None:
    for path in ASSETS.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(", text), path.name
