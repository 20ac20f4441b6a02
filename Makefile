# One target per thing people do. Needs Python 3.11 or newer with venv and pip, and make; nothing else.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.tutee-installed
EMULATE := tests/emulate/node_modules/.package-lock.json

.PHONY: setup run test suite lint check bench docs clean faults soak load audit vllm
.DEFAULT_GOAL := setup

setup: $(STAMP)  ## everything that is needed, into .venv; a second run does nothing

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: setup  ## set up, start everything, chat in this terminal
	$(BIN)/tutee up

lint: check  ## what is checked before every test, and known vulnerabilities where their database can be reached
	$(BIN)/python -m tests.audit || test $$? = 2

check: setup  ## style, types, import rules, secrets in the tree
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.secret_scan

test: setup $(EMULATE)  ## every check and every test, side by side
	@$(MAKE) --no-print-directory --jobs=2 check suite

suite: setup $(EMULATE)  ## every test
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

$(EMULATE): tests/emulate/package-lock.json
	@if command -v npm > /dev/null; then npm ci --prefix tests/emulate --ignore-scripts --no-audit --no-fund --loglevel=error; \
	else echo "npm is missing: the tests against the independent Slack server are skipped"; fi || true

bench: setup  ## speed, side by side with the alternatives that are installed
	$(BIN)/tutee bench engine
	$(BIN)/tutee bench training
	$(BIN)/tutee bench jobs

faults: setup  ## every fault that a test can cause, and the table of them in docs/reliability.md
	$(BIN)/python -m tests.faults --table docs/reliability.md

soak: setup  ## five minutes (SECONDS=…) of random harm (SEED=…); the result goes into docs/reliability.md
	$(BIN)/python -m tests.faults --soak $(or $(SECONDS),300) --seed $(or $(SEED),1) --table docs/reliability.md

vllm: setup  ## vLLM's CPU build in .venv/vllm, and the tests against it; it is an arm of `tutee bench engine --vllm .venv/vllm/bin/vllm`, too
	test -x .venv/vllm/bin/python || $(PYTHON) -m venv .venv/vllm
	.venv/vllm/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement configs/vllm/requirements.txt
	TUTEE_VLLM=.venv/vllm/bin/vllm $(BIN)/python -m pytest tests/integration/test_real_vllm.py

load: setup  ## a minute (SECONDS=3600 RATE=5: an hour) of thousands of people; the result goes into docs/reliability.md
	$(BIN)/python -m tests.load --seconds $(or $(SECONDS),60) --rate $(or $(RATE),20) --table docs/reliability.md

audit: setup  ## known vulnerabilities of the pinned dependencies; needs the network
	$(BIN)/python -m tests.audit

docs: setup  ## the picture of a conversation in the README, from a real one, and what people see on Discord
	$(BIN)/python docs/render_conversation.py
	$(BIN)/python -m docs.render_discord

clean:  ## what the checks leave behind; not .venv and not anybody's data
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
