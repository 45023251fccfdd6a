# `make help` lists what there is. Everything runs in .venv, made from the pinned lock files in requirements/.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
GO_TOOLS := .bin/grpcurl .bin/kustomize .bin/composeconfig

.DEFAULT_GOAL := help
.PHONY: help run test bench bench-import bench-scale bench-migration check format lint types generate drift migrate migrate-status sample lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-16s %s\n", $$1, $$2}'

$(READY): requirements/dev.txt pyproject.toml clients/python/pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e clients/python -e .
	touch $(READY)

.bin/grpcurl: PACKAGE := github.com/fullstorydev/grpcurl/cmd/grpcurl
.bin/kustomize: PACKAGE := sigs.k8s.io/kustomize/kustomize/v5
.bin/composeconfig: PACKAGE := ./composeconfig

$(GO_TOOLS): $(wildcard tools/go/go.* tools/go/*/*.go)
	@command -v go > /dev/null || { echo "Go 1.24 or later is needed to build $(@F), which the tests use"; exit 1; }
	go build -C tools/go -o ../../$@ $(PACKAGE)

run: $(READY) ## bring the service up from nothing: database, migrations, sample data, gRPC and REST
	$(BIN)/python -m tools.run

test: $(READY) $(GO_TOOLS) ## pass the tests from nothing, on a private MariaDB (or the server of TEST_MYSQL_URL)
	$(BIN)/python -m pytest

bench: $(READY) ## measure the service beside the one that it replaces
	$(BIN)/python -m bench.rest
	$(BIN)/python -m bench.imports

bench-import: $(READY) ## measure payments import beside the database's LOAD DATA
	$(BIN)/python -m bench.imports

bench-scale: $(READY) ## measure lists of ten thousand, a million and ten million payments
	$(BIN)/python -m bench.scale

bench-migration: $(READY) ## measure how long writes wait while a million payments are migrated
	$(BIN)/python -m bench.migration

check: lint types drift ## everything that is checked without running the service

lint: $(READY) ## ruff, import-linter, buf lint, hadolint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python -m tools.generate --check
	$(BIN)/buf lint
	$(BIN)/hadolint Dockerfile

types: $(READY) ## mypy --strict
	$(BIN)/mypy server tools tests bench clients/python/src

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: $(READY) ## generate the code that comes from the protos
	$(BIN)/python -m tools.generate

drift: $(READY) ## fail when the generated code is not what the protos give
	$(BIN)/python -m tools.generate --check

migrate: $(READY) ## bring the database's tables up to date
	$(BIN)/payments migrate

migrate-status: $(READY) ## show which migrations are applied
	$(BIN)/payments migrate status

sample: $(READY) ## add 400 sample payments
	$(BIN)/payments sample

lock: $(READY) ## pin the newest allowed versions of all packages
	$(BIN)/uv pip compile pyproject.toml --group dev --generate-hashes --no-emit-package payments-client --python-version 3.11 --no-header --no-annotate --upgrade --quiet -o requirements/dev.txt
	$(BIN)/uv pip compile --group build -c requirements/dev.txt --generate-hashes --python-version 3.11 --no-header --no-annotate --quiet -o requirements/build.txt
	$(BIN)/uv pip compile pyproject.toml -c requirements/dev.txt --generate-hashes --no-emit-package payments-client --python-version 3.11 --no-header --no-annotate --quiet -o requirements/server.txt

clean: ## remove the environment, the built tools and the private database
	if test -x $(BIN)/python; then $(BIN)/python -m tools.devdb stop; fi
	rm -rf .venv .bin .cache .data
