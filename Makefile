# SPDX-License-Identifier: ISC
# Everything one does here from a shell. `make` alone lists it.
#
# V=1 shows every command. BENCH=benches/other.yaml picks another bench.
# PACKAGES= (empty) skips the check of system packages, for systems without apt.

# What it takes to build and to run, as Debian 12 names it.
PACKAGES := python3-venv
PACKAGES += qemu-system-arm        # the virtual Pi
PACKAGES += gcc libc6-dev          # tender and unikernels for this machine
PACKAGES += gcc-aarch64-linux-gnu libc6-dev-arm64-cross  # and for the Pi
PACKAGES += patch                  # tenders with a planted defect

# What the tests need besides.
TEST_PACKAGES := bats              # runs the tender's tests
TEST_PACKAGES += cpio              # reads the RAM disk back, independently
TEST_PACKAGES += sigrok-cli        # the observer for logic analyzers, with its demo device
TEST_PACKAGES += shellcheck        # lint of the shell scripts
TEST_PACKAGES += chromium          # opens the report page
TEST_PACKAGES += postgresql        # a history on a server; the tests run one of their own

# What fuzzing needs besides.
FUZZ_PACKAGES := clang             # libFuzzer's instrumentation
FUZZ_PACKAGES += libclang-rt-14-dev  # libFuzzer itself, and the sanitizers

# Where Debian's PostgreSQL reads what to do when it is installed.
CREATECLUSTER := /etc/postgresql-common/createcluster

PYTHON := .venv/bin/python
ROBOT := .venv/bin/robot $(if $(BENCH),--variable BENCH:$(BENCH))
RUN ?= $(lastword $(sort $(wildcard results/2*/)))
# What a release has to pass, and how long. LENGTH=short only tries the way there.
LENGTH := release
SUITES := soak led refusals cleanup confinement timing acceptance
# Where runs leave their folders.
export RIG_RESULTS ?= results
SCRIPTS := .ci/run rig/pi/init rig/pi-network/etc/network-up

# With a job for each processor, or with those that this make was given.
JOBS = $(if $(findstring --jobserver,$(MAKEFLAGS)),,-j $(shell nproc))
BUILD_TENDER = $(MAKE) $(if $(filter 1,$(V)),,-s) $(JOBS) -C tender

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
Q := $(if $(filter 1,$(V)),,@)

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

.PHONY: led
led: image tender ## prove the LED unikernel on the bench: build, boot, blink, judge, report
	$(Q)$(ROBOT) --outputdir results/robot robot/led.robot

.PHONY: acceptance
acceptance: image tender ## run the suites at release length, decide on the release (BASELINE=results/... of the last)
	$(Q)$(ROBOT) --variable LENGTH:$(LENGTH) \
	--outputdir $(RIG_RESULTS)/acceptance-$(LENGTH) $(SUITES:%=robot/%.robot) || [ $$? -le 250 ]
	$(Q).venv/bin/rig report gate $(RIG_RESULTS) --robot $(RIG_RESULTS)/acceptance-$(LENGTH)/output.xml \
	$(if $(BASELINE),--baseline $(BASELINE))

.PHONY: test
test: ## run every check and test, and add them up
	$(Q)$(MAKE) -j 2 test-setup images known-bad
	$(Q)$(PYTHON) tests/run_all.py lint+test-virtual-pi+test-lab+test-two-boards+test-mutants \
	test-tender+test-python+test-robot+test-newer-kernel

.PHONY: test-python
test-python: test-setup ## only the Python tests that need no whole virtual Pi
	$(Q)$(PYTHON) -m pytest -q --ignore tests/lab --ignore tests/virtual_pi \
	--junitxml=results/tests/test-python.xml

.PHONY: test-virtual-pi
test-virtual-pi: images tender test-setup ## only the Python tests on virtual Pis
	$(Q)$(PYTHON) -m pytest -q --junitxml=results/tests/test-virtual-pi.xml tests/virtual_pi

.PHONY: test-lab
test-lab: image tender test-setup ## only the tests that borrow virtual Pis from a labgrid lab
	$(Q)$(PYTHON) -m pytest -q --junitxml=results/tests/test-lab.xml tests/lab

.PHONY: test-tender
test-tender: tender test-setup ## only the tests of tender and unikernels
	$(Q)$(MAKE) -C tender test

.PHONY: test-robot
test-robot: image tender ## only the Robot suites, on the bench
	$(Q)$(ROBOT) --exclude release --outputdir results/robot \
	--xunit $(CURDIR)/results/tests/test-robot.xml robot

.PHONY: test-newer-kernel
test-newer-kernel: images tender ## only some Robot suites, on a kernel that counts GPIO lines from 512
	$(Q)$(ROBOT) --variable BENCH:benches/virtual-6.12.yaml --outputdir results/robot-newer-kernel \
	--xunit $(CURDIR)/results/tests/test-newer-kernel.xml robot/led.robot robot/refusals.robot robot/cleanup.robot

.PHONY: test-two-boards
test-two-boards: images tender ## only the LED suite, observed by the second virtual board
	$(Q)$(ROBOT) --variable BENCH:benches/virtual-two-boards.yaml --outputdir results/robot-two-boards \
	--xunit $(CURDIR)/results/tests/test-two-boards.xml robot/led.robot

.PHONY: test-mutants
test-mutants: image known-bad ## only a sample of the known-bad systems, each of which a suite must catch
	$(Q)$(PYTHON) -m tests.mutants --sample

.PHONY: mutants
mutants: image known-bad ## run every known-bad system, or MUTANT=name, and see its test catch it
	$(Q)$(PYTHON) -m tests.mutants $(MUTANT)

.PHONY: fuzz
fuzz: tender fuzz-setup ## fuzz the tender for FUZZ_SECONDS (default 60)
	$(Q)$(MAKE) -C tender fuzz

.PHONY: mutation
mutation: setup ## plant defects in the judge and see the tests find them, for MUTATION_SECONDS (default 1800)
	$(Q)rm -rf build/mutation; mkdir -p build/mutation
	$(Q)git ls-files rig reports tests docs benches pyproject.toml README.md \
	| xargs cp --parents --target-directory build/mutation
	$(Q)cd build/mutation; \
	timeout $(or $(MUTATION_SECONDS),1800) $(CURDIR)/.venv/bin/mutmut run --max-children 1 || status=$$?; \
	$(CURDIR)/.venv/bin/mutmut results; exit $${status:-0}

.PHONY: bench
bench: image tender ## measure start, hypercalls, memory and size against their limits
	$(Q)$(MAKE) $(if $(filter 1,$(V)),,-s) -C tender bench
	$(Q)$(PYTHON) -m tests.bench

.PHONY: lint
lint: test-setup ## check style and types
	$(Q)status=0; \
	.venv/bin/ruff check --quiet . || status=1; \
	.venv/bin/ruff format --quiet --check . || status=1; \
	.venv/bin/mypy --no-error-summary || status=1; \
	shellcheck $(SCRIPTS) || status=1; \
	exit $$status

.PHONY: report
report: setup ## write the report of the newest run again (RUN=results/... for another)
	$(Q)$(if $(RUN),,echo 'report: results/ holds no run yet; make one with: make led' >&2; exit 1;) \
	.venv/bin/rig report $(RUN)

.PHONY: libdoc
libdoc: setup ## write what each keyword does to results/keywords.html and soak-keywords.html
	$(Q)mkdir -p results
	$(Q).venv/bin/libdoc rig.keywords.RigLibrary results/keywords.html
	$(Q).venv/bin/libdoc rig.soak_keywords.SoakLibrary results/soak-keywords.html

.PHONY: schema
schema: setup ## write the JSON Schema of bench files again
	$(Q)$(PYTHON) -m rig.bench_schema > benches/bench.schema.json

.PHONY: image
image: setup ## fetch and make the virtual Pi's boot files
	$(Q)$(PYTHON) -m rig.image $(if $(filter 1,$(V)),,> /dev/null)

.PHONY: images
images: setup ## those of all virtual boards: with a network, a newer kernel, and the second one, too
	$(Q)$(PYTHON) -m rig.image --second-board --network $(if $(filter 1,$(V)),,> /dev/null)
	$(Q)$(PYTHON) -m rig.image --series 6.12 $(if $(filter 1,$(V)),,> /dev/null)

.PHONY: tender
tender: setup ## build tender and unikernels for both architectures
	$(Q)+$(BUILD_TENDER) tenders guests tools $(CURDIR)/build/tender/aarch64/defects/never-unexports/solo5-hvt

.PHONY: known-bad
known-bad: setup ## build those, and all known-bad ones of which the suites must catch each
	$(Q)+$(BUILD_TENDER) all

.PHONY: setup
setup: packages .venv/installed ## install what is missing: system packages, Python packages in .venv

.PHONY: lab
lab: setup .venv-labgrid/installed ## install labgrid, for benches that a lab lends, in .venv-labgrid

.PHONY: clean
clean: ## remove what was fetched, built and measured (.venv and .venv-labgrid stay)
	$(Q)rm -rf build results log.html output.xml report.html
	$(Q)rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache

# The rest is how `setup` does it.

.PHONY: packages
packages:
	$(Q)$(call install_packages,$(PACKAGES))

.PHONY: test-setup
test-setup: setup .venv-labgrid/installed
	$(Q)$(if $(PACKAGES),$(call no_server_of_its_own))
	$(Q)$(call install_packages,$(if $(PACKAGES),$(TEST_PACKAGES)))

.PHONY: fuzz-setup
fuzz-setup: setup
	$(Q)$(call install_packages,$(if $(PACKAGES),$(FUZZ_PACKAGES)))

.venv/installed: requirements.txt pyproject.toml $(wildcard rig/__init__.py reports/__init__.py) | packages
	$(Q)python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "setup: python3 is $$(python3 --version), 3.11 or newer is needed" >&2; exit 1; }
	$(Q)$(call install_python,.venv,$<)

.venv-labgrid/installed: rig/lab/requirements.txt | packages
	$(Q)$(call install_python,.venv-labgrid,$<)

# Makes the virtual environment $(1) and installs into it what the file $(2) names.
define install_python
python3 -m venv $(1); \
$(1)/bin/python -m pip install --disable-pip-version-check -r $(2) \
$(if $(filter 1,$(V)),,| $(call pip_words,$(1))); \
touch $(1)/installed
endef

# One word per package instead of pip's page of text; its errors come through.
define pip_words
{ printf 'setup: Python packages into $(1):'; \
while read -r verb name _; do \
	if [ "$$verb" = Collecting ]; then printf ' %s' "$${name%%[^[:alnum:]._-]*}"; fi; \
done; echo; }
endef

# Newly installed, PostgreSQL would make and start a server that nobody asked for. Whoever has it
# already keeps what there is.
define no_server_of_its_own
[ ! -e $(CREATECLUSTER).conf ] && command -v apt-get > /dev/null || exit 0; \
sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
command -v $${sudo:-true} > /dev/null || exit 0; \
$$sudo mkdir -p $(CREATECLUSTER).d; \
echo 'create_main_cluster = false' | $$sudo tee $(CREATECLUSTER).d/no-main-cluster.conf > /dev/null
endef

# Installs those of the packages $(1) that are not there, as root or with sudo.
define install_packages
missing=; \
for package in $(1); do \
	dpkg-query -W -f '$${db:Status-Status}\n' "$$package" 2>/dev/null | grep -qx installed \
	|| missing+=" $$package"; \
done; \
[ -n "$$missing" ] || exit 0; \
command -v apt-get > /dev/null || { \
	echo "setup: no apt-get here, so this is not Debian. Install what these packages hold," >&2; \
	echo "setup: then say make PACKAGES= :$$missing" >&2; exit 1; }; \
sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
command -v $${sudo:-true} > /dev/null || { \
	echo "setup: only root may install:$$missing (and sudo is not there)" >&2; exit 1; }; \
echo "setup: system packages:$$missing"; \
$$sudo apt-get -q update; \
$$sudo env DEBIAN_FRONTEND=noninteractive \
	apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $$missing
endef
