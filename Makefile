# One-line calls; what they do is in pipelines/ and tests/. `make help` lists them.
CACHE := $(or $(LABELTRAIL_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/labeltrail)
UV := $(or $(shell command -v uv),$(CACHE)/uv/bin/uv)
RUN := $(UV) run --frozen --quiet
.DEFAULT_GOAL := help
.PHONY: help demo demo-classify clean-demo up down test test-slow test-faults test-kill test-ray check docs bench bench-labels bench-segmenter bench-classifier

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(UV) ## run the whole loop in demo/: servers, labels, training, predictions (DATA=FOLDER for your own)
	@test -d demo || git clone --quiet . demo
	@cd demo && $(RUN) --no-dev labeltrail demo $(if $(DATA),--data $(abspath $(DATA)))

demo-classify: $(UV) ## the same in demo-classify/ with whole recordings to be classified: heart beats
	@test -d demo-classify || git clone --quiet . demo-classify
	@cd demo-classify && $(RUN) --no-dev labeltrail demo --classify

clean-demo: down ## stop the demos' servers and delete demo/ and demo-classify/, their labels included
	@rm -rf demo demo-classify

up: $(UV) ## start MinIO and Label Studio of this clone
	@$(RUN) --no-dev labeltrail up

down: $(UV) ## stop the servers of this clone and of its demos
	@test ! -d .labeltrail || $(RUN) --no-dev labeltrail down
	@test ! -d demo || (cd demo && $(RUN) --no-dev labeltrail down)
	@test ! -d demo-classify || (cd demo-classify && $(RUN) --no-dev labeltrail down)

test: $(UV) ## all tests but the slow ones, three at a time: they wait for servers more than for processors
	@$(RUN) pytest --numprocesses 3 --dist worksteal

test-slow: $(UV) ## the slow tests
	@$(RUN) pytest -m slow

test-faults: $(UV) ## sync through storms of failing servers, for minutes
	@$(RUN) pytest tests/test_faults.py tests/test_disk.py --faults 100

test-kill: $(UV) ## kill -9 at 40 random moments of each of six commands, and run them again (an hour)
	@$(RUN) pytest tests/test_kill.py --kills 40

test-ray: $(UV) ## install the extra `ray`, and train on a cluster of two workers on this machine
	@$(RUN) --extra ray pytest -m ray

check: $(UV) ## formatting, lint, types, walls
	@$(RUN) ruff format --check . && $(RUN) ruff check . && $(RUN) mypy && $(RUN) lint-imports

docs: $(UV) ## make docs/cli.md anew
	@$(RUN) python -m pipelines.reference

bench: $(UV) ## sync and dvc repro against the plain command line
	@$(RUN) python -m benchmarks.sync

bench-labels: $(UV) ## what label commits cost at 10,000 annotations and at 1,000,000 (40 minutes)
	@$(RUN) python -m benchmarks.labels

bench-segmenter: $(UV) ## the segmenter in folds by person, DATA=FOLDER as recorded and shuffled (PEER=CHECKOUT beside it)
	@$(RUN) python -m benchmarks.segmenter $(DATA) $(if $(PEER),--peer $(PEER) --peer-python $(PEER)/.venv/bin/python)
	@$(RUN) python -m benchmarks.segmenter $(DATA) --shuffled

bench-classifier: $(UV) ## the classifier of whole series on the sets in DATA=FOLDER, beside tsai in an environment of its own
	@peer=$$($(RUN) python -m benchmarks.tsai_peer) && $(RUN) python -m benchmarks.classifier $(DATA) --curve --peer $$peer

$(CACHE)/uv/bin/uv:
	@python3 -m venv $(CACHE)/uv && $(CACHE)/uv/bin/pip install --quiet uv==0.13.8
