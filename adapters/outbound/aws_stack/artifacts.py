"""What goes to AWS Lambda, as an archive: the code with its libraries, or without them.

``python -m adapters.outbound.aws_stack.artifacts functions|code`` writes it to ``build/``.

Bytecode goes along and is never checked against its source: a function's folders cannot be written,
so Python would compile every module at every start; and archives keep no times to go by.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.outbound.aws_stack.template import RESOURCES

ROOT = RESOURCES.parent.parent
BUILD = ROOT / "build"
CODE, FUNCTIONS = BUILD / "code.zip", BUILD / "functions.zip"
PACKAGES = ("adapters", "commands", "domain", "projections")
LEFT_OUT = (
    "adapters/inbound/cli",
    "adapters/inbound/gateway",
    "adapters/inbound/http/ads",
    "adapters/outbound/analytics",
    "adapters/outbound/aws_stack",
    "adapters/outbound/embedded",
    "adapters/outbound/memory",
    "adapters/outbound/transcoding",
    "adapters/outbound/web",
    "adapters/vast",
)
"""Tools, and what only processes run."""

LOCK = ROOT / "requirements" / "lambda.txt"
PLATFORM = "manylinux2014_aarch64"
PYTHON = "3.11"
"""As ``serverless.yml`` says; Amazon Linux 2 has no newer C library than manylinux2014 asks for."""
SERVICES = ("dynamodb", "dynamodbstreams", "kms", "s3", "sns", "sqs", "sts")
"""botocore describes four hundred services, which is a third of the archive; these are called."""
USELESS = ("*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "RECORD", "INSTALLER", "REQUESTED", "py.typed")


def build_code(archive: Path = CODE) -> None:
    with TemporaryDirectory() as directory:
        copy_code(Path(directory))
        pack(Path(directory), archive)


def build_functions(archive: Path = FUNCTIONS) -> None:
    with TemporaryDirectory() as directory:
        target = Path(directory)
        install(target)
        strip(target)
        copy_code(target)
        pack(target, archive)


def copy_code(target: Path) -> None:
    for source in sources():
        copy = target / source.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)


def sources() -> Iterator[Path]:
    left_out = [ROOT / folder for folder in LEFT_OUT]
    for package in PACKAGES:
        for source in sorted((ROOT / package).rglob("*.py")):
            if not any(source.is_relative_to(folder) for folder in left_out):
                yield source


def install(target: Path) -> None:
    """Wheels for the functions' platform, whichever this is; each is checked by its hash."""
    options = ("--quiet", "--disable-pip-version-check", "--no-compile", "--target", str(target))
    platform = ("--platform", PLATFORM, "--implementation", "cp", "--python-version", PYTHON)
    wheels = ("--only-binary=:all:", "--no-deps", "--require-hashes", "--requirement", str(LOCK))
    command = (sys.executable, "-m", "pip", "install", *options, *platform, *wheels)
    subprocess.run(command, check=True)  # noqa: S603 - nothing here comes from outside


def strip(target: Path) -> None:
    """What no run-time needs. The metadata stay: entry points are looked up in them."""
    shutil.rmtree(target / "bin", ignore_errors=True)
    for folder in (target / "botocore" / "data").iterdir():
        if folder.is_dir() and folder.name not in SERVICES:
            shutil.rmtree(folder)
    for tests in [one for one in target.rglob("tests") if one.is_dir()]:
        shutil.rmtree(tests, ignore_errors=True)
    for pattern in USELESS:
        for file in target.rglob(pattern):
            file.unlink()


def pack(directory: Path, archive: Path) -> None:
    """The same content gives the same bytes, so that nothing is deployed without need."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(
        directory, quiet=1, invalidation_mode=mode, stripdir=os.fspath(directory), workers=0
    )
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(one for one in directory.rglob("*") if one.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(directory).as_posix())
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


BUILDERS = {"functions": build_functions, "code": build_code}

if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) == 2 else ""
    if wanted not in BUILDERS:
        sys.exit(f"usage: python -m adapters.outbound.aws_stack.artifacts {'|'.join(BUILDERS)}")
    BUILDERS[wanted]()
