# make run: the site on http://127.0.0.1:8000. HOST, PORT, DATA_DIR, WORKERS are honoured.
# make check: in a minute what needs no server. make test: everything that must hold.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# What depends on the database runs a second time, on a real PostgreSQL.
POSTGRESQL_TESTS := $(addprefix tests/,$(addsuffix .py,answers/test_streaming \
	answers/test_paid_once answers/test_resuming answers/test_branches limits/test_admission \
	limits/test_admission_budgets limits/test_site_budgets limits/test_shadow_mode \
	conversations/test_models limits/test_configuration conversations/test_export \
	conversations/test_search operator/test_usage_page accounts/test_invitations \
	accounts/test_setup_link operator/test_admin operator/test_admin_people_list \
	operator/test_admin_conversations operator/test_admin_usage operator/test_admin_report \
	operator/test_admin_content operator/test_admin_quotas operator/test_admin_refused \
	operator/test_admin_fuzz operator/test_admin_history outages/test_outages \
	outages/test_postgresql_away outages/test_postgresql_used_up accounts/test_guests \
	accounts/test_guest_handover))

# Files of tests run side by side, each process with servers of its own: half of the time is spent
# waiting. The order is ours, the longest file first (tests/harness/selection.py).
AT_ONCE := --numprocesses 4 --dist loadfile --no-loadscope-reorder

# What resolves the requirements, in a virtualenv of its own. UPGRADE=--upgrade takes the newest of what requirements.in does not pin.
RESOLVE := .venv/resolver/bin/uv pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make requirements" $(UPGRADE)

.PHONY: run lint check test bench soak requirements clean
.DEFAULT_GOAL := run

# exec: a signal for this recipe reaches the site itself, not a shell in front of it.
run: .venv/installed
	@exec $(BIN)/python manage.py serve

# Hundreds of sites are started: a fifth of each start is compiling what was compiled before.
check test: export PYTHONDONTWRITEBYTECODE =

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(BIN)/pytest $(AT_ONCE) --numprocesses 2 --without-servers

test: lint
	@.ci/need chromium-headless-shell chromium-headless-shell chromium
	@.ci/need nginx nginx-light
	@.ci/need initdb postgresql
	$(BIN)/pytest $(AT_ONCE)
	TEST_DATABASE=postgresql $(BIN)/pytest $(AT_ONCE) $(POSTGRESQL_TESTS)

bench: .venv/installed-dev
	@exec $(BIN)/python -m bench

# SECONDS (300) of every fault at once, then the invariants; SEED repeats the dice of an earlier run.
soak: .venv/installed-dev
	@.ci/need nginx nginx-light
	@exec $(BIN)/python -m bench.soak

# Resolves requirements.in and requirements-dev.in anew: every package with its version and the hashes of all its files on PyPI.
requirements: .venv/resolver/installed
	@$(RESOLVE) --output-file requirements.txt requirements.in
	@$(RESOLVE) --constraint requirements.txt --output-file requirements-dev.txt requirements-dev.in

.venv/resolver/installed: Makefile
	@$(PYTHON) -m venv .venv/resolver
	@.venv/resolver/bin/pip install --quiet uv==0.13.9
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Chatsite needs Python 3.11 or newer: make PYTHON=/path/to/it" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv
	@echo "Installing what the site needs into .venv (once) ..."
	@$(BIN)/pip install --quiet --require-hashes --requirement requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	@echo "Installing what the tests need into .venv (once) ..."
	@$(BIN)/pip install --quiet --require-hashes --requirement requirements-dev.txt
	@touch $@
