/*
 * Notices a panic of the guest's kernel, by the one certain sign: the kernel enters panic(). A text on the console may be a user's, and a
 * kernel that gave up looks like one that reboots (panic=-1) or computes (it waits in a loop for ever).
 *
 * The kernel's own symbol table tells where the function is. A kernel without one (CONFIG_KALLSYMS=n) cannot be watched.
 */
#ifndef XRAY86_CLI_PANIC_H
#define XRAY86_CLI_PANIC_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/terminal.h"
#include "emu/machine.h"
#include "loader/kernel_image.h"

struct panic_watch {
	bool panicked;
	uint64_t words; /* bytes that it has printed since */
};

/* Call before the machine runs. The watch must outlive it. */
struct error *panic_watch_start(struct panic_watch *watch, struct machine *machine, const struct kernel_image *kernel);
/* Like machine_run(), but ends after a panic, when the kernel has printed all that it has to say, with MACHINE_STOP_LIMIT. */
enum machine_stop panic_watch_run(struct panic_watch *watch, struct machine *machine, const struct terminal *terminal, uint64_t limit);

#endif
