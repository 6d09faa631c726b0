/* vmlinux: see vmlinux.h and, for what is promised of the result, kernel_image.h. */
#include "loader/vmlinux.h"

#include <gelf.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "loader/elf_segments.h"

#define START_KERNEL_MAP 0xffffffff80000000ull /* __START_KERNEL_map: where x86-64 kernels map physical address 0 */
enum { MIB = 1 << 20 };

/* -- where the file ends -- */

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Moves the end, *ret, behind something that the headers speak of. */
static struct error *include(uint64_t offset, uint64_t length, size_t size, uint64_t *ret)
{
	if (offset > size || length > size - offset)
		return error_create("truncated: its ELF headers speak of bytes %#" PRIx64 " to %#" PRIx64 ", and it has %#zx", offset,
				    offset + length, size);
	*ret = max(*ret, offset + length);
	return NULL;
}

static struct error *include_sections(Elf *elf, size_t size, uint64_t *ret)
{
	struct error *err = NULL;
	Elf_Scn *section = NULL;

	while (!err && (section = elf_nextscn(elf, section))) {
		GElf_Shdr shdr;

		if (!gelf_getshdr(section, &shdr))
			return error_create("damaged ELF section header: %s", elf_errmsg(-1));
		if (shdr.sh_type != SHT_NOBITS && shdr.sh_type != SHT_NULL)
			err = include(shdr.sh_offset, shdr.sh_size, size, ret);
	}
	return err;
}

/* objcopy writes nothing behind headers and sections: what follows them is the relocations that the kernel's build appended. */
static struct error *find_end(Elf *elf, const GElf_Ehdr *ehdr, size_t size, uint64_t *ret)
{
	size_t segments, sections;
	struct error *err;

	if (elf_getphdrnum(elf, &segments) != 0 || elf_getshdrnum(elf, &sections) != 0)
		return error_create("damaged ELF header: %s", elf_errmsg(-1));
	err = include(0, ehdr->e_ehsize, size, ret);
	if (!err)
		err = include(ehdr->e_phoff, (uint64_t)segments * ehdr->e_phentsize, size, ret);
	if (!err)
		err = include(ehdr->e_shoff, (uint64_t)sections * ehdr->e_shentsize, size, ret);
	return err ? err : include_sections(elf, size, ret);
}

/* -- segments -- */

static struct error *add_segment(struct kernel_image *kernel, const struct kernel_segment *segment, uint64_t *end, size_t size)
{
	if (!segment->memory_size)
		return NULL;
	if (kernel->segments == KERNEL_MAX_SEGMENTS)
		return error_create("more than %d segments to load", KERNEL_MAX_SEGMENTS);
	if (segment->file_size > segment->memory_size)
		return error_create("segment at %#" PRIx64 " has %" PRIu64 " bytes in the file but only %" PRIu64 " in memory",
				    segment->paddr, segment->file_size, segment->memory_size);
	if (segment->paddr > UINT32_MAX || segment->memory_size > (1ull << 32) - segment->paddr ||
	    segment->memory_size > -segment->vaddr - 1)
		return error_create("segment at %#" PRIx64 " (%" PRIu64 " bytes) lies beyond 4 GiB", segment->paddr, segment->memory_size);
	kernel->segment[kernel->segments++] = *segment;
	return include(segment->offset, segment->file_size, size, end);
}

struct reading {
	struct kernel_image *kernel;
	uint64_t *end;
	size_t size;
};

static struct error *read_segment(void *opaque, const GElf_Phdr *phdr)
{
	const struct reading *reading = opaque;
	const struct kernel_segment segment = {phdr->p_offset, phdr->p_filesz, phdr->p_vaddr, phdr->p_paddr, phdr->p_memsz};

	return add_segment(reading->kernel, &segment, reading->end, reading->size);
}

static struct error *read_segments(Elf *elf, size_t size, struct kernel_image *ret, uint64_t *end)
{
	struct reading reading = {ret, end, size};

	return elf_for_each_load(elf, read_segment, &reading);
}

static int by_paddr(const void *a, const void *b)
{
	uint64_t x = ((const struct kernel_segment *)a)->paddr, y = ((const struct kernel_segment *)b)->paddr;

	return x < y ? -1 : x > y;
}

static struct error *check_segments(struct kernel_image *kernel)
{
	const struct kernel_segment *segment = kernel->segment;
	bool entry_found = false;

	if (!kernel->segments)
		return error_create("nothing to load: no loadable segments");
	qsort(kernel->segment, kernel->segments, sizeof(*segment), by_paddr);
	for (unsigned i = 0; i < kernel->segments; i++) {
		entry_found |= kernel->entry - segment[i].paddr < segment[i].file_size;
		if (i && segment[i].paddr - segment[i - 1].paddr < segment[i - 1].memory_size)
			return error_create("segments at %#" PRIx64 " and %#" PRIx64 " overlap", segment[i - 1].paddr, segment[i].paddr);
	}
	return entry_found ? NULL : error_create("entry point %#" PRIx64 " is in no segment", kernel->entry);
}

/* A kernel is linked for a virtual address that is a fixed distance above its physical one, and enters at a physical one. */
static struct error *check_linux(struct kernel_image *kernel)
{
	const struct kernel_segment *lowest = &kernel->segment[0];
	uint64_t distance = lowest->vaddr - lowest->paddr;

	if (lowest->paddr < MIB || (kernel->arch == KERNEL_X86_64 ? distance != START_KERNEL_MAP : !distance || distance % MIB))
		return error_create("an ELF file, but not a Linux kernel: it is linked for virtual address %#" PRIx64
				    ", physical %#" PRIx64,
				    lowest->vaddr, lowest->paddr);
	kernel->link_base = kernel->base = lowest->vaddr;
	return NULL;
}

/* -- the whole -- */

static struct error *read_elf(Elf *elf, const uint8_t *data, size_t size, struct kernel_image *ret)
{
	struct error *err;
	GElf_Ehdr ehdr;
	uint64_t end = 0;

	if (!gelf_getehdr(elf, &ehdr))
		return error_create("damaged ELF file: %s", elf_errmsg(-1));
	if (ehdr.e_machine != EM_386 && ehdr.e_machine != EM_X86_64)
		return error_create("an ELF file for machine %u: not for x86", ehdr.e_machine);
	if ((ehdr.e_machine == EM_X86_64) != (data[EI_CLASS] == ELFCLASS64) || (ehdr.e_type != ET_EXEC && ehdr.e_type != ET_DYN))
		return error_create("an ELF file, but not a Linux kernel (type %u, class %u)", ehdr.e_type, data[EI_CLASS]);
	ret->arch = ehdr.e_machine == EM_386 ? KERNEL_I386 : KERNEL_X86_64;
	ret->entry = ehdr.e_entry;
	err = find_end(elf, &ehdr, size, &end);
	if (!err)
		err = read_segments(elf, size, ret, &end);
	if (!err)
		err = check_segments(ret);
	if (!err)
		err = check_linux(ret);
	if (err)
		return err;
	ret->elf = data;
	ret->elf_size = end;
	ret->relocations = size > end ? data + end : NULL;
	ret->relocation_size = size - end;
	return NULL;
}

struct error *vmlinux_parse(const uint8_t *data, size_t size, struct kernel_image *ret)
{
	struct error *err;
	Elf *elf;

	if (size < EI_NIDENT || memcmp(data, ELFMAG, SELFMAG) != 0)
		return error_create("not an ELF file");
	if (data[EI_DATA] != ELFDATA2LSB)
		return error_create("a big-endian ELF file: not for x86");
	elf_version(EV_CURRENT);
	elf = elf_memory((char *)(uintptr_t)data, size); /* not written to */
	if (!elf)
		return error_create("damaged ELF file: %s", elf_errmsg(-1));
	err = read_elf(elf, data, size, ret);
	elf_end(elf);
	return err;
}
