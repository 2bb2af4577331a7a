# MetaLens task file. `make` lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TOOLS        := $(CURDIR)/.tools
GOLANGCI_VER := v2.15.0
GOFUMPT_VER  := v0.12.0
TEMPL_VER    := v0.3.977
VERSION      ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS      := -s -w -X github.com/metalens/metalens/internal/app.Version=$(VERSION)
TEST_FLAGS   ?= $(shell scripts/race-flag)
GO_FILES     := $(shell git ls-files '*.go' ':!*_templ.go' 2>/dev/null)

.PHONY: help demo build assets generate verify test test-fast lint bench accuracy eval oracle fuzz security screenshots tools clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## build, start a sample company, scan it and open MetaLens on it
	./bin/metalens demo

build: assets ## build bin/metalens with its web assets
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/metalens ./cmd/metalens

assets: web/node_modules/.package-lock.json ## bundle styles, scripts and fonts into the binary's folder
	cd web && npm run --silent build

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --no-audit --no-fund

generate: assets ## regenerate pages, check lists, check docs, assets
	go run github.com/a-h/templ/cmd/templ@$(TEMPL_VER) generate -path internal/web
	go generate ./...

verify: generate ## fail when generated files in the tree are not current
	@git diff --exit-code --stat -- . || { echo 'generated files differ: run `make generate` and commit the result' >&2; exit 1; }
	@test -z "$$(git ls-files --others --exclude-standard)" || { git ls-files --others --exclude-standard; echo 'generated files are not committed' >&2; exit 1; }

RACED_APP = ^Test(Serve|Chat|Agents|Demo|Switching|Scan|Verify|Keys|Part|Share|Doctor|Mail|Installation)

test: build ## run every test (needs Go and Node; uses PostgreSQL and Chromium where it finds or can install them)
	scripts/provision
	go vet ./...
	go test $(TEST_FLAGS) -timeout 30m $$(go list ./... | grep -v -e /browsertest -e /internal/agent$$ -e /internal/app$$)
	go test $(TEST_FLAGS) -timeout 30m -run '$(RACED_APP)' ./internal/app # what runs beside something else; all of it is too slow under the race detector
	go test -timeout 30m ./internal/web/browsertest/... ./internal/agent ./internal/app

test-fast: ## run the tests that need no browser, no PostgreSQL and no assets build
	METALENS_SKIP_BROWSER=1 METALENS_SKIP_POSTGRES=1 go test ./...

lint: tools ## run the linters
	@out=$$($(TOOLS)/gofumpt -l $(GO_FILES)); test -z "$$out" || { echo "not formatted (gofumpt):"; echo "$$out"; exit 1; }
	$(TOOLS)/golangci-lint run ./...

tools: $(TOOLS)/golangci-lint-$(GOLANGCI_VER) $(TOOLS)/gofumpt-$(GOFUMPT_VER) ## install the pinned linters into .tools

$(TOOLS)/golangci-lint-$(GOLANGCI_VER):
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VER)
	touch $@

$(TOOLS)/gofumpt-$(GOFUMPT_VER):
	GOBIN=$(TOOLS) go install mvdan.cc/gofumpt@$(GOFUMPT_VER)
	touch $@

bench: ## measure scans, store growth and analysis on generated instances (minutes; figures go to docs/benchmarks.md by hand)
	METALENS_BENCH=1 GOMEMLIMIT=200MiB go test -count=1 -run '^(TestBench|TestScale|TestNearRecall)' -v -timeout 60m ./internal/scanservice/... ./internal/store/... ./internal/analysis/... ./internal/similar/... ./internal/lineage/... ./internal/lineageview/...
	METALENS_BENCH=1 go test -count=1 -run '^TestBench' -v -timeout 60m ./internal/app/...

accuracy: ## run the SQL engine over the lineage suites (METALENS_CORPUS), failures to bin/accuracy-failures.txt
	METALENS_ACCURACY=$(CURDIR)/bin/accuracy-failures.txt go test -count=1 -run 'TestAccuracy|TestMaskOnCorpus|TestMaskHostileSQL' -v -timeout 30m ./internal/sqlsuite/ ./internal/mask/

eval: ## replay the assistant's evaluation and write docs/evaluation.md; METALENS_EVAL_LIVE asks a real model instead (docs/evaluation.md)
	METALENS_EVAL_OUT=$(if $(METALENS_EVAL_LIVE),,$(CURDIR)/docs/evaluation.md) go test -count=1 -run TestEvaluation -v ./internal/agent/

oracle: ## compare the SQL parser with grammars of single dialects (a module of its own), failures to bin/oracle-failures.txt
	cd test/oracle && METALENS_ORACLE_FAILURES=$(CURDIR)/bin/oracle-failures.txt go test -count=1 -v ./...

fuzz: ## fuzz every decoder, or those that FUZZ names, for FUZZTIME each (default 30s)
	scripts/fuzz $(or $(FUZZTIME),30s) $(FUZZ)

security: tools ## look for weaknesses: gosec over the code, govulncheck over the dependencies
	scripts/security

screenshots: build ## drive a browser through the sample company and write docs/screenshots
	METALENS_SCREENSHOTS=$(CURDIR)/docs/screenshots go test -count=1 -run TestFirstRunComposed ./internal/web/browsertest/...

clean: ## remove build results and tools
	rm -rf bin .tools web/node_modules
