# Everything runs in .venv, made here from requirements.lock; an active environment works without make.

PYTHON ?= python3.11
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
READY := $(VENV)/.installed
PIP := "$(BIN)/python" -m pip --disable-pip-version-check
CORES ?= all
CONFIG ?= config/config.yaml
export PATH := $(BIN):$(PATH)
# Snakemake keeps a cache in the home folder; where that cannot be written, it goes here.
export XDG_CACHE_HOME := $(shell test -w "$$HOME" && echo "$${XDG_CACHE_HOME:-$$HOME/.cache}" || echo "$(CURDIR)/.snakemake/cache")

.PHONY: reproduce test lint format manual documents lock benchmark calibrate stability tune site report clean

reproduce: $(READY)
	snakemake --cores $(CORES) --configfile "$(CONFIG)"

test: $(READY) lint
	OMP_NUM_THREADS=1 pytest -m "not timing" -n auto --dist loadfile --no-loadscope-reorder
	pytest -m timing

lint: $(READY)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	lint-imports --no-logo
	mypy

format: $(READY)
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

manual: $(READY)
	pmrl manual > config/README.md.new && mv config/README.md.new config/README.md

# Writes README.md and docs/ from the results of all studies in docs/documents.yaml; STUDIES="default" takes only these anew.
documents: $(READY)
	pmrl documents $(if $(STUDIES),--study $(STUDIES))

# Exact versions that satisfy the ranges of pyproject.toml; versions that still do stay as they are.
lock: $(READY)
	$(PIP) install --quiet pip-tools
	pip-compile --quiet --all-extras --allow-unsafe --strip-extras --no-header --no-annotate --no-emit-options \
		--no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml
	sed -i -e 's/+cpu$$//' -e '/^#/d' -e '/^$$/d' requirements.lock
	sed -i '1i # The exact versions of the study, for `pip install -r requirements.lock`; written by `make lock` from pyproject.toml.' requirements.lock

benchmark: $(READY)
	python -m benchmarks.kernels --output results/benchmarks
	python -m benchmarks.field --output results/benchmarks
	python -m benchmarks.evaluation --output results/benchmarks
	python -m benchmarks.scaling --output results/benchmarks
	python -m benchmarks.large_store --output results/benchmarks
	python -m benchmarks.gpu_hours --output results/benchmarks

tune: $(READY)
	snakemake tune --cores $(CORES) --configfile "$(CONFIG)"
	pmrl tune --adopt --config "$(CONFIG)"

calibrate: $(READY)
	snakemake calibrate --cores $(CORES) --configfile config/calibration.yaml
	pmrl calibrate --adopt --config config/calibration.yaml

# The default study under other conditions of training, and the record of its verdicts.
CONDITIONS := double_steps other_seeds two_layers other_foundation
stability: $(READY)
	for name in $(CONDITIONS); do \
		snakemake --cores $(CORES) --configfile config/stability/$$name.yaml || exit 1; \
	done
	pmrl stability $(CONDITIONS:%=results/stability/%)

site: $(READY)
	pmrl site --config "$(CONFIG)"

report: $(READY)
	pmrl report --config "$(CONFIG)"

clean:
	find results -mindepth 1 -maxdepth 1 ! -name data ! -name reference ! -name README.md -exec rm -rf {} +
	rm -rf .snakemake

$(READY): pyproject.toml requirements.lock
	test -x "$(BIN)/python" || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --requirement requirements.lock
	$(PIP) install --quiet --no-deps --editable .
	touch $(READY)
