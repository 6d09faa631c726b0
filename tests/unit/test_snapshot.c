/* Snapshots: formats, what is memory and what is a hole, hostile files, files that change under our feet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/unit/snapshot_rig.h"

#define MIB (1ull << 20)

static enum page_lack lack_at(struct snapshot *snapshot, uint64_t paddr)
{
	enum page_lack lack;

	return snapshot_page(snapshot, paddr, &lack) ? PAGE_THERE : lack;
}

static uint32_t first_word(struct snapshot *snapshot, uint64_t paddr)
{
	enum page_lack lack;
	const uint8_t *page = snapshot_page(snapshot, paddr, &lack);
	uint32_t word;

	assert_non_null(page);
	assert_int_equal((uintptr_t)page % PAGE_SIZE, 0);
	memcpy(&word, page + paddr % PAGE_SIZE, sizeof(word));
	return word;
}

static void raw_offset_is_address(void **state)
{
	int fd = new_file(6 * 1024 * MIB + 100);
	struct snapshot *snapshot;
	uint64_t word;

	(void)state;
	put_u32(fd, 0, 0x11111111);
	put_u32(fd, 5 * 1024 * MIB + 0x123, 0x22222222);
	put_u32(fd, MIB - 4, 0x33333333);
	put_u32(fd, MIB, 0x44444444);
	snapshot = open_snapshot(fd);
	assert_string_equal(snapshot_format_name(snapshot), "raw");
	assert_int_equal(snapshot->ram.count, 1);
	assert_int_equal(snapshot->ram.extent[0].size, 6 * 1024 * MIB);
	assert_int_equal(first_word(snapshot, 0), 0x11111111);
	assert_int_equal(first_word(snapshot, 5 * 1024 * MIB + 0x123), 0x22222222);
	assert_int_equal(first_word(snapshot, 3 * 1024 * MIB), 0); /* a hole of the file is memory of zeros */
	assert_true(snapshot_read(snapshot, MIB - 4, &word, 8));
	assert_int_equal(word, 0x4444444433333333);
	word = 0;
	assert_true(snapshot_peek(snapshot, MIB - 4, &word, 8));
	assert_int_equal(word, 0x4444444433333333);
	/* the last 100 bytes are no page */
	assert_int_equal(lack_at(snapshot, 6 * 1024 * MIB), PAGE_HOLE);
	assert_false(snapshot_read(snapshot, 6 * 1024 * MIB - 4, &word, 8));
	assert_false(snapshot_peek(snapshot, 6 * 1024 * MIB - 4, &word, 8));
	assert_int_equal(lack_at(snapshot, UINT64_MAX), PAGE_HOLE);
	assert_int_equal(snapshot->lost, 0);
	snapshot_close(snapshot);
	close(fd);
}

static void pages_stay(void **state)
{
	int fd = new_file(4 * MIB);
	struct snapshot *snapshot;
	enum page_lack lack;
	const uint8_t *page;
	uint8_t byte;

	(void)state;
	put_u32(fd, 2 * MIB, 0x12345678);
	put_u32(fd, 3 * MIB, 0x12345678);
	snapshot = open_snapshot(fd);
	page = snapshot_page(snapshot, 2 * MIB, &lack);
	assert_int_equal(first_word(snapshot, 2 * MIB), 0x12345678);
	assert_int_equal(ftruncate(fd, MIB + 10), 0);
	assert_ptr_equal(snapshot_page(snapshot, 2 * MIB + 8, &lack), page);
	assert_int_equal(first_word(snapshot, 2 * MIB), 0x12345678);
	assert_int_equal(lack_at(snapshot, 3 * MIB), PAGE_UNREADABLE);
	assert_int_equal(lack_at(snapshot, MIB), PAGE_UNREADABLE);
	assert_int_equal(snapshot->lost, 2);
	assert_false(snapshot_peek(snapshot, 3 * MIB, &byte, 1));
	snapshot_close(snapshot);
	close(fd);
}

/* The time of the last change is set back, so that any change after that is a later one. */
static void changes_are_seen(void **state)
{
	const struct timespec old[2] = {{1000, 0}, {1000, 0}};
	int fd = new_file(4 * MIB);
	struct snapshot *snapshot;

	(void)state;
	assert_int_equal(futimens(fd, old), 0);
	snapshot = open_snapshot(fd);
	first_word(snapshot, MIB);
	assert_int_equal(snapshot_change(snapshot), SNAPSHOT_SAME);
	put_u32(fd, 2 * MIB, 1);
	assert_int_equal(snapshot_change(snapshot), SNAPSHOT_CHANGED);
	assert_int_equal(ftruncate(fd, 4 * MIB - 1), 0);
	assert_int_equal(snapshot_change(snapshot), SNAPSHOT_TRUNCATED);
	assert_int_equal(ftruncate(fd, 5 * MIB), 0);
	assert_int_equal(snapshot_change(snapshot), SNAPSHOT_CHANGED);
	snapshot_close(snapshot);
	close(fd);
}

static void core_extents(void **state)
{
	/* 640 KiB; from 1 MiB on 2 MiB, of which the second was left out; a ROM at 4 GiB; RAM above */
	const Elf64_Phdr phdr[] = {
		{.p_type = PT_LOAD, .p_offset = 0x508, .p_paddr = 0, .p_filesz = 0xa0000, .p_memsz = 0xa0000},
		{.p_type = PT_LOAD, .p_offset = 0xa0508, .p_paddr = MIB, .p_filesz = MIB, .p_memsz = 2 * MIB},
		{.p_type = PT_LOAD, .p_offset = 0x1a0508, .p_paddr = 0xfffc0000, .p_filesz = 0x40000, .p_memsz = 0x40000},
		{.p_type = PT_LOAD, .p_offset = 0x1e0508, .p_paddr = 1ull << 32, .p_filesz = 0x1000, .p_memsz = 0x1000},
		{.p_type = PT_LOAD, .p_offset = UINT64_MAX, .p_paddr = 1ull << 40, .p_filesz = 0, .p_memsz = 0x1000},
	};
	int fd = new_core(EM_386, phdr, 5, 0x1e1508);
	struct snapshot *snapshot;
	uint64_t word;

	(void)state;
	put_u32(fd, 0xa0508, 0x11111111);
	put_u32(fd, 0x1e0508, 0x22222222);
	put_u32(fd, 0x1e0504, 0x33333333);
	snapshot = open_snapshot(fd);
	assert_string_equal(snapshot_format_name(snapshot), "ELF core");
	assert_int_equal(snapshot->machine, SNAPSHOT_MACHINE_I386);
	assert_int_equal(snapshot->ram.count, 3); /* the ROM and the RAM above are one */
	assert_int_equal(first_word(snapshot, MIB), 0x11111111);
	assert_int_equal(first_word(snapshot, 1ull << 32), 0x22222222);
	assert_true(snapshot_read(snapshot, (1ull << 32) - 4, &word, 8));
	assert_int_equal(word, 0x2222222233333333);
	assert_int_equal(lack_at(snapshot, 0xa0000), PAGE_HOLE);
	assert_int_equal(lack_at(snapshot, 2 * MIB), PAGE_LEFT_OUT);
	assert_int_equal(lack_at(snapshot, 3 * MIB - 1), PAGE_LEFT_OUT);
	assert_int_equal(lack_at(snapshot, 3 * MIB), PAGE_HOLE);
	assert_int_equal(lack_at(snapshot, (1ull << 32) + PAGE_SIZE), PAGE_HOLE);
	assert_int_equal(lack_at(snapshot, 1ull << 40), PAGE_HOLE);
	assert_int_equal(snapshot->cpus, 0);
	snapshot_close(snapshot);
	close(fd);
}

/* paging=on: more segments than e_phnum can say, the same memory many times. */
static void core_of_virtual_ranges(void **state)
{
	enum { COUNT = 70000, RAM = 1 << 20, DATA_AT = 0x400000 };
	Elf64_Phdr *phdr = calloc(COUNT, sizeof(*phdr));
	struct snapshot *snapshot;
	int fd;

	(void)state;
	assert_non_null(phdr);
	for (unsigned i = 0; i < COUNT; i++) {
		uint64_t paddr = i * 7919ull % (RAM >> PAGE_SHIFT) << PAGE_SHIFT, size = (i % 5 + 1) * PAGE_SIZE;

		if (size > RAM - paddr)
			size = RAM - paddr;
		phdr[i] = (Elf64_Phdr){.p_type = PT_LOAD, .p_vaddr = -(uint64_t)i << 20, .p_paddr = paddr, .p_offset = DATA_AT + paddr};
		phdr[i].p_filesz = phdr[i].p_memsz = size;
	}
	fd = new_core(EM_X86_64, phdr, COUNT, DATA_AT + RAM);
	free(phdr);
	put_u32(fd, DATA_AT + 0x42000, 0x12345678);
	snapshot = open_snapshot(fd);
	assert_int_equal(snapshot->machine, SNAPSHOT_MACHINE_X86_64);
	assert_int_equal(snapshot->ram.count, 1);
	assert_int_equal(snapshot->ram.extent[0].size, RAM);
	assert_int_equal(first_word(snapshot, 0x42000), 0x12345678);
	snapshot_close(snapshot);
	close(fd);
}

/* Overlaps that disagree, and pages in two pieces. */
static void core_overlaps(void **state)
{
	const Elf64_Phdr phdr[] = {
		{.p_type = PT_LOAD, .p_paddr = 0x12000, .p_offset = 0x8000, .p_filesz = 0x3000}, /* 12, 13, 14 */
		{.p_type = PT_LOAD, .p_paddr = 0x10000, .p_offset = 0x1000, .p_filesz = 0x3000}, /* 10, 11, 12: starts first */
		{.p_type = PT_LOAD, .p_paddr = 0x11000, .p_offset = 0x4000, .p_filesz = 0x1000}, /* 11: covered */
		{.p_type = PT_LOAD, .p_paddr = 0x20800, .p_offset = 0x4800, .p_filesz = 0x1000}, /* the other half of 20, half of 21 */
		{.p_type = PT_LOAD, .p_paddr = 0x20000, .p_offset = 0x4000, .p_filesz = 0x800},
	};
	int fd = new_core(EM_X86_64, phdr, 5, 0xb000);
	struct snapshot *snapshot;

	(void)state;
	for (unsigned i = 1; i < 11; i++)
		put_u32(fd, i * 0x1000, i);
	snapshot = open_snapshot(fd);
	assert_int_equal(snapshot->ram.count, 3);
	assert_int_equal(first_word(snapshot, 0x10000), 1);
	assert_int_equal(first_word(snapshot, 0x11000), 2);
	assert_int_equal(first_word(snapshot, 0x12000), 3);
	assert_int_equal(first_word(snapshot, 0x13000), 9);
	assert_int_equal(first_word(snapshot, 0x14000), 10);
	assert_int_equal(lack_at(snapshot, 0x15000), PAGE_HOLE);
	assert_int_equal(first_word(snapshot, 0x20000), 4);
	assert_int_equal(lack_at(snapshot, 0x21000), PAGE_HOLE);
	snapshot_close(snapshot);
	close(fd);
}

static void core_of_class_32(void **state)
{
	const Elf32_Ehdr ehdr = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_CORE,
		.e_machine = EM_386,
		.e_phoff = sizeof(ehdr),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 1,
	};
	const Elf32_Phdr phdr = {.p_type = PT_LOAD, .p_offset = 0x1000, .p_paddr = 0x100000, .p_filesz = 0x1000, .p_memsz = 0x1000};
	int fd = new_file(0x2000);
	struct snapshot *snapshot;

	(void)state;
	put(fd, 0, &ehdr, sizeof(ehdr));
	put(fd, sizeof(ehdr), &phdr, sizeof(phdr));
	put_u32(fd, 0x1000, 0x12345678);
	snapshot = open_snapshot(fd);
	assert_int_equal(first_word(snapshot, 0x100000), 0x12345678);
	snapshot_close(snapshot);
	close(fd);
}

/* -- registers -- */

static size_t add_note(uint8_t *notes, size_t at, const char *name, uint32_t type, const void *data, size_t size)
{
	const Elf64_Nhdr header = {strlen(name) + 1, size, type};

	memcpy(notes + at, &header, sizeof(header));
	strcpy((char *)notes + at + sizeof(header), name);
	memcpy(notes + at + sizeof(header) + 8, data, size);
	return at + sizeof(header) + 8 + ((size + 3) & ~3u);
}

static void core_registers(void **state)
{
	const Elf64_Phdr phdr[] = {
		{.p_type = PT_NOTE, .p_offset = 0x1000, .p_filesz = 0x1000},
		{.p_type = PT_LOAD, .p_offset = 0x2000, .p_paddr = 0x1000, .p_filesz = 0x1000, .p_memsz = 0x2000},
	};
	uint64_t prstatus[42] = {[14 + 16] = 0xffffffff81000010, [14 + 17] = 0x10, [14 + 19] = 0xffffffff82000000, [14 + 22] = 7};
	uint32_t prstatus32[36] = {[18 + 12] = 0xc1000010, [18 + 13] = 0x60};
	uint64_t qemu[55] = {[1 + 6] = 0x7ffc0000, [1 + 16] = 0x401000, [19] = 0x33, [19 + 3 * 4 + 2] = 0x1111, [54] = 0xffff888000000000};
	uint8_t notes[0x1000] = {0};
	size_t at = 0;
	int fd = new_core(EM_X86_64, phdr, 2, 0x3000);
	struct snapshot *snapshot;

	(void)state;
	qemu[19 + 4 * 3 + 2] = 0x5555;             /* gs.base */
	qemu[19 + 9 * 3 + 2] = 0xfffffe0000000000; /* idt.base */
	qemu[49 + 3] = 0x29d4000;                  /* cr3 */
	at = add_note(notes, at, "CORE", NT_PRSTATUS, prstatus, sizeof(prstatus));
	at = add_note(notes, at, "CORE", NT_PRSTATUS, prstatus32, sizeof(prstatus32));
	at = add_note(notes, at, "CORE", NT_PRSTATUS, prstatus32, 20); /* of no known size */
	at = add_note(notes, at, "MINE", 0, qemu, sizeof(qemu));
	at = add_note(notes, at, "QEMU", 0, qemu, sizeof(qemu));
	put(fd, 0x1000, notes, sizeof(notes));
	snapshot = open_snapshot(fd);
	assert_int_equal(lack_at(snapshot, 0x2000), PAGE_HOLE); /* QEMU leaves nothing out */
	assert_int_equal(snapshot->cpus, 2);
	assert_true(snapshot->cpu[0].system);
	assert_int_equal(snapshot->cpu[0].rip, 0x401000);
	assert_int_equal(snapshot->cpu[0].cs, 0x33);
	assert_int_equal(snapshot->cpu[0].rsp, 0x7ffc0000);
	assert_int_equal(snapshot->cpu[0].gs_base, 0x5555);
	assert_int_equal(snapshot->cpu[0].idt_base, 0xfffffe0000000000);
	assert_int_equal(snapshot->cpu[0].cr[3], 0x29d4000);
	assert_int_equal(snapshot->cpu[0].kernel_gs_base, 0xffff888000000000);
	assert_false(snapshot->cpu[1].system);
	assert_int_equal(snapshot->cpu[1].rip, 0xc1000010);
	assert_int_equal(snapshot->cpu[1].cs, 0x60);
	snapshot_close(snapshot);
	close(fd);
}

/* -- searching -- */

static void next_data_skips_holes(void **state)
{
	const Elf64_Phdr phdr[] = {
		{.p_type = PT_LOAD, .p_offset = 0x100000, .p_paddr = 0x10000000, .p_filesz = 0x1000000},
		{.p_type = PT_LOAD, .p_offset = 0x1100000, .p_paddr = 0x20000000, .p_filesz = 0x1000000},
		{.p_type = PT_LOAD, .p_offset = 0x2100000, .p_paddr = 0x30000000, .p_filesz = 0x1000000},
	};
	int fd = new_core(EM_X86_64, phdr, 3, 0x3100000);
	struct snapshot *snapshot;
	uint64_t start, end;

	(void)state;
	put_u32(fd, 0x400000, 1);
	put_u32(fd, 0x2100000, 1);
	snapshot = open_snapshot(fd);
	assert_true(snapshot_next_data(snapshot, 0, &start, &end));
	assert_int_equal(start, 0x10300000);
	assert_int_equal(end, 0x10301000);
	assert_true(snapshot_next_data(snapshot, end, &start, &end));
	assert_int_equal(start, 0x30000000);
	assert_int_equal(end, 0x30001000);
	assert_false(snapshot_next_data(snapshot, end, &start, &end));
	assert_false(snapshot_next_data(snapshot, UINT64_MAX, &start, &end));
	snapshot_close(snapshot);
	close(fd);
}

/* -- what is refused -- */

static int file_with(const char *bytes, size_t count, uint64_t size)
{
	int fd = new_file(size);

	put(fd, 0, bytes, count);
	return fd;
}

static void refuses_other_files(void **state)
{
	struct snapshot *snapshot;
	struct error *err;
	int fd[2];

	(void)state;
	assert_refused(new_file(0), "empty");
	assert_refused(file_with("hello\n", 6, 6), "too few for a raw memory image");
	assert_refused(file_with("QFI\xfb", 4, MIB), "disk image");
	assert_refused(file_with("\x1f\x8b", 2, 2), "gzip");
	assert_int_equal(pipe(fd), 0);
	close(fd[1]);
	assert_refused(fd[0], "copy it into one");
	err = snapshot_open("/", &snapshot);
	assert_string_equal(err->message, "/: Is a directory");
	error_destroy(err);
	err = snapshot_open("/none/at/all", &snapshot);
	assert_string_equal(err->message, "/none/at/all: No such file or directory");
	error_destroy(err);
}

/* Each says what the file is, and what to do that works. */
static void refuses_foreign_formats(void **state)
{
	static const struct {
		uint64_t at;
		const char *bytes;
		size_t size;
		const char *words, *advice;
	} cases[] = {
		{0, "DISKDUMP", 8, "old diskdump", "again, uncompressed"},
		{0, "makedumpfile", 12, "flattened dump of an unknown kind", "dump-guest-memory"},
		{0, "QEVM", 4, "QEMU saved", "-incoming"},
		{0, "LibvirtQemudSave", 16, "libvirt saved", "virsh restore --paused"},
		{0, "\177VirtualBox SavedState V2.0", 27, "VirtualBox saved", "dumpvmcore"},
		{0, "\xd2\xbe\xd2\xbe", 4, "VMware", ".vmem"},
		{0, "\0\0\x64\x86\x84\x19\x10\x07", 8, "Firecracker", "the memory file"},
		{0, "Xen saved domain, xl format\n", 28, "Xen saved", "from within"},
		{4086, "S1SUSPEND", 10, "hibernated", "wake the machine"},
		{4086, "SWAPSPACE2", 10, "swap area", "dump-guest-memory"},
		{0, "QFI\xfb", 4, "qcow2", "-loadvm"},
		{0, "KDMV", 4, "VMDK", "dump-guest-memory"},
		{0, "conectix", 8, "VHD", "dump-guest-memory"},
		{0, "\x28\xb5\x2f\xfd", 4, "zstd", "zstd -dc FILE >NEW"},
		{0, "\x04\x22\x4d\x18", 4, "LZ4", "lz4 -dc FILE >NEW"},
		{0, "PK\3\4", 4, "zip archive", "unzip FILE"},
		{257, "ustar", 5, "tar archive", "tar -xf FILE"},
		{0, "PAGEDU64", 8, "Windows", "Linux"},
	};
	struct snapshot *snapshot;
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fd = new_file(MIB);
		put(fd, cases[i].at, cases[i].bytes, cases[i].size);
		assert_refused(dup(fd), cases[i].words);
		assert_refused(fd, cases[i].advice);
	}
	fd = file_with("makedumpfile", 12, MIB);
	put(fd, 4096 + 16, "\177ELF", 4);
	assert_refused(fd, "makedumpfile -R");
	fd = file_with("MAKEDUMPFILE", 12, MIB); /* memory may begin with anything else */
	put(fd, 4096 + 16, "KDUMP   ", 8);
	snapshot = open_snapshot(fd);
	snapshot_close(snapshot);
	close(fd);
}

/* The message tells how large a packed file gets, if the file does. */
static void refuses_packed_files(void **state)
{
	enum { SIZE = 3 * 1048576 - 5 };
	uint8_t *plain = calloc(1, SIZE), *packed = malloc(2 * SIZE);
	const LZ4F_preferences_t preferences = {.frameInfo.contentSize = SIZE};
	z_stream stream = {0};
	size_t size = 0;

	(void)state;
	assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, plain, SIZE, packed, &size, 2 * SIZE), LZMA_OK);
	assert_refused(file_with((char *)packed, size, size), "xz -dc FILE >NEW (which gets 3 MiB large)");
	assert_refused(file_with((char *)packed, size - 1, size - 1), "an xz file: unpack it: xz -dc FILE >NEW");
	size = ZSTD_compress(packed, 2 * SIZE, plain, SIZE, 1);
	assert_refused(file_with((char *)packed, size, size), "zstd -dc FILE >NEW (which gets 3 MiB large)");
	size = LZ4F_compressFrame(packed, 2 * SIZE, plain, SIZE, &preferences);
	assert_refused(file_with((char *)packed, size, size), "lz4 -dc FILE >NEW (which gets 3 MiB large)");
	assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 31, 8, 0), Z_OK);
	stream.next_in = plain;
	stream.avail_in = SIZE;
	stream.next_out = packed;
	stream.avail_out = 2 * SIZE;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_refused(file_with((char *)packed, stream.total_out, stream.total_out), "gzip -dc FILE >NEW (which gets 3 MiB large)");
	assert_refused(file_with("\x1f\x8b", 2, 5 * MIB), "(which gets 0 MiB large, or a multiple of 4096 MiB more)");
	deflateEnd(&stream);
	free(plain);
	free(packed);
}

static void refuses_bad_cores(void **state)
{
	const Elf64_Phdr good = {.p_type = PT_LOAD, .p_offset = 0x1000, .p_paddr = 0x1000, .p_filesz = 0x1000};
	Elf64_Phdr phdr[2] = {good, good};
	Elf64_Ehdr ehdr;
	int fd;

	(void)state;
	assert_refused(new_core(EM_ARM, phdr, 1, 0x2000), "another architecture");
	assert_refused(new_core(EM_X86_64, phdr, 1, 0x1fff), "truncated");
	assert_refused(new_core(EM_X86_64, phdr, 0, 0x2000), "0 segments");
	phdr[0].p_offset = UINT64_MAX - 0xfff;
	assert_refused(new_core(EM_X86_64, phdr, 1, 0x2000), "truncated");
	phdr[0] = good;
	phdr[0].p_paddr = (1ull << 52) - 0x800;
	assert_refused(new_core(EM_X86_64, phdr, 1, 0x2000), "beyond 52 bits");
	phdr[0] = good;
	phdr[0].p_filesz = 0x800;
	assert_refused(new_core(EM_X86_64, phdr, 1, 0x2000), "not one whole page");
	phdr[0].p_type = PT_NULL;
	assert_refused(new_core(EM_X86_64, phdr, 1, 0x2000), "without memory");
	phdr[0] = phdr[1] = good;
	phdr[0].p_paddr = phdr[1].p_paddr = 0;
	assert_refused(new_core(EM_X86_64, phdr, 2, 0x2000), "core of a process");
	phdr[0] = (Elf64_Phdr){.p_type = PT_NOTE, .p_filesz = 1ull << 40};
	assert_refused(new_core(EM_X86_64, phdr, 1, 0x2000), "notes of");
	phdr[0] = good;
	fd = new_core(EM_X86_64, phdr, 1, 0x2000);
	assert_int_equal(pread(fd, &ehdr, sizeof(ehdr), 0), sizeof(ehdr));
	ehdr.e_phoff = UINT64_MAX - 8;
	put(fd, 0, &ehdr, sizeof(ehdr));
	assert_refused(fd, "truncated");
	fd = new_core(EM_X86_64, phdr, 1, 0x2000);
	ehdr.e_phoff = PHDRS_AT;
	ehdr.e_phnum = PN_XNUM;
	put(fd, 0, &ehdr, sizeof(ehdr));
	put_u32(fd, SECTION_AT + offsetof(Elf64_Shdr, sh_info), UINT32_MAX);
	assert_refused(fd, "4294967295 segments");
	fd = new_core(EM_X86_64, phdr, 1, 0x2000);
	ehdr.e_shoff = UINT64_MAX - 8;
	put(fd, 0, &ehdr, sizeof(ehdr));
	assert_refused(fd, "truncated");
	assert_refused(file_with((const char *)&ehdr, 63, 63), "truncated");
	assert_refused(file_with((const char *)&ehdr, 20, 20), "truncated");
	ehdr = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB}, .e_type = ET_EXEC, .e_machine = EM_X86_64};
	assert_refused(file_with((const char *)&ehdr, sizeof(ehdr), MIB), "no core");
}

/* Many small extents that all claim the same large part of the file: more memory than there is address space. */
static void refuses_impossible_amounts(void **state)
{
	enum { COUNT = 600 };
	Elf64_Phdr phdr[COUNT];

	(void)state;
	for (unsigned i = 0; i < COUNT; i++)
		phdr[i] = (Elf64_Phdr){.p_type = PT_LOAD, .p_offset = 0, .p_paddr = (uint64_t)i << 41, .p_filesz = 1ull << 37};
	phdr[0].p_paddr = 0x1000;
	assert_refused(new_core(EM_X86_64, phdr, COUNT, 1ull << 37), "more than 64 TiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_offset_is_address),   cmocka_unit_test(pages_stay),
		cmocka_unit_test(changes_are_seen),        cmocka_unit_test(core_extents),
		cmocka_unit_test(core_of_virtual_ranges),  cmocka_unit_test(core_overlaps),
		cmocka_unit_test(core_of_class_32),        cmocka_unit_test(core_registers),
		cmocka_unit_test(next_data_skips_holes),   cmocka_unit_test(refuses_other_files),
		cmocka_unit_test(refuses_foreign_formats), cmocka_unit_test(refuses_packed_files),
		cmocka_unit_test(refuses_bad_cores),       cmocka_unit_test(refuses_impossible_amounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
