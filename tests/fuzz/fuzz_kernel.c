/*
 * Fuzzes everything that a Linux kernel's file goes through: the setup header, the decompressors, the ELF reader and the relocations. The
 * first byte chooses where the rest comes in: as it is; as a payload, behind a good setup header; and as a vmlinux, which is then
 * moved to another base. Whatever is accepted must be as kernel_image.h promises. `make fuzz` builds and runs it.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/kernel_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOVES = 4, SETUP_SIZE = 1024, PAYLOAD_LENGTH = 0x24c };

static void check(const struct kernel_image *kernel)
{
	if (kernel->relocations && kernel->relocations != kernel->elf + kernel->elf_size)
		abort();
	for (unsigned i = 0; i < kernel->segments; i++) {
		const struct kernel_segment *segment = &kernel->segment[i];

		if (segment->offset > kernel->elf_size || segment->file_size > kernel->elf_size - segment->offset ||
		    segment->file_size > segment->memory_size || segment->paddr + segment->memory_size > 1ull << 32)
			abort();
		if (i && segment->paddr < segment[-1].paddr + segment[-1].memory_size)
			abort();
	}
}

static void try(const uint8_t *file, size_t size, uint64_t move)
{
	struct kernel_image kernel;
	struct error *err = kernel_image_open(file, size, &kernel);

	if (!err) {
		check(&kernel);
		err = kernel_image_relocate(&kernel, kernel.link_base + move);
		if (!err)
			check(&kernel);
		kernel_image_close(&kernel);
	}
	error_destroy(err);
}

/* Large promises cost memory and time, and show nothing. */
static void limit_promise(uint8_t *file, size_t size)
{
	if (size >= 4)
		file[size - 1] = 0, file[size - 2] &= 0xf;
}

/* The smallest setup header that is accepted. */
static void make_setup(uint8_t *file, size_t payload)
{
	uint32_t length = payload;

	memset(file, 0, SETUP_SIZE);
	file[0x1f1] = 1;
	memcpy(file + 0x1fe, "\x55\xaa\xeb\x6aHdrS\x0f\x02", 10);
	file[0x232] = 0x20; /* kernel_alignment */
	memcpy(file + PAYLOAD_LENGTH, &length, sizeof(length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *file;
	size_t setup;

	if (!size)
		return 0;
	setup = data[0] & 1 ? SETUP_SIZE : 0;
	/* libelf wants its image aligned, as a mapped file is. */
	file = aligned_alloc(16, (setup + size + 15) & ~(size_t)15);
	if (!file)
		return 0;
	if (setup)
		make_setup(file, size - 1);
	memcpy(file + setup, data + 1, size - 1);
	if (setup)
		limit_promise(file + setup, size - 1);
	try(file, setup + size - 1, (uint64_t)(data[0] >> 1 & (MOVES - 1)) << 21);
	free(file);
	return 0;
}
