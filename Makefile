# xray86: see README.md. `make` builds build/xray86; `make help` lists the other targets.

# -- flags: CC, CPPFLAGS, CFLAGS, LDFLAGS and LDLIBS are the user's; V=1 shows the commands; DEVELOPER=1 makes errors of warnings --

BUILD ?= build
CFLAGS ?= -O2 -g
V ?= 0
Q = $(if $(filter 1,$(V)),,@)
DEVELOPER ?=
WARNINGS = -Wall -Wextra $(if $(DEVELOPER),-Werror)
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -fno-strict-aliasing -fwrapv -fno-tree-slp-vectorize $(DIALECT) -I. -MMD -MP $(HARDENING) $(CPPFLAGS) $(CFLAGS)
# Structs embedded in others by their names: util/embed.h. Clang says of each that it is no standard C.
DIALECT = -fms-extensions -Wno-microsoft-anon-tag
# Against faults of our own that a hostile input finds. Without optimisation there are no checked forms of string functions, and sanitizers
# bring better ones.
FORTIFIED = $(if $(filter -O1 -O2 -O3 -Os -Ofast,$(CFLAGS)),$(if $(findstring -fsanitize,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
# The objects are the library's, too: code of any address, of which nothing but what the header names is to be seen.
HARDENING = -fPIC -fvisibility=hidden -fstack-protector-strong $(FORTIFIED)
HARDENING_LD = -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
LINK = $(CC) $(HARDENING) $(CFLAGS) $(HARDENING_LD) $(LDFLAGS)
LDLIBS += -lcapstone -lelf -lz -llzma -lzstd -llz4 -lbz2 -llzo2 -lsnappy -ljansson -larchive

PREFIX ?= /usr/local
DESTDIR ?=

LIB_SOURCES = $(wildcard util/*.c mmu/*.c emu/*.c emu/isa/*.c emu/dev/*.c loader/*.c product/*.c redirect/*.c session/*.c)
OPS_SOURCES = $(wildcard emu/ops/*.c)
CLI_SOURCES = $(wildcard cli/*.c)
UNIT_TESTS = $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
T ?= $(UNIT_TESTS)
FUZZERS = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

LIB_OBJECTS = $(LIB_SOURCES:%.c=$(BUILD)/%.o) $(OPS_SOURCES:%.c=$(BUILD)/%.plain.o) $(OPS_SOURCES:%.c=$(BUILD)/%.tagged.o)
CLI_OBJECTS = $(CLI_SOURCES:%.c=$(BUILD)/%.o)

all: $(BUILD)/xray86

help:
	@echo 'make               build $(BUILD)/xray86'
	@echo 'make demo          build, freeze a virtual machine and look into its memory'
	@echo 'make test          everything that CI runs: unit, metal, decoder and differential tests, sanitizers, fuzzing (installs what it needs)'
	@echo 'make library       the public libraries, in $(BUILD)/lib; make test-library: as they are installed'
	@echo 'make test-unit     the unit tests, or those in T: make test-unit T=test_tags'
	@echo 'make test-metal    the bare-metal programs'
	@echo 'make test-slices   runs cut into pieces are the same runs; make test-cli: the command line'
	@echo 'make differential  random instructions against the host CPU (CASES=, SEED=)'
	@echo 'make decoder-sweep the decoder against Capstone (SWEEP_SAMPLES=)'
	@echo 'make test-linux    Debian'\''s kernels to a shell, a check from inside, a userland, determinism'
	@echo 'make test-others   images made by others: U-Boot'\''s ROMs, and Xen with Linux as its dom0'
	@echo 'make snapshots     product VMs with ground truth, dumped (SNAPSHOTS=, tests/snapshots/README.md)'
	@echo 'make test-run      xray86 run on those: what commands printed inside, in both ways'
	@echo 'make slow-snapshots a Debian server, by root, and a VM with PREEMPT_RT (SLOW_SNAPSHOTS=); make test-slow: xray86 run on those'
	@echo 'make server        the server alone, in both ways (tests/snapshots/README.md)'
	@echo 'make small-kernels a kernel that Debian does not have (for one CPU), built small, and compared likewise'
	@echo 'make hostile       xray86 run, with sanitizers, on damaged copies of them (HOSTILE_RUNS=, SEED=)'
	@echo 'make asan          unit, metal and differential tests under AddressSanitizer and UBSan'
	@echo 'make fuzz          every fuzz target for FUZZ_SECONDS each'
	@echo 'make bench-cpu     speed beside QEMU TCG and Bochs'
	@echo 'make bench-boot    booting kernels beside QEMU TCG'
	@echo 'make bench-run     xray86 run: start-up, and what redirection costs'
	@echo 'make dist          a tarball of the sources, the same bytes each time; make test-dist'
	@echo 'make deb           Debian packages, in $(BUILD)/deb; make test-deb: in a bare Debian 12'
	@echo 'make lint          warnings are errors; clang-format, clang-tidy, that handlers make tail calls and parts lead to none above them'
	@echo 'make deps          install the Debian packages that all this needs'
	@echo 'make install       into PREFIX ($(PREFIX)); make clean'
	@echo
	@echo 'CC, CPPFLAGS, CFLAGS and LDFLAGS are added to what the build needs. V=1 shows commands, DEVELOPER=1 makes errors of warnings.'
	@echo 'Any targets can be made at once, and with any -j.'

# -- building: objects, the library of all but the command line, the program --

$(BUILD)/%.plain.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DENGINE_TAGGED=0 -c -o $@ $<

$(BUILD)/%.tagged.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DENGINE_TAGGED=1 -c -o $@ $<

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/%.o: %.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Where an isolated session's worker is looked for.
$(BUILD)/session/worker_process.o: ALL_CFLAGS += -DBINDIR='"$(PREFIX)/bin"'

$(BUILD)/libinternal.a: $(LIB_OBJECTS)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

# The command line without main(), for fuzz targets.
$(BUILD)/libcli.a: $(filter-out $(BUILD)/cli/main.o,$(CLI_OBJECTS))
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

# Parts of the command line that unit tests are about.
$(BUILD)/tests/unit/test_sandbox: $(BUILD)/cli/sandbox.o $(BUILD)/cli/sandbox_filter.o
$(BUILD)/tests/unit/test_sandbox: LDLIBS := $(BUILD)/libinternal.a $(LDLIBS)
$(BUILD)/tests/unit/test_confined: $(BUILD)/cli/confined.o $(BUILD)/cli/sandbox.o $(BUILD)/cli/sandbox_filter.o
$(BUILD)/tests/unit/test_confined: LDLIBS := $(BUILD)/libinternal.a $(LDLIBS)
$(BUILD)/tests/unit/test_package_manager: $(BUILD)/cli/package_manager.o

include guest/guest.mk

$(BUILD)/xray86: $(BUILD)/cli/main.o $(BUILD)/libcli.a $(BUILD)/guest/agents.o $(BUILD)/libinternal.a
	$(Q)$(LINK) -o $@ $^ $(LDLIBS)

# -- the library --

# What is linked into the program and into tests, libinternal.a, has every symbol; the public libraries have those of include/xray86.h alone.
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
VERSION = $(shell sed -n 's/.*define XRAY86_VERSION "\(.*\)"/\1/p' include/xray86.h)
PUBLIC = $(BUILD)/lib/libxray86.so.0 $(BUILD)/lib/libxray86.a $(BUILD)/lib/xray86.pc

library: $(PUBLIC)

$(BUILD)/lib/libxray86.so.0: $(LIB_OBJECTS) $(BUILD)/guest/agents.o session/libxray86.map
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -shared -Wl,-soname,$(@F) -Wl,--version-script=session/libxray86.map -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,defs \
		$(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--as-needed $(LDLIBS)
	@ln -sf $(@F) $(@D)/libxray86.so

# One object, so that no name of ours is a linker's.
$(BUILD)/lib/libxray86.a: $(LIB_OBJECTS) $(BUILD)/guest/agents.o
	@mkdir -p $(@D)
	@rm -f $@
	@$(LD) -r -o $(@:.a=.o) $^
	@objcopy --wildcard --keep-global-symbol='xray86_*' $(@:.a=.o)
	@$(AR) rcs $@ $(@:.a=.o)

$(BUILD)/lib/xray86.pc: include/xray86.pc.in include/xray86.h Makefile
	@mkdir -p $(@D)
	@sed 's,@PREFIX@,$(PREFIX),; s,@LIBDIR@,$(LIBDIR),; s,@INCLUDEDIR@,$(INCLUDEDIR),; s,@VERSION@,$(VERSION),; s,@LIBS@,$(LDLIBS),' $< >$@

install-library: $(PUBLIC)
	install -D -m 644 include/xray86.h $(DESTDIR)$(INCLUDEDIR)/xray86.h
	install -D -m 644 $(BUILD)/lib/libxray86.so.0 $(DESTDIR)$(LIBDIR)/libxray86.so.0
	ln -sf libxray86.so.0 $(DESTDIR)$(LIBDIR)/libxray86.so
	install -D -m 644 $(BUILD)/lib/libxray86.a $(DESTDIR)$(LIBDIR)/libxray86.a
	install -D -m 644 $(BUILD)/lib/xray86.pc $(DESTDIR)$(LIBDIR)/pkgconfig/xray86.pc

# Where Debian's Python looks for packages.
PYTHONDIR ?= $(if $(filter /usr,$(PREFIX)),/usr/lib/python3,$(PREFIX)/lib/python$(shell /usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])'))/dist-packages

install-python:
	install -d $(DESTDIR)$(PYTHONDIR)/xray86
	install -m 644 python/xray86/*.py python/xray86/py.typed $(DESTDIR)$(PYTHONDIR)/xray86

# A program that uses the shared library as a stranger's would.
$(BUILD)/tests/library/library: tests/library/library.c include/xray86.h $(BUILD)/lib/libxray86.so.0
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -g -Iinclude -o $@ $< -L$(BUILD)/lib -Wl,-rpath,$(abspath $(BUILD)/lib) -lxray86 -pthread

# The header, the libraries and the example, as they are installed.
INSTALLED = $(BUILD)/installed/usr/local
test-library: $(PUBLIC)
	@$(MAKE) --no-print-directory PREFIX=/usr/local LIBDIR=/usr/local/lib INCLUDEDIR=/usr/local/include DESTDIR=$(abspath $(BUILD))/installed install-library >/dev/null
	@tests/library/check-installed $(INSTALLED) $(INSTALLED)/lib $(BUILD)/tests/library

# The compile database, for clang-tidy and editors. Handlers are in it in their tagged form.
LINT_SOURCES = $(LIB_SOURCES) $(OPS_SOURCES) $(CLI_SOURCES)

compile_commands.json: Makefile $(LINT_SOURCES)
	$(Q)for source in $(LINT_SOURCES); do \
		printf '%s{"directory": "%s", "file": "%s", "command": "%s"}' "$${separator-[}" '$(CURDIR)' $$source \
			"$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -DENGINE_TAGGED=1 -c $$source"; \
		separator=,; \
	done >$@.partial
	$(Q)echo ']' >>$@.partial
	$(Q)mv $@.partial $@

include tests/linux/linux.mk
include tests/others/others.mk

# -- tests: from quick to slow, as tests/run has them --

$(BUILD)/tests/unit/test_losses: $(BUILD)/cli/closing.o
$(BUILD)/tests/unit/test_api: $(BUILD)/guest/agents.o
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libinternal.a
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS) -lcmocka

# Test objects are kept.
.SECONDARY:

test-unit: $(T:%=$(BUILD)/tests/unit/%)
	@for test in $^; do echo "== $$test"; $$test || exit 1; done

# The emulator against the host's CPU: random instructions, compared (tests/differential/). A unit test has all of it but its main().
DIFFERENTIAL_SOURCES = $(wildcard tests/differential/*.c tests/differential/*.S)
$(BUILD)/tests/unit/test_host: $(addprefix $(BUILD)/,$(addsuffix .o,$(basename $(filter-out %/main.c,$(DIFFERENTIAL_SOURCES)))))
CASES ?= 1000000
SEED ?= 1

$(BUILD)/tests/differential/differential: $(addprefix $(BUILD)/,$(addsuffix .o,$(basename $(DIFFERENTIAL_SOURCES)))) $(BUILD)/libinternal.a
	$(Q)$(LINK) -o $@ $^ $(LDLIBS)

differential: $(BUILD)/tests/differential/differential
	$< --cases $(CASES) --seed $(SEED)

# The decoder against Capstone: random bytes and compiled code (tests/decoder/).
SWEEP_SAMPLES ?= 300000
SWEEP_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/decoder/*.c)) $(BUILD)/libinternal.a

$(BUILD)/tests/decoder/sweep: $(SWEEP_OBJECTS)
	$(Q)$(LINK) -o $@ $^ $(LDLIBS)

decoder-sweep: $(BUILD)/tests/decoder/sweep
	@for mode in 16 32 64; do $< --random $(SWEEP_SAMPLES) --seed $(SEED) --mode $$mode || exit 1; done
	$< --elf $<

# The same over the whole code of real kernels; downloads them (tests/linux/fetch).
DECODER_KERNELS = $(foreach flavour,cloud-amd64 amd64,$(LINUX)/amd64/linux-image-$(flavour).stamp) $(LINUX)/i386/linux-image-686-pae.stamp
decoder-kernels: $(BUILD)/tests/decoder/sweep $(DECODER_KERNELS)
	@for tree in $(DECODER_KERNELS:.stamp=); do $< --kernel $$tree/boot/vmlinuz-* || exit 1; done

# Memory of product VMs, with what commands printed inside (tests/snapshots/).
SNAPSHOTS ?= cloud-amd64 amd64 686-pae 686

snapshots: $(BUILD)/xray86
	BUILD=$(BUILD) tests/snapshots/make -j 2 $(SNAPSHOTS)
	BUILD=$(BUILD) tests/snapshots/check $(SNAPSHOTS)
	BUILD=$(BUILD) tests/snapshots/check-info $< $(SNAPSHOTS)

# xray86 run on them: everything that the commands printed inside, in both ways (tests/snapshots/compare), which takes all processors; then what takes
# one each. usage is about a 64-bit VM with modules, and a 32-bit one.
RUN_ON = XDG_CACHE_HOME=$(abspath $(BUILD))/cache tests/snapshots/$(1) $(BUILD)/xray86
RUN_TESTS = $(if $(filter cloud-amd64,$(SNAPSHOTS)),$(if $(filter 686,$(SNAPSHOTS)),run-usage-kernels run-usage-caches)) $(if $(filter-out 686%,$(SNAPSHOTS)),run-frozen) \
	$(if $(filter cloud-amd64 686,$(SNAPSHOTS)),run-library) $(if $(filter cloud-amd64,$(SNAPSHOTS)),run-python)
test-run: snapshots test-library $(BUILD)/tests/library/library
	@$(call RUN_ON,compare) $(LINUX) $(BUILD)/snapshots $(SNAPSHOTS)
	@$(if $(strip $(RUN_TESTS)),$(MAKE) --no-print-directory --output-sync=target $(RUN_TESTS))

run-usage-kernels run-usage-caches: run-usage-%:
	@tests/snapshots/usage $(BUILD)/xray86 $(LINUX) $(BUILD)/snapshots cloud-amd64 686 $*

run-frozen:
	@$(call RUN_ON,frozen) $(LINUX) $(BUILD)/snapshots $(filter-out 686%,$(SNAPSHOTS))

run-library:
	@tests/snapshots/library $(BUILD)/xray86 $(BUILD)/tests/library/library $(BUILD)/tests/library/processes $(LINUX) $(BUILD)/snapshots $(filter cloud-amd64 686,$(SNAPSHOTS))

run-python:
	@tests/snapshots/python-package $(BUILD)/lib/libxray86.so.0 $(BUILD)/xray86 $(LINUX) $(BUILD)/snapshots cloud-amd64

# VMs that take long to be made; tests/run makes them beside other steps. A Debian server with its root on ext4, twenty of whose commands run with this
# machine's own tools, too (tests/snapshots/server/); and a kernel with PREEMPT_RT, for its locks.
SLOW_SNAPSHOTS ?= server rt-amd64-plain
HOST_TOOLS = uname lscpu dmesg lsmod findmnt df cat-hosts ls-etc stat-file md5sum-database deleted-program-sum pmap lsblk ip-addr ip-route ss-listening \
	netns-addresses ps-ids ps-forest top

slow-snapshots:
	BUILD=$(BUILD) tests/snapshots/make $(SLOW_SNAPSHOTS)

test-slow: $(BUILD)/xray86 slow-snapshots
	BUILD=$(BUILD) tests/snapshots/check $(SLOW_SNAPSHOTS)
	BUILD=$(BUILD) tests/snapshots/check-info $< $(SLOW_SNAPSHOTS)
	@$(if $(filter server,$(SLOW_SNAPSHOTS)),$(call RUN_ON,compare) --redirect context $(LINUX) $(BUILD)/snapshots server)
	@$(if $(filter server,$(SLOW_SNAPSHOTS)),$(call RUN_ON,compare) --redirect context --host-tools $(HOST_TOOLS:%=--only %) $(LINUX) $(BUILD)/snapshots server)
	@$(if $(filter rt-%,$(SLOW_SNAPSHOTS)),$(call RUN_ON,frozen) $(LINUX) $(BUILD)/snapshots $(filter rt-%,$(SLOW_SNAPSHOTS)))

# The server alone, in both ways.
server: SLOW_SNAPSHOTS = server
server: test-slow
	@$(call RUN_ON,compare) --redirect tags $(LINUX) $(BUILD)/snapshots server

# Kernels that Debian does not have, built from its sources (tests/snapshots/small/): for one CPU. A kernel takes two or three minutes of two processors.
SMALL_KERNELS = $(shell awk '$$3 ~ /^small-/ { print $$1 }' tests/snapshots/variants)
small-kernels: $(BUILD)/xray86
	BUILD=$(BUILD) tests/snapshots/make $(SMALL_KERNELS)
	BUILD=$(BUILD) tests/snapshots/check $(SMALL_KERNELS)
	BUILD=$(BUILD) tests/snapshots/check-info $< $(SMALL_KERNELS)
	@$(call RUN_ON,compare) $(LINUX) $(BUILD)/snapshots $(SMALL_KERNELS)

# Damaged copies of them, under sanitizers.
HOSTILE_RUNS ?= 200
hostile: snapshots $(BUILD)/asan/xray86
	@XDG_CACHE_HOME=$(abspath $(BUILD))/asan/cache tests/snapshots/hostile --runs $(HOSTILE_RUNS) --total $(HOSTILE_RUNS) --seed $(SEED) $(BUILD)/asan/xray86 $(LINUX) \
		$(BUILD)/snapshots $(SNAPSHOTS)

ASAN_FLAGS = -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all
$(BUILD)/asan/xray86: $(BUILD)/xray86
	$(MAKE) BUILD=$(BUILD)/asan CFLAGS='$(ASAN_FLAGS)' $@

# Behind the program: no two makes build there at once.
asan: $(BUILD)/asan/xray86
	$(MAKE) BUILD=$(BUILD)/asan CFLAGS='$(ASAN_FLAGS)' CASES=$(ASAN_CASES) test-unit test-metal differential
ASAN_CASES ?= 200000

# Fuzz targets: libFuzzer, so Clang (tests/fuzz/).
FUZZ_SECONDS ?= 10
FUZZ_BUILD = $(BUILD)/fuzz

$(FUZZ_BUILD)/tests/fuzz/%: $(FUZZ_BUILD)/tests/fuzz/%.o $(FUZZ_BUILD)/libcli.a $(FUZZ_BUILD)/libinternal.a
	$(Q)$(LINK) -o $@ $^ $(LDLIBS)

fuzz-targets: $(FUZZERS:%=$(FUZZ_BUILD)/tests/fuzz/%)

fuzz:
	$(MAKE) CC=clang BUILD=$(FUZZ_BUILD) FUZZ_BUILD=$(FUZZ_BUILD) CFLAGS='-O1 -g1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all' fuzz-targets
	@mkdir -p $(FUZZ_BUILD)/corpus/fuzz_machine_code
	@tests/fuzz/seed-kernels $(FUZZ_BUILD)/corpus/fuzz_kernel
	@tests/fuzz/seed-snapshots $(FUZZ_BUILD)/corpus/fuzz_snapshot
	@tests/fuzz/seed-corpus $(FUZZ_BUILD)/tests/fuzz/fuzz_machine_code $(FUZZ_BUILD)/corpus/fuzz_machine_code
	@$(MAKE) --no-print-directory --output-sync=target $(FUZZERS:%=run-%)

$(FUZZERS:%=run-%): run-%:
	@echo "== $*"; mkdir -p $(FUZZ_BUILD)/corpus/$*; $(FUZZ_BUILD)/tests/fuzz/$* -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=4096 \
		-print_final_stats=0 -verbosity=0 -artifact_prefix=$(FUZZ_BUILD)/ $(FUZZ_BUILD)/corpus/$*

include tests/metal/metal.mk
include bench/bench.mk

test:
	$(MAKE) deps
	tests/run

# A virtual machine is booted in QEMU and frozen, and its memory looked at.
DEMO = cloud-amd64
demo:
	$(MAKE) deps
	$(MAKE) -j$$(nproc) $(BUILD)/xray86
	BUILD=$(BUILD) tests/snapshots/make $(DEMO)
	@tests/snapshots/demo $(BUILD)/xray86 $(BUILD)/snapshots/$(DEMO) $(LINUX)/amd64/linux-image-$(DEMO)

# -- the sources: a tarball, formatting, warnings --

DIST = $(BUILD)/xray86-$(VERSION).tar.xz

dist:
	packaging/dist $(VERSION) $(DIST)

test-dist:
	packaging/test-dist $(BUILD)/test-dist

deps:
	@tests/install-packages

# Not formatted by machine: files that are mostly tables of macros, of which clang-format makes a heap.
UNFORMATTED = ':!emu/ops' ':!emu/isa' ':!tests/metal' ':!tests/differential/special.c' ':!tests/decoder/exceptions.c' ':!tests/unit/simd_rig.h'

LINT_JOBS ?= $(shell nproc)

lint: DEVELOPER = 1
lint: $(BUILD)/libinternal.a compile_commands.json
	tests/check-tail-calls $(BUILD)
	tests/check-names
	tests/check-circles $(BUILD)
	clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h' $(UNFORMATTED))
	printf '%s\n' $(LINT_SOURCES) | xargs -n 1 -P $(LINT_JOBS) clang-tidy --quiet -p .

# -- installing --

install: $(BUILD)/xray86 install-library install-python
	install -D -m 755 $< $(DESTDIR)$(PREFIX)/bin/xray86
	install -D -m 644 docs/xray86.1 $(DESTDIR)$(PREFIX)/share/man/man1/xray86.1
	install -D -m 644 completions/xray86.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/xray86
	install -D -m 644 completions/_xray86 $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_xray86
	install -D -m 644 completions/xray86.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/xray86.fish

# Debian packages, and a test of them in a bare Debian 12, with a snapshot if there is one.
deb: dist
	packaging/deb $(DIST) $(BUILD)/deb

DEB_SNAPSHOT = $(wildcard $(BUILD)/snapshots/cloud-amd64/memory.elf)
DEB_KERNEL = $(firstword $(wildcard $(LINUX)/amd64/linux-image-cloud-amd64/boot/vmlinuz-*))
test-deb: deb
	packaging/test-deb $(BUILD)/deb $(if $(DEB_KERNEL),$(DEB_SNAPSHOT) $(DEB_KERNEL))

clean:
	rm -rf $(BUILD)

.PHONY: all help dist test-dist deb test-deb test-unit differential decoder-sweep decoder-kernels snapshots test-run run-usage-kernels run-usage-caches run-frozen run-library run-python slow-snapshots test-slow server small-kernels hostile asan fuzz-targets $(FUZZERS:%=run-%) fuzz test demo deps lint install clean library install-library install-python test-library
-include $(shell find $(BUILD) \( -path $(BUILD)/linux -o -path $(BUILD)/snapshots \) -prune -o -type f -name '*.d' -print 2>/dev/null)
