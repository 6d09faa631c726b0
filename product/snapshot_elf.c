/*
 * ELF cores of machines: QEMU's dump-guest-memory, `virsh dump --memory-only`, VirtualBox' dumpvmcore, Linux' /proc/vmcore.
 *
 * The PT_LOAD segments' p_paddr, p_offset and p_filesz are the extents. What a segment has in memory beyond p_filesz was left out: so does
 * makedumpfile write pages that it excludes, those of zeros among them. Known quirks:
 * - QEMU's segments beyond p_filesz, and everybody's empty ones, are device memory: a hole.
 * - QEMU writes the size of e_ehsize, or nothing meaningful, into e_ehsize; and ELFCLASS64 around EM_386. Neither is looked at.
 * - With paging=on there is a segment for every virtual range, so that the same memory appears many times (at the same place of
 *   the file), and segments of device memory, which are empty.
 * - 65535 segments or more: e_phnum is PN_XNUM and section 0's sh_info has the number (System V gABI, "Program Header").
 *
 * The headers are read by hand rather than by libelf, which trusts the number of sections enough to make room for all of them: a hostile
 * sparse file can so ask for any amount of memory.
 */
#include "product/snapshot_format.h"

#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Limits of what is plausible. A segment for every 64 KiB of 64 GiB; 4096 CPUs' notes. */
enum { MAX_SEGMENTS = 1 << 20, MAX_NOTES = 16 << 20, SEGMENTS_AT_ONCE = 512 };

/* The fields used, of either class. */
struct header {
	bool is64;
	uint16_t machine;
	uint64_t segments_at, sections_at;
	size_t segment_size;
	uint64_t segments;
};

static bool probe(const uint8_t *head, size_t size)
{
	return size >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0;
}

static struct error *read_extended_count(const struct snapshot *snapshot, struct header *header)
{
	Elf64_Shdr section64;
	Elf32_Shdr section32;
	void *section = header->is64 ? (void *)&section64 : (void *)&section32;
	struct error *err = snapshot_read_file(snapshot, header->sections_at, section, header->is64 ? sizeof(section64) : sizeof(section32),
					       "section 0, which has the number of segments");

	if (!err)
		header->segments = header->is64 ? section64.sh_info : section32.sh_info;
	return err;
}

static struct error *check_kind(const uint8_t *ident, unsigned type, unsigned machine)
{
	if (ident[EI_DATA] != ELFDATA2LSB || (machine != EM_X86_64 && machine != EM_386))
		return error_create("an ELF file for another architecture: xray86 takes the memory of x86 machines");
	if (type != ET_CORE)
		return error_create(
			"an ELF file, but no core: give a memory image, as made by QEMU's dump-guest-memory or virsh dump --memory-only");
	return NULL;
}

/* Elf32_Ehdr and Elf64_Ehdr begin alike, up to e_machine. */
static struct error *read_header(const struct snapshot *snapshot, struct header *ret)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr h32;
		Elf64_Ehdr h64;
	} ehdr;
	struct error *err = snapshot_read_file(snapshot, 0, &ehdr.h32, sizeof(ehdr.h32), "the ELF header");
	unsigned entry_size;

	if (!err)
		err = check_kind(ehdr.ident, ehdr.h32.e_type, ehdr.h32.e_machine);
	if (err)
		return err;
	if (ehdr.ident[EI_CLASS] == ELFCLASS64) {
		err = snapshot_read_file(snapshot, 0, &ehdr.h64, sizeof(ehdr.h64), "the ELF header");
		*ret = (struct header){true, ehdr.h64.e_machine, ehdr.h64.e_phoff, ehdr.h64.e_shoff, sizeof(Elf64_Phdr), ehdr.h64.e_phnum};
		entry_size = ehdr.h64.e_phentsize;
	} else {
		*ret = (struct header){false, ehdr.h32.e_machine, ehdr.h32.e_phoff, ehdr.h32.e_shoff, sizeof(Elf32_Phdr), ehdr.h32.e_phnum};
		entry_size = ehdr.h32.e_phentsize;
	}
	if (!err && ret->segments == PN_XNUM)
		err = read_extended_count(snapshot, ret);
	if (err)
		return err;
	if (!ret->segments)
		return error_create(
			"an ELF core of 0 segments, as Xen's xl dump-core writes them, which xray86 cannot read: take the memory from "
			"within the domain (LiME with format=padded)");
	if (entry_size != ret->segment_size || ret->segments > MAX_SEGMENTS)
		return error_create("a malformed ELF core: %" PRIu64 " segments of %u bytes", ret->segments, entry_size);
	return NULL;
}

static Elf64_Phdr to_phdr64(const Elf32_Phdr *phdr)
{
	return (Elf64_Phdr){
		.p_type = phdr->p_type,
		.p_offset = phdr->p_offset,
		.p_vaddr = phdr->p_vaddr,
		.p_paddr = phdr->p_paddr,
		.p_filesz = phdr->p_filesz,
		.p_memsz = phdr->p_memsz,
	};
}

static struct error *read_notes(struct snapshot *snapshot, const Elf64_Phdr *phdr)
{
	struct error *err;
	uint8_t *notes;

	if (phdr->p_filesz > MAX_NOTES)
		return error_create("a malformed ELF core: notes of %" PRIu64 " bytes", (uint64_t)phdr->p_filesz);
	notes = malloc(phdr->p_filesz + 1);
	if (!notes)
		return error_create("out of memory");
	err = snapshot_read_file(snapshot, phdr->p_offset, notes, phdr->p_filesz, "the notes");
	if (!err)
		err = snapshot_parse_notes(snapshot, notes, phdr->p_filesz);
	free(notes);
	return err;
}

/* What the segments seen so far show. */
struct survey {
	bool notes;    /* the notes were read: once, so that the work is bounded */
	bool physical; /* a segment has a physical address other than 0 */
	unsigned loads;
};

static struct error *take_segment(struct snapshot *snapshot, const Elf64_Phdr *phdr, struct survey *survey)
{
	struct error *err;

	if (phdr->p_type == PT_NOTE && !survey->notes) {
		survey->notes = true;
		return read_notes(snapshot, phdr);
	}
	if (phdr->p_type != PT_LOAD || !phdr->p_filesz)
		return NULL;
	survey->loads++;
	survey->physical |= phdr->p_paddr != 0;
	err = snapshot_add(snapshot, phdr->p_paddr, phdr->p_filesz, phdr->p_offset);
	if (err || phdr->p_memsz <= phdr->p_filesz)
		return err;
	return snapshot_add_left_out(snapshot, phdr->p_paddr + phdr->p_filesz, phdr->p_memsz - phdr->p_filesz);
}

static struct error *take_segments(struct snapshot *snapshot, const struct header *header, struct survey *survey)
{
	union {
		Elf64_Phdr p64[SEGMENTS_AT_ONCE];
		Elf32_Phdr p32[SEGMENTS_AT_ONCE];
	} phdr;

	for (uint64_t first = 0; first < header->segments; first += SEGMENTS_AT_ONCE) {
		uint64_t count = header->segments - first < SEGMENTS_AT_ONCE ? header->segments - first : SEGMENTS_AT_ONCE;
		uint64_t at;
		struct error *err = NULL;

		if (__builtin_add_overflow(header->segments_at, first * header->segment_size, &at))
			return error_create("a malformed ELF core: its segments are beyond the end of the file");
		err = snapshot_read_file(snapshot, at, &phdr, count * header->segment_size, "the program headers");
		for (uint64_t i = 0; i < count && !err; i++) {
			Elf64_Phdr one = header->is64 ? phdr.p64[i] : to_phdr64(&phdr.p32[i]);

			err = take_segment(snapshot, &one, survey);
		}
		if (err)
			return err;
	}
	return NULL;
}

static struct error *open_elf(struct snapshot *snapshot)
{
	struct survey survey = {0};
	struct header header;
	struct error *err = read_header(snapshot, &header);

	if (err)
		return err;
	snapshot->machine = header.machine == EM_386 ? SNAPSHOT_MACHINE_I386 : SNAPSHOT_MACHINE_X86_64;
	err = take_segments(snapshot, &header, &survey);
	if (err)
		return err;
	if (!survey.loads)
		return error_create("an ELF core without memory in it: dump the machine again");
	if (survey.loads > 1 && !survey.physical)
		return error_create("the core of a process, not of a machine: give a memory image, as made by QEMU's dump-guest-memory");
	if (snapshot->cpus && snapshot->cpu[0].system) /* QEMU's */
		extents_free(&snapshot->left_out);
	return NULL;
}

const struct snapshot_format snapshot_elf = {.name = "ELF core", .probe = probe, .open = open_elf};
