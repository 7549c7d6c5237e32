# SPDX-License-Identifier: ISC
#
# Fuzzing, for this machine: the tender's own code, compiled with sanitizers and
# libFuzzer's instrumentation, on the host of host.c. The Makefile that includes
# this sets BUILD, HOST_ARCH, Q, TENDER_CPPFLAGS, WARNINGS and `sources`.
#
#   make fuzz FUZZ_SECONDS=N      all targets, and a guest, N seconds together
#   make fuzz-merge               keep in the corpus what reaches most code
#
# The corpus in fuzz/corpus/ is what each run starts from. What a run finds new
# goes to BUILD/<arch>/fuzz/corpus/, an input that breaks the tender to findings/.

FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang
FUZZ := $(BUILD)/$(HOST_ARCH)/fuzz
FUZZ_TARGETS := elf manifest options hypercall

FUZZ_CPPFLAGS := $(filter-out -D_FORTIFY_SOURCE=%,$(TENDER_CPPFLAGS)) -Itenders/hvt \
	-DHVT_SYSFS_GPIO='"gpio"' -DHVT_LED_RECORDS='"records"'
FUZZ_CFLAGS := -std=c11 -O2 -g $(WARNINGS) -fno-sanitize-recover=all
FUZZ_SANITIZE := -fsanitize=address,undefined

FUZZ_OBJECTS := $(patsubst %.c,$(FUZZ)/%.o,$(filter-out %/hvt_main.c,$(call sources,$(HOST_ARCH))))
FUZZ_PROGRAMS := $(FUZZ_TARGETS:%=$(FUZZ)/fuzz_%)

.PHONY: fuzz-build
fuzz-build: $(FUZZ_PROGRAMS)

$(FUZZ)/fuzz/%.o: fuzz/%.c Makefile fuzz/fuzz.mk
	@mkdir -p $(@D)
	@echo "  CC      $(@:$(BUILD)/%=%)"
	$(Q)$(FUZZ_CC) $(FUZZ_CPPFLAGS) $(FUZZ_CFLAGS) $(FUZZ_SANITIZE) -MMD -MP -c -o $@ $<

$(FUZZ)/tenders/hvt/hvt_led_guarded.o: $(BUILD)/guard/led-guard-$(HOST_ARCH)

# The tender's variables get sections of their own, for host.c to find them, and
# its calls of the host go to host.c.
$(FUZZ)/tenders/%.o: tenders/%.c Makefile fuzz/fuzz.mk fuzz/overrides
	@mkdir -p $(@D)
	@echo "  CC      $(@:$(BUILD)/%=%)"
	$(Q)$(FUZZ_CC) $(FUZZ_CPPFLAGS) $(FUZZ_CFLAGS) $(FUZZ_SANITIZE),fuzzer-no-link \
		-MMD -MP -c -o $@ $<
	$(Q)objcopy --redefine-syms=fuzz/overrides \
		--rename-section .data=tender_data \
		--rename-section .bss=tender_bss,alloc,load,data,contents $@

# What is neither in `overrides` nor in `harmless` would reach the real host with
# arguments made up by a fuzzer. Harmless are functions without effect on the host,
# and those that only setup calls, which no input changes.
$(FUZZ)/calls-checked: $(FUZZ_OBJECTS) fuzz/harmless
	$(Q)calls=$$(nm $(FUZZ_OBJECTS) | awk 'NF == 2 { used[$$2] } NF == 3 { here[$$3] } \
		END { for (name in used) if (!(name in here)) print name }' | \
		grep -vE '^(host_|__(asan|ubsan|sancov|sanitizer|start|stop)_)' | grep -vxF -f fuzz/harmless); \
	[ -z "$$calls" ] || { echo "fuzz/overrides and fuzz/harmless lack:" $$calls; exit 1; }
	@touch $@

$(FUZZ)/fuzz_%: $(FUZZ)/fuzz/fuzz_%.o $(FUZZ)/fuzz/host.o $(FUZZ_OBJECTS) $(FUZZ)/calls-checked
	@echo "  LINK    $(@:$(BUILD)/%=%)"
	$(Q)$(FUZZ_CC) $(FUZZ_SANITIZE),fuzzer -Wl,--wrap=led_guard_start,--wrap=led_guard_export -o $@ $(filter %.o,$^)

.SECONDARY: $(FUZZ_OBJECTS) $(FUZZ_TARGETS:%=$(FUZZ)/fuzz/fuzz_%.o) $(FUZZ)/fuzz/host.o
-include $(wildcard $(FUZZ)/fuzz/*.d $(FUZZ)/tenders/hvt/*.d)

# ---- Running ------------------------------------------------------------------

# The guest's first; a finding names its own.
FUZZ_SEED ?= $(shell date +%s)
FUZZ_SHARE = $(shell echo $$(($(FUZZ_SECONDS) / 5)))
FUZZ_OPTIONS = -dict=$(CURDIR)/fuzz/dictionary -max_len=$(FUZZ_MAX_$*) -timeout=10 -rss_limit_mb=1024 \
	-print_final_stats=1 -print_funcs=0 -artifact_prefix=$(FUZZ)/findings/$*-

# Bytes. An image holds a manifest of three devices; more find the same slowly.
FUZZ_MAX_elf := 2048
FUZZ_MAX_manifest := 6672
FUZZ_MAX_options := 512
FUZZ_MAX_hypercall := 1024

.PHONY: fuzz fuzz-guest fuzz-merge $(FUZZ_TARGETS:%=fuzz-%) $(FUZZ_TARGETS:%=fuzz-merge-%)
fuzz: $(FUZZ_TARGETS:%=fuzz-%) fuzz-guest

# What libFuzzer says is kept, and shown if it found something.
$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: $(FUZZ)/fuzz_%
	@mkdir -p $(FUZZ)/corpus/$* $(FUZZ)/findings
	$(Q)$< $(FUZZ_OPTIONS) -max_total_time=$(FUZZ_SHARE) $(FUZZ)/corpus/$* \
		$(CURDIR)/fuzz/corpus/$* > $(FUZZ)/$*.log 2>&1 || { tail -n 50 $(FUZZ)/$*.log; exit 1; }
	@sed -n 's/^stat::number_of_executed_units: /  FUZZ    $*: no finding in executions: /p' \
		$(FUZZ)/$*.log

fuzz-guest: $(BUILD)/$(HOST_ARCH)/solo5-hvt $(BUILD)/$(HOST_ARCH)/test_random_devices.hvt
	@if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then \
		printf '  FUZZ    guest: ' && fuzz/run_guest $(FUZZ_SHARE) 1000000 $(FUZZ_SEED) \
			$(PYTHON) tests/with_devices.py $< --mem=4 $(lastword $^); \
	else echo '  FUZZ    guest: skipped, needs /dev/kvm, readable and writable'; fi

# Keeps in the corpus the smallest inputs that reach what all known ones reach.
fuzz-merge: $(FUZZ_TARGETS:%=fuzz-merge-%)
$(FUZZ_TARGETS:%=fuzz-merge-%): fuzz-merge-%: $(FUZZ)/fuzz_%
	$(Q)rm -rf $(FUZZ)/merged/$* && mkdir -p $(FUZZ)/merged/$* $(FUZZ)/findings
	$(Q)$< -merge=1 $(FUZZ_OPTIONS) $(FUZZ)/merged/$* $(CURDIR)/fuzz/corpus/$* $(FUZZ)/corpus/$* \
		> $(FUZZ)/$*.log 2>&1 || { tail -n 50 $(FUZZ)/$*.log; exit 1; }
	$(Q)rm -rf fuzz/corpus/$* && cp -r $(FUZZ)/merged/$* fuzz/corpus/$*

# ---- Proof --------------------------------------------------------------------

# A tender that forgets one check: ends with an error unless the fuzzer finds it.
FUZZ_DEFECT := forgets-the-offset

.PHONY: fuzz-proof
fuzz-proof: $(BUILD)/defects/$(FUZZ_DEFECT)/patched
	$(Q)ln -sfn $(CURDIR)/Makefile $(CURDIR)/fuzz $(<D)
	@mkdir -p $(FUZZ)/proof
	$(Q)! $(MAKE) -C $(<D) BUILD=$(FUZZ)/proof fuzz-hypercall > $(FUZZ)/proof/log 2>&1
	$(Q)grep -e '^SUMMARY: AddressSanitizer' $(FUZZ)/proof/log
