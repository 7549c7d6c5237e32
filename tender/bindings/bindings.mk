# SPDX-License-Identifier: ISC
#
# The guest side: $(BUILD)/ARCH/bindings.o, and how guest code is compiled and
# linked. The Makefile that includes this sets BUILD, ARCHS and Q.

guest_cc_x86_64 ?= gcc
guest_cc_aarch64 ?= aarch64-linux-gnu-gcc
guest_objcopy_x86_64 ?= objcopy
guest_objcopy_aarch64 ?= aarch64-linux-gnu-objcopy

# General registers only: on hosts whose KVM emulates, an SSE instruction ends
# the guest. No outlined atomics: they live in the compiler's library.
guest_cflags := -std=c11 -O2 -Wall -Wextra -Werror -ffreestanding -mgeneral-regs-only \
	-fstack-protector-strong -fno-pie -fno-asynchronous-unwind-tables \
	-nostdinc -Iinclude/solo5 -Ibindings
guest_cflags_x86_64 := -mno-red-zone -mstack-protector-guard=global -fcf-protection=none
guest_cflags_aarch64 := -mno-outline-atomics

guest_script := bindings/hvt/hvt.lds
guest_ldflags := -nostdlib -static -Wl,-T,$(guest_script) -Wl,--build-id=none \
	-Wl,-z,max-page-size=0x10000 -Wl,--orphan-handling=error -Wl,--fatal-warnings

# All that an application may see of the bindings.
bindings_names := solo5_* _start __stack_chk_guard __stack_chk_fail

bindings_all := $(wildcard bindings/*.[cS] bindings/hvt/*.[cS])
bindings_common := $(filter-out %_x86_64.c %_x86_64.S %_aarch64.c %_aarch64.S,$(bindings_all))
bindings_sources = $(bindings_common) $(filter %_$(1).c %_$(1).S,$(bindings_all))

# $(call guest_compile,ARCH): the recipe for one object file. The compiler's own
# headers (stdint.h and the like) are the only system headers.
define guest_compile
	@mkdir -p $(@D)
	@echo "  CC      $(@:$(BUILD)/%=%)"
	$(Q)$(guest_cc_$(1)) $(guest_cflags) $(guest_cflags_$(1)) \
		-isystem $(guest_headers_$(1)) -MMD -MP -c -o $@ $<
endef

define bindings_rules
guest_headers_$(1) := $$(shell $$(guest_cc_$(1)) -print-file-name=include)

$$(BUILD)/$(1)/bindings/%.o: bindings/% bindings/bindings.mk
	$$(call guest_compile,$(1))

$$(BUILD)/$(1)/bindings.o: $(patsubst %,$$(BUILD)/$(1)/%.o,$(call bindings_sources,$(1)))
	@echo "  LD      $(1)/bindings.o"
	$$(Q)$$(guest_cc_$(1)) -r -nostdlib -o $$@ $$^
	$$(Q)$$(guest_objcopy_$(1)) -w $$(patsubst %,-G '%',$$(bindings_names)) $$@

-include $$(wildcard $$(BUILD)/$(1)/bindings/*.d $$(BUILD)/$(1)/bindings/hvt/*.d)
endef
$(foreach arch,$(ARCHS),$(eval $(call bindings_rules,$(arch))))
