/* Telling images apart: see image.h. */
#include "loader/image.h"

#include <string.h>

#include "loader/multiboot.h"

enum { MULTIBOOT2_SEARCH = 32768, SECTOR_SIZE = 512, BZIMAGE_MAGIC_AT = 0x202, BOOT_SIGNATURE_AT = 510 };
#define MULTIBOOT2_MAGIC 0xe85250d6u

static const char *const names[IMAGE_COUNT] = {
	[IMAGE_UNKNOWN] = "no kind of image that xray86 knows",
	[IMAGE_EMPTY] = "an empty file",
	[IMAGE_MULTIBOOT] = "a multiboot image",
	[IMAGE_MULTIBOOT2] = "a multiboot 2 image",
	[IMAGE_LINUX_BZIMAGE] = "a Linux kernel (bzImage)",
	[IMAGE_ELF] = "an ELF file without a multiboot header",
	[IMAGE_COMPRESSED] = "a compressed file",
	[IMAGE_BOOT_SECTOR] = "a boot sector or disk image",
};

/* Magic numbers at the start of compressed files: gzip, bzip2, xz, lzma, LZ4 (frame and legacy), zstd, lzop. */
static const struct {
	uint8_t size;
	char bytes[7];
} compressed[] = {
	{2, "\x1f\x8b"},
	{3, "BZh"},
	{6, "\xfd"
	    "7zXZ\0"},
	{3, "\x5d\0\0"},
	{4, "\x04\x22\x4d\x18"},
	{4, "\x02\x21\x4c\x18"},
	{4, "\x28\xb5\x2f\xfd"},
	{4, "\x89LZO"},
};

static int starts_with(const uint8_t *data, size_t size, size_t at, const char *bytes, size_t count)
{
	return size >= at + count && memcmp(data + at, bytes, count) == 0;
}

static int is_compressed(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < sizeof(compressed) / sizeof(compressed[0]); i++) {
		if (starts_with(data, size, 0, compressed[i].bytes, compressed[i].size))
			return 1;
	}
	return 0;
}

static int is_multiboot2(const uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 16 <= size && at < MULTIBOOT2_SEARCH; at += 8) {
		uint32_t word[4];

		memcpy(word, data + at, sizeof(word));
		if (word[0] == MULTIBOOT2_MAGIC && word[0] + word[1] + word[2] + word[3] == 0)
			return 1;
	}
	return 0;
}

enum image_kind image_detect(const uint8_t *data, size_t size)
{
	size_t header;

	if (!size)
		return IMAGE_EMPTY;
	if (starts_with(data, size, BZIMAGE_MAGIC_AT, "HdrS", 4) && starts_with(data, size, BOOT_SIGNATURE_AT, "\x55\xaa", 2))
		return IMAGE_LINUX_BZIMAGE;
	if (multiboot_find_header(data, size, &header) != MULTIBOOT_HEADER_NONE)
		return IMAGE_MULTIBOOT;
	if (is_multiboot2(data, size))
		return IMAGE_MULTIBOOT2;
	if (starts_with(data, size, 0,
			"\x7f"
			"ELF",
			4))
		return IMAGE_ELF;
	if (is_compressed(data, size))
		return IMAGE_COMPRESSED;
	if (starts_with(data, size, BOOT_SIGNATURE_AT, "\x55\xaa", 2))
		return IMAGE_BOOT_SECTOR;
	return IMAGE_UNKNOWN;
}

const char *image_kind_name(enum image_kind kind)
{
	return names[kind];
}
