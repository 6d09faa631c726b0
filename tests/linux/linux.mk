# Debian's kernels in xray86 (tests/linux/): their files, by `fetch`, under $(LINUX); included by the top Makefile.

LINUX = $(BUILD)/linux
LINUX_AMD64 = amd64 cloud-amd64 rt-amd64
LINUX_I386 = 686 686-pae
FETCH = tests/linux/fetch $(LINUX)

$(LINUX_AMD64:%=$(LINUX)/amd64/linux-image-%.stamp): $(LINUX)/amd64/%.stamp:
	$(FETCH) amd64 $* $*

$(LINUX_I386:%=$(LINUX)/i386/linux-image-%.stamp): $(LINUX)/i386/%.stamp:
	$(FETCH) i386 $* $*

$(LINUX)/amd64/busybox-static.stamp $(LINUX)/i386/busybox-static.stamp: $(LINUX)/%/busybox-static.stamp:
	$(FETCH) $* busybox-static busybox-static

# -- the in-guest check --

CHECK_SOURCES = $(wildcard tests/linux/check/*.c)
CHECK_CFLAGS = -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -O2 $(WARNINGS) -Wno-unused-result -fno-strict-aliasing -fno-pie -no-pie -static
CHECK_CFLAGS_64 = -m64
CHECK_CFLAGS_32 = -m32 -march=pentium4 -mfpmath=387

$(LINUX)/linux-check-64 $(LINUX)/linux-check-32: $(LINUX)/linux-check-%: $(CHECK_SOURCES) tests/linux/check/check.h
	@mkdir -p $(@D)
	gcc $(CHECK_CFLAGS) $(CHECK_CFLAGS_$*) -o $@ $(CHECK_SOURCES) -lm

# -- initramfs files: every compression on one of the kernels --

INITRAMFS_amd64 = .gz
INITRAMFS_cloud-amd64 =
INITRAMFS_rt-amd64 = .zst
INITRAMFS_686 = .xz
INITRAMFS_686-pae = .lz4
INITRAMFS_FILES = $(foreach flavour,$(LINUX_AMD64) $(LINUX_I386),$(LINUX)/initramfs-$(flavour).cpio$(INITRAMFS_$(flavour)))
INITRAMFS = tests/linux/make-initramfs

define initramfs_rule
$(LINUX)/initramfs-$(1).cpio$(INITRAMFS_$(1)): $(LINUX)/$(2)/linux-image-$(1).stamp $(LINUX)/$(2)/busybox-static.stamp tests/linux/init $(INITRAMFS) $(4)
	$(INITRAMFS) $$@ --file init=tests/linux/init --file bin/busybox=$(LINUX)/$(2)/busybox-static/bin/busybox \
		--file bin/linux-check=$(LINUX)/linux-check-$(3) --module lib/dummy.ko=$(LINUX)/$(2)/linux-image-$(1):dummy $(5)
endef
CHECK_64 = $(LINUX)/linux-check-64 $(LINUX)/linux-check-32
CHECK_32 = $(LINUX)/linux-check-32
$(foreach flavour,$(LINUX_AMD64),$(eval $(call initramfs_rule,$(flavour),amd64,64,$(CHECK_64),--file bin/linux-check-32=$(LINUX)/linux-check-32)))
$(foreach flavour,$(LINUX_I386),$(eval $(call initramfs_rule,$(flavour),i386,32,$(CHECK_32))))

# -- a userland of Debian's --

USERLAND = dash coreutils procps util-linux mount bsdutils uuid-runtime sysvinit-utils bsdextrautils ncal iproute2 python3-minimal perl-base \
	sed grep mawk findutils diffutils tar bc gzip xz-utils bzip2
USERLAND_EXCLUDED = usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/perl usr/share/bash-completion usr/include \
	usr/lib/*/perl usr/lib/*/gconv usr/lib/python3/dist-packages tmp/*
USERLAND_FILES = $(LINUX)/initramfs-userland-amd64.cpio $(LINUX)/initramfs-userland-i386.cpio

$(LINUX)/amd64/userland.stamp $(LINUX)/i386/userland.stamp: $(LINUX)/%/userland.stamp:
	tests/linux/fetch --closure $(LINUX) $* userland $(USERLAND)

$(USERLAND_FILES): $(LINUX)/initramfs-userland-%.cpio: $(LINUX)/%/userland.stamp $(LINUX)/%/busybox-static.stamp tests/linux/init $(INITRAMFS) \
		tests/linux/commands tests/linux/run-commands tests/linux/userland-tree
	tests/linux/userland-tree $(LINUX)/$*/userland
	$(INITRAMFS) $@ --tree $(LINUX)/$*/userland $(USERLAND_EXCLUDED:%='--exclude=%') --file init=tests/linux/init \
		--file bin/busybox=$(LINUX)/$*/busybox-static/bin/busybox

# -- the tests --

linux-files: $(INITRAMFS_FILES) $(USERLAND_FILES)

test-linux: test-linux-modules test-linux-kernels test-linux-userland test-linux-determinism

$(BUILD)/tests/linux/link_modules: $(BUILD)/tests/linux/link_modules.o $(BUILD)/libinternal.a
	$(Q)$(LINK) -o $@ $^ $(LDLIBS)

MODULE_KERNELS = amd64/linux-image-cloud-amd64 amd64/linux-image-rt-amd64 i386/linux-image-686-pae
test-linux-modules: $(BUILD)/tests/linux/link_modules $(MODULE_KERNELS:%=$(LINUX)/%.stamp)
	@$< $(MODULE_KERNELS:%=$(LINUX)/%/lib/modules/*)

test-linux-kernels: $(BUILD)/xray86 $(INITRAMFS_FILES)
	@tests/linux/run $(BUILD)/xray86 $(LINUX)

test-linux-userland: $(BUILD)/xray86 $(USERLAND_FILES) $(LINUX)/amd64/linux-image-cloud-amd64.stamp $(LINUX)/i386/linux-image-686-pae.stamp
	@tests/linux/userland $(BUILD)/xray86 $(LINUX) cloud-amd64 686-pae

test-linux-determinism: $(BUILD)/xray86 $(INITRAMFS_FILES)
	@tests/linux/determinism $(BUILD)/xray86 $(LINUX)

.PHONY: linux-files test-linux test-linux-modules test-linux-kernels test-linux-userland test-linux-determinism
