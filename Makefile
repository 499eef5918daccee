PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
QUICK := not faults and not chromium and not tools and not kube and not engine and not dist and not terraform
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE ?= falcolake

.PHONY: setup demo test test-faults test-page soak kafka test-kafka tools test-tools test-kube test-compose test-terraform \
	lake-clients lint check format docs site pictures mutate-protocol mutate-mapping simulate lock bench bench-growth bench-guard \
	dist wheel-native test-dist image chart hostile clean

setup: $(READY)

# The lock file's own uv installs the rest of it, many times faster than pip would.
$(READY): pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "falcolake needs Python 3.11 or newer")'
	@echo "1/4 creating .venv"
	@$(PYTHON) -m venv .venv
	@echo "2/4 installing uv with pip"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.txt > .venv/uv.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r .venv/uv.txt
	@echo "3/4 installing requirements-dev.txt with uv"
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements-dev.txt || \
		{ echo "uv could not (it does not read pip.conf); installing with pip, some minutes" >&2; \
		$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements-dev.txt; }
	@echo "4/4 installing falcolake itself, editable"
	@$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation --offline --editable .
	@touch $@

demo: $(READY)
	$(BIN)/falcolake demo

# Fast tests that need no server run first, so that the first answer comes within a minute.
PURE := $(filter-out %/test_mapping.py,$(wildcard tests/schemas/*/ tests/schemas/test_*.py \
	tests/streams/windows tests/streams/audit/test_coverage.py tests/streams/audit/test_proof.py \
	tests/streams/replay/test_plan.py tests/streams/worker/test_pause.py \
	tests/streams/worker/test_takeover.py))

test: $(READY)
	$(BIN)/python -m pytest -m "$(QUICK)" -n 2 --dist loadfile $(PURE)
	$(BIN)/python -m pytest -m "$(QUICK)" -n 4 --dist loadfile --no-loadscope-reorder \
		$(addprefix --ignore=,$(PURE))

test-faults: $(READY)
	$(BIN)/python -m pytest -m "faults and not chromium" -n 3 --durations 20

# The status page in Debian's Chromium (packages chromium and chromium-driver).
test-page: $(READY)
	$(BIN)/python -m pytest -m chromium -n 2

# Random faults for MINUTES, from a printed SEED; then every record is looked for in the lake.
MINUTES ?= 30
soak: $(READY)
	$(BIN)/python -m tests.soak $(MINUTES) $(SEED)

# Simulated schedules of the protocol, from seed FIRST on, or FIRST=fresh; see docs/simulation.md.
SEEDS ?= 1000
FIRST ?= 0
simulate: $(READY)
	$(BIN)/python -m tests.simulation $(SEEDS) $(FIRST)

# Apache Kafka, fetched once into .cache (needs Java 17 and Maven).
kafka: $(READY)
	$(BIN)/python -m streams.embedded.apache_jars

test-kafka: kafka
	$(BIN)/python -m pytest --broker apache -m "not chromium" -n 3 --durations 20 \
		--ignore tests/flow/test_hostile_s3.py --ignore tests/flow/test_hostile_disk.py \
		tests/streams/embedded/test_apache.py tests/streams/embedded/broker/test_conformance_*.py tests/flow \
		tests/simulation/test_group_contract.py tests/simulation/test_log*_contract.py

# helm, promtool, actionlint, hclfmt, hcldec, Compose, Kubernetes' schemas, fetched once into .cache (needs Go and Debian).
tools: $(READY)
	$(BIN)/python -m tests.compose.tools

# Checks compose/ (files, chart, rules) and the workflows with them.
test-tools: tools
	$(BIN)/python -m pytest -m tools tests/compose tests/packaging

# The chart on a real Kubernetes control plane, which is built once into .cache (needs Go).
test-kube: $(READY)
	$(BIN)/python -m tests.compose.tools helm kubernetes crds
	$(BIN)/python -m pytest -m kube --durations 20 tests/compose

# Plans and applies Terraform's module at moto, with Terraform (or OpenTofu) in the PATH and the AWS provider, from
# its registry or from a mirror that TF_CLI_CONFIG_FILE names.
test-terraform: $(READY)
	@command -v terraform > /dev/null || command -v tofu > /dev/null || \
		{ echo "make test-terraform needs terraform or tofu in the PATH" >&2; exit 1; }
	$(BIN)/python -m pytest -m terraform tests/compose

# The stack of compose/compose.yaml in a Docker engine of its own (needs root, Debian, Java and
# Maven), with images that are built here.
test-compose: kafka
	$(BIN)/python -m tests.compose.tools wheels
	$(BIN)/python -m pytest -m engine tests/compose

# Reads objects with DuckDB, ClickHouse, DataFusion, Spark, Polars, PyArrow, PyIceberg and AWS's library, runs
# Athena's queries in Trino, and writes docs/clients.md. All of it is installed into .cache/clients (needs
# Java 17 and Maven). CHECK=--check only compares.
CLIENTS := .cache/clients/.ready
CHECK ?=
lake-clients: $(CLIENTS)
	$(BIN)/python -m tests.clients $(CHECK)

$(CLIENTS): $(READY) tests/clients/requirements.txt tests/clients/pom.xml
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .cache/clients
	$(BIN)/uv pip install --quiet --python .cache/clients/bin/python --require-hashes -r tests/clients/requirements.txt
	mvn --batch-mode --quiet --file tests/clients/pom.xml --strict-checksums dependency:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory=$(abspath .cache/clients/trino)
	@touch $@

# Checks that read the code and do not run it.
lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/deptry .
	$(BIN)/codespell

check: lint test

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The pages that are generated from the code, and a transcript of real runs.
docs: $(READY)
	$(BIN)/python -m tests.docs.commands
	$(BIN)/python -m tests.docs.settings_page
	$(BIN)/python -m tests.docs.structure_page
	$(BIN)/python -m tests.docs.metrics_page
	$(BIN)/python -m tests.docs.mapping_page
	$(BIN)/python -m tests.docs.chart_page
	$(BIN)/python -m tests.compose.files
	$(BIN)/python -m tests.docs.transcript

# docs/ as a website, in build/site; a broken link fails. It is built from a copy, because Zensical
# keeps its own cache in .cache beside mkdocs.yml, and clears everything in there.
site: $(READY)
	rm -rf build/pages build/site && mkdir -p build/pages
	cp -r mkdocs.yml docs build/pages
	cd build/pages && $(abspath $(BIN))/zensical build --strict
	mv build/pages/build/site build/site

# The pictures of the status page, taken in Chromium while all of it runs; some minutes.
pictures: $(READY)
	$(BIN)/python -m tests.docs.pictures

# Hostile records from their value to Parquet, each with a bound on its time; a million take 10 minutes.
hostile: COUNT ?= 1000000
hostile: $(READY)
	$(BIN)/python -m tests.hostile $(COUNT) $(SEED)

# Breaks the protocol a step at a time and shows which tests notice.
mutate-protocol: $(READY)
	$(BIN)/python -m tests.mutation.protocol

# Takes rows out of the mapping, one at a time, and shows which test notices.
mutate-mapping: $(READY)
	$(BIN)/python -m tests.mutation.mapping_rows

# Figures of this machine, side by side with others, into docs/benchmarks.*: see tests/bench.
bench: COUNT ?= 100000
RUNS ?= 3
LARGEST ?= 1000000
bench: wheel-native
	rm -rf build/native
	$(BIN)/python -m zipfile -e dist/native/*.whl build/native
	$(BIN)/python -m tests.bench --count $(COUNT) --runs $(RUNS) --largest $(LARGEST)

# Only growth, to a backlog of ten million, and 1, 2 and 4 workers, into build/bench: half an hour.
bench-growth: COUNT ?= 100000
bench-growth: LARGEST = 10000000
bench-growth: $(READY)
	$(BIN)/python -m tests.bench --count $(COUNT) --runs $(RUNS) --largest $(LARGEST) \
		--only growth workers --into build/bench

# Fails when mapping, staging and COPY have become twice as slow beside the floor.
bench-guard: $(READY)
	$(BIN)/python -m tests.bench.guard

lock: $(READY)
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra dev pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-deps tests/compose/requirements.in -o tests/compose/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 tests/clients/requirements.in -o tests/clients/requirements.txt

# The source distribution, and the wheel built from it.
dist: $(READY)
	rm -f dist/falcolake-*.whl dist/falcolake-*.tar.gz
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist
	$(BIN)/twine check --strict dist/falcolake-*.whl dist/falcolake-*.tar.gz

# The wheel with the mapping compiled, for this machine and Python, into dist/native (needs a C compiler).
wheel-native: dist
	rm -rf dist/native
	COMPILE_FALCOLAKE=1 $(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python \
		--out-dir dist/native dist/falcolake-*.tar.gz

# Installs the wheels into fresh environments and runs them there.
test-dist: wheel-native
	$(BIN)/python -m pytest -m dist tests/packaging

image:
	@command -v docker > /dev/null || { echo "make image needs docker in the PATH" >&2; exit 1; }
	docker build --file compose/Dockerfile --tag $(IMAGE):$(VERSION) .

chart: $(READY)
	$(BIN)/python -m tests.compose.tools helm
	.cache/tools/helm package compose/helm/falcolake --destination dist

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
