# Benchmark kernels (bench/kernels/) and the comparison with QEMU TCG and Bochs. Included by the top Makefile.

BENCH_KERNELS = sieve sha256 quicksort strings pages syscalls x87 sse
BENCH_CFLAGS = -std=gnu17 -O2 $(WARNINGS) -ffreestanding -fno-stack-protector -fno-pic -mno-red-zone -mcmodel=kernel -fno-tree-vectorize \
	-fno-asynchronous-unwind-tables -fcf-protection=none
BENCH_CFLAGS_x87 = -mno-sse -m80387
BENCH_CFLAGS_sse = -msse2
BENCH_CFLAGS_GENERAL = -mgeneral-regs-only
BENCH = $(BUILD)/bench

$(BENCH)/%.elf: bench/kernels/%.c bench/kernels/start.S bench/kernels/kernel.h bench/kernels/link.ld
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) $(or $(BENCH_CFLAGS_$*),$(BENCH_CFLAGS_GENERAL)) -Wl,-z,noexecstack -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-T,bench/kernels/link.ld \
		-o $@.64 bench/kernels/start.S $<
	objcopy -I elf64-x86-64 -O elf32-i386 $@.64 $@

bench-kernels: $(BENCH_KERNELS:%=$(BENCH)/%.elf)

bench-cpu: $(BUILD)/xray86 bench-kernels
	python3 bench/cpu.py --build $(BUILD) $(BENCH_KERNELS)

bench-boot: $(BUILD)/xray86 $(INITRAMFS_FILES)
	python3 bench/boot.py --build $(BUILD) cloud-amd64 686-pae

.PHONY: bench-kernels bench-cpu bench-boot

# VMs without modules, as the trusted VM is, so that both have the same interfaces to tell of.
BENCH_SNAPSHOTS = cloud-amd64-plain 686-pae-plain

# The library's user.
$(BENCH)/session: bench/session.c include/xray86.h $(BUILD)/lib/libxray86.so.0
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 -Wall -Wextra -Iinclude -o $@ $< -L$(BUILD)/lib -Wl,-rpath,$(abspath $(BUILD)/lib) -lxray86

bench-run: $(BUILD)/xray86 $(BENCH)/session
	BUILD=$(BUILD) tests/snapshots/make -j 2 $(BENCH_SNAPSHOTS)
	python3 bench/run.py --build $(BUILD) --json $(BUILD)/bench-run.json $(BENCH_SNAPSHOTS)

.PHONY: bench-run
