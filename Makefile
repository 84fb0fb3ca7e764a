CARGO ?= cargo

.DEFAULT_GOAL := help

help: ## shows this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: ## installs what is missing and shows rows flowing from MariaDB to PostgreSQL; KAFKA=1: through a broker
	@integration-tests/scripts/install.sh build mariadb postgres $(if $(KAFKA),kafka)
	@$(CARGO) build --release -p tidegate -p tidegate-integration-tests --bins
	@target/release/demo target/release/tidegate examples/shop $(if $(KAFKA),kafka)

test: ## installs what is missing and runs all tests
	@integration-tests/scripts/install.sh all
	$(CARGO) build -p tidegate
	$(CARGO) test --workspace --no-fail-fast

build: ## builds the release binary, target/release/tidegate
	@integration-tests/scripts/install.sh build
	$(CARGO) build --release -p tidegate

lint: ## checks format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

.PHONY: help demo test build lint
