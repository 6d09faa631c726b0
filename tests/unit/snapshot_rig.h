/* Snapshots in the making, for tests: raw memory and ELF cores in anonymous files. */
#ifndef XRAY86_TESTS_SNAPSHOT_RIG_H
#define XRAY86_TESTS_SNAPSHOT_RIG_H

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "product/snapshot.h"
#include "mmu/physmem.h"

static inline int new_file(uint64_t size)
{
	int fd = memfd_create("snapshot", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static inline void put(int fd, uint64_t offset, const void *data, size_t size)
{
	assert_int_equal(pwrite(fd, data, size, offset), size);
}

static inline void put_u64(int fd, uint64_t offset, uint64_t value)
{
	put(fd, offset, &value, sizeof(value));
}

static inline void put_u32(int fd, uint64_t offset, uint32_t value)
{
	put(fd, offset, &value, sizeof(value));
}

/* The snapshot of fd, which stays the test's. */
static inline struct snapshot *open_snapshot(int fd)
{
	struct snapshot *snapshot;
	struct error *err = snapshot_open_fd(dup(fd), "test", &snapshot);

	if (err)
		fail_msg("%s", err->message);
	return snapshot;
}

static inline void assert_refused(int fd, const char *words)
{
	struct snapshot *snapshot;
	struct error *err = snapshot_open_fd(fd, "test", &snapshot);

	assert_non_null(err);
	if (!strstr(err->message, words))
		fail_msg("\"%s\" does not say \"%s\"", err->message, words);
	assert_null(strchr(err->message, '\n'));
	error_destroy(err);
}

/* As QEMU writes them: ELFCLASS64, e_ehsize nonsense, the program headers behind section 0. */
enum { PHDRS_AT = 192, SECTION_AT = 64 };

static inline int new_core(unsigned machine, const Elf64_Phdr *phdr, unsigned count, uint64_t size)
{
	const Elf64_Ehdr ehdr = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_CORE,
		.e_machine = machine,
		.e_version = EV_CURRENT,
		.e_phoff = PHDRS_AT,
		.e_shoff = SECTION_AT,
		.e_ehsize = 8,
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = count < PN_XNUM ? count : PN_XNUM,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 2,
	};
	const Elf64_Shdr section = {.sh_info = count};
	int fd = new_file(size);

	put(fd, 0, &ehdr, sizeof(ehdr));
	put(fd, SECTION_AT, &section, sizeof(section));
	put(fd, PHDRS_AT, phdr, count * sizeof(*phdr));
	return fd;
}

#endif
