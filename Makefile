# make demo            the node on a moving scene of people; results in demo_output/
# make demo VIDEO=clip.mp4 PIPELINE=v3 [YOLO_MODEL=...] [MODEL_PATH=...]; VIDEO=0 is the webcam
# make check           lint, types and unit tests: what one runs while working (a minute and a half)
# make test            everything, several at a time: TESTS=test/ros for a part, JOBS=4 at a time
# make bench           speed and memory on this machine; figures in bench_output/
# make soak            test/reliability at length (20 minutes); writes docs/reliability.md
# make docs            the documentation as a site, in site/
# make lint            ruff, mypy, codespell and bandit alone

VIDEO ?=
PIPELINE ?= v4
YOLO_MODEL ?=
MODEL_PATH ?=
DEMO_OUTPUT ?= demo_output
BENCH_OUTPUT ?= bench_output
BENCH ?=
TESTS ?= test

.PHONY: demo bench check test soak lint docs clean

demo:
	@scripts/with_env --with demo pose_estimation demo --pipeline '$(PIPELINE)' --video '$(VIDEO)' \
	  --yolo-model '$(YOLO_MODEL)' --model-path '$(MODEL_PATH)' --out '$(DEMO_OUTPUT)'

lint:
	scripts/with_env --with test ruff check .
	scripts/with_env --with test ruff format --check .
	scripts/with_env --with test mypy
	scripts/with_env --with test codespell
	scripts/with_env --with test bandit -q -c pyproject.toml -r pose_estimation_ros

bench:
	@scripts/with_env --with bench pose_estimation bench --json $(BENCH_OUTPUT)/bench.json \
	  --picture $(BENCH_OUTPUT)/bench.png $(BENCH)

check: lint
	MARKS='not processes and not slow and not alone' JOBS=$(or $(JOBS),$(shell nproc)) \
	  scripts/with_env --with test scripts/run_tests $(TESTS)

test: lint
	scripts/with_env --with test scripts/run_tests $(TESTS)

# Neither ROS nor the package is needed for it, so it has an environment of its own.
docs: .build/docs/.stamp
	@.build/docs/bin/python scripts/site_source.py .build/docs/source
	@.build/docs/bin/sphinx-build -W --keep-going -q -E -b html .build/docs/source site
	@echo "see site/index.html"

.build/docs/.stamp: scripts/requirements/docs.txt
	$(or $(PYTHON),python3) -m venv .build/docs
	.build/docs/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

soak:
	SOAK=1 WRITE_TABLE=1 scripts/with_env --with test python -m pytest test/reliability

clean:
	rm -rf .build demo_output bench_output site
