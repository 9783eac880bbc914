# Everything a developer does. `make help` lists it.
SHELL := /bin/bash
ARGS  ?=
GO    ?= go
BIN   := bin/sluice

.PHONY: help build functions app synth deploy run test e2e prove lint bench deps

help: ## list the targets
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

build: ## build bin/sluice
	$(GO) build -trimpath -ldflags "-s -w" -o $(BIN) ./cmd/sluice

# What Lambda runs: static, without debugging symbols or anything of the machine
# that built it, so that it is the same bytes wherever it is built.
ARCHS  ?= arm64 amd64
LAMBDA := -buildvcs=false -tags lambda.norpc -trimpath -ldflags "-s -w"

functions: ## build the functions into build/ARCH/FUNCTION/bootstrap (ARCHS=arm64 for one kind of processor)
	@for arch in $(ARCHS); do for main in functions/*/main.go; do \
		f=$$(basename $$(dirname $$main)); \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build $(LAMBDA) -o build/$$arch/$$f/bootstrap ./functions/$$f || exit 1; \
	done; done

CDK := tools/node_modules/.bin/cdk

app: functions # what cdk.json names: write the templates; the cdk command says where to
	@$(GO) run ./infra/app

synth: tools/node_modules/.made ## write the templates into cdk.out (ARGS="-c sluice:account=111122223333 -c sluice:region=eu-west-1" without credentials)
	@$(CDK) synth --quiet $(ARGS)

deploy: tools/node_modules/.made ## deploy into the account of your credentials (ARGS="-c sluice:alerts=you@example.com")
	@$(CDK) deploy --all $(ARGS)

run: build ## run the demo pipeline on this machine (ARGS=--approve goes through to the end)
	@./$(BIN) demo $(ARGS) || test $$? -eq 3 # 3: it waits for an approval, as it should

test: deps build ## run all tests
	SLUICE_NEED_MOTO=1 SLUICE_ASL_VALIDATOR=$(CURDIR)/tools/node_modules $(GO) test -timeout 14m ./...

e2e: deps build functions ## deploy into a stand-in for AWS on this machine and play the scenarios there
	SLUICE_NEED_MOTO=1 $(GO) test -timeout 14m ./internal/e2e/...

# The long forms of proofs: see docs/proof.md, which has the bars. A bar that
# printed no line has failed. build/prove.log has the traces.
BARS := B1 B2 B3 B4 B5 B6 B6-siblings B7 B8 B9 B9-bites B11 B12 B13 B14 B15 differential differential-bites
PROOFS := ./internal/sqlite ./internal/stage/prooftest ./internal/store/storetest ./internal/store/dynamo ./internal/e2e/orders ./internal/e2e/races \
	./internal/e2e/simulation ./internal/e2e/differential ./internal/e2e/crash

prove: deps ## prove the order of executions, the stores and the crashes at length: one line a bar (about 40 minutes on 2 cores)
	@mkdir -p build; set -o pipefail; SLUICE_PROVE=1 SLUICE_NEED_MOTO=1 $(GO) test -count=1 -p 2 -timeout 60m -v $(PROOFS) \
		2>&1 | tee build/prove.log | grep --line-buffered '^BAR' || { tail -n 100 build/prove.log; exit 1; }
	@for bar in $(BARS); do grep -q "^BAR $$bar[ -]" build/prove.log || { echo "no line of $$bar: it has failed"; exit 1; }; done

lint: ## gofmt, vet, staticcheck, module hygiene
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	$(GO) mod verify

bench: build functions ## what is promised about speed against the limits of this machine, as tables
	CGO_ENABLED=0 $(GO) build $(LAMBDA) -o build/hello/bootstrap ./internal/e2e/testdata/hello
	$(GO) test -run '^$$' -bench '^Benchmark(Bars|Functions)$$' -benchtime 1x -timeout 10m ./internal/e2e

deps: tools/node_modules/.made ## what the tests use beside Go: git, the AWS CLI, an ASL validator, the CDK, moto, cfn-lint, Chromium
	@command -v git >/dev/null && command -v aws >/dev/null || { apt-get update -qq && apt-get install -y -qq git awscli; }
	@command -v pip3 >/dev/null || { apt-get update -qq && apt-get install -y -qq python3-pip; }
	@python3 -c "import flask; from importlib.metadata import version; assert version('moto') == '$(MOTO)'" 2>/dev/null || $(PIP) 'moto[server]==$(MOTO)'
	@command -v cfn-lint >/dev/null || $(PIP) cfn-lint==1.51.0
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium; }

MOTO := 5.2.1
PIP  := PIP_BREAK_SYSTEM_PACKAGES=1 pip3 install --quiet --disable-pip-version-check

tools/node_modules/.made: tools/package.json tools/package-lock.json
	@command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq nodejs npm; }
	npm ci --prefix tools --no-audit --no-fund --silent
	@touch $@
