# The commands of this checkout. Each one calls one script, which says in its head what it does.

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests test test-fast bench demo demo-clean lint docs build clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

setup: ## install what is missing: Debian packages, .venv, .build/collections
	@tools/setup

setup-tests: ## the same, and what all tests need: disks, file systems, virtual machines
	@tools/setup --tests

test: setup-tests ## run every test and check
	@tests/run

test-fast: setup ## run the part that needs no daemon and no root
	@tests/run --fast

bench: setup ## measure start, stop and status against a bare shell script
	@tests/bench/run

demo: setup ## start the six example services on this machine
	@tools/demo up

demo-clean: setup ## remove all that the demo made
	@tools/demo clean

lint: setup ## run ansible-lint, yamllint and shellcheck
	@tests/run lint

docs: setup ## write the generated pages of docs/
	@.venv/bin/python tools/keywords docs

build: setup ## build the tarball, install it in a scratch folder and run it
	@tests/run build

clean: ## remove .venv, .build and the caches
	@tools/clean
