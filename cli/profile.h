/*
 * Shows where a guest's instructions go: samples of RIP at fixed distances of instructions, without idle time, counted by the kernel's
 * symbols. It is independent of the host: the same run gives the same table.
 */
#ifndef XRAY86_CLI_PROFILE_H
#define XRAY86_CLI_PROFILE_H

#include "emu/machine.h"
#include "loader/kernel_image.h"

/* A prime, so that no loop of the guest keeps step with it. */
enum { PROFILE_INTERVAL = 20011 };

struct profile {
	uint64_t *sample; /* linear addresses of instructions */
	size_t samples, room;
	uint64_t user; /* samples outside of privilege 0: these have no symbols */
};

/* Notes where the CPU is. Returns false without memory. */
bool profile_sample(struct profile *profile, const struct machine *machine);
/* Prints the functions with the most samples to stderr. The kernel is where it runs. */
struct error *profile_print(struct profile *profile, const struct kernel_image *kernel);
void profile_deinit(struct profile *profile);

#endif
