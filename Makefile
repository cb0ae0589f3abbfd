# Everyday commands. `make table1` and `make test` install what is missing first, and reuse what is there.

CORES ?= $(shell nproc)
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help setup system table1 studio_models test test-slurm lint format freeze clean

help: ## list the targets
	@grep -hE '^[a-z0-9_-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

table1: setup ## rebuild results/table1.csv on the embedded corpus and print it
	$(BIN)/snakemake --profile workflow/profiles/local --cores $(CORES) results/table1.csv
	@cat results/table1.md

test: setup ## run the whole test suite
	$(BIN)/python -m pytest tests

test-slurm: setup ## the workflow through sbatch on a real SLURM of this machine alone (as root; ten minutes)
	$(BIN)/python -m pytest tests/slurm -m slurm -rs

lint: setup ## every style check
	$(BIN)/ruff check
	PATH="$(CURDIR)/$(BIN):$$PATH" snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

format: setup ## put code into the project's style
	$(BIN)/ruff check --fix
	PATH="$(CURDIR)/$(BIN):$$PATH" snakefmt Snakefile workflow

studio_models: setup ## train the small models of the package anew (two hours)
	$(BIN)/snakemake --profile workflow/profiles/local --cores $(CORES) studio_models

freeze: setup ## write the installed versions into constraints.txt
	@{ sed -n '/^#/p' constraints.txt; $(BIN)/pip freeze --exclude-editable | sed 's/+cpu//'; } > constraints.new
	@mv constraints.new constraints.txt

setup: system $(STAMP) ## install what is missing

system:
	@sh workflow/system.sh

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

clean: ## remove work, results and logs, keep the installation
	rm -rf work results logs
