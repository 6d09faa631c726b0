# Bare-metal test programs (tests/metal/): multiboot images that test the machine they run on. Included by the top Makefile.

METAL_32 = real protected tasks paging devices
METAL_64 = long long-paging rights modify traps
METAL = $(BUILD)/metal
METAL_TIMEOUT ?= 60
METAL_IMAGES = $(METAL_32:%=$(METAL)/%.elf) $(METAL_64:%=$(METAL)/%.elf)
METAL_RUNTIME = tests/metal/metal.c tests/metal/metal.h tests/metal/stubs.inc tests/metal/link.ld
METAL_CFLAGS = -std=gnu17 -O2 $(WARNINGS) -I. -ffreestanding -fno-stack-protector -fno-pic -fno-asynchronous-unwind-tables \
	-fcf-protection=none -fno-strict-aliasing -fno-toplevel-reorder -mgeneral-regs-only -nostdlib -static -no-pie -Wl,--build-id=none \
	-Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096 -Wl,-T,tests/metal/link.ld
METAL_CFLAGS_32 = -m32 -march=i686
METAL_CFLAGS_64 = -mno-red-zone -mcmodel=kernel

$(METAL_32:%=$(METAL)/%.elf): $(METAL)/%.elf: tests/metal/%.c tests/metal/start32.S tests/metal/real.S tests/metal/real.h $(METAL_RUNTIME)
	@mkdir -p $(@D)
	$(Q)gcc $(METAL_CFLAGS) $(METAL_CFLAGS_32) -o $@ tests/metal/start32.S tests/metal/real.S tests/metal/metal.c $<

# QEMU boots 32-bit ELF files only: the 64-bit code goes into one.
$(METAL_64:%=$(METAL)/%.elf): $(METAL)/%.elf: tests/metal/%.c tests/metal/start64.S $(METAL_RUNTIME)
	@mkdir -p $(@D)
	$(Q)gcc $(METAL_CFLAGS) $(METAL_CFLAGS_64) -o $@.64 tests/metal/start64.S tests/metal/metal.c $<
	$(Q)objcopy -I elf64-x86-64 -O elf32-i386 $@.64 $@

metal-images: $(METAL_IMAGES)

test-metal: $(BUILD)/xray86 $(METAL_IMAGES)
	@tests/metal/run-images $(METAL_TIMEOUT) $(METAL_IMAGES) -- $(BUILD)/xray86 boot
	@tests/metal/run-images $(METAL_TIMEOUT) $(METAL_IMAGES) -- $(BUILD)/xray86 boot --engine tagged

# However a run is cut into pieces, it is the same run (tests/slices/).
$(BUILD)/tests/slices/slices: $(BUILD)/tests/slices/slices.o $(BUILD)/libinternal.a
	$(Q)$(LINK) -o $@ $^ $(LDLIBS)

test-slices: $(BUILD)/tests/slices/slices $(METAL_IMAGES)
	$< $(SEED) $(METAL_IMAGES)

# The command line, on tiny images that it makes and the ones of here; and whether pages for readers say what is there.
test-cli: $(BUILD)/xray86 $(METAL_IMAGES)
	@tests/cli/run-cli-tests $(BUILD)/xray86 $(METAL)
	@tests/cli/check-docs $(BUILD)/xray86

# The tests themselves, tested: on another implementation. Needs no emulator of ours; not part of `make test`.
QEMU = qemu-system-x86_64 -accel tcg -cpu max -display none -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -no-reboot

test-metal-qemu: $(METAL_IMAGES)
	@tests/metal/run-images $(METAL_TIMEOUT) $(METAL_IMAGES) -- $(QEMU) -kernel

.PHONY: metal-images test-metal test-metal-qemu test-slices test-cli
