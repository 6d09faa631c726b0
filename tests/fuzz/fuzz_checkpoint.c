/*
 * Fuzzes checkpoints: a good one with bytes changed and its checksum put right is refused, or its kernel's symbols are opened and the
 * machine runs, without harm. `make fuzz` builds and runs it.
 *
 * Input: triples of a place in the file's head (two bytes) and what stands there (one byte); an odd last byte leaves the checksum wrong.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session/trusted_kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY = 1 << 20, CODE = 0x1000, TEXT = 0x10000, TEXT_SIZE = 0x8000, HEADER = 56, CHECKSUM_AT = 48, RUN = 20000 };

/* The file as checkpoint_save() makes it. */
static uint8_t *file;
static size_t file_size, head_size;

/* A counter that talks to the timer: L: in $0x40, %al; add %eax, 0x2000; inc %ecx; jmp L */
static const uint8_t code[] = {0xe4, 0x40, 0x01, 0x05, 0x00, 0x20, 0x00, 0x00, 0x41, 0xeb, 0xf5};

static struct machine *make(void)
{
	const struct machine_config config = {.memory = MEMORY, .acpi = true};
	struct machine *machine;

	if (machine_create(&config, &machine))
		abort();
	return machine;
}

static const struct trusted_kernel kernel = {
	.landmarks =
		{
			.banner = {"Linux version 6.1.0 (a@b) (gcc) #1 SMP", "6.1.0", "a@b", "#1 SMP"},
			.x86_64 = true,
			.link_base = 0xffffffff81000000,
			.link_paddr = 0x1000000,
			.size = TEXT_SIZE,
			.alignment = 2 << 20,
			.banner_at = 0xffffffff81001000,
			.constants = {.count = 1, .constant = {{0xffffffff81000100, 8}}},
		},
	.base = 0xffffffff81000000,
	.memory = MEMORY,
	.pieces = 1,
	.piece = {{0xffffffff81000000, TEXT, TEXT_SIZE}},
	.exports = {.count = 1, .range = {{0xffffffff81002000, 0xffffffff81002100, 0}}},
};

/* FNV-1a, as session/checkpoint.c has it. */
static void set_checksum(uint8_t *bytes)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = HEADER; i < head_size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	memcpy(bytes + CHECKSUM_AT, &hash, sizeof(hash));
}

static void read_file(int directory)
{
	int fd = openat(directory, "checkpoint", O_RDONLY);
	uint64_t sizes[3];
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		abort();
	file_size = status.st_size;
	file = malloc(file_size);
	if (!file || read(fd, file, file_size) != (ssize_t)file_size)
		abort();
	close(fd);
	memcpy(sizes, file + 8, sizeof(sizes));
	head_size = HEADER + sizes[0] + sizes[1] + sizes[2];
}

static void make_file(void)
{
	char name[] = "/tmp/xray86-fuzz-XXXXXX";
	struct machine *machine = make();
	int directory = mkdtemp(name) ? open(name, O_RDONLY | O_DIRECTORY) : -1;

	physmem_copy_in(&machine->mem, CODE, code, sizeof(code));
	machine_enter_protected(machine, CODE, 0, 0);
	machine_run(machine, RUN);
	if (directory < 0 || checkpoint_save(directory, "checkpoint", "key", machine, &kernel, sizeof(kernel)))
		abort();
	read_file(directory);
	unlinkat(directory, "checkpoint", 0);
	close(directory);
	rmdir(name);
	machine_destroy(machine);
}

static int make_input(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	uint8_t *bytes = malloc(file_size);

	memcpy(bytes, file, file_size);
	for (size_t i = 0; i + 3 <= size; i += 3)
		bytes[(data[i] | data[i + 1] << 8) % head_size] = data[i + 2];
	if (!size || data[size - 1] % 2 == 0)
		set_checksum(bytes);
	if (fd < 0 || write(fd, bytes, file_size) != (ssize_t)file_size)
		abort();
	free(bytes);
	return fd;
}

static void use(const struct checkpoint *checkpoint)
{
	struct machine *machine = make();
	struct symbols symbols = {0};
	struct trusted_kernel read;

	if (trusted_kernel_read(checkpoint, &read))
		free(trusted_kernel_key(&read));
	if (checkpoint_load(checkpoint, machine)) {
		if (trusted_kernel_read(checkpoint, &read)) {
			error_destroy(trusted_kernel_symbols(&read, machine, &symbols));
			symbols_close(&symbols);
		}
		machine_run(machine, cpu_instructions(machine->cpu) + RUN);
	}
	machine_destroy(machine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct checkpoint *checkpoint;

	if (!file)
		make_file();
	checkpoint = checkpoint_open_fd(make_input(data, size), sizeof(kernel));
	if (checkpoint)
		use(checkpoint);
	else if (!size)
		abort(); /* the unchanged one is good */
	checkpoint_close(checkpoint);
	return 0;
}
