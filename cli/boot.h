/* What the parts of `xray86 boot` share: its options, and putting an image into the machine. */
#ifndef XRAY86_CLI_BOOT_H
#define XRAY86_CLI_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/panic.h"
#include "emu/cpu_model.h"
#include "emu/machine.h"
#include "loader/file.h"

enum { BOOT_MAX_INITRDS = 64 };

struct boot_options {
	const char *image, *bios;
	const char *append; /* NULL: not given */
	const char *initrd[BOOT_MAX_INITRDS];
	unsigned initrds;
	uint64_t memory, limit;
	uint64_t kernel_base; /* 0: where it was linked for */
	int64_t epoch;
	const struct cpu_model *cpu;
	bool acpi, digest, stats, tagged, profile, no_sandbox;
	bool trusted; /* Linux: the trusted kernel's parameters before `append` */
};

/* Whether it is a Linux kernel, by its first bytes. */
bool boot_image_is_linux(const struct file *file);
/*
 * Loads options->image, whose contents are in `file`, as its kind wants, with its initrds and command line. Starts the watch for Linux.
 */
struct error *boot_load_image(struct machine *machine, const struct file *file, const struct boot_options *options,
			      struct panic_watch *watch);

#endif
