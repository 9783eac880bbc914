# Everything a developer does. `make help` lists it.
SHELL := /bin/bash
ARGS  ?=
GO    ?= go
BIN   := bin/sluice

.PHONY: help build run test lint bench deps

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

build: ## build bin/sluice
	$(GO) build -trimpath -ldflags "-s -w" -o $(BIN) ./cmd/sluice

run: build ## run the demo pipeline on this machine (ARGS=--approve goes through to the end)
	@./$(BIN) demo $(ARGS) || test $$? -eq 3 # 3: it waits for an approval, as it should

test: deps build ## run all tests
	SLUICE_ASL_VALIDATOR=$(CURDIR)/tools/node_modules $(GO) test -timeout 14m ./...

lint: ## gofmt, vet, staticcheck, module hygiene
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	$(GO) mod verify

bench: build ## what is promised about speed against the limits of this machine, as one table
	$(GO) test -run '^$$' -bench '^BenchmarkBars$$' -benchtime 1x -timeout 10m ./internal/e2e

deps: tools/node_modules/.made ## what the tests use beside Go: git, the AWS CLI, an ASL validator
	@command -v git >/dev/null && command -v aws >/dev/null || { apt-get update -qq && apt-get install -y -qq git awscli; }

tools/node_modules/.made: tools/package.json tools/package-lock.json
	@command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq nodejs npm; }
	npm ci --prefix tools --no-audit --no-fund --silent
	@touch $@
