/* Multiboot: see multiboot.h. Section numbers are those of the specification 0.6.96. Parsing: loading is in multiboot_load.c. */
#include "loader/multiboot.h"

#include <gelf.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "loader/elf_segments.h"

enum { HEADER_SEARCH = 8192, HEADER_ALIGN = 4 };
#define HEADER_MAGIC 0x1badb002u
/* Header flags (3.1.2): 0 and 1 are always granted; 2 (video mode) is ignored, there being no display; 3-15 would be binding. */
enum { FLAGS_UNKNOWN = 0xfff8, FLAG_ADDRESSES = 1 << 16 };

/* (3.1) */
struct header {
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr; /* with FLAG_ADDRESSES */
};
enum { HEADER_BASIC_SIZE = 12 };

static struct header read_header(const uint8_t *data, size_t size, size_t offset)
{
	struct header header = {0};
	size_t available = size - offset;

	memcpy(&header, data + offset, available < sizeof(header) ? available : sizeof(header));
	return header;
}

enum multiboot_header multiboot_find_header(const uint8_t *data, size_t size, size_t *ret_offset)
{
	enum multiboot_header found = MULTIBOOT_HEADER_NONE;

	for (size_t at = 0; at + HEADER_BASIC_SIZE <= size && at + HEADER_BASIC_SIZE <= HEADER_SEARCH; at++) {
		struct header header = read_header(data, size, at);
		bool sum = header.magic + header.flags + header.checksum == 0;

		if (header.magic != HEADER_MAGIC)
			continue;
		if (sum && at % HEADER_ALIGN == 0) {
			*ret_offset = at;
			return MULTIBOOT_HEADER_OK;
		}
		/* The bare magic number also occurs by chance or in code; it is worth a mention only if it looks meant. */
		if (found == MULTIBOOT_HEADER_NONE && (sum || at % HEADER_ALIGN == 0)) {
			found = sum ? MULTIBOOT_HEADER_MISALIGNED : MULTIBOOT_HEADER_CHECKSUM;
			*ret_offset = at;
		}
	}
	return found;
}

static struct error *add_segment(struct multiboot_image *image, uint64_t file, const struct multiboot_segment *segment)
{
	if (!segment->memory_size)
		return NULL;
	if (image->count == MULTIBOOT_MAX_SEGMENTS)
		return error_create("more than %d segments to load", MULTIBOOT_MAX_SEGMENTS);
	if (segment->file_size > segment->memory_size)
		return error_create("segment at %#" PRIx64 " has %" PRIu64 " bytes in the file but only %" PRIu64 " in memory",
				    segment->paddr, segment->file_size, segment->memory_size);
	if (segment->offset > file || segment->file_size > file - segment->offset)
		return error_create("truncated: the segment at %#" PRIx64 " needs bytes up to %#" PRIx64 " of the file, which has %" PRIu64,
				    segment->paddr, segment->offset + segment->file_size, file);
	if (segment->paddr > UINT32_MAX || segment->memory_size > (1ull << 32) - segment->paddr)
		return error_create("segment at %#" PRIx64 " (%" PRIu64 " bytes) lies beyond 4 GiB", segment->paddr, segment->memory_size);
	image->segment[image->count++] = *segment;
	return NULL;
}

/* -- the header's own addresses (3.1.3) -- */

static struct error *parse_addresses(const struct header *header, size_t size, size_t at, struct multiboot_image *ret)
{
	uint64_t before = (uint64_t)header->header_addr - header->load_addr; /* bytes loaded from before the header */
	struct multiboot_segment segment = {.paddr = header->load_addr};

	if (at + sizeof(*header) > size)
		return error_create("truncated within its multiboot header");
	if (header->header_addr < header->load_addr || before > at)
		return error_create("multiboot header: header_addr %#x does not fit load_addr %#x with the header at byte %zu of the file",
				    header->header_addr, header->load_addr, at);
	segment.offset = at - before;
	segment.file_size = size - segment.offset;
	if (header->load_end_addr) {
		if (header->load_end_addr < header->load_addr)
			return error_create("multiboot header: load_end_addr %#x is below load_addr %#x", header->load_end_addr,
					    header->load_addr);
		segment.file_size = header->load_end_addr - header->load_addr;
	}
	segment.memory_size = segment.file_size;
	if (header->bss_end_addr) {
		if (header->bss_end_addr < header->load_addr + segment.file_size)
			return error_create("multiboot header: bss_end_addr %#x is below the end of the data, %#" PRIx64,
					    header->bss_end_addr, header->load_addr + segment.file_size);
		segment.memory_size = header->bss_end_addr - header->load_addr;
	}
	ret->entry = header->entry_addr;
	return add_segment(ret, size, &segment);
}

/* -- ELF -- */

struct reading {
	struct multiboot_image *image;
	size_t size;
	uint64_t virtual_entry, entry;
};

static struct error *read_segment(void *opaque, const GElf_Phdr *phdr)
{
	const struct multiboot_segment segment = {phdr->p_offset, phdr->p_filesz, phdr->p_paddr, phdr->p_memsz};
	struct reading *reading = opaque;
	struct error *err = add_segment(reading->image, reading->size, &segment);

	if (!err && reading->virtual_entry >= phdr->p_vaddr && reading->virtual_entry - phdr->p_vaddr < phdr->p_memsz)
		reading->entry = reading->virtual_entry - phdr->p_vaddr + phdr->p_paddr;
	return err;
}

/* The entry point is a virtual address, which may differ from the physical one. */
static struct error *read_segments(Elf *elf, const GElf_Ehdr *ehdr, size_t size, struct multiboot_image *ret)
{
	struct reading reading = {ret, size, ehdr->e_entry, ehdr->e_entry};
	struct error *err = elf_for_each_load(elf, read_segment, &reading);

	if (err)
		return err;
	if (reading.entry > UINT32_MAX)
		return error_create("entry point %#" PRIx64 " lies beyond 4 GiB", reading.entry);
	ret->entry = reading.entry;
	return NULL;
}

static struct error *parse_elf(const uint8_t *data, size_t size, struct multiboot_image *ret)
{
	struct error *err;
	GElf_Ehdr ehdr;
	Elf *elf;

	if (size < EI_NIDENT || memcmp(data, ELFMAG, SELFMAG) != 0)
		return error_create("neither an ELF file nor one whose multiboot header has load addresses (flag bit 16)");
	if (data[EI_DATA] != ELFDATA2LSB)
		return error_create("a big-endian ELF file: not for x86");
	elf_version(EV_CURRENT);
	elf = elf_memory((char *)(uintptr_t)data, size); /* not written to */
	if (!elf)
		return error_create("damaged ELF file: %s", elf_errmsg(-1));
	if (!gelf_getehdr(elf, &ehdr))
		err = error_create("damaged ELF file: %s", elf_errmsg(-1));
	else if (ehdr.e_machine != EM_386 && ehdr.e_machine != EM_X86_64)
		err = error_create("an ELF file for machine %u: not for x86", ehdr.e_machine);
	else
		err = read_segments(elf, &ehdr, size, ret);
	elf_end(elf);
	return err;
}

/* -- checks of the whole -- */

static bool contains(const struct multiboot_segment *segment, uint64_t paddr)
{
	return paddr >= segment->paddr && paddr - segment->paddr < segment->memory_size;
}

static struct error *check_image(const struct multiboot_image *image)
{
	bool entry_found = false;

	if (!image->count)
		return error_create("nothing to load: no loadable segments");
	for (unsigned i = 0; i < image->count; i++) {
		entry_found |= contains(&image->segment[i], image->entry);
		for (unsigned j = 0; j < image->count; j++) {
			if (i != j && contains(&image->segment[i], image->segment[j].paddr))
				return error_create("segments at %#" PRIx64 " and %#" PRIx64 " overlap", image->segment[i].paddr,
						    image->segment[j].paddr);
		}
	}
	return entry_found ? NULL : error_create("entry point %#x is in no segment", image->entry);
}

static struct error *parse(const uint8_t *data, size_t size, struct multiboot_image *ret)
{
	struct header header;
	size_t at = 0;

	switch (multiboot_find_header(data, size, &at)) {
	case MULTIBOOT_HEADER_NONE:
		return error_create("no multiboot header in the first %d bytes", HEADER_SEARCH);
	case MULTIBOOT_HEADER_MISALIGNED:
		return error_create("multiboot header at byte %zu is not 4-byte aligned: align its section in the linker script", at);
	case MULTIBOOT_HEADER_CHECKSUM:
		return error_create("multiboot header at byte %zu has a wrong checksum: magic + flags + checksum must be 0", at);
	case MULTIBOOT_HEADER_OK:
		break;
	}
	header = read_header(data, size, at);
	if (header.flags & FLAGS_UNKNOWN)
		return error_create("multiboot header asks for unknown features (flags %#x)", header.flags & FLAGS_UNKNOWN);
	return header.flags & FLAG_ADDRESSES ? parse_addresses(&header, size, at, ret) : parse_elf(data, size, ret);
}

struct error *multiboot_parse(const uint8_t *data, size_t size, struct multiboot_image *ret)
{
	struct error *err;

	*ret = (struct multiboot_image){0};
	err = parse(data, size, ret);
	return err ? err : check_image(ret);
}
