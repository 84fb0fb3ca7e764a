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

bench: ## measures speed and memory; JVM=1 the original too, ROWS=n, ONLY=snapshot,catchup,sink,latency,start, LOG=embedded, OUTPUT=json
	@integration-tests/scripts/install.sh build mariadb postgres $(if $(JVM),jvm-connect,$(if $(filter embedded,$(LOG)),,kafka)) >&2
	@$(CARGO) build --release -p tidegate -p tidegate-integration-tests --bins
	@target/release/bench $(if $(JVM),--jvm) $(if $(ROWS),--rows $(ROWS)) $(if $(ONLY),--only $(ONLY)) $(if $(LOG),--log $(LOG)) $(if $(OUTPUT),--output $(OUTPUT))

build: ## builds the release binary, target/release/tidegate
	@integration-tests/scripts/install.sh build
	$(CARGO) build --release -p tidegate

lint: ## checks format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

.PHONY: help demo test bench build lint
