/*
 * bzImage: see bzimage.h. Field names and offsets are those of Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
 *
 * The file is the real-mode setup code (its first sector holds the header) and the protected-mode kernel: a decompressor with the
 * payload, the compressed vmlinux. We take the payload alone.
 */
#include "loader/bzimage.h"

#include <inttypes.h>
#include <string.h>

enum { SECTOR = 512, SETUP_SECTS_DEFAULT = 4, ALIGNMENT_MIN = 0x2000 /* arch/x86/Kconfig, PHYSICAL_ALIGN */ };

/* Offsets in the file. */
enum {
	SETUP_SECTS = 0x1f1,
	BOOT_FLAG = 0x1fe,
	JUMP = 0x200, /* a short jump over the header: its second byte tells the header's length */
	HEADER = 0x202,
	VERSION = 0x206,
	INITRD_ADDR_MAX = 0x22c,
	KERNEL_ALIGNMENT = 0x230,
	XLOADFLAGS = 0x236,
	CMDLINE_SIZE = 0x238,
	PAYLOAD_OFFSET = 0x248,
	PAYLOAD_LENGTH = 0x24c,
	INIT_SIZE = 0x260,
	HEADER_END = 0x264, /* of what is looked at here */
};
/* Protocol versions: the first with a payload_offset; with an init_size; with xloadflags. */
enum { VERSION_PAYLOAD = 0x208, VERSION_INIT_SIZE = 0x20a, VERSION_XLOADFLAGS = 0x20c };

static uint16_t get16(const uint8_t *from)
{
	return from[0] | from[1] << 8;
}

static uint32_t get32(const uint8_t *from)
{
	return get16(from) | (uint32_t)get16(from + 2) << 16;
}

bool bzimage_detect(const uint8_t *data, size_t size)
{
	return size >= VERSION && memcmp(data + HEADER, "HdrS", 4) == 0 && get16(data + BOOT_FLAG) == 0xaa55;
}

static void read_setup(const uint8_t *data, struct kernel_setup *ret)
{
	size_t end = HEADER + data[JUMP + 1];

	*ret = (struct kernel_setup){
		.version = get16(data + VERSION),
		.alignment = get32(data + KERNEL_ALIGNMENT),
		.cmdline_size = get32(data + CMDLINE_SIZE),
		.initrd_addr_max = get32(data + INITRD_ADDR_MAX),
	};
	if (ret->version >= VERSION_INIT_SIZE)
		ret->init_size = get32(data + INIT_SIZE);
	if (ret->version >= VERSION_XLOADFLAGS)
		ret->xloadflags = get16(data + XLOADFLAGS);
	ret->size = end - SETUP_HEADER_AT < SETUP_HEADER_MAX ? end - SETUP_HEADER_AT : SETUP_HEADER_MAX;
	memcpy(ret->bytes, data + SETUP_HEADER_AT, ret->size);
}

struct error *bzimage_parse(const uint8_t *data, size_t size, struct kernel_setup *ret_setup, const uint8_t **ret_payload,
			    size_t *ret_payload_size)
{
	uint64_t start, length;
	unsigned version;

	if (!bzimage_detect(data, size))
		return error_create("not a Linux kernel (bzImage)");
	version = get16(data + VERSION);
	if (version < VERSION_PAYLOAD)
		return error_create("boot protocol %u.%02u is too old: 2.08 is needed (Linux 2.6.26 or newer)", version >> 8,
				    version & 0xff);
	if (size < SETUP_HEADER_AT + SETUP_HEADER_MAX)
		return error_create("truncated within its setup header: get the file again");
	read_setup(data, ret_setup);
	if (ret_setup->alignment < ALIGNMENT_MIN || (ret_setup->alignment & (ret_setup->alignment - 1)))
		return error_create("its setup header is damaged (kernel_alignment %#x): get the file again", ret_setup->alignment);
	start = (uint64_t)((data[SETUP_SECTS] ? data[SETUP_SECTS] : SETUP_SECTS_DEFAULT) + 1) * SECTOR + get32(data + PAYLOAD_OFFSET);
	length = get32(data + PAYLOAD_LENGTH);
	if (start > size || length > size - start)
		return error_create("truncated: the compressed kernel is %" PRIu64 " bytes at byte %" PRIu64
				    ", and the file has %zu: get it again",
				    length, start, size);
	*ret_payload = data + start;
	*ret_payload_size = length;
	return NULL;
}
