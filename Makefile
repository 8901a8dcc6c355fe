# Two commands do it all: `make demo` and `make test`. Both make the environment first.
# Another Python: make demo PYTHON=/path/to/python3.12

SHELL := /bin/bash

RECENT = import sys; sys.exit(sys.version_info < (3, 11))
ifeq ($(origin PYTHON),undefined)
# The first one that is new enough; if none is, python3, to say so.
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
  $$python -c '$(RECENT)' 2>/dev/null && command -v $$python && exit; done; echo python3)
endif
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests at a time, two more than cores: many wait. Each may run a Spark of its own: count 3 GB
# for each.
WORKERS := 4
# The environment's own tools first, also for what Spark starts.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# What another Python or pip has left would reach ours. Without its bytecode on disk, each of the
# many processes would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE PYTHONHOME
unexport PIP_TARGET PIP_USER PIP_PREFIX PIP_ROOT PIP_REQUIRE_VIRTUALENV

.PHONY: help setup demo lab docker-test docker-test-local test check chaos bench bench-million sbom lint generate exercises kibana lock strip clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c '$(RECENT)' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
	  echo "Install one, for example:"; \
	  echo "  Debian, Ubuntu: sudo apt-get install -y python3.11 python3.11-venv"; \
	  echo "  Fedora:         sudo dnf install -y python3.12"; \
	  echo "  macOS:          brew install python@3.12"; \
	  echo "  anywhere:       uv python install 3.12"; \
	  echo "then say: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; } >&2
	@echo "Making the environment in $(VENV) (once; a few minutes) …"
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "On Debian or Ubuntu: sudo apt-get install -y python3-venv" >&2; exit 1; }
	@.ci/install $(BIN) requirements.lock
	@$(BIN)/pip install --disable-pip-version-check -q --no-deps --no-compile \
	  --no-build-isolation -e .
	@touch $(STAMP)

setup: $(STAMP) ## the environment, Java and the servers' files
	@$(BIN)/workshop download

# Without Spark's class archive: building it takes longer than two starts of Spark save.
demo: $(STAMP) ## the whole pipeline, end to end, with a scorecard
	@$(BIN)/workshop download --no-archive
	@$(BIN)/workshop demo

lab: setup ## the servers, a replay and JupyterLab on the first notebook; Ctrl-C stops all
	@$(BIN)/workshop lab

docker-test: setup ## the demo with and without Docker, and what differs (needs Docker)
	@$(BIN)/workshop demo --yes
	@$(BIN)/workshop demo --yes --docker
	@cd .workshop/reports && "$(CURDIR)/$(BIN)/python" -m workshop_lib.verify.compare \
	  demo-embedded.json demo-docker.json

docker-test-local: ## the same and more, in containers made from packages; needs Debian and root
	@BIN=$(BIN) docker/stand-ins/engine.sh docker/stand-ins/test.sh

# Collected once before: the workers would each compile all tests, and what they import. Spark's
# class archive takes longest: it is begun first, without bars, which would go over pytest's lines,
# and the tests wait for the files only.
test: $(STAMP) ## all tests, four at a time, on real servers of their own
	@$(BIN)/workshop download 2>&1 | cat & \
	  nice $(BIN)/pytest --collect-only > /dev/null 2>&1 & collected=$$!; \
	  nice $(MAKE) --no-print-directory lint || { wait; exit 1; }; \
	  wait $$collected; $(BIN)/workshop download --no-archive > /dev/null && \
	  $(BIN)/pytest -n $(WORKERS); tested=$$?; wait; exit $$tested

check: lint ## in a minute: lint, and the tests that need no server and no Spark
	@$(BIN)/pytest -n $(WORKERS) -m "not stack and not spark and not chaos and not docker" --durations=0 \
	  --durations-min=5

# Seed and rounds of make chaos.
SEED := 1
ROUNDS := 50
chaos: setup ## 50 seeded faults under load, then many rounds of kill -9; make test runs a few
	@$(BIN)/workshop chaos --seed $(SEED) --rounds $(ROUNDS) --report docs/chaos.md
	@$(BIN)/pytest -m chaos --timeout 3600

bench: setup ## what it can do, beside what others would use; ten minutes, into docs/benchmarks.md
	@$(BIN)/python benchmarks/run.py

bench-million: setup ## how long each part takes to start, and the curve up to a million plays
	@$(BIN)/python benchmarks/run.py --parts starts,curve --minutes 60

sbom: $(STAMP) ## build/sbom.json: all packages and servers with versions and hashes, in CycloneDX
	@$(BIN)/python .ci/sbom.py build/sbom.json

lint: $(STAMP)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache

generate: $(STAMP) ## what Logstash, the page and Elasticsearch need of workshop_lib/schema
	@$(BIN)/python -m workshop_lib.schema

exercises: $(STAMP) ## exercises/, made from solutions/, their single source
	@$(BIN)/workshop exercises

lock: $(STAMP) ## new versions for requirements.lock, within pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras --upgrade \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  pyproject.toml -o requirements.lock
	# The image's packages: the same versions, without those of the tests.
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  --extra image --constraint requirements.lock pyproject.toml -o docker/requirements.lock

# nbstripout resets ids of cells and keeps what Jupyter notes of a run, unless told otherwise.
STRIP := $(BIN)/nbstripout --keep-id --extra-keys "$(addprefix metadata.language_info.,\
  codemirror_mode file_extension mimetype nbconvert_exporter pygments_lexer version) \
  metadata.widgets"
strip: $(STAMP) ## notebooks without the outputs of your runs, as they are committed
	@$(STRIP) notebooks/*.ipynb solutions/*.ipynb

kibana: $(STAMP) ## Kibana's objects and the page's requests, rewritten from workshop_lib/charts/catalogue.csv
	@$(BIN)/python -m workshop_lib.charts

clean: ## stop the servers; remove what running made, and the environment
	@test ! -x $(BIN)/workshop || $(BIN)/workshop down --clean
	rm -rf .workshop $(VENV)
