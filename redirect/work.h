/*
 * Work of product context that the count of instructions does not show: iterations of REP string instructions. One execution of such an
 * instruction counts as one instruction and does up to CPU_REP_LIMIT iterations, over as much memory as the snapshot's data say.
 *
 * Iterations are charged to the call that does them, four as one instruction, and to the slice after which the host looks around. The CPU
 * counts down an allowance (cpu->rep_allowance). When it is used up, the CPU leaves with CPU_EXIT_CLIENT before the next REP string
 * instruction. No other state of the machine depends on this, its time least of all. A call's budget ends at the same place wherever slices
 * end.
 */
#ifndef XRAY86_REDIRECT_WORK_H
#define XRAY86_REDIRECT_WORK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * So many iterations are charged as one instruction: they take less time, and one read() may fill all memory of the trusted VM (256 MiB by
 * default), a byte at a time.
 */
enum { WORK_ITERATIONS = 4 };

struct cpu;

struct work {
	int64_t call;   /* iterations that the running call may still do */
	int64_t slice;  /* until the host looks around */
	int64_t armed;  /* the CPU's allowance, less what has been charged since */
	uint64_t total; /* iterations that have been charged */
	bool counting;  /* between work_start() and work_stop() */
};

/* Product context begins, or goes on. whole: up to the call's budget, whatever the slice says, since nobody could look around. */
void work_start(struct work *work, struct cpu *cpu, bool whole);
/* Charges the iterations so far. */
void work_charge(struct work *work, const struct cpu *cpu);
/* Product context ends, or pauses: charges the iterations, and counts no more. */
void work_stop(struct work *work, struct cpu *cpu);
/* Whether the CPU has left its run because its allowance is used up. */
bool work_ended_run(const struct cpu *cpu);

#endif
