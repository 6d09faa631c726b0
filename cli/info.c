/* xray86 info: what a snapshot is, and which kernel is in it. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/sandbox.h"
#include "session/info.h"

struct info_options {
	const char *snapshot;
	struct kernel_sources sources;
	bool json, no_sandbox;
};

/* -- options -- */

static const struct option_spec option_specs[] = {
	{"kernel", "FILE", "the image of the snapshot's kernel: a vmlinuz of the very build", NULL,
	 offsetof(struct info_options, sources.file)},
	{"kernel-path", "DIR[:DIR...]",
	 "where to search vmlinuz-RELEASE, boot/vmlinuz-RELEASE and\nusr/lib/modules/RELEASE/vmlinuz, before / and xray86/kernels in "
	 "your\n"
	 "cache directory",
	 NULL, offsetof(struct info_options, sources.path)},
	{"json", NULL, "print JSON: addresses are strings, what is unknown is null", NULL, offsetof(struct info_options, json)},
	{"no-sandbox", NULL, "keep privileges that xray86 does not need, for debuggers and the like", NULL,
	 offsetof(struct info_options, no_sandbox)},
	{0},
};

static void print_help(void)
{
	puts("usage: xray86 info SNAPSHOT [OPTION...]\n"
	     "\n"
	     "Tells what SNAPSHOT, the physical memory of a machine, is: its format, its memory, and the Linux kernel that runs in\n"
	     "it. CPU registers are not needed. Without the kernel's image, the symbols in its memory tell CPUs and uptime.\n"
	     "\n"
	     "To make a snapshot: virsh dump --memory-only, or QEMU's dump-guest-memory, for example.\n");
	options_help(option_specs);
	puts("\n"
	     "Exit status:\n"
	     "  0    the kernel was identified (if its image is not found, a note on stderr says which one is needed)\n"
	     "  125  it was not, or the image given is not of its build\n"
	     "\n"
	     "Example: xray86 info machine.elf --kernel-path ~/kernels");
}

static struct error *parse_arguments(int argc, char **argv, struct info_options *options, bool *ret_help)
{
	struct error *err;
	int others, help;

	*options = (struct info_options){0};
	err = options_parse(option_specs, options, argc, argv, &others, &help);
	*ret_help = help;
	if (err || help)
		return err;
	if (others != 1)
		return error_create("info needs one SNAPSHOT: see xray86 info --help");
	options->snapshot = argv[1];
	return NULL;
}

/* -- in words -- */

static void print_size(uint64_t bytes)
{
	static const char units[] = "KMGT";
	unsigned unit = 0;

	while (unit < 3 && bytes >> (10 * (unit + 2)) && !(bytes & ((1ull << (10 * (unit + 2))) - 1)))
		unit++;
	printf("%" PRIu64 " %ciB", bytes >> (10 * (unit + 1)), units[unit]);
}

/* -- as text -- */

#define LABEL "%-15s"

/* Of a core with a segment for every other page there would be a million lines: --json has them all. */
enum { SHOWN_EXTENTS = 16 };

static void print_memory(const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->ram.count && i < SHOWN_EXTENTS; i++) {
		const struct extent *extent = &snapshot->ram.extent[i];

		printf(LABEL "%#" PRIx64 " to %#" PRIx64 ", ", i ? "" : "memory:", extent->paddr, extent->paddr + extent->size - 1);
		print_size(extent->size);
		putchar('\n');
	}
	if (snapshot->ram.count <= SHOWN_EXTENTS)
		return;
	printf(LABEL "and %zu more ranges up to %#" PRIx64 ", ", "", snapshot->ram.count - SHOWN_EXTENTS,
	       snapshot->ram.extent[snapshot->ram.count - 1].paddr + snapshot->ram.extent[snapshot->ram.count - 1].size - 1);
	print_size(snapshot->memory_size);
	puts(" in all (--json lists them)");
}

static void print_snapshot(const struct snapshot *snapshot)
{
	printf(LABEL "%s, ", "format:", snapshot_format_name(snapshot));
	if (snapshot->cpus)
		printf("with the registers of %zu CPU%s\n", snapshot->cpus, snapshot->cpus == 1 ? "" : "s");
	else
		puts("without CPU registers");
	print_memory(snapshot);
}

static void print_base(const struct target *target)
{
	const struct product *product = &target->product;

	if (!product->based)
		return;
	printf(LABEL "%#" PRIx64, "virtual base:", product->vbase);
	if (target->kernel_path)
		printf(" (KASLR offset %#" PRIx64 ")", info_kaslr_offset(target));
	printf("\n" LABEL "%#" PRIx64 "\n", "physical base:", product->pbase);
}

static void print_cpus(const struct product *product)
{
	if (product->online == product->cpus)
		printf(LABEL "%u\n", "CPUs:", product->cpus);
	else if (product->online)
		printf(LABEL "%u online, %u possible\n", "CPUs:", product->online, product->cpus);
	else
		printf(LABEL "%u or %s (the kernel image does not tell)\n", "CPUs:", product->cpus, product->all_cpus ? "fewer" : "more");
}

static void print_completed(const struct target *target)
{
	const struct product *product = &target->product;

	printf(LABEL "%s\n", "kernel image:", target->kernel_path ? target->kernel_path : "not here");
	print_cpus(product);
	for (unsigned i = 0; i < product->cpus; i++)
		printf(LABEL "%#" PRIx64 " (CPU %u)\n", i ? "" : "per-CPU base:", product->per_cpu_base[i], i);
	if (product->timed)
		printf(LABEL "%" PRIu64 ".%02" PRIu64 " s\n", "uptime:", product->uptime_ms / 1000, product->uptime_ms % 1000 / 10);
	else
		printf(LABEL "unknown\n", "uptime:");
}

static void print_text(const struct target *target)
{
	const struct product *product = &target->product;

	print_snapshot(target->snapshot);
	if (!target->found)
		return;
	printf(LABEL "%s\n", "banner:", product->banner.text);
	printf(LABEL "%s\n", "release:", product->banner.release);
	printf(LABEL "%s\n", "architecture:", info_architecture(&target->product));
	printf(LABEL "%s, root %#" PRIx64 "\n", "paging:", info_paging(product->paging.mode), product->paging.root);
	print_base(target);
	if (product->cpus)
		print_completed(target);
}

/* -- as JSON -- */

static struct error *print_json(const struct target *target)
{
	char *text = info_json(target);

	if (!text)
		return error_create("out of memory");
	puts(text);
	free(text);
	return NULL;
}

static struct error *print(const struct target *target, bool json)
{
	struct error *err = NULL;

	if (json)
		err = print_json(target);
	else
		print_text(target);
	return err;
}

/* Why something is not known, or not as well as it could be. */
static void tell_lack(const struct target *target, const struct error *lack)
{
	if (target->own_symbols)
		fprintf(stderr, "xray86: note: what is told rests on the symbols in the snapshot's memory: %s\n", lack->message);
	else
		fprintf(stderr, "xray86: note: CPUs, per-CPU bases and uptime are unknown: %s%s%s\n", lack->message,
			target->symbols_lack ? "; " : "", target->symbols_lack ? target->symbols_lack->message : "");
}

struct error *info_command(int argc, char **argv, int *ret_status)
{
	struct info_options options;
	struct error *err, *lack = NULL, *cut, *failure;
	struct target target = {0};
	bool help;

	(void)ret_status;
	err = parse_arguments(argc, argv, &options, &help);
	if (err)
		return err;
	if (help) {
		print_help();
		return NULL;
	}
	sandbox_enter_unless(options.no_sandbox, SANDBOX_READING, -1, NULL);
	err = target_open(&target, options.snapshot);
	if (!err)
		err = target_identify(&target, &options.sources, &lack);
	if (target.snapshot) {
		failure = print(&target, options.json);
		if (failure && err)
			error_destroy(failure);
		else if (failure)
			err = failure;
	}
	if (lack)
		tell_lack(&target, lack);
	error_destroy(lack);
	cut = target_lacks_memory(&target);
	if (cut)
		fprintf(stderr, "xray86: note: %s\n", cut->message);
	error_destroy(cut);
	target_close(&target);
	return err;
}
