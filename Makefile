# up      run the whole platform on this machine, until Ctrl-C
# test    the tests that need no minutes and no browser
# check   ruff, mypy --strict, import rules, unused dependencies, released events
# bench   measure latency and throughput on the embedded engines
# docs    write the generated documents anew
# lock    pin and hash the dependencies anew (needs uv)
# package what would be deployed to AWS, in .serverless/ (STAGE=dev; needs npm)
# deploy  deploy it, functions and all (STAGE=dev; needs npm and AWS credentials)
# deploy-local  the same on the embedded AWS, until Ctrl-C (needs npm)
# clean   remove everything that was installed or generated, and the local data

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
# The first Python from 3.11 on; make PYTHON=… picks another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo "$$python"; break; }; done)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# A checkout is installed by what the lock holds, so nothing is fetched without a hash.
INSTALL_HOMECAST := $(INSTALL) --no-deps --no-build-isolation --editable .
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header pyproject.toml --extra embedded
# What only processes and the command line need. The versions are those of the other locks.
NOT_IN_FUNCTIONS := argon2-cffi argon2-cffi-bindings av cbor2 certifi click fastapi-swagger h11 httpcore httpx \
	jinja2 lxml markdown-it-py markupsafe mdurl pyasn1 pyasn1-modules pygments pyopenssl pyotp \
	pyyaml rich segno shellingham typer uvicorn uvloop webauthn websockets zxcvbn
LOCK_FUNCTIONS := uv pip compile --python-platform aarch64-manylinux2014 --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header pyproject.toml \
	--constraint requirements/run.txt $(NOT_IN_FUNCTIONS:%=--no-emit-package %)
STAGE ?= dev
OSLS := node_modules/.bin/osls
ARTIFACTS := $(BIN)/python -m adapters.outbound.aws_stack.artifacts

.PHONY: up test check bench docs lock package deploy deploy-local clean

up: $(VENV)/run.stamp
	@exec $(BIN)/homecast up $(ARGS)

test: $(VENV)/dev.stamp
	$(BIN)/pytest -q -m "not slow and not browser" $(ARGS)

check: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python -m adapters.inbound.cli.contracts

bench: $(VENV)/dev.stamp
	$(BIN)/python -m tests.bench $(ARGS)

docs: $(VENV)/dev.stamp
	$(BIN)/python -m adapters.inbound.cli.docs

lock:
	$(LOCK) --output-file requirements/run.txt
	$(LOCK) --extra dev --output-file requirements/dev.txt
	$(LOCK_FUNCTIONS) --output-file requirements/lambda.txt

package: $(VENV)/run.stamp node_modules/.package-lock.json
	$(ARTIFACTS) functions
	$(OSLS) package --stage $(STAGE) $(ARGS)

deploy: $(VENV)/run.stamp node_modules/.package-lock.json
	$(ARTIFACTS) functions
	$(OSLS) deploy --stage $(STAGE) $(ARGS)

deploy-local: $(VENV)/run.stamp node_modules/.package-lock.json
	@exec $(BIN)/homecast deploy-local $(ARGS)

clean:
	rm -rf $(VENV) .homecast .serverless build node_modules dist .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(VENV)/made.stamp:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: requirements/run.txt pyproject.toml $(VENV)/made.stamp
	@echo "Installing what the platform needs (a minute or two, once) …"
	$(INSTALL) --require-hashes --requirement requirements/run.txt
	$(INSTALL_HOMECAST)
	@touch $@

# The development set holds the running one, so both are done.
$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml $(VENV)/made.stamp
	@echo "Installing what the tests need …"
	$(INSTALL) --require-hashes --requirement requirements/dev.txt
	$(INSTALL_HOMECAST)
	@touch $@ $(VENV)/run.stamp
