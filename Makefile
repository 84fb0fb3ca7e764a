CARGO ?= cargo

INSTALL = integration-tests/scripts/install.sh
# With a test chosen, cargo takes the features that all tests need, for the programs as well: nothing is compiled twice.
BUILD_RUNNER = $(CARGO) build --quiet --workspace --bins --test harness
RUN_TESTS = CARGO="$(CARGO)" $(or $(CARGO_TARGET_DIR),target)/debug/run_tests
# Recordings of the original, and nothing but the databases to compare with them.
RECORDED = debezium_fidelity::mariadb_as_recorded debezium_fidelity::mysql_as_recorded rest_recorded jdbc_sink_jvm::as_recorded

.DEFAULT_GOAL := help

help: ## shows this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: ## installs what is missing and shows rows flowing from MariaDB to PostgreSQL; KAFKA=1: through a broker
	@$(INSTALL) build mariadb postgres $(if $(KAFKA),kafka)
	@$(CARGO) build --profile demo -p tidegate -p tidegate-integration-tests --bin tidegate --bin demo
	@target/demo/demo target/demo/tidegate examples/shop $(if $(KAFKA),kafka)

check: lint ## format, lints, unit tests, recordings and the sink: what to run before every commit, two minutes
	@$(INSTALL) build mariadb postgres pgbouncer mysql
	@$(BUILD_RUNNER)
	@$(RUN_TESTS) $(RECORDED) jdbc_sink units

test: ## installs what is missing and runs all tests; TESTS=jdbc_sink those of one binary, FILTER=a_check those of that name
	@$(INSTALL) all
	@$(BUILD_RUNNER)
	@$(RUN_TESTS) $(TESTS) $(if $(FILTER),--filter '$(FILTER)')

test-fresh: ## the recordings again with an empty cache, as on a new machine
	@cache=$$(mktemp -d) && trap 'rm -rf "$$cache"' EXIT && export TIDEGATE_TEST_CACHE=$$cache && \
	$(INSTALL) build mariadb postgres mysql && $(BUILD_RUNNER) && $(RUN_TESTS) $(RECORDED)

bench: ## measures speed and memory; JVM=1 the original too, ROWS=n, ONLY=snapshot,catchup,sink,latency,start, LOG=embedded, OUTPUT=json
	@$(INSTALL) build mariadb postgres $(if $(JVM),jvm-connect,$(if $(filter embedded,$(LOG)),,kafka)) >&2
	@$(CARGO) build --release -p tidegate -p tidegate-integration-tests --bins
	@target/release/bench $(if $(JVM),--jvm) $(if $(ROWS),--rows $(ROWS)) $(if $(ONLY),--only $(ONLY)) $(if $(LOG),--log $(LOG)) $(if $(OUTPUT),--output $(OUTPUT))

build: ## builds the release binary, target/release/tidegate
	@$(INSTALL) build
	$(CARGO) build --release -p tidegate

lint: ## checks format, lints, unused dependencies, licences and where dependencies come from
	@$(INSTALL) build lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --workspace --all-targets -- -D warnings
	$(CARGO) machete
	$(CARGO) deny check bans licenses sources

.PHONY: help demo check test test-fresh bench build lint
