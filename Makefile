# Everything runs in .venv, made here from the pins in pyproject.toml; an active environment works without make.

PYTHON ?= python3.11
VENV := .venv
BIN := $(abspath $(VENV))/bin
READY := $(VENV)/.installed
CORES ?= all
CONFIG ?= config/config.yaml
export PATH := $(BIN):$(PATH)

.PHONY: reproduce test lint format benchmark tune report clean

reproduce: $(READY)
	snakemake --cores $(CORES) --configfile $(CONFIG)

test: $(READY) lint
	OMP_NUM_THREADS=1 pytest -m "not timing" -n auto --dist loadfile --no-loadscope-reorder
	pytest -m timing

lint: $(READY)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow

format: $(READY)
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

benchmark: $(READY)
	python -m benchmarks.kernels --output results/benchmarks

tune: $(READY)
	snakemake tune --cores $(CORES) --configfile $(CONFIG)
	pmrl tune --adopt --config $(CONFIG)

report: $(READY)
	pmrl report --config $(CONFIG)

clean:
	find results -mindepth 1 -maxdepth 1 ! -name data ! -name reference ! -name README.md -exec rm -rf {} +
	rm -rf .snakemake

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[study,dev]"
	touch $(READY)
