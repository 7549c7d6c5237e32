# SPDX-License-Identifier: ISC
#
# The unikernels: tests/test_X/ becomes $(BUILD)/ARCH/test_X.hvt, for all ARCHS
# with `make guests`. The Makefile that includes this sets BUILD, ARCHS, Q and
# PYTHON; bindings.mk comes first.

guests := $(notdir $(patsubst %/,%,$(dir $(wildcard tests/test_*/manifest.json))))

# What a test may use besides the guest API: lib.h, format.h and tests/lib/.
guest_library := bindings/lib.c bindings/format.c $(wildcard tests/lib/*.c)

.PHONY: guests
guests: $(foreach arch,$(ARCHS),$(guests:%=$(BUILD)/$(arch)/%.hvt))

$(BUILD)/manifests/%.c: tests/%/manifest.json ../rig/manifest.py \
		include/solo5/mft_abi.h
	@mkdir -p $(@D)
	@echo "  MFT     $*"
	$(Q)PYTHONPATH=.. $(PYTHON) -m rig.manifest $< $@

.SECONDARY: $(guests:%=$(BUILD)/manifests/%.c)

# $(call guest_rules,ARCH)
define guest_rules
$$(BUILD)/$(1)/tests/%.o: tests/% bindings/bindings.mk
	$$(call guest_compile,$(1))

$$(BUILD)/$(1)/manifests/%.o: $$(BUILD)/manifests/%.c bindings/bindings.mk
	$$(call guest_compile,$(1))

.SECONDARY: $(guests:%=$$(BUILD)/$(1)/manifests/%.o)
endef
$(foreach arch,$(ARCHS),$(eval $(call guest_rules,$(arch))))

# $(call guest_link,ARCH,TEST)
define guest_link
$$(BUILD)/$(1)/$(2).hvt: $$(BUILD)/$(1)/manifests/$(2).o $$(BUILD)/$(1)/bindings.o \
		$(patsubst %,$$(BUILD)/$(1)/%.o,$(wildcard tests/$(2)/*.c) $(guest_library)) \
		$$(guest_script)
	@echo "  LINK    $(1)/$(2).hvt"
	$$(Q)$$(guest_cc_$(1)) $$(guest_ldflags) -o $$@ $$(filter %.o,$$^)

-include $$(wildcard $$(BUILD)/$(1)/tests/$(2)/*.d $$(BUILD)/$(1)/manifests/$(2).d)
endef
$(foreach arch,$(ARCHS),$(foreach test,$(guests),$(eval $(call guest_link,$(arch),$(test)))))
-include $(foreach arch,$(ARCHS),$(wildcard $(BUILD)/$(arch)/tests/lib/*.d))

# ---- Known-bad unikernels: the tests of the rig must catch each ----------------
#
# tests/defects/unikernel/NAME.patch, to the bindings or to tests/test_led/, becomes
# $(BUILD)/ARCH/defects/NAME/test_led.hvt.

bad_guests := $(basename $(notdir $(wildcard tests/defects/unikernel/*.patch)))
bad_guest_inputs := $(bindings_all) $(wildcard bindings/*.h bindings/hvt/*.h include/solo5/*.h) \
	$(wildcard tests/test_led/*.c tests/lib/*.[ch])

$(BUILD)/defects/unikernel/%/patched: tests/defects/unikernel/%.patch $(bad_guest_inputs)
	$(call patch_tree,bindings include tests/test_led tests/lib)

# $(call bad_guest_rules,ARCH,NAME)
define bad_guest_rules
defects: $$(BUILD)/$(1)/defects/$(2)/test_led.hvt
$$(BUILD)/$(1)/defects/$(2)/test_led.hvt: $$(BUILD)/defects/unikernel/$(2)/patched \
		$$(BUILD)/$(1)/test_led.hvt
	@mkdir -p $$(@D)
	@echo "  CC      $(1)/defects/$(2)/test_led.hvt"
	$$(Q)cd $$(<D) && $$(guest_cc_$(1)) $$(guest_cflags) $$(guest_cflags_$(1)) \
		-isystem $$(guest_headers_$(1)) $$(guest_ldflags) -o $$@ $$(BUILD)/$(1)/manifests/test_led.o \
		$$(sort $$(call bindings_sources,$(1)) tests/test_led/test_led.c $$(guest_library))
endef
$(foreach arch,$(ARCHS),$(foreach name,$(bad_guests),\
	$(eval $(call bad_guest_rules,$(arch),$(name)))))
