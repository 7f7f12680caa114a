# Every target builds what it needs: python3 >= 3.11 and a package registry are enough.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test test-all lint docs docs-serve docs-pictures test-docs bench test-tfio test-oracles test-ray fuzz clean

$(BIN)/kerasrecipes: pyproject.toml
	@echo "[1/2] making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "[2/2] installing the package without Keras, about 60 MB to download: numpy, onnxruntime, soundfile and others"
	@$(BIN)/pip install -q --disable-pip-version-check --no-compile -e .
	@touch $@

# without Keras, which only training, visualization and export need
demo: $(BIN)/kerasrecipes
	@$(BIN)/kerasrecipes demo

# torch is pinned: an open range fetches builds of several gigabytes for graphics cards
$(VENV)/.test: $(BIN)/kerasrecipes
	$(BIN)/pip install -q --disable-pip-version-check -e ".[tensorflow,jax,plots,test]" "torch==2.13.0"
	touch $@

$(VENV)/.docs: $(BIN)/kerasrecipes
	$(BIN)/pip install -q --disable-pip-version-check -e ".[tensorflow,export,docs]"
	touch $@

lint: $(VENV)/.test
	$(BIN)/ruff check kerasrecipes tests docs benchmarks examples tools build_hook.py
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layout.py

# without coverage, whose tracing takes half as long again; test-all prints it
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/docs -m "not slow" --durations 12

test-all: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/docs --cov=kerasrecipes --cov-report=term:skip-covered

# 200,000 damaged files over all readers of outside bytes, in about an hour; FUZZ="--cases 5000 --seed 2 --readers audio" for others
fuzz: $(VENV)/.test
	$(BIN)/python tests/fuzz/fuzz.py $(FUZZ)

docs: $(VENV)/.docs
	$(BIN)/python docs/build/generate.py
	$(BIN)/python docs/build/run_notebooks.py
	$(BIN)/python docs/build/prepare_live.py
	$(BIN)/mkdocs build --strict

# what each recipe has learned and gets wrong, and the chapter's pictures: kept in docs/; takes data sets (KERASRECIPES_DATA) and an hour
docs-pictures: $(VENV)/.docs
	$(BIN)/pip install -q --disable-pip-version-check -e ".[tensorflow,docs,lm,phones]"
	$(BIN)/python docs/build/plot_figures.py
	KERAS_BACKEND=tensorflow $(BIN)/python docs/build/plot_chapter.py

docs-serve: docs
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory site 8000

$(VENV)/.docs-test: $(VENV)/.docs
	$(BIN)/pip install -q --disable-pip-version-check -e ".[tensorflow,export,docs,docs-test]"
	touch $@

# the site in a real browser: Debian's chromium, installed where it is missing and this user may
test-docs: $(VENV)/.docs-test
	command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } || \
		{ echo "make test-docs needs chromium: apt-get install chromium" >&2; exit 1; }
	$(BIN)/python -m pytest tests/docs

# the peers of the table beside the three backends: OpenVINO, faster-whisper and PocketSphinx
$(VENV)/.bench: $(VENV)/.test
	$(BIN)/pip install -q --disable-pip-version-check -e ".[tensorflow,jax,plots,test,openvino,teacher,phones]" "torch==2.13.0"
	touch $@

# one table of ratios; BENCH="--quick" or BENCH="--parts reading criteria" for less
bench: $(VENV)/.bench
	$(BIN)/python benchmarks/bench.py $(BENCH)

# tensorflow-io's last release needs TensorFlow 2.16: an environment of its own
test-tfio:
	$(PYTHON) -m venv .venv-tfio
	.venv-tfio/bin/pip install -q --disable-pip-version-check -e ".[tfio]" pytest
	.venv-tfio/bin/python -m pytest tests/tfio

# other implementations of the same papers, in an environment of their own; computes again what `make test` compares with (tests/goldens)
# (torchaudio's models are plain Python on top of torch: its last release serves)
test-oracles:
	$(PYTHON) -m venv .venv-oracles
	.venv-oracles/bin/pip install -q --disable-pip-version-check -e ".[torch]" "torch==2.13.0" "torchaudio==2.11.0" captum pyroomacoustics pytest \
		librosa pytorch-crf scikit-learn flashlight-text
	KERAS_BACKEND=torch .venv-oracles/bin/python -m pytest tests/oracles

# a cluster of two nodes on this machine
test-ray:
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/pip install -q --disable-pip-version-check -e ".[ray,parquet]" pytest psutil
	.venv-ray/bin/python -m pytest tests/cluster

clean:
	rm -rf .venv .venv-tfio .venv-oracles .venv-ray site dist
