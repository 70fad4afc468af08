# Every target is one line in `make help`. PYTHON names the interpreter that makes the environments.
PYTHON ?= python3
WORDS ?= warm dark fluid
SEED ?= 3
OUT ?= art
DATA ?= ../shared/data/paintings
MORE ?=
RUN ?= runs/base
TEACHERS ?=
PRESET ?= base
MODEL ?=
WORKERS ?= 2
INPUTS ?= 1000000

# No tool that a target runs counts its use, or asks whether there is a newer one.
export ORT_DISABLE_TELEMETRY := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export RAY_USAGE_STATS_ENABLED := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export npm_config_update_notifier := false
export npm_config_audit := false
export npm_config_fund := false

RUNTIME := .venv-runtime
DEV := .venv
PTQ := .venv-post-training
RTX := .venv-rtx

.DEFAULT_GOAL := help
.PHONY: help art cli-docs follow motion test test-slow test-rtx fuzz lint format studio train checkpoint export bundle bench load peers roofline export-triton export-rtx post-training attributes samples docs examples page wheel release clean web web-build web-test

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

$(RUNTIME)/.ready: pyproject.toml
	$(PYTHON) -m venv $(RUNTIME)
	$(RUNTIME)/bin/python -m pip install --quiet --editable .
	@touch $@

$(DEV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python -m pip install --quiet --editable '.[dev]'
	@touch $@

art: $(RUNTIME)/.ready ## draw WORDS="warm dark fluid" with SEED=3 into OUT=art
	@$(RUNTIME)/bin/t2a-edge generate $(WORDS) --seed $(SEED) --out $(OUT)

test: lint ## lint, types, import contracts and tests, in WORKERS=2 processes
	$(DEV)/bin/python -m pytest -m "not slow and not gpu and not network" \
	  --numprocesses $(WORKERS) --dist loadfile

test-slow: $(DEV)/.ready ## the tests that take long: wheel in an empty environment
	$(DEV)/bin/python -m pytest -m slow

fuzz: $(DEV)/.ready ## INPUTS=1000000 hostile ones for every reader, parser and public method
	$(DEV)/bin/python -m pip install --quiet --editable '.[dev,fuzz]'
	$(DEV)/bin/python -m tests.fuzz --inputs $(INPUTS) --seed $(SEED)

lint: $(DEV)/.ready ## ruff, mypy and import contracts
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports

format: $(DEV)/.ready ## let ruff rewrite the code
	$(DEV)/bin/ruff check --fix .
	$(DEV)/bin/ruff format .

studio: $(DEV)/.ready ## contact sheets of the procedural painter into OUT
	$(DEV)/bin/python -m train studio --seed $(SEED) --out $(OUT)

train: $(DEV)/.ready ## the whole recipe with PRESET into RUN, on DATA (empty: the studio alone), MORE; goes on where it stopped
	$(DEV)/bin/python -m train all --preset $(PRESET) --run $(RUN) --processes $(WORKERS) $(TEACHERS) \
	  $(if $(DATA),--data $(DATA)) $(if $(MORE),--more $(MORE)) $(if $(MODEL),--model $(MODEL))

checkpoint: ## put the model of a finished RUN into checkpoints/base.safetensors
	cp $(RUN)/model.safetensors checkpoints/base.safetensors

export: $(DEV)/.ready ## checkpoint -> dist/base-fp32, -fp16 and -int8, and each as one file; parity checked
	$(DEV)/bin/python -m export

bundle: export ## put the exported INT8 bundle into the package
	if test -f dist/follow.json; then $(DEV)/bin/python -m export.scores; fi
	rm -rf t2a_edge/bundles/base
	cp -r dist/base-int8 t2a_edge/bundles/base

bench: $(DEV)/.ready ## size, latency and memory of dist/, with the gates of bench/budgets.toml
	$(DEV)/bin/python -m bench --json dist/bench.json --markdown dist/bench.md --plots dist/plots

load: $(DEV)/.ready ## 64 clients, and 7 that misbehave, against the server for five minutes
	$(DEV)/bin/python -m bench.load --json dist/load.json

peers: $(DEV)/.ready ## our pipeline beside TAESD's decoder, our text engine beside MiniLM
	$(DEV)/bin/python -m bench.peers --json dist/peers.json

roofline: $(DEV)/.ready ## an estimate for a GPU from its data sheet; nothing is measured
	$(DEV)/bin/python -m bench.roofline

export-triton: $(DEV)/.ready ## dist/base-int8.onnx -> a Triton model repository in dist/triton
	$(DEV)/bin/python -m export.triton --fused dist/base-int8.onnx --out dist/triton

$(RTX)/.ready: pyproject.toml
	$(PYTHON) -m venv $(RTX)
	$(RTX)/bin/python -m pip install --quiet --editable '.[rtx]'
	@touch $@

export-rtx: $(RTX)/.ready ## dist/base-int8 and base-fp16 -> TensorRT for RTX engines, without a GPU
	$(RTX)/bin/python -m export.trt_build --bundle dist/base-int8 --out dist/base-int8-rtx --fused
	$(RTX)/bin/python -m export.trt_build --bundle dist/base-fp16 --out dist/base-fp16-rtx --fused
	$(RTX)/bin/python -m export.trt_table dist/base-int8-rtx dist/base-fp16-rtx

$(PTQ)/.ready: pyproject.toml
	$(PYTHON) -m venv $(PTQ)
	$(PTQ)/bin/python -m pip install --quiet --editable '.[post-training]'
	@touch $@

test-rtx: $(RTX)/.ready ## the tests that build engines with TensorRT for RTX
	$(RTX)/bin/python -m pip install --quiet --editable '.[dev,rtx]'
	$(RTX)/bin/python -m pytest tests/export/test_tensorrt_build.py tests/export/test_tensorrt_form.py

post-training: $(PTQ)/.ready ## dist/base-fp32 -> dist/base-ptq, INT8 without training
	$(PTQ)/bin/python -m export.post_training --bundle dist/base-fp32 --out dist/base-ptq

attributes: $(DEV)/.ready ## AUC of the attribute measures against the annotations of DATA
	$(DEV)/bin/python -m bench.attributes --data $(DATA)

follow: $(DEV)/.ready ## whether pictures follow the words: seen, unseen, three at once, weights
	$(DEV)/bin/python -m bench.follow --data $(DATA) --bundle dist/base-int8 \
	  --reference dist/base-fp32 --json dist/follow.json

motion: $(DEV)/.ready ## whether ways between prompts and seeds are smooth, and no frame is grey
	$(DEV)/bin/python -m bench.motion --bundle dist/base-int8 --json dist/motion.json \
	  --sheet dist/motion.png

samples: $(RUNTIME)/.ready ## picture grids: eight prompts by six seeds, and 24 by eight
	$(RUNTIME)/bin/python -m bench.samples --out docs/samples.png
	$(RUNTIME)/bin/python -m bench.samples --typed --seeds 8 --side 112 --out docs/prompts.jpg

cli-docs: $(DEV)/.ready ## docs/cli.md and the page's options, from t2a_edge/request.py
	$(DEV)/bin/python -m t2a_edge.commands.manual --out docs/cli.md
	$(DEV)/bin/python -m web.options

docs: $(DEV)/.ready ## the documentation as a site in dist/site; a dead link fails
	NO_MKDOCS_2_WARNING=1 $(DEV)/bin/python -m mkdocs build --quiet

examples: $(DEV)/.ready ## run every example: Python, notebook, Node, C++
	$(DEV)/bin/python -m pip install --quiet --editable '.[examples]'
	npm ci --prefix examples/node
	$(DEV)/bin/python examples/cpp/fetch_onnxruntime.py
	$(DEV)/bin/python -m pytest tests/examples

web/node_modules/.ready: web/package.json web/package-lock.json
	cd web && npm ci --silent
	@touch $@

web-build: $(DEV)/.ready web/node_modules/.ready ## the page and its models into web/dist, size checked
	$(DEV)/bin/python -m web.prepare
	cd web && npm run --silent build

web: ## serve web/dist on loopback; builds it first where it is missing
	@test -f web/dist/index.html || $(MAKE) web-build
	cd web && npm run --silent serve

web-test: web-build ## the page's functions in node, the page in Chromium
	$(DEV)/bin/python -m pytest -m "slow or not slow" tests/web

page: web-build ## the built page into the package, for serve and the wheel
	$(DEV)/bin/python -m web.package

wheel: page ## build the wheel, with the page, into dist/wheel
	$(DEV)/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist/wheel .

release: page ## wheel, sdist, fused file and page of this version, with notes, into dist/release
	$(DEV)/bin/python -m pip install --quiet 'build>=1.2'
	rm -rf dist/release
	mkdir -p dist/release/assets
	$(DEV)/bin/python -c 'import t2a_edge; print("v" + t2a_edge.__version__)' > dist/release/VERSION
	$(DEV)/bin/python -m build --outdir dist/release/packages .
	$(DEV)/bin/python -c 'from pathlib import Path; from sys import argv; from export.pack import export_fused; from t2a_edge.bundle import load_bundle; export_fused(load_bundle(None).folder, Path(argv[1]))' \
	  dist/release/assets/t2a-edge-$$(cat dist/release/VERSION).onnx
	$(DEV)/bin/python -m zipfile -c dist/release/assets/t2a-edge-page-$$(cat dist/release/VERSION).zip web/dist/
	sed -n "/^## \[$$(sed s/v// dist/release/VERSION)\]/,/^## \[/p" CHANGELOG.md | sed '/^## \[/d' > dist/release/NOTES.md
	test -s dist/release/NOTES.md || { echo "CHANGELOG.md has no section of this version" >&2; exit 2; }
	cd dist/release && sha256sum packages/* assets/* > SHA256SUMS

clean: ## remove environments and everything that is made again
	rm -rf $(RUNTIME) $(DEV) $(PTQ) $(RTX) dist build t2a_edge/page .mypy_cache .ruff_cache .pytest_cache
