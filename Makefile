CARGO ?= cargo

.DEFAULT_GOAL := help

help: ## shows this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

test: ## installs what is missing and runs all tests
	@integration-tests/scripts/install.sh build mariadb postgres tools
	$(CARGO) build -p tidegate
	$(CARGO) test --workspace --no-fail-fast

build: ## builds the release binary, target/release/tidegate
	@integration-tests/scripts/install.sh build
	$(CARGO) build --release -p tidegate

lint: ## checks format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

.PHONY: help test build lint
