# `make help` lists the commands. Everything runs in .venv, which has the packages of uv.lock.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
READY := .venv/.ready
GO_TOOLS := .bin/grpcurl .bin/grpcui .bin/grpc_health_probe .bin/kustomize .bin/composeconfig .bin/toxiproxy .bin/stripe-mock
NODE_MODULES := clients/typescript/node_modules/.package-lock.json
PROMTOOL := .bin/promtool
OPENAPI_PYTHON_CLIENT := .cache/openapi-python-client/.ready
GO_GENERATORS := .bin/protoc-gen-go .bin/protoc-gen-go-grpc .bin/protoc-gen-openapiv3 .bin/openapi-overlay
GENERATORS := $(GO_GENERATORS) .bin/protoc .bin/protoc-gen-grpc-java $(NODE_MODULES)

# The Java generators are programs from Maven Central; protoc 35.1 generates code for protobuf-java 4.35.1.
PROTOC := com.google.protobuf:protoc:4.35.1
PROTOC_GEN_GRPC_JAVA := io.grpc:protoc-gen-grpc-java:1.81.0
PLATFORM := $(subst Linux,linux,$(subst Darwin,osx,$(shell uname -s)))-$(subst arm64,aarch_64,$(subst aarch64,aarch_64,$(shell uname -m)))
# Contract and fault tests that all gRPC engines must pass; the run of all tests covers the default engine. The tests of
# overload and abuse are not listed here, because they start all engines themselves.
ENGINE_TESTS := $(patsubst %,tests/faults/test_%.py,database_faults fault_run restart watching) \
	$(patsubst %,tests/contract/rpcs/test_%.py,adopted_payments batch_charge charge concurrency get_payment limits list_payments refund) \
	tests/contract/rest tests/contract/security/test_authentication.py tests/contract/running/test_metrics.py tests/contract/running/test_server.py \
	$(patsubst %,tests/contract/callers/test_%.py,grpcurl grpc_tools python_client)
QUICK_TESTS := tests/unit $(patsubst %,tests/contract/rpcs/test_%.py,batch_charge charge get_payment list_payments refund)
# Coverage is measured in these tests only: the others would run slower, and cover almost nothing more.
MEASURED_TESTS := $(addprefix tests/,contract processors storage surface unit)
OTHER_TESTS := $(filter-out $(MEASURED_TESTS) tests/clients,$(patsubst %/__init__.py,%,$(wildcard tests/*/__init__.py)))
# Tests that depend on the database most: every statement of the service, the migrations from the legacy table on, calls
# that write and that read adopted rows, and the client programs for backups. CI runs them on the other databases, because
# the whole suite would take 12 minutes on each.
DATABASE_TESTS := tests/storage tests/surface/test_surface.py $(patsubst %,tests/tools/test_%.py,migrate online_copy galera tidb) $(patsubst %,tests/contract/rpcs/test_%.py,adopted_payments charge) $(patsubst %,tests/cli/test_%.py,backup_programs doctor)
# The databases of `make test-databases`, besides the installed MariaDB.
DATABASES := mysql mariadb11 galera tidb
# Tests that start a Galera cluster of their own, and break it.
CLUSTER_TESTS := tests/tools/test_galera.py $(patsubst %,tests/storage/database/test_%.py,quorum causal_reads) tests/faults/test_fault_run.py
# Parallel processes, two for each core (tests/support/parallel.py).
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist worksteal
RELEASED := proto/released.binpb
# The packages that other teams install, a folder for each language.
PACKAGES := $(addprefix dist/,go maven npm python)
SBOM ?= payments.cdx.json
DESCRIPTORS ?= payments.binpb
# Options of `uv export` that list the packages in the image, without the project's own.
IN_IMAGE := --quiet --locked --no-default-groups --no-emit-local --no-annotate --no-header

# Keeps paths out of compiled code, so that checkouts and the tests' own module caches share Go's build cache.
export GOFLAGS := $(strip $(GOFLAGS) -trimpath)

.DEFAULT_GOAL := help
.PHONY: help run smoke smoke-image test-quick test test-database test-databases test-cluster faults fuzz mutants clients dist bench bench-isolation bench-replicas profile bench-import bench-cpu bench-indexes bench-scale bench-migration check format lint hooks types generate drift surface release descriptors migrate migrate-status sample lock audit sbom clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-16s %s\n", $$1, $$2}'

# pip installs uv, because uv.lock cannot pin the program that reads it. uv installs everything else.
$(UV): tools/uv/requirements.txt
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r tools/uv/requirements.txt
	touch $(UV)

$(READY): $(UV) uv.lock pyproject.toml clients/python/pyproject.toml
	$(UV) sync --quiet --locked --python $(BIN)/python
	touch $(READY)

.bin/grpcurl: PACKAGE := github.com/fullstorydev/grpcurl/cmd/grpcurl
.bin/grpcui: PACKAGE := github.com/fullstorydev/grpcui/cmd/grpcui
.bin/grpc_health_probe: PACKAGE := github.com/grpc-ecosystem/grpc-health-probe
.bin/kustomize: PACKAGE := sigs.k8s.io/kustomize/kustomize/v5
.bin/composeconfig: PACKAGE := ./composeconfig
.bin/toxiproxy: PACKAGE := github.com/Shopify/toxiproxy/v2/cmd/server
.bin/stripe-mock: PACKAGE := github.com/stripe/stripe-mock
.bin/protoc-gen-go: PACKAGE := google.golang.org/protobuf/cmd/protoc-gen-go
.bin/protoc-gen-go-grpc: PACKAGE := google.golang.org/grpc/cmd/protoc-gen-go-grpc
.bin/protoc-gen-openapiv3: PACKAGE := github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv3
.bin/openapi-overlay: PACKAGE := ./openapioverlay
.bin/goproxy: PACKAGE := ./goproxy

$(GO_TOOLS) $(GO_GENERATORS) .bin/goproxy: $(wildcard tools/go/go.* tools/go/*/*.go)
	@command -v go > /dev/null || { echo "Go 1.26 or later is required to build $(@F)"; exit 1; }
	go build -C tools/go -o ../../$@ $(PACKAGE)

# A separate module, because actionlint and compose-go need different versions of one package.
.bin/actionlint: tools/go/actionlint/go.mod tools/go/actionlint/go.sum
	@command -v go > /dev/null || { echo "Go 1.26 or later is required to build $(@F)"; exit 1; }
	go build -C $(<D) -o ../../../$@ github.com/rhysd/actionlint/cmd/actionlint

# Generators that other teams may use for clients of the REST API. They have a module and an environment of their own,
# because they need older versions of packages that the tools and the service use. openapi-typescript is in
# clients/typescript.
.bin/oapi-codegen: tests/clients/openapi/go/go.mod tests/clients/openapi/go/go.sum
	@command -v go > /dev/null || { echo "Go 1.26 or later is required to build $(@F)"; exit 1; }
	go build -C $(<D) -o ../../../../$@ github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen

$(OPENAPI_PYTHON_CLIENT): tests/clients/openapi/python/requirements.txt $(UV)
	$(UV) venv --quiet --clear --python $(BIN)/python $(@D)
	$(UV) pip install --quiet --python $(@D)/bin/python --no-deps --require-hashes --only-binary :all: -r $<
	touch $@

# Unpacked from Debian's package, because building it takes far longer than building all the other tools.
$(PROMTOOL):
	@command -v apt-get > /dev/null || { echo "This system has no apt: put Prometheus' promtool, or a link to it, at $@"; exit 1; }
	mkdir -p .cache/prometheus $(@D)
	cd .cache/prometheus && apt-get download --quiet prometheus && dpkg --extract prometheus_*.deb .
	install .cache/prometheus/usr/bin/promtool $@
	rm -r .cache/prometheus

.bin/protoc: ARTIFACT := $(PROTOC)
.bin/protoc-gen-grpc-java: ARTIFACT := $(PROTOC_GEN_GRPC_JAVA)

.bin/protoc .bin/protoc-gen-grpc-java: Makefile
	@command -v mvn > /dev/null || { echo "Maven is required to fetch $(@F)"; exit 1; }
	mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -Dartifact=$(ARTIFACT):exe:$(PLATFORM) -DoutputDirectory=$(CURDIR)/.cache/maven -Dmdep.stripVersion=true -Dmdep.overWriteReleases=true
	install -D .cache/maven/$(@F)-$(PLATFORM).exe $@

$(NODE_MODULES): clients/typescript/package-lock.json
	@command -v npm > /dev/null || { echo "Node.js 20 or later, with npm, is required for clients/typescript"; exit 1; }
	npm ci --prefix clients/typescript --no-audit --no-fund
	touch $@

.bin/conformance-go: $(shell find clients/go -name '*.go' -o -name 'go.*' -o -name '*.json')
	@command -v go > /dev/null || { echo "Go 1.25 or later is required for clients/go"; exit 1; }
	go build -C clients/go/conformance -o ../../../$@ .

# Builds are reproducible: the same sources and tools produce the same bytes. The date is also in clients/java/pom.xml.
# Each folder is moved to dist when it is complete, because make would take the rest of a failed build for a finished one.
$(PACKAGES): export SOURCE_DATE_EPOCH := 1767225600

dist/go: .bin/goproxy $(shell find clients/go -type f)
	rm -rf $@ .cache/$@
	.bin/goproxy clients/go "$$(sed -n 's/^const Version = "\(.*\)"/\1/p' clients/go/doc.go)" .cache/$@
	mkdir -p $(@D) && mv .cache/$@ $@

# Also runs the Java client's tests. The metadata is left out because it contains the time, and only a repository that has
# several versions needs it.
dist/maven: $(shell find clients/java -path '*/target' -prune -o -type f -print)
	@command -v mvn > /dev/null || { echo "Maven and JDK 17 are required for clients/java"; exit 1; }
	rm -rf $@ .cache/$@
	mvn --quiet --batch-mode -f clients/java/pom.xml -Dmaven.install.skip -DaltDeploymentRepository=dist::file://$(CURDIR)/.cache/$@ deploy
	find .cache/$@ -name 'maven-metadata.xml*' -delete
	mkdir -p $(@D) && mv .cache/$@ $@

dist/npm: $(NODE_MODULES) $(shell find clients/typescript -name node_modules -prune -o -path '*/dist' -prune -o -path '*/build' -prune -o -type f -print)
	rm -rf $@ .cache/$@
	mkdir -p $(@D) .cache/$@
	npm pack ./clients/typescript --silent --pack-destination .cache/$@
	mv .cache/$@ $@

# uv builds the wheel from the sdist.
dist/python: $(READY) $(shell find clients/python -name __pycache__ -prune -o -type f -print)
	rm -rf $@ .cache/$@
	$(UV) build --quiet --python $(BIN)/python --no-build-isolation --no-create-gitignore --out-dir .cache/$@ clients/python
	mkdir -p $(@D) && mv .cache/$@ $@

dist/SHA256SUMS: $(PACKAGES)
	cd $(@D) && find $(^F) -type f | LC_ALL=C sort | xargs sha256sum > $(@F)

.bin/peer-go .bin/loader: $(shell find bench clients/go/v1 -name '*.go' -o -name 'go.*')
	@command -v go > /dev/null || { echo "Go 1.25 or later is required to build $(@F)"; exit 1; }
	go build -C bench -o ../.bin/peer-go ./peers/go
	go build -C bench -o ../.bin/loader ./loader

run: $(READY) ## start the service with everything it needs: database (DATABASE=mysql), migrations, sample data, gRPC and REST
	$(BIN)/python -m tools.dev.run

smoke: $(READY) ## make one charge through a running service and read the payment back (GRPC=127.0.0.1:50051 REST=http://127.0.0.1:8001)
	$(BIN)/python -m tools.dev.smoke --grpc $(or $(GRPC),127.0.0.1:50051) --rest $(or $(REST),http://127.0.0.1:8001)

smoke-image: COMPOSE := docker compose --project-name payments-smoke
smoke-image: $(READY) ## build the image, start it with docker compose, run `make smoke` against it, and remove it
	for account in ROOT_ MIGRATOR_ ""; do export MYSQL_$${account}PASSWORD=$$($(BIN)/python -c 'import secrets; print(secrets.token_hex())'); done; \
	trap '$(COMPOSE) down --volumes' EXIT; \
	$(COMPOSE) up --build --wait --wait-timeout 600 && $(MAKE) smoke || { $(COMPOSE) logs; exit 1; }

test-quick: $(READY) ## run the unit tests and the main contract tests, in under a minute
	$(PYTEST) $(QUICK_TESTS)

test: $(READY) $(GO_TOOLS) $(PROMTOOL) .bin/peer-go .bin/loader ## run all tests, on a private MariaDB (DATABASE=mysql or mariadb11, or the server at TEST_MYSQL_URL); COVERAGE=1 measures the coverage of server/
	$(PYTEST) $(MEASURED_TESTS) $(if $(COVERAGE),--cov --cov-report= --cov-fail-under=0,$(OTHER_TESTS))
	$(if $(COVERAGE),$(PYTEST) $(OTHER_TESTS))
	TEST_GRPC_ENGINE=envoy PAYMENTS_FAULT_SECONDS=45 $(PYTEST) $(ENGINE_TESTS)
	$(if $(COVERAGE),$(BIN)/coverage report)

test-database: $(READY) ## run only the tests that depend on the database (DATABASE=mysql, mariadb11, galera or tidb, or the server at TEST_MYSQL_URL)
	$(PYTEST) $(DATABASE_TESTS)

test-databases: $(READY) ## run test-database on MySQL, MariaDB 11.8, Galera and TiDB, the contract tests on TiDB, and the fault runs on Galera and TiDB, for SECONDS=120 each
	set -e; for database in $(DATABASES); do $(MAKE) test-database DATABASE=$$database; done
	DATABASE=tidb $(PYTEST) tests/contract
	set -e; for database in galera tidb; do $(MAKE) faults DATABASE=$$database; done

test-cluster: $(READY) .bin/toxiproxy ## run the tests of a Galera cluster that loses nodes, with a fault run of SECONDS=25
	DATABASE=galera PAYMENTS_FAULT_SECONDS=$(or $(SECONDS),25) $(PYTEST) $(CLUSTER_TESTS)

faults: $(READY) .bin/toxiproxy ## inject faults into the service, its database and its processor, for SECONDS=120 in each of two runs (SEED=7, ENGINE=envoy, FAULTS="deadlocks,disk full", DATABASE=galera: replicas on two nodes; or tidb)
	TEST_GRPC_ENGINE=$(or $(ENGINE),grpcio) PAYMENTS_FAULT_SECONDS=$(or $(SECONDS),120) PAYMENTS_FAULT_SEED=$(SEED) PAYMENTS_FAULTS="$(FAULTS)" $(BIN)/python -m pytest tests/faults/test_fault_run.py tests/processors/test_fault_run.py

fuzz: $(READY) ## send random input to the service, different each time, for SECONDS=600
	end=$$(( $$(date +%s) + $(or $(SECONDS),600) )); \
	while test $$(date +%s) -lt $$end; do FUZZ=1 $(BIN)/python -m pytest --quiet --exitfirst --timeout 1800 tests/fuzz || exit 1; done

mutants: $(READY) ## run mutation tests of the code that handles money, for about an hour (ONLY='server.domain.*')
	$(BIN)/python -m tools.dev.mutants $(ONLY)

clients: $(READY) $(NODE_MODULES) .bin/oapi-codegen $(OPENAPI_PYTHON_CLIENT) .bin/conformance-go dist ## build and test the clients in all four languages, and clients generated from the OpenAPI document
	gofmt -l clients/go bench tests/clients/openapi/go | (! grep .)
	go vet -C clients/go ./...
	go vet -C clients/go/conformance ./...
	go vet -C clients/go/example ./...
	go test -C clients/go ./...
	go test -C clients/go/conformance ./...
	npm --prefix clients/typescript run --silent lint
	npm --prefix clients/typescript test --silent
	$(PYTEST) tests/clients

dist: dist/SHA256SUMS ## build the clients' packages for other teams, with checksums, in dist/

bench: $(READY) .bin/peer-go .bin/loader ## compare the service with a Go peer, with a plain Python peer, with the legacy service, and with itself without some features; then run bench-import
	$(BIN)/python -m bench
	$(BIN)/python -m bench.imports

bench-isolation: $(READY) .bin/loader ## measure how much the largest requests delay other calls
	$(BIN)/python -m bench.isolation

bench-replicas: $(READY) .bin/loader ## measure one, two and four replicas on one database
	$(BIN)/python -m bench.replicas

profile: $(READY) .bin/loader ## record a flame graph of the server under load (RPC=list; default: charge), or with PARTS=1 print the share of each part
	$(BIN)/python -m bench.profile --rpc $(or $(RPC),charge) $(if $(PARTS),--parts)

bench-import: $(READY) ## compare `payments import` with the database's LOAD DATA
	$(BIN)/python -m bench.imports

bench-cpu: $(READY) .bin/peer-go .bin/loader ## measure the CPU time of the service, the database and the load generator for one call of each RPC, and that of the Go peer
	$(BIN)/python -m bench.cpu

bench-indexes: $(READY) ## measure what each index costs on every charge, and which list needs it
	$(BIN)/python -m bench.indexes

bench-scale: $(READY) ## measure lists over ten thousand, a million and ten million payments
	$(BIN)/python -m bench.scale

bench-migration: $(READY) ## measure how long writes wait while a million payments are migrated (DATABASE=mysql or mariadb11)
	$(BIN)/python -m bench.migration

check: lint types drift ## run all static checks: lint, types and drift

lint: $(READY) .bin/actionlint ## run ruff, import-linter, buf lint, buf breaking, hadolint and actionlint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf breaking proto --against $(RELEASED)
	$(BIN)/hadolint Dockerfile
	.bin/actionlint -shellcheck= -pyflakes=

hooks: $(READY) .bin/actionlint ## install the pre-commit hooks, which check each commit
	$(BIN)/pre-commit install

types: $(READY) ## run mypy --strict
	$(BIN)/mypy server tools tests bench clients/python/src clients/python/example clients/python/conformance

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: $(READY) $(GENERATORS) ## generate the code and the OpenAPI document from the protos
	$(BIN)/python -m tools.dev.generate

drift: $(READY) $(GENERATORS) ## fail if the generated files differ from what the protos generate
	$(BIN)/python -m tools.dev.generate --check

surface: $(READY) ## rewrite tests/surface/snapshot after an intended change of errors, metrics, logs, settings, commands, schema or REST
	SURFACE=write $(BIN)/python -m pytest --quiet tests/surface/test_surface.py

release: $(READY) ## record the proto as released: from then on, `make lint` fails on changes that break callers
	$(BIN)/buf build proto --exclude-source-info -o $(RELEASED)

descriptors: $(READY) ## write the contract with all its imports, for tools such as grpcurl -protoset, to DESCRIPTORS=payments.binpb
	$(BIN)/buf build proto --as-file-descriptor-set -o $(DESCRIPTORS)

migrate: $(READY) ## apply the pending migrations to the database
	$(BIN)/payments migrate

migrate-status: $(READY) ## show which migrations are applied
	$(BIN)/payments migrate status

sample: $(READY) ## add 400 sample payments
	$(BIN)/payments sample

lock: $(UV) ## upgrade the lock files to the newest allowed versions of all packages
	echo uv | $(UV) pip compile --quiet --upgrade --generate-hashes --no-header --no-annotate -o tools/uv/requirements.txt -
	echo openapi-python-client | $(UV) pip compile --quiet --upgrade --generate-hashes --no-header --no-annotate -o tests/clients/openapi/python/requirements.txt -
	$(UV) lock --quiet --upgrade

audit: $(READY) ## look up all locked packages in an online database of known vulnerabilities
	$(BIN)/python -m tools.dev.audit

sbom: $(READY) ## write a CycloneDX list of the packages in the image to SBOM=payments.cdx.json
	set -o pipefail; $(UV) export $(IN_IMAGE) | $(BIN)/cyclonedx-py requirements - --pyproject pyproject.toml --output-reproducible --output-file $(SBOM)

clean: ## remove the virtual environment, the built tools and the private databases
	if test -x $(BIN)/python; then for folder in $(wildcard .data/devdb*); do $(BIN)/python -m tools.dev.devdb stop --folder $$folder; done; fi
	rm -rf .venv .bin .cache .data dist clients/typescript/{node_modules,dist,build} clients/java/{client,testing,conformance,example}/target
