"""Released events stay what they are: ``python -m adapters.inbound.cli.contracts [--write]``.

Every schema (``docs/schemas``) and golden file (``tests/golden``) is released by its entry in
``docs/schemas/released.json``: path → SHA-256. Entries are added and never changed, files never
edited. ``<type>.v<version>.json`` is the schema as it was first released; where optional parts came
later, ``<type>.v<version>.<revision>.json`` has them. ``--write`` (``make docs``) releases what is
new, and refuses what would break a released version: that needs a new version and an upcaster.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.inbound.cli.compatibility import breaks
from adapters.inbound.cli.schemas import PUBLIC, Schema, schema_of
from domain.kernel.event import Event

ROOT = Path(__file__).parents[3]
SCHEMAS, GOLDEN, MANIFEST = "docs/schemas", "tests/golden", "docs/schemas/released.json"
NAME = re.compile(r"(?P<type>[\w.]+)\.v(?P<version>\d+)(\.(?P<revision>\d+))?\.json")
EARLIER = ("HEAD", "HEAD^1", "main", "origin/main")
"""Where the history of a checkout, as far as there is one, tells what was released before."""
WRITE_GOLDEN = "python -m tests.support.events"
REMEDY = "raise class_version, write an upcaster, and keep the old version's files"


@dataclass(frozen=True)
class Release:
    """The files of one folder, and what the code says now."""

    root: Path = ROOT
    public: Sequence[type[Event]] = PUBLIC

    def entries(self) -> dict[str, str]:
        manifest = self.root / MANIFEST
        held: dict[str, str] = json.loads(manifest.read_text()) if manifest.exists() else {}
        return held

    def files(self) -> list[str]:
        """All that has to be released, by path."""
        found = [*(self.root / SCHEMAS).glob("*.json"), *(self.root / GOLDEN).glob("*.json")]
        paths = {one.relative_to(self.root).as_posix() for one in found}
        return sorted(paths - {MANIFEST})

    def digest(self, path: str) -> str | None:
        file = self.root / path
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None

    def revisions(self, topic: str, version: int) -> list[tuple[str, Schema]]:
        """The schemas of one version, oldest first."""
        found = []
        for path in self.files():
            name = NAME.fullmatch(Path(path).name)
            wanted = (SCHEMAS, topic, str(version))
            if name and (Path(path).parent.as_posix(), name["type"], name["version"]) == wanted:
                schema: Schema = json.loads((self.root / path).read_text())
                found.append((int(name["revision"] or 1), path, schema))
        return [(path, schema) for _, path, schema in sorted(found, key=lambda one: one[:2])]

    # --- checks -----------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """A line for each; none: everything released is as it was, and everything is released."""
        return [
            *self._changed_files(),
            *self._changed_entries(),
            *(line for event_type in self.public for line in self._of(event_type)),
            *self._removed_types(),
        ]

    def _changed_files(self) -> list[str]:
        entries = self.entries()
        edited = [path for path, digest in entries.items() if self.digest(path) != digest]
        unknown = [path for path in self.files() if path not in entries]
        return [f"{path} was released and is not what it was: restore it" for path in edited] + [
            f"{path} is not released: make docs" for path in unknown
        ]

    def _changed_entries(self) -> list[str]:
        """Against the history, where there is one: the manifest itself might have been edited."""
        now = self.entries()
        gone = {
            path
            for revision in EARLIER
            for path, digest in manifest_at(self.root, revision).items()
            if now.get(path) != digest
        }
        return [f"{MANIFEST}: the entry of {path} was changed or removed" for path in sorted(gone)]

    def _of(self, event_type: type[Event]) -> list[str]:
        topic, current = event_type.TOPIC, event_type.class_version
        lines = []
        for version in range(1, current + 1):
            if not self.revisions(topic, version):
                lines.append(f"{topic} {version} has no schema: make docs")
            golden = (f"{GOLDEN}/{topic}.v{version}{form}.json" for form in ("", ".sealed"))
            if not set(golden) & set(self.files()):
                lines.append(f"{topic} {version} has no golden file: {WRITE_GOLDEN}")
        revisions = self.revisions(topic, current)
        schemas = [schema for _, schema in revisions] + [schema_of(event_type)]
        broken = [line for schema in schemas for line in breaks(schema, schemas[-1])]
        lines += [f"{topic} {current}: {line}; {REMEDY}" for line in dict.fromkeys(broken)]
        if revisions and schemas[-2] != schemas[-1] and not broken:
            lines.append(f"{topic} {current} has new optional parts: make docs")
        return lines

    def _removed_types(self) -> list[str]:
        known = {event_type.TOPIC for event_type in self.public}
        names = [NAME.fullmatch(Path(path).name) for path in self.entries()]
        gone = sorted({name["type"] for name in names if name} - known)
        return [f"{topic} was released and is not known any more" for topic in gone]

    # --- writing ----------------------------------------------------------------------------------

    def write(self) -> None:
        """Release what is new. Existing files and entries stay as they are."""
        (self.root / SCHEMAS).mkdir(parents=True, exist_ok=True)
        for event_type in self.public:
            self._write_schema(event_type)
        new = {path: self.digest(path) for path in self.files()}
        entries = dict(sorted({**new, **self.entries()}.items()))
        (self.root / MANIFEST).write_text(as_text(entries))

    def _write_schema(self, event_type: type[Event]) -> None:
        schema = schema_of(event_type)
        revisions = self.revisions(event_type.TOPIC, event_type.class_version)
        if revisions and revisions[-1][1] == schema:
            return
        if any(breaks(earlier, schema) for _, earlier in revisions):
            return  # the check says so
        revision = f".{len(revisions) + 1}" if revisions else ""
        name = f"{event_type.TOPIC}.v{event_type.class_version}{revision}.json"
        (self.root / SCHEMAS / name).write_text(as_text(schema))


def as_text(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def manifest_at(root: Path, revision: str) -> dict[str, str]:
    """Empty without that revision, without a history, and before there was a manifest."""
    command = ["git", "-C", str(root), "show", f"{revision}:./{MANIFEST}"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=30)  # noqa: S603
    except OSError:
        return {}
    held: dict[str, str] = json.loads(done.stdout) if done.returncode == 0 else {}
    return held


def main(arguments: Sequence[str]) -> int:
    release = Release()
    if "--write" in arguments:
        release.write()
    problems = release.problems()
    for line in problems:
        print(line)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
