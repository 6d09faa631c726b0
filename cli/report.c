/* Reports on stderr: see report.h. */
#include "cli/report.h"

#include <capstone/capstone.h>
#include <inttypes.h>
#include <stdio.h>

#include "emu/block.h"
#include "emu/decode.h"
#include "emu/peek.h"

enum { SHOWN_INSTRUCTIONS = 16, TRACE_SIZE = sizeof(((struct cpu *)0)->trace_rip) / sizeof(uint64_t) };

/* -- registers -- */

static void print_general(const struct cpu *cpu)
{
	static const char *const names[16] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
					      "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"};
	static const uint8_t order[16] = {RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15};

	for (unsigned i = 0; i < 16; i++)
		fprintf(stderr, "%s=%016" PRIx64 "%c", names[order[i]], cpu->gpr[order[i]], i % 4 == 3 ? '\n' : ' ');
}

static void print_flags(const struct cpu *cpu)
{
	static const char letters[] = "CPAZSTIDO";
	static const uint32_t bits[] = {FLAG_CF, FLAG_PF, FLAG_AF, FLAG_ZF, FLAG_SF, FLAG_TF, FLAG_IF, FLAG_DF, FLAG_OF};
	uint32_t flags = cpu_get_eflags(cpu);

	fprintf(stderr, "RIP=%016" PRIx64 " RFLAGS=%08x [", cpu->rip, flags);
	for (int i = 8; i >= 0; i--)
		fputc(flags & bits[i] ? letters[i] : '-', stderr);
	fprintf(stderr, "] CPL=%u\n", cpu->cpl);
}

static void print_segments(const struct cpu *cpu)
{
	static const char *const names[SEG_COUNT] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR"};

	for (unsigned i = 0; i < SEG_COUNT; i++) {
		const struct segment *segment = &cpu->seg[i];

		fprintf(stderr, "%-3s=%04x base %016" PRIx64 " limit %08x attributes %04x\n", names[i], segment->selector, segment->base,
			segment->limit, segment->attributes);
	}
	fprintf(stderr, "GDT base %016" PRIx64 " limit %04x   IDT base %016" PRIx64 " limit %04x\n", cpu->gdtr.base, cpu->gdtr.limit,
		cpu->idtr.base, cpu->idtr.limit);
}

static void print_control(const struct cpu *cpu)
{
	fprintf(stderr, "CR0=%08" PRIx64 " CR2=%016" PRIx64 " CR3=%016" PRIx64 " CR4=%08" PRIx64 " EFER=%04" PRIx64 "\n", cpu->cr0,
		cpu->cr2, cpu->cr3, cpu->cr4, cpu->efer);
}

/* -- the last instructions -- */

struct trail {
	csh capstone;
	cs_insn *insn;
	uint64_t rip[SHOWN_INSTRUCTIONS]; /* ring of the last ones */
	unsigned count;
};

static bool ends_block(csh capstone, const cs_insn *insn)
{
	return cs_insn_group(capstone, insn, CS_GRP_JUMP) || cs_insn_group(capstone, insn, CS_GRP_CALL) ||
	       cs_insn_group(capstone, insn, CS_GRP_RET) || cs_insn_group(capstone, insn, CS_GRP_INT) ||
	       cs_insn_group(capstone, insn, CS_GRP_IRET);
}

/* One instruction at rip (of the current CS). */
static bool disassemble(const struct cpu *cpu, struct trail *trail, uint64_t rip)
{
	uint8_t bytes[INSN_MAX_LENGTH];
	const uint8_t *at = bytes;
	uint64_t base = cpu_code64(cpu) ? 0 : cpu->seg[SEG_CS].base, address = rip;
	size_t size = cpu_peek(cpu, base + rip, bytes, sizeof(bytes));

	return cs_disasm_iter(trail->capstone, &at, &size, &address, trail->insn);
}

/* Walks a block from its first instruction to the branch that ends it, or to the place of the crash. */
static void follow_block(const struct cpu *cpu, struct trail *trail, uint64_t rip)
{
	for (unsigned i = 0; i < BLOCK_MAX && disassemble(cpu, trail, rip); i++) {
		trail->rip[trail->count++ % SHOWN_INSTRUCTIONS] = rip;
		if (rip == cpu->rip || ends_block(trail->capstone, trail->insn))
			break;
		rip += trail->insn->size;
	}
}

static void print_trail(const struct cpu *cpu, struct trail *trail)
{
	unsigned first = trail->count > SHOWN_INSTRUCTIONS ? trail->count - SHOWN_INSTRUCTIONS : 0;

	fprintf(stderr, "Last instructions (re-read from memory; code between blocks may be missing):\n");
	for (unsigned i = first; i < trail->count; i++) {
		uint64_t rip = trail->rip[i % SHOWN_INSTRUCTIONS];
		char hex[2 * INSN_MAX_LENGTH + 1] = "";

		if (!disassemble(cpu, trail, rip))
			continue;
		for (unsigned j = 0; j < trail->insn->size; j++)
			snprintf(hex + 2 * j, 3, "%02x", trail->insn->bytes[j]);
		fprintf(stderr, "%s %016" PRIx64 "  %-20s  %s %s\n", rip == cpu->rip ? ">" : " ", rip, hex, trail->insn->mnemonic,
			trail->insn->op_str);
	}
}

static cs_mode capstone_mode(const struct cpu *cpu)
{
	static const cs_mode modes[] = {CS_MODE_16, CS_MODE_16, CS_MODE_32, CS_MODE_64};

	return modes[cpu->mode >> MODE_CODE_SHIFT & 3];
}

static void print_instructions(const struct cpu *cpu)
{
	struct trail trail = {0};

	if (cs_open(CS_ARCH_X86, capstone_mode(cpu), &trail.capstone) != CS_ERR_OK)
		return;
	cs_option(trail.capstone, CS_OPT_DETAIL, CS_OPT_ON);
	trail.insn = cs_malloc(trail.capstone);
	for (unsigned i = 0; i < TRACE_SIZE; i++) {
		unsigned slot = cpu->trace_next + i;

		if (slot >= TRACE_SIZE) /* else nothing has been entered there yet */
			follow_block(cpu, &trail, cpu->trace_rip[slot % TRACE_SIZE]);
	}
	print_trail(cpu, &trail);
	cs_free(trail.insn, 1);
	cs_close(&trail.capstone);
}

void report_crash(const struct machine *machine)
{
	const struct cpu *cpu = machine->cpu;

	fprintf(stderr, "xray86: triple fault after %" PRIu64 " instructions; last exception: vector %u, error code %#x\n",
		cpu_instructions(cpu), cpu->exception.vector, cpu->exception.has_error_code ? cpu->exception.error_code : 0);
	print_general(cpu);
	print_flags(cpu);
	print_segments(cpu);
	print_control(cpu);
	report_post_code(machine);
	print_instructions(cpu);
}

void report_post_code(const struct machine *machine)
{
	if (machine->debug.posted)
		fprintf(stderr, "last POST code %02Xh\n", machine->debug.post_code);
}

/* -- digest and statistics -- */

void report_digest(struct machine *machine)
{
	fprintf(stderr, "instructions %" PRIu64 ", digest %016" PRIx64 "\n", cpu_instructions(machine->cpu), machine_digest(machine));
}

void report_stats(const struct machine *machine)
{
	const struct block_stats *blocks = block_cache_stats(machine->cpu);
	uint64_t clock = cpu_instructions(machine->cpu);

	fprintf(stderr, "guest time     %" PRIu64 " ns\n", clock);
	fprintf(stderr, "instructions   %" PRIu64 " (%" PRIu64 " ns idle)\n", clock - machine->idle, machine->idle);
	fprintf(stderr, "blocks         %" PRIu64 " translated, %" PRIu64 " dropped, cache emptied %" PRIu64 " times\n", blocks->translated,
		blocks->dropped, blocks->emptied);
	fprintf(stderr, "lookups        %" PRIu64 ", %" PRIu64 " single instructions\n", blocks->lookups, blocks->single);
}
