# make setup   sets up the environment in .venv, and starts nothing
# make sweep   sets up everything and runs the default experiment
# make test    sets up everything and runs the tests
# make app     a page to try images, browse clusters and see maps, of the newest sweep
# make ui      MLflow's pages on the sweeps made here
# make server  a tracking server for a team: PostgreSQL and MLflow, until Ctrl-C
# make clean   shows what results there are and asks whether to remove them (YES=1: does not ask)

PYTHON ?= python3
# cpu: PyTorch without CUDA, 2 GB instead of 7
TORCH ?= locked
BIN := .venv/bin
READY := .venv/.ready
# Test files side by side, each whole in one process, the longest first.
BESIDE := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: setup sweep test test-quick test-thorough app ui server lint format lock docs clean help
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# make/make/p' Makefile

$(READY): requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "backbench needs Python 3.11 or newer; received $$($(PYTHON) -V). Name another: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	sh scripts/install.sh $(BIN) $(TORCH)
	touch $(READY)

setup: $(READY)
	@echo "backbench is ready; next: source .venv/bin/activate, then backbench doctor"

sweep: $(READY)
	$(BIN)/backbench sweep $(ARGS)

# Threads of OpenMP and OpenBLAS that spin while they wait take the cores from the other test files.
test test-quick test-thorough: export OMP_WAIT_POLICY = PASSIVE
test test-quick test-thorough: export OPENBLAS_NUM_THREADS = 1

test: $(READY)
	$(BIN)/python -m pytest $(BESIDE) -m "not thorough" $(ARGS)

test-quick: $(READY)
	$(BIN)/python -m pytest $(BESIDE) -m "not slow and not thorough" $(ARGS)

test-thorough: $(READY)
	$(BIN)/python -m pytest $(BESIDE) -m thorough $(ARGS)

app: $(READY)
	$(BIN)/backbench app $(ARGS)

ui: $(READY)
	$(BIN)/backbench ui

server: $(READY)
	$(BIN)/backbench server $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/rules

# Resolves the dependencies anew; environment.yml has to follow (a test says so).
lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" --upgrade -o requirements.lock

docs: $(READY)
	$(BIN)/python scripts/write_architecture.py
	$(BIN)/python scripts/write_catalogue.py
	$(BIN)/python scripts/draw_dag.py
	$(BIN)/python scripts/write_papers.py
	$(BIN)/python scripts/write_methods.py
	$(BIN)/python scripts/write_figures.py
	$(BIN)/python scripts/write_schema.py

# Asks, then removes every result; fetched originals stay. `make clean YES=1` does not ask.
clean:
	@YES=$(YES) sh scripts/remove_results.sh
