/*
 * Runs bare-metal images in one go, and then in slices of random length with random machine_run() limits: the digests must be the same.
 *
 *   slices [SEED] IMAGE...
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "emu/machine.h"
#include "loader/file.h"
#include "loader/multiboot.h"

enum { MEMORY = 128 << 20, LIMIT = 30000000, RUNS = 3 };

struct outcome {
	enum machine_stop stop;
	uint64_t instructions, digest;
};

static struct error *load(struct machine *machine, const struct file *file)
{
	const struct multiboot_boot boot = {.command_line = ""};
	struct multiboot_image image;
	struct error *err = multiboot_parse(file->data, file->size, &image);

	return err ? err : multiboot_load(machine, file->data, &image, &boot);
}

/* Many of a few instructions, some of many. */
static uint64_t slice(unsigned *random)
{
	static const unsigned longest[] = {3, 60, 2000, 100000};
	unsigned value = *random = *random * 1103515245 + 12345;

	return 1 + (value >> 8) % longest[value >> 30];
}

static enum machine_stop run(struct machine *machine, unsigned *random)
{
	enum machine_stop stop = MACHINE_STOP_LIMIT;

	if (!random)
		return machine_run(machine, LIMIT);
	while (stop == MACHINE_STOP_LIMIT && cpu_instructions(machine->cpu) < LIMIT) {
		uint64_t until = cpu_instructions(machine->cpu) + slice(random);

		stop = machine_run(machine, until < LIMIT ? until : LIMIT);
	}
	return stop;
}

/* random: NULL for one go. */
static struct error *boot(const struct file *file, bool tagged, unsigned *random, struct outcome *ret)
{
	const struct machine_config config = {.memory = MEMORY, .acpi = true, .epoch = 1767225600};
	struct machine *machine;
	struct error *err = machine_create(&config, &machine);

	if (err)
		return err;
	err = load(machine, file);
	if (!err) {
		cpu_set_tagged(machine->cpu, tagged);
		ret->stop = run(machine, random);
		ret->instructions = cpu_instructions(machine->cpu);
		ret->digest = machine_digest(machine);
	}
	machine_destroy(machine);
	return err;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
	return a->stop == b->stop && a->instructions == b->instructions && a->digest == b->digest;
}

/* Returns the number of runs that differ. */
static struct error *check(const char *path, unsigned *random, unsigned *ret_differ)
{
	struct outcome whole, sliced;
	struct file file;
	struct error *err = file_open(path, &file);

	if (err)
		return err;
	err = boot(&file, false, NULL, &whole);
	for (unsigned i = 0; i < RUNS && !err; i++) {
		unsigned seed = *random;

		err = boot(&file, i == RUNS - 1, random, &sliced);
		if (err || same(&whole, &sliced))
			continue;
		++*ret_differ;
		printf("%s: %" PRIu64 " instructions, digest %016" PRIx64 " in one go; %" PRIu64 ", %016" PRIx64 " in slices (seed %u%s)\n",
		       path, whole.instructions, whole.digest, sliced.instructions, sliced.digest, seed, i == RUNS - 1 ? ", tagged" : "");
	}
	file_close(&file);
	return err;
}

int main(int argc, char **argv)
{
	unsigned differ = 0, random = 1;
	int first = 1;

	if (argc > 1 && argv[1][0] >= '0' && argv[1][0] <= '9')
		random = (unsigned)strtoul(argv[first++], NULL, 10);
	for (int i = first; i < argc; i++) {
		struct error *err = check(argv[i], &random, &differ);

		if (err) {
			fprintf(stderr, "%s: %s\n", argv[i], err->message);
			return 1;
		}
	}
	printf("slices: %d images, %u runs differ\n", argc - first, differ);
	return differ != 0;
}
