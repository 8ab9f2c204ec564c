# `make test` sets itself up and checks everything; the other targets are its single steps.
#
# OUTFLOW_TEST_CACHE  where tools and generated data are kept (default: target/test-cache)
# CARGO_TARGET_DIR    respected as by cargo

SHELL := /bin/bash
export OUTFLOW_TEST_CACHE ?= $(CURDIR)/target/test-cache
export CARGO_TERM_COLOR ?= never
export CARGO_TERM_PROGRESS_WHEN ?= never

STEP   := tests/setup/step
# What the single steps need first; `test` has done it by then.
SETUP  ?= setup
PYTHON := $(OUTFLOW_TEST_CACHE)/tools/bin/python

.PHONY: test setup fmt files codes deny lint-docker clippy unit sdk kill daemon http pages deploy real advisories bench clean-cache

# Cheap steps first: what is wrong shows early. One after the other, also under `make -j`; only the set-up, which mostly
# waits for downloads, goes on beside those that need nothing of it.
STEPS := codes deny lint-docker unit sdk kill daemon http pages deploy real
test:
	@started=$$(date +%s); \
	step() { $(MAKE) --no-print-directory SETUP= "$$1" || exit 1; }; \
	$(MAKE) --no-print-directory setup & setup=$$!; \
	trap 'kill "$$setup" 2>/dev/null' EXIT; \
	step fmt; step files; \
	kill -0 "$$setup" 2>/dev/null || wait "$$setup" || exit 1; \
	step clippy; \
	wait "$$setup" || exit 1; \
	for step in $(STEPS); do step "$$step"; done; \
	printf 'all steps passed in %d s\n' $$(($$(date +%s) - started))

setup:
	@$(STEP) setup tests/setup/environment

fmt:
	@$(STEP) fmt cargo fmt --all --check -- --color never

files:
	@OUTFLOW_STEP_SHOW='^warning' $(STEP) files tests/setup/file-lengths

# Every code that the program says is listed with what it means.
codes: $(SETUP)
	@OUTFLOW_STEP_SHOW='^error' $(STEP) codes $(PYTHON) tests/codes/check.py

# Bans, licences and sources need no network; `advisories` does.
deny: $(SETUP)
	@$(STEP) deny bash -c '"$$(tests/setup/environment cargo-deny)" deny --locked check bans licenses sources'

advisories: $(SETUP)
	@$(STEP) advisories bash -c '"$$(tests/setup/environment cargo-deny)" deny --locked check advisories'

lint-docker: $(SETUP)
	@OUTFLOW_STEP_SHOW='^skipped' $(STEP) lint-docker tests/setup/lint-docker

clippy:
	@$(STEP) clippy cargo clippy --workspace --all-targets --locked -- -D warnings

# The summaries of the suites that ran a test are shown, and what this machine cannot show.
unit:
	@OUTFLOW_STEP_SHOW='^test result: .* [1-9][0-9]* passed|^skipped: ' \
	$(STEP) unit cargo test --workspace --locked --no-fail-fast

# The vendors' own SDKs against the twins. Built as for `unit`, so that nothing is built twice.
sdk: $(SETUP)
	@$(STEP) sdk bash -c 'cargo build --quiet --workspace --all-targets --locked && \
	    examples=$${CARGO_TARGET_DIR:-target}/debug/examples && \
	    OUTFLOW_TWIN_BIN=$$examples/hubspot OUTFLOW_MAILCHIMP_TWIN_BIN=$$examples/mailchimp \
	    OUTFLOW_MARKETING_CLOUD_TWIN_BIN=$$examples/marketing_cloud tests/sdk/run'

# kill -9 at random moments, and a sync of TPC-DS checked value by value; both have larger scales.
kill: $(SETUP)
	@OUTFLOW_STEP_SHOW='^result' $(STEP) kill $(PYTHON) tests/bench/kill.py --kills 5 --rows 5000

# SIGTERM and kill -9 on a daemon under load, and its API against its own description.
daemon: $(SETUP)
	@OUTFLOW_STEP_SHOW='^result' $(STEP) daemon $(PYTHON) tests/bench/daemon.py --stops 3 --kills 3 --rows 3000 --idle-seconds 0

http: $(SETUP)
	@OUTFLOW_STEP_SHOW='^result|^skipped' $(STEP) http $(PYTHON) tests/http/contract.py --examples 15

# The daemon's pages in a real browser; its pictures stay beside the logs.
pages: $(SETUP)
	@OUTFLOW_STEP_SHOW='^result FAIL|^skipped|^pictures' $(STEP) pages $(PYTHON) tests/pages/pages.py

# Manifests, dashboard and rules against their tools and a daemon; the scripts against that daemon.
deploy: $(SETUP)
	@OUTFLOW_STEP_SHOW='^result|^skipped' $(STEP) deploy $(PYTHON) tests/deploy/check.py

real: $(SETUP)
	@OUTFLOW_STEP_SHOW='^result' $(STEP) real $(PYTHON) tests/real/tpcds.py --sf 0.1

# Minutes to an hour, on a quiet machine: see tests/bench/README.md.
bench: $(SETUP)
	$(PYTHON) tests/bench/idle.py
	$(PYTHON) tests/bench/diff.py
	$(PYTHON) tests/bench/source.py
	$(PYTHON) tests/bench/deliver.py
	$(PYTHON) tests/bench/mailchimp.py
	$(PYTHON) tests/bench/marketing_cloud.py
	$(PYTHON) tests/bench/kill.py
	$(PYTHON) tests/bench/daemon.py --release
	$(PYTHON) tests/bench/rows.py

clean-cache:
	rm -rf "$(OUTFLOW_TEST_CACHE)"
