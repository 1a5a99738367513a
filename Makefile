# Shortcuts of one line each; the code is in pipelines/ and tests/. `make help` lists them.
# Uses the uv on the PATH, or installs one that is pinned by its hash (storage/servers/uv_launcher.py).
UV := python3 -m storage.servers.uv_launcher
RUN := $(UV) run --frozen --quiet
IN_DEMO := $(UV) --directory demo run --frozen --quiet --no-dev
IN_DEMO_CLASSIFY := $(UV) --directory demo-classify run --frozen --quiet --no-dev
# Where it is set, each of the many Python processes compiles pandas and torch anew.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help demo demo-classify clean-demo up down test test-slow test-faults test-kill test-ray fuzz check docs bench bench-labels bench-segmenter bench-classifier

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## run the whole loop in demo/: servers, labels, training, predictions (DATA=FOLDER for your own)
	@test -d demo || git clone --quiet . demo
	@$(IN_DEMO) labeltrail demo $(if $(DATA),--data "$$(cd -- "$$DATA" && pwd)")

demo-classify: ## the same in demo-classify/, for whole recordings: classify heart beats
	@test -d demo-classify || git clone --quiet . demo-classify
	@$(IN_DEMO_CLASSIFY) labeltrail demo --classify

clean-demo: down ## stop the demos' servers and delete demo/ and demo-classify/ with their labels
	@rm -rf demo demo-classify

up: ## start MinIO and Label Studio of this clone
	@$(RUN) --no-dev labeltrail up

down: ## stop the servers of this clone and of its demos
	@test ! -d .labeltrail || $(RUN) --no-dev labeltrail down
	@test ! -d demo || $(IN_DEMO) labeltrail down
	@test ! -d demo-classify || $(IN_DEMO_CLASSIFY) labeltrail down

test: ## run all tests except the slow ones, three at a time
	@$(RUN) pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-slow: ## run the slow tests
	@$(RUN) pytest -m slow

test-faults: ## sync with servers that fail all the time (some minutes)
	@$(RUN) pytest tests/robustness/test_faults.py tests/robustness/test_disk.py --faults 100

test-kill: ## kill -9 each of six commands at 40 random moments, and run it again (an hour)
	@$(RUN) pytest tests/robustness/test_kill.py --kills 40

fuzz: ## read 10,000 hostile examples of each untrusted input (EXAMPLES=N or SECONDS=N, SEED=N)
	@$(RUN) pytest tests/robustness/test_fuzz_*.py --fuzz $(if $(SECONDS),0,$(or $(EXAMPLES),10000)) \
		--fuzz-seconds $(or $(SECONDS),0) --fuzz-seed $(or $(SEED),0)

test-ray: ## install the extra `ray`, and train on a Ray cluster of two workers on this machine
	@$(RUN) --extra ray pytest -m ray

check: ## check formatting, lint, types and import directions
	@$(RUN) ruff format --check . && $(RUN) ruff check . && $(RUN) mypy && $(RUN) lint-imports

docs: ## generate docs/cli.md
	@$(RUN) python -m pipelines.cli.reference

bench: ## compare sync and dvc repro with plain git and DVC
	@$(RUN) python -m benchmarks.sync.sync

bench-labels: ## measure label commits with 10,000 and 1,000,000 annotations (40 minutes)
	@$(RUN) python -m benchmarks.sync.labels

bench-segmenter: ## cross-validate the segmenter by person on DATA=FOLDER, as recorded and shuffled (PEER=CHECKOUT too)
	@$(RUN) python -m benchmarks.models.segmenter "$$DATA" $(if $(PEER),--peer "$$PEER" --peer-python "$$PEER/.venv/bin/python")
	@$(RUN) python -m benchmarks.models.segmenter "$$DATA" --shuffled

bench-classifier: ## measure the classifier of whole series on the datasets in DATA=FOLDER, and tsai
	@peer=$$($(RUN) python -m benchmarks.models.tsai_peer) && $(RUN) python -m benchmarks.models.classifier "$$DATA" --curve --peer $$peer
