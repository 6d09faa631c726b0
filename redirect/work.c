/* Work that instructions do not count: work.h. */
#include "redirect/work.h"

#include "emu/cpu.h"

void work_start(struct work *work, struct cpu *cpu, bool whole)
{
	work->armed = whole || work->call < work->slice ? work->call : work->slice;
	work->counting = true;
	cpu->rep_allowance = work->armed;
}

void work_charge(struct work *work, const struct cpu *cpu)
{
	int64_t done = work->counting ? work->armed - cpu->rep_allowance : 0;

	work->call -= done;
	work->slice -= done;
	work->total += done;
	work->armed -= done;
}

void work_stop(struct work *work, struct cpu *cpu)
{
	work_charge(work, cpu);
	work->counting = false;
	cpu->rep_allowance = CPU_REP_UNLIMITED;
}

bool work_ended_run(const struct cpu *cpu)
{
	return cpu->rep_allowance <= 0;
}
