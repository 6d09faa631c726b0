# Images made by others (tests/others/): Debian's U-Boot and Xen, by `fetch`, beside the kernels; included by the top Makefile.

XEN = xen-hypervisor-4.17-amd64

$(LINUX)/amd64/u-boot-qemu.stamp $(LINUX)/amd64/$(XEN).stamp: $(LINUX)/amd64/%.stamp:
	$(FETCH) amd64 $* $*

# Multiboot loaders unpack it.
$(LINUX)/xen-4.17-amd64: $(LINUX)/amd64/$(XEN).stamp
	gzip -dc $(<:.stamp=)/boot/$(@F).gz >$@.partial
	mv $@.partial $@

test-others: $(BUILD)/xray86 $(LINUX)/amd64/u-boot-qemu.stamp $(LINUX)/xen-4.17-amd64 $(LINUX)/initramfs-amd64.cpio.gz
	@tests/others/run $(BUILD)/xray86 $(LINUX)

.PHONY: test-others
