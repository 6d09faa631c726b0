/*
 * Work of product context that the count of instructions does not show: iterations of REP string instructions. One execution of such an
 * instruction counts as one instruction and does up to CPU_REP_LIMIT iterations, over as much memory as the snapshot's data say.
 *
 * Iterations are charged to the call that does them, four like an instruction, and to the slice after which the host
 * looks around. The CPU counts down an allowance (cpu->rep_allowance), and leaves with CPU_EXIT_CLIENT before the first REP string
 * instruction that finds none left. Nothing else of the machine's state, its time least of all, knows of it; and where a slice ends makes
 * no difference to where a call's budget does.
 */
#ifndef XRAY86_REDIRECT_WORK_H
#define XRAY86_REDIRECT_WORK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Iterations that are charged like an instruction: they take less time, and one read() may fill as much memory as the trusted VM has
 * (256 MiB unless told), a byte at a time.
 */
enum { WORK_ITERATIONS = 4 };

struct cpu;

struct work {
	int64_t call;   /* iterations that the running call may still do */
	int64_t slice;  /* until the host looks around */
	int64_t armed;  /* what the CPU was given, less what has been charged since */
	uint64_t total; /* done, of what has been charged */
	bool counting;  /* between work_start() and work_stop() */
};

/* Product context begins, or goes on. whole: up to the call's budget, whatever the slice says (nobody could look around then). */
void work_start(struct work *work, struct cpu *cpu, bool whole);
/* Charges what has been done so far. */
void work_charge(struct work *work, const struct cpu *cpu);
/* It ends, or pauses: what was done is charged, and what follows is not counted. */
void work_stop(struct work *work, struct cpu *cpu);
/* Whether the CPU, which has left product context for a moment, did so because its allowance is used up. */
bool work_ended_run(const struct cpu *cpu);

#endif
