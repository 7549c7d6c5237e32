# SPDX-License-Identifier: ISC
#
# What `make bench` measures with, under $(BUILD)/ARCH/bench/. The Makefile that
# includes this sets what it does for the tests; bindings.mk comes first.

comma := ,

bench_programs := minimal_kvm native_led race resident

# Tenders as they are, but for what stands in bench/X.c.
bench_tenders := plain stamps reopens
bench_wrapped_stamps := hvt_options_parse hvt_signals_init hvt_vm_init hvt_elf_load \
	hvt_vcpu_init hvt_modules_setup hvt_vcpu_loop hvt_core_dispatch hvt_exit
bench_wrapped_reopens := hvt_modules_setup pwrite

# This machine has no GPIO: there, LEDs are files in the folder gpio/.
bench_cppflags_x86_64 := -DHVT_SYSFS_GPIO='"gpio"' -DHVT_LED_RECORDS='"records"'

.PHONY: bench
bench: tenders guests

# $(call bench_program_rules,ARCH,NAME)
define bench_program_rules
bench: $(BUILD)/$(1)/bench/$(2)
$(BUILD)/$(1)/bench/$(2): bench/$(2).c Makefile bench/bench.mk
	@mkdir -p $$(@D)
	@echo "  CC      $(1)/bench/$(2)"
	$$(Q)$$(CC_$(1)) -D_GNU_SOURCE $$(TENDER_CFLAGS) -static-pie -s -o $$@ $$<
endef

# $(call bench_tender_rules,ARCH,NAME)
define bench_tender_rules
bench: $(BUILD)/$(1)/bench/solo5-hvt-$(2)
$(BUILD)/$(1)/bench/solo5-hvt-$(2): $(DEFECT_INPUTS) $(wildcard bench/$(2).c) bench/bench.mk \
		$(BUILD)/guard/led-guard-$(1)
	@mkdir -p $$(@D)
	@echo "  CC      $(1)/bench/solo5-hvt-$(2)"
	$$(Q)$$(CC_$(1)) $$(TENDER_CPPFLAGS) $$(bench_cppflags_$(1)) -Itenders/hvt \
		$$(TENDER_CFLAGS) -static-pie -s $$(patsubst %,-Wl$$(comma)--wrap=%,$(bench_wrapped_$(2))) \
		-o $$@ $$(call sources,$(1)) $(wildcard bench/$(2).c)
endef

# $(call bench_guest_rules,ARCH)
define bench_guest_rules
bench: $(BUILD)/$(1)/bench/bench_guest.hvt

$(BUILD)/$(1)/bench/guest/%.o: bench/guest/%.c bindings/bindings.mk
	$$(call guest_compile,$(1))

$(BUILD)/$(1)/bench/manifest.o: $(BUILD)/bench/manifest.c bindings/bindings.mk
	$$(call guest_compile,$(1))

$(BUILD)/$(1)/bench/bench_guest.hvt: $(BUILD)/$(1)/bench/manifest.o $(BUILD)/$(1)/bindings.o \
		$(BUILD)/$(1)/bench/guest/bench_guest.o $(guest_library:%=$(BUILD)/$(1)/%.o) \
		$(guest_script)
	@echo "  LINK    $(1)/bench/bench_guest.hvt"
	$$(Q)$$(guest_cc_$(1)) $$(guest_ldflags) -o $$@ $$(filter %.o,$$^)
endef

$(BUILD)/bench/manifest.c: bench/guest/manifest.json ../rig/manifest.py
	@mkdir -p $(@D)
	$(Q)PYTHONPATH=.. $(PYTHON) -m rig.manifest $< $@

$(foreach arch,$(ARCHS),\
	$(eval $(call bench_guest_rules,$(arch)))\
	$(foreach program,$(bench_programs),$(eval $(call bench_program_rules,$(arch),$(program))))\
	$(foreach tender,$(bench_tenders),$(eval $(call bench_tender_rules,$(arch),$(tender)))))
