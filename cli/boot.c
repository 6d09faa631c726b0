/* xray86 boot: an image or a BIOS in a machine, with the console on stdio. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "emu/machine.h"
#include "loader/file.h"
#include "loader/image.h"
#include "loader/multiboot.h"

enum { MAX_INITRDS = 64, DEFAULT_MEMORY_MIB = 256 };

struct boot_options {
	const char *image, *bios, *append;
	const char *initrd[MAX_INITRDS];
	unsigned initrds;
	uint64_t memory, limit;
	int64_t epoch;
	bool acpi, digest, stats, tagged;
};

/* -- options -- */

static struct error *set_append(void *into, const char *value)
{
	((struct boot_options *)into)->append = value;
	return NULL;
}

static struct error *set_bios(void *into, const char *value)
{
	((struct boot_options *)into)->bios = value;
	return NULL;
}

static struct error *set_initrd(void *into, const char *value)
{
	struct boot_options *options = into;

	if (options->initrds == MAX_INITRDS)
		return error_create("--initrd %s: more than %d of them", value, MAX_INITRDS);
	options->initrd[options->initrds++] = value;
	return NULL;
}

static struct error *set_memory(void *into, const char *value)
{
	unsigned long long size;
	struct error *err = parse_size("memory", value, &size);

	if (err)
		return err;
	if (size < MACHINE_MIN_MEMORY || size > MACHINE_MAX_MEMORY || size % PAGE_SIZE)
		return error_create("--memory %s: must be 1 MiB to 64 GiB, in whole 4 KiB pages", value);
	((struct boot_options *)into)->memory = size;
	return NULL;
}

static struct error *set_acpi(void *into, const char *value)
{
	bool on = strcmp(value, "on") == 0;

	if (!on && strcmp(value, "off") != 0)
		return error_create("--acpi %s: must be on or off", value);
	((struct boot_options *)into)->acpi = on;
	return NULL;
}

static struct error *set_epoch(void *into, const char *value)
{
	unsigned long long number;
	struct error *err = parse_number("epoch", value, &number);

	if (!err && number > UINT32_MAX * 2ull)
		err = error_create("--epoch %s: the clock's century does not reach that far", value);
	if (!err)
		((struct boot_options *)into)->epoch = number;
	return err;
}

static struct error *set_engine(void *into, const char *value)
{
	bool tagged = strcmp(value, "tagged") == 0;

	if (!tagged && strcmp(value, "plain") != 0)
		return error_create("--engine %s: must be plain or tagged", value);
	((struct boot_options *)into)->tagged = tagged;
	return NULL;
}

static struct error *set_limit(void *into, const char *value)
{
	unsigned long long number;
	struct error *err = parse_number("max-instructions", value, &number);

	if (!err)
		((struct boot_options *)into)->limit = number;
	return err;
}

static struct error *set_digest(void *into, const char *value)
{
	(void)value;
	((struct boot_options *)into)->digest = true;
	return NULL;
}

static struct error *set_stats(void *into, const char *value)
{
	(void)value;
	((struct boot_options *)into)->stats = true;
	return NULL;
}

static const struct option_spec option_specs[] = {
	{"append", "TEXT", "kernel command line", set_append},
	{"initrd", "FILE[,ARGS]", "a module for the kernel; may be given again. Its string is \"FILE ARGS\"", set_initrd},
	{"memory", "SIZE", "RAM, in MiB or with a suffix K, M, G; 256 unless told", set_memory},
	{"bios", "ROM", "instead of IMAGE: start at the reset vector, in this ROM, which ends at 4 GiB", set_bios},
	{"acpi", "on|off", "describe the machine to the guest by ACPI tables (not with --bios); on unless told", set_acpi},
	{"epoch", "SECONDS", "what the guest's clock shows at the start, since 1970; 2026-01-01 00:00 UTC unless told", set_epoch},
	{"max-instructions", "N", "stop after N instructions (with idle time, at 1 ns an instruction), status 124", set_limit},
	{"engine", "plain|tagged", "how to execute: tagged also tracks where values come from; same results; plain unless told",
	 set_engine},
	{"digest", NULL, "at the end, print instruction count and a hash of registers and RAM to stderr", set_digest},
	{"stats", NULL, "at the end, print counters to stderr", set_stats},
	{0},
};

static void print_help(void)
{
	puts("usage: xray86 boot IMAGE [OPTION...]\n"
	     "       xray86 boot --bios ROM [OPTION...]\n"
	     "\n"
	     "Boots IMAGE, a multiboot kernel (32- or 64-bit ELF, or any file whose header has load addresses),\n"
	     "in an emulated PC. The first serial port (3F8h) is on stdin and stdout; so is the output of ports E9h\n"
	     "and F1h. In a terminal, Ctrl-A x stops the machine and Ctrl-A h lists the keys.\n"
	     "\n"
	     "The same image, options and input give the same run: time is counted in instructions.\n");
	options_help(option_specs);
	puts("\n"
	     "Exit status:\n"
	     "  0             the guest powered off, reset, or halted for good (that is noted on stderr)\n"
	     "  (V << 1) | 1  the guest wrote V to port F4h (isa-debug-exit), low 8 bits\n"
	     "  124           --max-instructions was reached\n"
	     "  125           xray86 failed, or the guest had a triple fault (reported with registers and code)\n"
	     "  128 + N       xray86 was ended by signal N\n"
	     "\n"
	     "Example: xray86 boot kernel.elf --append 'console=ttyS0' --initrd ramdisk.img --memory 512");
}

static struct error *parse_arguments(int argc, char **argv, struct boot_options *options, bool *ret_help)
{
	struct error *err;
	int others, help;

	*options = (struct boot_options){
		.memory = (uint64_t)DEFAULT_MEMORY_MIB << 20,
		.limit = UINT64_MAX,
		.epoch = RTC_DEFAULT_EPOCH,
		.acpi = true,
		.append = "",
	};
	err = options_parse(option_specs, options, argc, argv, &others, &help);
	*ret_help = help;
	if (err || help)
		return err;
	if (others > 1)
		return error_create("%s: only one image can be booted (options of the guest go into --append)", argv[2]);
	options->image = others ? argv[1] : NULL;
	if (!options->image == !options->bios)
		return error_create("boot needs an IMAGE or --bios ROM%s: see xray86 boot --help", options->image ? ", not both" : "");
	if (options->bios && (options->initrds || *options->append))
		return error_create("--append and --initrd go with an IMAGE, not with --bios");
	return NULL;
}

/* -- images -- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "FILE,ARGS" -> path "FILE" and string "FILE ARGS", both to be freed. */
static struct error *split_initrd(const char *option, char **ret_path, char **ret_string)
{
	size_t length = strcspn(option, ",");
	const char *args = option + length + (option[length] == ',');

	*ret_path = strndup(option, length);
	if (asprintf(ret_string, "%.*s%s%s", (int)length, option, *args ? " " : "", args) < 0)
		*ret_string = NULL;
	return *ret_path && *ret_string ? NULL : error_create("out of memory");
}

struct modules {
	unsigned count;
	struct file file[MAX_INITRDS];
	struct multiboot_module module[MAX_INITRDS];
	char *string[MAX_INITRDS];
};

static struct error *open_modules(const struct boot_options *options, struct modules *ret)
{
	for (unsigned i = 0; i < options->initrds; i++) {
		char *path;
		struct error *err = split_initrd(options->initrd[i], &path, &ret->string[i]);

		ret->count++;
		if (!err)
			err = file_open(path, &ret->file[i]);
		free(path);
		if (err)
			return err;
		ret->module[i] = (struct multiboot_module){ret->file[i].data, ret->file[i].size, ret->string[i]};
	}
	return NULL;
}

static void close_modules(struct modules *modules)
{
	for (unsigned i = 0; i < modules->count; i++) {
		file_close(&modules->file[i]);
		free(modules->string[i]);
	}
}

static struct error *load_multiboot_with(struct machine *machine, const struct file *file, const struct multiboot_image *image,
					 const struct boot_options *options, const struct modules *modules)
{
	struct multiboot_boot boot = {.module = modules->module, .modules = modules->count};
	char *command_line;
	struct error *err;

	/* Like QEMU, but without the image's folder: what the guest sees must not depend on where the file is. */
	if (asprintf(&command_line, "%s%s%s", base_name(options->image), *options->append ? " " : "", options->append) < 0)
		return error_create("out of memory");
	boot.command_line = command_line;
	err = multiboot_load(machine, file->data, image, &boot);
	free(command_line);
	return err;
}

static struct error *load_multiboot(struct machine *machine, const struct file *file, const struct boot_options *options)
{
	struct modules modules = {0};
	struct multiboot_image image;
	struct error *err = multiboot_parse(file->data, file->size, &image);

	if (err)
		return error_prefix(err, "%s", options->image);
	err = open_modules(options, &modules);
	if (!err) {
		err = load_multiboot_with(machine, file, &image, options, &modules);
		if (err)
			err = error_prefix(err, "%s", options->image);
	}
	close_modules(&modules);
	return err;
}

/* By what the file contains. Other kinds of kernels get their loaders here. */
static struct error *load_image(struct machine *machine, const struct file *file, const struct boot_options *options)
{
	enum image_kind kind = image_detect(file->data, file->size);

	switch (kind) {
	case IMAGE_MULTIBOOT:
		return load_multiboot(machine, file, options);
	case IMAGE_EMPTY:
	case IMAGE_UNKNOWN:
		return error_create("%s: %s: give a multiboot kernel", options->image, image_kind_name(kind));
	default:
		return error_create("%s: %s is not supported yet: give a multiboot kernel", options->image, image_kind_name(kind));
	}
}

/* -- running -- */

static void note_halt(const struct machine *machine)
{
	bool enabled = machine->cpu->eflags & FLAG_IF;

	fprintf(stderr, "xray86: the guest halted for good at RIP %#" PRIx64 " (%s)\n", machine->cpu->rip,
		enabled ? "no timer is set and no input can come" : "interrupts are disabled");
	report_post_code(machine);
}

static int quit_status(const struct terminal *terminal)
{
	return terminal->signal ? EXIT_SIGNAL + terminal->signal : 0;
}

static int report(struct machine *machine, enum machine_stop stop, const struct terminal *terminal)
{
	switch (stop) {
	case MACHINE_STOP_DEBUG_EXIT:
		return (machine->exit_code << 1 | 1) & 0xff;
	case MACHINE_STOP_LIMIT:
		report_post_code(machine);
		return EXIT_LIMIT;
	case MACHINE_STOP_QUIT:
		return quit_status(terminal);
	case MACHINE_STOP_HALTED:
		note_halt(machine);
		return 0;
	case MACHINE_STOP_SHUTDOWN:
		report_crash(machine);
		return EXIT_XRAY86;
	case MACHINE_STOP_CPU: /* nobody here sets marks or clients */
		fprintf(stderr, "xray86: internal error: the CPU stopped for reason %d\n", machine->cpu_exit);
		return EXIT_XRAY86;
	case MACHINE_STOP_NONE:
	case MACHINE_STOP_POWER_OFF:
	case MACHINE_STOP_RESET:
		break;
	}
	return 0;
}

static struct error *run(struct machine *machine, struct terminal *terminal, const struct boot_options *options, int *ret_status)
{
	struct error *err = terminal_open(terminal);
	enum machine_stop stop;

	if (err)
		return err;
	cpu_set_tagged(machine->cpu, options->tagged);
	stop = machine_run(machine, options->limit);
	terminal_close(terminal);
	*ret_status = report(machine, stop, terminal);
	if (options->digest)
		report_digest(machine);
	if (options->stats)
		report_stats(machine);
	return NULL;
}

static struct error *boot(const struct boot_options *options, const struct file *file, int *ret_status)
{
	struct terminal terminal = {0};
	struct machine_config config = {
		.memory = options->memory,
		.console = &terminal.console, /* filled in by terminal_open() */
		.epoch = options->epoch,
		.acpi = options->acpi && !options->bios,
		.rom = options->bios ? file->data : NULL,
		.rom_size = file->size,
	};
	struct machine *machine;
	struct error *err = machine_create(&config, &machine);

	if (err)
		return options->bios ? error_prefix(err, "%s", options->bios) : err;
	if (options->image)
		err = load_image(machine, file, options);
	if (!err)
		err = run(machine, &terminal, options, ret_status);
	machine_destroy(machine);
	return err;
}

struct error *boot_command(int argc, char **argv, int *ret_status)
{
	struct boot_options options;
	struct file file = {0};
	struct error *err;
	bool help;

	err = parse_arguments(argc, argv, &options, &help);
	if (err)
		return err;
	if (help) {
		print_help();
		return NULL;
	}
	err = file_open(options.image ? options.image : options.bios, &file);
	if (!err)
		err = boot(&options, &file, ret_status);
	file_close(&file);
	return err;
}
