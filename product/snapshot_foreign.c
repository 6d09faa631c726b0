/*
 * Files that would pass for raw memory and are something else: what each is, and how to get a snapshot out of it that opens.
 *
 * Whoever adds a row tries its advice.
 */
#include "product/snapshot_format.h"

#include <inttypes.h>
#include <string.h>

#include "product/packed_size.h"

#define DUMP_ELF "QEMU's dump-guest-memory FILE, or virsh dump --memory-only DOMAIN FILE"
#define DUMP_AGAIN "dump the machine again, uncompressed: " DUMP_ELF ", or cp /proc/vmcore FILE in a crash kernel"
#define NEEDS_MEMORY "give a memory image, as made by " DUMP_ELF
#define WINDOWS "a crash dump of Windows: xray86 looks into Linux"
#define VMWARE "VMware's state of a machine: the memory is in the .vmem file beside it, give that one"

/* Where a flattened file has the first bytes of what it is made of: behind a header of a page, and a position and a size of 8 bytes each.
 */
enum { FLATTENED = 4096 + 16 };

struct magic {
	unsigned at, size;
	const char *bytes;
};

#define MAGIC(at, text)                                                                                                                    \
	{                                                                                                                                  \
		at, sizeof(text) - 1, text                                                                                                 \
	}

/* All of a row's magics must be there; the first row counts. */
static const struct foreign {
	struct magic magic[2];
	const char *message; /* NULL: it is not foreign */
} foreign[] = {
	/* dumps */
	{{MAGIC(0, "DISKDUMP")}, "a dump of the old diskdump, of 32-bit Linux 2.4 and 2.6: " DUMP_AGAIN},
	{{MAGIC(0, "makedumpfile\0"), MAGIC(FLATTENED, "\177ELF")},
	 "an ELF core that is flattened: makedumpfile -R NEW <FILE makes it whole"},
	{{MAGIC(0, "makedumpfile\0"), MAGIC(FLATTENED, "KDUMP   ")}, NULL},
	{{MAGIC(0, "makedumpfile\0")}, "a flattened dump of an unknown kind: " DUMP_AGAIN},
	{{MAGIC(0, "PAGEDUMP")}, WINDOWS},
	{{MAGIC(0, "PAGEDU64")}, WINDOWS},
	{{MAGIC(0, "MDMP")}, WINDOWS},
	/* machines that were saved */
	{{MAGIC(0, "QEVM")},
	 "the state of a machine that QEMU saved: start QEMU with the machine's options, -S and -incoming 'exec:cat FILE', then "
	 "dump-guest-memory in its monitor"},
	{{MAGIC(0, "LibvirtQemudSave")},
	 "a domain that libvirt saved: virsh restore --paused FILE, then virsh dump --memory-only DOMAIN NEW"},
	{{MAGIC(0, "LibvirtQemudPart")}, "a domain that libvirt did not save to the end: " NEEDS_MEMORY},
	{{MAGIC(0, "\177VirtualBox SavedState")},
	 "a machine that VirtualBox saved: start it, then VBoxManage debugvm NAME dumpvmcore --filename NEW"},
	{{MAGIC(0, "\xd0\xbe\xd2\xbe")}, VMWARE},
	{{MAGIC(0, "\xd1\xba\xd1\xba")}, VMWARE},
	{{MAGIC(0, "\xd2\xbe\xd2\xbe")}, VMWARE},
	{{MAGIC(0, "\xd3\xbe\xd3\xbe")}, VMWARE},
	{{MAGIC(0, "\x00\x00\x64\x86\x84\x19\x10\x07")}, "Firecracker's state of a machine: give the memory file of the same snapshot"},
	{{MAGIC(0, "Xen saved domain")},
	 "a domain that Xen saved, which xray86 cannot read: start it and take its memory from within (LiME with format=padded)"},
	/* disks */
	{{MAGIC(4086, "S1SUSPEND\0")},
	 "a swap area with a hibernated machine, which xray86 cannot read: wake the machine in QEMU or libvirt and dump it: " DUMP_ELF},
	{{MAGIC(4086, "SWAPSPACE2")}, "a swap area: " NEEDS_MEMORY},
	{{MAGIC(0, "QFI\xfb")},
	 "a qcow2 disk image: give a memory image. If the disk has a snapshot of the running machine (qemu-img snapshot -l FILE), start "
	 "QEMU "
	 "with the machine's options, -S and -loadvm NAME, then dump-guest-memory in its monitor"},
	{{MAGIC(0, "KDMV")}, "a VMDK disk: " NEEDS_MEMORY},
	{{MAGIC(0, "# Disk DescriptorFile")}, "the description of a VMDK disk: " NEEDS_MEMORY},
	{{MAGIC(0, "conectix")}, "a VHD disk: " NEEDS_MEMORY},
	{{MAGIC(0, "vhdxfile")}, "a VHDX disk: " NEEDS_MEMORY},
	{{MAGIC(64, "\x7f\x10\xda\xbe")}, "a VDI disk: " NEEDS_MEMORY},
	{{MAGIC(0, "LUKS\xba\xbe")}, "an encrypted disk: " NEEDS_MEMORY},
	/* packed files */
	{{MAGIC(0, "\x1f\x8b")}, "a gzip file: unpack it: gzip -dc FILE >NEW"},
	{{MAGIC(0, "\xfd"
		   "7zXZ")},
	 "an xz file: unpack it: xz -dc FILE >NEW"},
	{{MAGIC(0, "\x28\xb5\x2f\xfd")}, "a zstd file: unpack it: zstd -dc FILE >NEW"},
	{{MAGIC(0, "\x04\x22\x4d\x18")}, "an LZ4 file: unpack it: lz4 -dc FILE >NEW"},
	{{MAGIC(0, "\x02\x21\x4c\x18")}, "an LZ4 file: unpack it: lz4 -dc FILE >NEW"},
	{{MAGIC(0, "BZh")}, "a bzip2 file: unpack it: bzip2 -dc FILE >NEW"},
	{{MAGIC(0, "\x89LZO\0\r\n\x1a\n")}, "an LZO file: unpack it: lzop -dc FILE >NEW"},
	{{MAGIC(0, "PK\003\004")}, "a zip archive: unpack it: unzip FILE"},
	{{MAGIC(0, "7z\xbc\xaf\x27\x1c")}, "a 7z archive: unpack it: 7z x FILE"},
	{{MAGIC(0, "Rar!\x1a\x07")}, "a rar archive: unpack it: unrar x FILE"},
	{{MAGIC(257, "ustar")}, "a tar archive: unpack it: tar -xf FILE"},
};

/* A magic of no bytes is in every file. */
static bool has(const struct magic *magic, const uint8_t *head, size_t size)
{
	return !magic->size || (magic->at + magic->size <= size && memcmp(head + magic->at, magic->bytes, magic->size) == 0);
}

/* Packed files also tell how much room they need. */
static struct error *refuse(const struct snapshot *snapshot, const uint8_t *head, size_t size, const char *message)
{
	uint64_t plain;
	bool exact;

	if (!packed_size(snapshot->fd, snapshot->file_size, head, size, &plain, &exact))
		return error_create("%s", message);
	return error_create("%s (which gets %" PRIu64 " MiB large%s)", message, (plain >> 20) + (plain % (1 << 20) != 0),
			    exact ? "" : ", or a multiple of 4096 MiB more");
}

struct error *snapshot_refuse_foreign(const struct snapshot *snapshot, const uint8_t *head, size_t size)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		const struct magic *magic = foreign[i].magic;

		if (has(&magic[0], head, size) && has(&magic[1], head, size))
			return foreign[i].message ? refuse(snapshot, head, size, foreign[i].message) : NULL;
	}
	return NULL;
}
