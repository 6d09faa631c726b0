/*
 * Marked addresses. A mark makes its instruction the first of its block, and puts a pseudo instruction before it that calls back. The
 * pseudo instruction counts for nothing. Blocks in a linear page with marks are that page's own; other names of the page have others.
 */
#include "emu/mark.h"

#include <stdlib.h>
#include <string.h>

#include "emu/access.h"
#include "emu/block.h"
#include "util/array.h"

static size_t lower_bound(const struct cpu *cpu, uint64_t linear)
{
	return array_lower_bound(cpu->marks, cpu->mark_count, sizeof(*cpu->marks), linear);
}

static enum mark_code code_now(const struct cpu *cpu)
{
	return cpu->mode & MODE_CODE_BANK ? MARK_CLIENT_CODE : MARK_OWN_CODE;
}

/* The mark at linear in any of these kinds of code, or NULL. */
static const struct mark *find_in(const struct cpu *cpu, enum mark_code code, uint64_t linear)
{
	for (size_t at = lower_bound(cpu, linear); at < cpu->mark_count && cpu->marks[at].linear == linear; at++) {
		if (cpu->marks[at].code & code)
			return &cpu->marks[at];
	}
	return NULL;
}

const struct mark *mark_find(const struct cpu *cpu, uint64_t linear)
{
	return find_in(cpu, code_now(cpu), linear);
}

uint64_t mark_page(const struct cpu *cpu, uint64_t linear)
{
	uint64_t page = linear & PAGE_MASK;
	size_t first = lower_bound(cpu, page), at = first;

	while (at < cpu->mark_count && (cpu->marks[at].linear & PAGE_MASK) == page) {
		if (cpu->marks[at++].code != MARK_ANY_CODE)
			return page | code_now(cpu);
	}
	return at > first ? page : (uint64_t)NO_MARKS;
}

struct error *cpu_mark_code(struct cpu *cpu, enum mark_code code, uint64_t linear, mark_fn *fn, void *opaque)
{
	size_t at = lower_bound(cpu, linear);
	struct mark *marks;

	if (find_in(cpu, code, linear))
		return error_create("address %#llx is marked already", (unsigned long long)linear);
	marks = realloc(cpu->marks, (cpu->mark_count + 1) * sizeof(*marks));
	if (!marks)
		return error_create("marking an address: out of memory");
	memmove(&marks[at + 1], &marks[at], (cpu->mark_count - at) * sizeof(*marks));
	marks[at] = (struct mark){linear, code, fn, opaque};
	cpu->marks = marks;
	cpu->mark_count++;
	block_cache_empty(cpu);
	return NULL;
}

struct error *cpu_mark(struct cpu *cpu, uint64_t linear, mark_fn *fn, void *opaque)
{
	return cpu_mark_code(cpu, MARK_ANY_CODE, linear, fn, opaque);
}

bool cpu_is_marked(const struct cpu *cpu, enum mark_code code, uint64_t linear)
{
	return find_in(cpu, code, linear);
}

void cpu_unmark(struct cpu *cpu, uint64_t linear)
{
	size_t at = lower_bound(cpu, linear), end = at;

	while (end < cpu->mark_count && cpu->marks[end].linear == linear)
		end++;
	if (end == at)
		return;
	memmove(&cpu->marks[at], &cpu->marks[end], (cpu->mark_count - end) * sizeof(*cpu->marks));
	cpu->mark_count -= end - at;
	block_cache_empty(cpu);
}

/* Calls back with the CPU in a state as between two runs: exact, and free to be run or changed. */
static enum mark_action call_back(struct cpu *cpu, const struct mark *mark)
{
	uint64_t deadline = cpu_begin_callback(cpu);
	enum mark_action action = mark->fn(mark->opaque, cpu);

	cpu_end_callback(cpu, deadline);
	return action;
}

static uint64_t next_linear(const struct cpu *cpu)
{
	return (cpu->seg[SEG_CS].base + cpu->rip) & cpu->ea_mask;
}

void mark_resume(struct cpu *cpu)
{
	if (cpu->mark_skip != next_linear(cpu))
		cpu->mark_skip = UINT64_MAX;
}

bool mark_fire(struct cpu *cpu)
{
	uint64_t linear = next_linear(cpu);
	const struct mark *mark = mark_find(cpu, linear);
	bool skip = cpu->mark_skip == linear;

	cpu->mark_skip = UINT64_MAX;
	if (!mark || skip)
		return false;
	switch (call_back(cpu, mark)) {
	case MARK_EXIT:
		cpu->exit = CPU_EXIT_MARK;
		cpu->mark_skip = linear;
		break;
	case MARK_CONTINUE:
		cpu->mark_skip = linear;
		break;
	case MARK_LOOK:
		break;
	}
	return true;
}

/* The block may be gone after the callback, so the run loop finds it again (and the mark is skipped). */
const struct insn *run_mark(struct cpu *cpu, const struct insn *insn)
{
	cpu->budget += insn->left; /* nothing of the block has been executed yet */
	if (mark_fire(cpu))
		return NULL;
	cpu->budget -= insn->left;
	NEXT(cpu, insn);
}
