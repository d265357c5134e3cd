# Everything there is to do with this checkout. Needs Python 3.11 or later, and make.
# `make` alone lists the targets.

.DEFAULT_GOAL := help
.PHONY: help install demo up test soak chaos lint bench requirements

# The first Python that is new enough; say PYTHON=/path/to/python to choose another.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& command -v $$python && break; done)
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
PYTEST := $(RUN) -m pytest
HYPOTHESIS_SEED := 20261124
# The full counts of a release run one after another, with the whole machine for each.
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4 --dist loadgroup

help: ## List what can be done here
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## Make .venv with everything that is needed (does nothing when it is there)

# Anew when the pinned versions change.
$(INSTALLED): requirements.txt requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed, and none was found." >&2; exit 1; }
	@$(RUN) -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing into $(VENV) …"
	@$(RUN) -m pip install --quiet --disable-pip-version-check \
		-r requirements.txt -r requirements-dev.txt
	@touch $@

demo: $(INSTALLED) ## Start everything, play the main journey, stay until Ctrl-C (DEMO_EXIT=1: leave at the end)
	@KOBATELA_ENV=dev $(RUN) -m scripts.demo

up: $(INSTALLED) ## Start everything without the story; Ctrl-C stops it
	@KOBATELA_ENV=dev $(RUN) -m kobatela.embedded.supervisor

test: $(INSTALLED) ## Run all tests, counts scaled for every day, seed fixed
	@KOBATELA_ENV=test KOBATELA_TEST_SCALE=ci $(PYTEST) $(SIDE_BY_SIDE) --hypothesis-seed=$(HYPOTHESIS_SEED)

soak: $(INSTALLED) ## Run all tests with the full counts of a release
	@KOBATELA_ENV=test KOBATELA_TEST_SCALE=soak $(PYTEST)

# Say SEED= to repeat one, and KILLS=, DATABASE_KILLS= or WIPES= for other counts.
chaos: $(INSTALLED) ## Kill processes, database and broker while money moves, and look whether it is right
	@KOBATELA_ENV=dev $(RUN) -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(KILLS),--kills $(KILLS)) \
		$(if $(DATABASE_KILLS),--database-kills $(DATABASE_KILLS)) $(if $(WIPES),--wipes $(WIPES))

lint: $(INSTALLED) ## Check format, style, types, imports, shape, migrations, settings, schema, deployment
	@$(RUN) -m scripts.lint

bench: $(INSTALLED) ## Measure everything and print the table
	@KOBATELA_ENV=dev $(RUN) -m bench all

requirements: $(INSTALLED) ## Pin the newest versions that fit requirements.in and requirements-dev.in
	@$(RUN) -m scripts.pin_requirements
	@$(MAKE) --no-print-directory install
