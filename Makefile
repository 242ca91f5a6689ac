# Strict: every recipe is one bash that stops at the first failure, a target
# that failed half-way is not left behind, and nothing is built by a rule that
# is not written here.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules --no-builtin-variables --no-print-directory
.DEFAULT_GOAL := help

# What `make run` starts, and what `make bench` measures.
RUN ?= bin/meterd --dev --demo --http-listen 127.0.0.1:7401
BENCH ?= bin/meterbench --callers 1,64,256,1024 --duration 10s
BENCH_MANY ?= bin/meterbench --callers 256 --organizations 1,1000 --seats 1000 --duration 10s
# What `make test` hands to go test besides -race. The tests speak with a real
# PostgreSQL and build real binaries, so no verdict is taken from the cache.
TEST_FLAGS ?= -count=1 -timeout 10m
# How long each target is fuzzed. A minute each: make fuzz FUZZ_TIME=1m.
FUZZ_TIME ?= 5s
# How long `make soak` lasts, and the seed that `make faults` starts from; 0: another one each time.
MINUTES ?= 60
FAULTS_SEED ?= 0
# The revision the contract must stay compatible with; empty: the branch main.
AGAINST ?=

##@ Use it

.PHONY: run
run: build bin/grpcurl ## Start the demonstration: a server with a firm, three seats and a pool
	exec $(RUN)

.PHONY: build
build: ## Build meterd, meterctl and meterbench into bin/
	go build -trimpath -o bin/ ./cmd/...

.PHONY: bench
bench: build ## Measure turns a second, beside the ceilings of the same run (5 minutes)
	$(BENCH)
	$(BENCH_MANY)

##@ Check it

.PHONY: test
test: gcc postgres chromium check-generated lint vulnerabilities tidy ## Everything that must be green: the checks below, then every test under -race
	go test -race $(TEST_FLAGS) $$(go list ./... | grep -v '/internal/faults$$')
	@# Alone: beside other tests many calls run into their deadlines, and a history of much that is unknown is hard to decide.
	go test -race $(TEST_FLAGS) ./internal/faults
	$(MAKE) fuzz

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZ_TIME each, four at a time
	tools/fuzz $(FUZZ_TIME)

.PHONY: faults
faults: gcc postgres ## Faults of every kind under load, each history checked (under 4 minutes; FAULTS_SEED=n starts from a seed)
	go test -count=1 -timeout 10m -v ./internal/faults -args -faults.for=3m -faults.seed=$(FAULTS_SEED)

.PHONY: mutants
mutants: gcc postgres ## Plant each known bug in meterd, and see that the checks of the faults find it (25 minutes)
	go test -count=1 -timeout 2h -v -run TestMutants ./internal/faults -args -mutants

.PHONY: soak
soak: gcc postgres ## Faults as in make faults, for MINUTES, with a new seed for each round
	go test -count=1 -timeout 0 -run TestFaults -v ./internal/faults -args -faults.for=$(MINUTES)m

.PHONY: lint
lint: lint-proto breaking lint-go ## Lint the contract and the code, and hold the contract to main

.PHONY: lint-proto
lint-proto: bin/buf ## buf lint and buf format: STANDARD and COMMENTS, nothing ignored
	bin/buf lint
	bin/buf format --diff --exit-code proto

.PHONY: breaking
breaking: bin/buf ## buf breaking against main (AGAINST=revision for another)
	tools/breaking $(AGAINST)

.PHONY: lint-go
lint-go: bin/golangci-lint ## golangci-lint; .golangci.yml explains every exception
	bin/golangci-lint run

.PHONY: tidy
tidy: ## The rules of the house: imports, sizes, comments, in a second
	go test -count=1 ./internal/tidy

.PHONY: vulnerabilities
vulnerabilities: bin/govulncheck ## Known vulnerabilities in what the programs call, where the list of them can be reached
	@tools/vulnerabilities

.PHONY: check-generated
check-generated: bin/buf bin/protoc-gen-connect-openapi ## gen/ and the OpenAPI document are what `make generate` makes
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	bin/buf generate --output "$$fresh"; \
	bin/buf generate --template buf.gen.openapi.yaml --output "$$fresh"; \
	diff -r gen "$$fresh/gen" && diff internal/openapi/openapi.yaml "$$fresh/internal/openapi/openapi.yaml" || \
		{ echo 'what is generated is not what the contract says: run make generate' >&2; exit 1; }

##@ Change it

.PHONY: generate
generate: bin/buf bin/protoc-gen-connect-openapi ## Write gen/ and the OpenAPI document anew from proto/
	bin/buf generate
	bin/buf generate --template buf.gen.openapi.yaml

.PHONY: format
format: bin/buf bin/golangci-lint ## Format the contract and the code
	bin/buf format -w proto
	bin/golangci-lint fmt

.PHONY: clean
clean: ## Remove what was built, and nothing else
	rm -rf bin

.PHONY: help
help: ## Say what there is to make
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# What the tests need of the machine; see tools/prerequisites.

.PHONY: gcc
gcc:
	@tools/prerequisites gcc

.PHONY: postgres
postgres:
	@tools/prerequisites postgresql

.PHONY: chromium
chromium:
	@tools/prerequisites chromium

# The pinned tools, each with a go.mod of its own so that none of their
# dependencies reaches the service. The first build of each takes minutes.

bin/buf: tools/buf/go.mod tools/buf/go.sum
bin/golangci-lint: tools/golangci-lint/go.mod tools/golangci-lint/go.sum
bin/grpcurl: tools/grpcurl/go.mod tools/grpcurl/go.sum
bin/govulncheck: tools/govulncheck/go.mod tools/govulncheck/go.sum
bin/protoc-gen-connect-openapi: tools/protoc-gen-connect-openapi/go.mod tools/protoc-gen-connect-openapi/go.sum
bin/buf bin/golangci-lint bin/grpcurl bin/govulncheck bin/protoc-gen-connect-openapi:
	@echo 'Building $(@F), once; go.mod in tools/$(@F) pins its version'
	go build -C tools/$(@F) -o $(CURDIR)/bin/ tool
	@touch $@
