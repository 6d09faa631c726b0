/*
 * Kernels made for tests: a vmlinux of two segments with relocations behind it, payloads in every compression, and bzImages around them.
 */
#ifndef XRAY86_TESTS_UNIT_KERNEL_RIG_H
#define XRAY86_TESTS_UNIT_KERNEL_RIG_H

#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "emu/machine.h" /* before elf.h, whose PF_W is a macro */
#include "loader/kernel_image.h"

#include <elf.h>

struct bytes {
	uint8_t *data;
	size_t size;
};

static inline struct bytes bytes_alloc(size_t size)
{
	struct bytes bytes = {calloc(1, size + 1), size};

	assert_non_null(bytes.data);
	return bytes;
}

static inline void put32(uint8_t *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
}

/* The four bytes that the kernel's build appends. */
static inline struct bytes append_size(struct bytes bytes, uint32_t size)
{
	bytes.data = realloc(bytes.data, bytes.size + 4);
	assert_non_null(bytes.data);
	put32(bytes.data + bytes.size, size);
	bytes.size += 4;
	return bytes;
}

/* -- compressions; each gives a whole payload -- */

static inline struct bytes pack_gzip(const uint8_t *data, size_t size)
{
	struct bytes out = bytes_alloc(size + size / 100 + 100);
	z_stream z = {.next_in = (uint8_t *)(uintptr_t)data, .avail_in = size, .next_out = out.data, .avail_out = out.size};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.size = z.total_out;
	deflateEnd(&z);
	return out;
}

/* As scripts/xz_wrap.sh: CRC32, the x86 filter, LZMA2. */
static inline struct bytes pack_xz(const uint8_t *data, size_t size)
{
	struct bytes out = bytes_alloc(lzma_stream_buffer_bound(size));
	lzma_options_lzma options;
	lzma_filter filters[] = {{LZMA_FILTER_X86, NULL}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
	size_t used = 0;

	lzma_lzma_preset(&options, 1);
	assert_int_equal(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, data, size, out.data, &used, out.size), LZMA_OK);
	out.size = used;
	return append_size(out, size);
}

static inline struct bytes pack_lzma(const uint8_t *data, size_t size)
{
	struct bytes out = bytes_alloc(size + size / 10 + 1000);
	lzma_stream lzma = LZMA_STREAM_INIT;
	lzma_options_lzma options;

	lzma_lzma_preset(&options, 1);
	assert_int_equal(lzma_alone_encoder(&lzma, &options), LZMA_OK);
	lzma.next_in = data;
	lzma.avail_in = size;
	lzma.next_out = out.data;
	lzma.avail_out = out.size;
	assert_int_equal(lzma_code(&lzma, LZMA_FINISH), LZMA_STREAM_END);
	out.size = lzma.total_out;
	lzma_end(&lzma);
	return append_size(out, size);
}

static inline struct bytes pack_bzip2(const uint8_t *data, size_t size)
{
	unsigned used = size + size / 10 + 1000;
	struct bytes out = bytes_alloc(used);

	assert_int_equal(BZ2_bzBuffToBuffCompress((char *)out.data, &used, (char *)(uintptr_t)data, size, 9, 0, 0), BZ_OK);
	out.size = used;
	return append_size(out, size);
}

/* `lz4 -l`: blocks of 8 MiB. */
static inline struct bytes pack_lz4(const uint8_t *data, size_t size)
{
	enum { BLOCK = 8 << 20 };
	struct bytes out = bytes_alloc(LZ4_compressBound(BLOCK) * (size / BLOCK + 1) + 100);
	size_t used = 4;

	put32(out.data, 0x184c2102);
	for (size_t at = 0; at < size; at += BLOCK) {
		int block = size - at < BLOCK ? size - at : BLOCK;
		int got = LZ4_compress_default((const char *)data + at, (char *)out.data + used + 4, block, out.size - used - 4);

		assert_true(got > 0);
		put32(out.data + used, got);
		used += 4 + got;
	}
	out.size = used;
	return append_size(out, size);
}

static inline uint8_t *put_be32(uint8_t *to, uint32_t value)
{
	put32(to, __builtin_bswap32(value));
	return to + 4;
}

/* lzop's format, with adler32 of the data; blocks of 256 KiB; what does not shrink is stored. */
static inline struct bytes pack_lzo(const uint8_t *data, size_t size)
{
	enum { BLOCK = 256 << 10 };
	static const uint8_t header[] = {0x89, 'L', 'Z', 'O', 0, '\r', '\n', 0x1a, '\n', 0x10, 0x40, 0x20, 0xa0, 0x09,
					 0x40, 1,   9,   3,   0, 0,    1,    0,    0,    0,    0,    0,    0,    0,
					 0,    0,   0,   0,   0, 3,    'a',  'b',  'c',  0,    0,    0,    0};
	struct bytes out = bytes_alloc(sizeof(header) + size + size / 8 + 64 * (size / BLOCK + 2));
	void *work = malloc(LZO1X_1_MEM_COMPRESS);
	uint8_t *at = out.data;

	assert_int_equal(lzo_init(), LZO_E_OK);
	memcpy(at, header, sizeof(header));
	at += sizeof(header);
	for (size_t done = 0; done < size; done += BLOCK) {
		size_t block = size - done < BLOCK ? size - done : BLOCK;
		uint8_t *sizes = at;
		lzo_uint got;

		at = put_be32(sizes + 8, adler32(adler32(0, NULL, 0), data + done, block));
		assert_int_equal(lzo1x_1_compress(data + done, block, at, &got, work), LZO_E_OK);
		if (got >= block) {
			memcpy(at, data + done, block);
			got = block;
		}
		put_be32(sizes, block);
		put_be32(sizes + 4, got);
		at += got;
	}
	at = put_be32(at, 0);
	out.size = at - out.data;
	free(work);
	return append_size(out, size);
}

static inline struct bytes pack_zstd(const uint8_t *data, size_t size)
{
	struct bytes out = bytes_alloc(ZSTD_compressBound(size));

	out.size = ZSTD_compress(out.data, out.size, data, size, 3);
	assert_false(ZSTD_isError(out.size));
	return append_size(out, size);
}

/* -- vmlinux -- */

enum {
	RIG_TEXT_AT = 0x1000, /* in the file */
	RIG_DATA_AT = 0x3000,
	RIG_FILE_END = 0x4000,
	RIG_TEXT_SIZE = 0x2000,
	RIG_DATA_SIZE = 0x1000,
	RIG_DATA_MEMORY = 0x5000,
	RIG_TEXT = 0x1000000, /* physical */
	RIG_DATA = 0x1200000,
	RIG_ENTRY = RIG_TEXT + 0x40,
};
#define RIG_MAP_64 0xffffffff80000000ull
#define RIG_MAP_32 0xc0000000u

/* The file has program headers only; text is 90h, data 11h. `relocations` words follow it. */
static inline struct bytes make_vmlinux64(const uint32_t *relocations, size_t words)
{
	struct bytes out = bytes_alloc(RIG_FILE_END + 4 * words);
	Elf64_Ehdr ehdr = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = RIG_ENTRY,
		.e_phoff = sizeof(ehdr),
		.e_ehsize = sizeof(ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	Elf64_Phdr phdr[2] = {
		{.p_type = PT_LOAD,
		 .p_offset = RIG_TEXT_AT,
		 .p_vaddr = RIG_MAP_64 + RIG_TEXT,
		 .p_paddr = RIG_TEXT,
		 .p_filesz = RIG_TEXT_SIZE,
		 .p_memsz = RIG_TEXT_SIZE},
		{.p_type = PT_LOAD,
		 .p_offset = RIG_DATA_AT,
		 .p_vaddr = RIG_MAP_64 + RIG_DATA,
		 .p_paddr = RIG_DATA,
		 .p_filesz = RIG_DATA_SIZE,
		 .p_memsz = RIG_DATA_MEMORY},
	};

	memcpy(out.data, &ehdr, sizeof(ehdr));
	memcpy(out.data + sizeof(ehdr), phdr, sizeof(phdr));
	memset(out.data + RIG_TEXT_AT, 0x90, RIG_TEXT_SIZE);
	memset(out.data + RIG_DATA_AT, 0x11, RIG_DATA_SIZE);
	if (words)
		memcpy(out.data + RIG_FILE_END, relocations, 4 * words);
	return out;
}

static inline struct bytes make_vmlinux32(const uint32_t *relocations, size_t words)
{
	struct bytes out = bytes_alloc(RIG_FILE_END + 4 * words);
	Elf32_Ehdr ehdr = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_version = EV_CURRENT,
		.e_entry = RIG_ENTRY,
		.e_phoff = sizeof(ehdr),
		.e_ehsize = sizeof(ehdr),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 2,
	};
	Elf32_Phdr phdr[2] = {
		{.p_type = PT_LOAD,
		 .p_offset = RIG_TEXT_AT,
		 .p_vaddr = RIG_MAP_32 + RIG_TEXT,
		 .p_paddr = RIG_TEXT,
		 .p_filesz = RIG_TEXT_SIZE,
		 .p_memsz = RIG_TEXT_SIZE},
		{.p_type = PT_LOAD,
		 .p_offset = RIG_DATA_AT,
		 .p_vaddr = RIG_MAP_32 + RIG_DATA,
		 .p_paddr = RIG_DATA,
		 .p_filesz = RIG_DATA_SIZE,
		 .p_memsz = RIG_DATA_MEMORY},
	};

	memcpy(out.data, &ehdr, sizeof(ehdr));
	memcpy(out.data + sizeof(ehdr), phdr, sizeof(phdr));
	memset(out.data + RIG_TEXT_AT, 0x90, RIG_TEXT_SIZE);
	memset(out.data + RIG_DATA_AT, 0x11, RIG_DATA_SIZE);
	if (words)
		memcpy(out.data + RIG_FILE_END, relocations, 4 * words);
	return out;
}

/* -- bzImage -- */

enum { RIG_SETUP_SECTORS = 3, RIG_PAYLOAD_OFFSET = 0x100, RIG_PAYLOAD_AT = (RIG_SETUP_SECTORS + 1) * 512 + RIG_PAYLOAD_OFFSET };

/* Boot protocol 2.15, around a payload that it takes over. */
static inline struct bytes make_bzimage(struct bytes payload)
{
	struct bytes out = bytes_alloc(RIG_PAYLOAD_AT + payload.size);

	out.data[0x1f1] = RIG_SETUP_SECTORS;
	memcpy(out.data + 0x1fe, "\x55\xaa\xeb\x6aHdrS\x0f\x02", 10);
	out.data[0x211] = 1 | 2;             /* LOADED_HIGH, and KASLR_FLAG, which must not survive */
	put32(out.data + 0x22c, 0x7fffffff); /* initrd_addr_max */
	put32(out.data + 0x230, 0x200000);   /* kernel_alignment */
	out.data[0x236] = 0x7f;              /* xloadflags */
	put32(out.data + 0x238, 2047);       /* cmdline_size */
	put32(out.data + 0x248, RIG_PAYLOAD_OFFSET);
	put32(out.data + 0x24c, payload.size);
	put32(out.data + 0x258, RIG_TEXT); /* pref_address */
	put32(out.data + 0x260, 0x400000); /* init_size */
	memcpy(out.data + RIG_PAYLOAD_AT, payload.data, payload.size);
	free(payload.data);
	return out;
}

/* -- what tests expect -- */

static inline void assert_error(struct error *err, const char *words)
{
	assert_non_null(err);
	if (!strstr(err->message, words))
		fail_msg("\"%s\" does not say \"%s\"", err->message, words);
	assert_null(strchr(err->message, '\n'));
	error_destroy(err);
}

static inline void assert_ok(struct error *err)
{
	if (err)
		fail_msg("%s", err->message);
}

#endif
