/* xray86 boot: an image or a BIOS in a machine, with the console on stdio. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/boot.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/profile.h"
#include "cli/report.h"
#include "cli/sandbox.h"
#include "cli/terminal.h"
#include "loader/kernel_parameters.h"

enum { DEFAULT_MEMORY_MIB = 256 };

/* -- options -- */

static struct error *set_initrd(void *into, const char *value)
{
	struct boot_options *options = into;

	if (options->initrds == BOOT_MAX_INITRDS)
		return error_create("--initrd %s: more than %d of them", value, BOOT_MAX_INITRDS);
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

static struct error *set_kernel_base(void *into, const char *value)
{
	unsigned long long base;
	struct error *err = parse_number("kernel-base", value, &base);

	if (!err && !base)
		err = error_create("--kernel-base %s: give the virtual address of the kernel's text, such as 0xffffffff81000000", value);
	if (!err)
		((struct boot_options *)into)->kernel_base = base;
	return err;
}

static struct error *set_cpu(void *into, const char *value)
{
	const struct cpu_model *model = cpu_model_find(value);

	if (!model)
		return error_create("--cpu %s: not one of those that xray86 boot --help lists", value);
	((struct boot_options *)into)->cpu = model;
	return NULL;
}

static struct error *set_acpi(void *into, const char *value)
{
	bool off = false;
	struct error *err = parse_switch("acpi", value, "on", "off", &off);

	((struct boot_options *)into)->acpi = !off;
	return err;
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
	return parse_switch("engine", value, "plain", "tagged", &((struct boot_options *)into)->tagged);
}

static struct error *set_limit(void *into, const char *value)
{
	unsigned long long number;
	struct error *err = parse_number("max-instructions", value, &number);

	if (!err)
		((struct boot_options *)into)->limit = number;
	return err;
}

static const struct option_spec option_specs[] = {
	{"append", "TEXT", "kernel command line (default for Linux: " KERNEL_DEFAULT_COMMAND_LINE ")", NULL,
	 offsetof(struct boot_options, append)},
	{"trusted-parameters", NULL, "Linux: give the parameters listed below, before those of --append", NULL,
	 offsetof(struct boot_options, trusted)},
	{"initrd", "FILE",
	 "initial ramdisk, as Linux takes it: compressed or not; may be repeated, one goes behind the other.\n"
	 "multiboot: FILE[,ARGS], a module whose string is \"FILE ARGS\"",
	 set_initrd, 0},
	{"memory", "SIZE", "RAM, in MiB or with a suffix K, M, G (default: 256)", set_memory, 0},
	{"kernel-base", "ADDRESS", "Linux: the kernel's virtual address, as KASLR might choose it (default: where it was linked for)",
	 set_kernel_base, 0},
	{"bios", "ROM", "instead of IMAGE: start at the reset vector, in this ROM, which ends at 4 GiB", NULL,
	 offsetof(struct boot_options, bios)},
	{"cpu", "MODEL", "the processor, as listed below", set_cpu, 0},
	{"acpi", "on|off", "describe the machine to the guest by ACPI tables, not with --bios (default: on)", set_acpi, 0},
	{"epoch", "SECONDS", "what the guest's clock shows at the start, since 1970 (default: 2026-01-01 00:00 UTC)", set_epoch, 0},
	{"max-instructions", "N", "stop after N instructions (with idle time, at 1 ns an instruction), status 124", set_limit, 0},
	{"engine", "plain|tagged", "how to execute (default: plain); tagged also tracks where values come from, with the same results",
	 set_engine, 0},
	{"no-sandbox", NULL, "keep privileges that xray86 does not need, for debuggers and the like", NULL,
	 offsetof(struct boot_options, no_sandbox)},
	{"digest", NULL, "at the end, print instruction count and a hash of registers and RAM to stderr", NULL,
	 offsetof(struct boot_options, digest)},
	{"stats", NULL, "at the end, print counters to stderr", NULL, offsetof(struct boot_options, stats)},
	{"profile", NULL, "Linux: at the end, print to stderr in which of the kernel's functions its instructions went", NULL,
	 offsetof(struct boot_options, profile)},
	{0},
};

static const char *arch_note(unsigned arches)
{
	return arches == FOR_ALL ? "" : arches == FOR_I386 ? " (32-bit kernels)" : " (64-bit kernels)";
}

#define NEXT_LINE "\n                            " /* to the column of the reasons */

static void print_lists(void)
{
	puts("\nProcessors (--cpu); the first is the default:");
	for (const struct cpu_model *model = cpu_models; model->name; model++)
		printf("  %-24s  %s\n", model->name, model->summary);
	puts("\nParameters of a trusted kernel (--trusted-parameters):");
	for (const struct kernel_parameter *parameter = trusted_parameters; parameter->text; parameter++)
		printf("  %-24s  %s%s%s\n", parameter->text, strlen(parameter->text) > 24 ? NEXT_LINE : "", parameter->reason,
		       arch_note(parameter->arches));
}

static void print_help(void)
{
	puts("usage: xray86 boot IMAGE [OPTION...]\n"
	     "       xray86 boot --bios ROM [OPTION...]\n"
	     "\n"
	     "Boots IMAGE in an emulated PC: a Linux kernel (vmlinuz or vmlinux, 32- or 64-bit), or a multiboot one (32- or\n"
	     "64-bit ELF, or any file whose header has load addresses). The first serial port (3F8h) is on stdin and\n"
	     "stdout; so is the output of ports E9h and F1h. In a terminal, Ctrl-A x stops the machine and Ctrl-A h lists\n"
	     "the keys.\n"
	     "\n"
	     "The same image, options and input give the same run: time is counted in instructions, and skipped while the\n"
	     "guest is idle. On a terminal, a guest that is idle while it listens for input waits in real time.\n");
	options_help(option_specs);
	print_lists();
	puts("\n"
	     "Exit status:\n"
	     "  0             the guest powered off, reset, or halted for good (that is noted on stderr)\n"
	     "  (V << 1) | 1  the guest wrote V to port F4h (isa-debug-exit), low 8 bits\n"
	     "  124           --max-instructions was reached\n"
	     "  125           xray86 failed, or the guest's Linux kernel panicked, or it had a triple fault (reported\n"
	     "                with registers and code)\n"
	     "  128 + N       xray86 was ended by signal N\n"
	     "\n"
	     "Example: xray86 boot /boot/vmlinuz-6.1.0-13-amd64 --initrd ramdisk.img --append 'console=ttyS0 quiet'");
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
		.cpu = &cpu_models[0],
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
	if (options->bios && (options->initrds || options->append || options->trusted || options->kernel_base))
		return error_create("--append, --initrd and the options for Linux go with an IMAGE, not with --bios");
	return NULL;
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

static void note_panic(const struct panic_watch *watch)
{
	fprintf(stderr, "xray86: the guest's kernel panicked (%s)\n",
		watch->words ? "its last words say why" : "and printed nothing: console=ttyS0 in --append shows why");
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
	case MACHINE_STOP_CPU: /* the only mark is the panic's, and there are no clients */
		fprintf(stderr, "xray86: internal error: the CPU stopped for reason %d\n", machine->cpu_exit);
		return EXIT_XRAY86;
	case MACHINE_STOP_NONE:
	case MACHINE_STOP_POWER_OFF:
	case MACHINE_STOP_RESET:
		break;
	}
	return 0;
}

/* The kernel is opened anew: what was known of it is gone since it was loaded. */
static struct error *print_profile(struct profile *profile, const struct file *file, const struct boot_options *options)
{
	struct kernel_image kernel = {0};
	struct error *err = kernel_image_open(file->data, file->size, &kernel);

	if (!err && options->kernel_base)
		err = kernel_image_relocate(&kernel, options->kernel_base);
	if (!err)
		err = profile_print(profile, &kernel);
	kernel_image_close(&kernel);
	return err;
}

/* Runs in steps, with a sample after each. Idle time is no instruction, and leaves none. */
static enum machine_stop run_profiled(struct machine *machine, struct terminal *terminal, uint64_t limit, struct panic_watch *watch,
				      struct profile *profile)
{
	enum machine_stop stop;
	uint64_t idle;

	do {
		uint64_t next = cpu_instructions(machine->cpu) + PROFILE_INTERVAL;

		idle = machine->idle;
		stop = panic_watch_run(watch, machine, terminal, next < limit ? next : limit);
		if (machine->idle == idle && !profile_sample(profile, machine))
			break;
	} while (stop == MACHINE_STOP_LIMIT && !watch->panicked && cpu_instructions(machine->cpu) < limit);
	return stop;
}

static struct error *run(struct machine *machine, struct terminal *terminal, const struct boot_options *options, struct panic_watch *watch,
			 const struct file *file, int *ret_status)
{
	struct error *err = terminal_open(terminal);
	struct profile profile = {0};
	enum machine_stop stop;

	if (err)
		return err;
	progress_start(&terminal->progress, machine, "booting");
	cpu_set_tagged(machine->cpu, options->tagged);
	if (options->profile)
		stop = run_profiled(machine, terminal, options->limit, watch, &profile);
	else
		stop = panic_watch_run(watch, machine, terminal, options->limit);
	terminal_close(terminal);
	if (watch->panicked && stop != MACHINE_STOP_QUIT) {
		note_panic(watch);
		*ret_status = EXIT_XRAY86;
	} else {
		*ret_status = report(machine, stop, terminal);
	}
	if (options->digest)
		report_digest(machine);
	if (options->stats)
		report_stats(machine);
	if (options->profile)
		err = print_profile(&profile, file, options);
	profile_deinit(&profile);
	return err || !terminal->error ? err : error_create("standard output: %s", strerror(terminal->error));
}

static struct error *boot(const struct boot_options *options, const struct file *file, int *ret_status)
{
	struct panic_watch watch = {0};
	struct terminal terminal = {0};
	struct machine_config config = {
		.memory = options->memory,
		.console = &terminal.console, /* filled in by terminal_open() */
		.console_handshake = options->image && boot_image_is_linux(file),
		.epoch = options->epoch,
		.acpi = options->acpi && !options->bios,
		.rom = options->bios ? file->data : NULL,
		.rom_size = file->size,
		.cpu_features = options->cpu->features,
	};
	struct machine *machine;
	struct error *err = machine_create(&config, &machine);

	if (err)
		return options->bios ? error_prefix(err, "%s", options->bios) : err;
	if (options->image)
		err = boot_load_image(machine, file, options, &watch);
	if (!err)
		err = run(machine, &terminal, options, &watch, file, ret_status);
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
	sandbox_enter_unless(options.no_sandbox, SANDBOX_READING, -1, NULL);
	err = file_open_any(options.image ? options.image : options.bios, &file);
	if (!err)
		err = boot(&options, &file, ret_status);
	file_close(&file);
	return err;
}
