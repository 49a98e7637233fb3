# Everything that people and CI run. `make` alone lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Node 24 itself comes from there.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
export npm_config_loglevel := error

# So that a hanging test is a red run and not an endless one.
TEST_SECONDS := 800

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup modules
setup: ## Install what is missing: Debian packages, node modules
	@infra/setup.sh

modules:
	@infra/setup.sh modules

.PHONY: demo demo-article guide test bench
demo: setup ## Three hosts in namespaces, a guest on each, every step shown and verified
	@node test/demo/demo.ts

demo-article: setup ## A provider network, a self-service network and a router between them, every command of every step shown
	@node test/demo/article-main.ts

guide: setup ## Follow a page of docs/guides, to see whether it is right: make guide G=first-overlay
	@node test/guides/main.ts $(G)

test: setup ## Run all tests; the last line says how many passed and failed
	@timeout --foreground --signal=INT --kill-after=20 $(TEST_SECONDS) vitest run

bench: setup ## Measure convergence, bulk and resync: make bench DRIVER=ovs HOSTS=20 PORTS=1000
	@node test/bench/bench.ts $(if $(DRIVER),--driver $(DRIVER)) $(if $(HOSTS),--hosts $(HOSTS)) $(if $(PORTS),--ports $(PORTS)) $(if $(PORT_SECURITY),--port-security)

.PHONY: check fmt lint arch types gen-fresh proto dead docs lock
check: fmt lint arch types gen-fresh proto dead docs lock ## All of the checks that follow

fmt: modules ## Formatting (fmt-fix mends it)
	@prettier --check --log-level warn .
	@buf format proto --diff --exit-code

lint: modules ## Typed lint
	@eslint --max-warnings 0 .

arch: modules ## Who may import whom (.dependency-cruiser.cjs)
	@node infra/check-architecture.ts

types: modules ## Types
	@tsc --noEmit

gen-fresh: modules ## Whether proto/gen is what the protos say (gen mends it)
	@infra/proto.sh fresh

proto: modules ## Lint of the protos, and breaking changes since an earlier commit
	@buf lint proto
	@infra/proto.sh breaking

dead: modules ## Files, exports and dependencies that nothing uses
	@knip --no-config-hints --no-progress

docs: modules ## Links, paths, targets and figures that the documents name
	@node infra/check-docs.ts
	@node infra/check-figures.ts

lock: ## Whether a fresh clone can install what package.json asks for
	@npm ci --dry-run --ignore-scripts >/dev/null

.PHONY: fmt-fix gen clean
fmt-fix: modules ## Format everything
	@prettier --write --log-level warn .
	@buf format proto --write

gen: modules ## Generate proto/gen from the protos
	@infra/proto.sh generate

clean: ## Remove node modules and what tools leave behind
	@rm -rf node_modules coverage
