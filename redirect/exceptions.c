/*
 * What product context does to the machine: exceptions.h.
 *
 * Page faults on user addresses are the trusted kernel's to handle (context.h). Faults on product addresses never reach its handler, which
 * would find its own mapping and retry for ever: fixup_exception() is asked, as the handler would; if the instruction has no fixup the call
 * is given up.
 */
#include "redirect/exceptions.h"

#include <string.h>

#include "emu/exception.h"
#include "emu/peek.h"
#include "redirect/bpf.h"
#include "redirect/cpu_specific.h"
#include "util/align.h"

/* -- privileged effects -- */

/*
 * Time that product context sees: instructions of this call. Timekeeping code finds such a TSC to lie before its last reading, and shows
 * the time of that (clocksource_delta()); delay loops go on.
 */
static uint64_t product_time(const struct exceptions *exceptions)
{
	return cpu_instructions(exceptions->worlds->cpu) - exceptions->worlds->context.started;
}

static bool on_privileged(void *opaque, struct cpu *cpu, enum privileged what, uint64_t index, uint64_t *value)
{
	struct exceptions *exceptions = opaque;

	(void)index;
	if (exceptions->worlds->context.phase != CONTEXT_PRODUCT)
		return false;
	switch (what) {
	case PRIVILEGED_CONTROL_WRITE:
	case PRIVILEGED_INVALIDATE:
		product_memory_invalidate(&exceptions->worlds->memory);
		return true;
	case PRIVILEGED_DEBUG_WRITE:
	case PRIVILEGED_MSR_WRITE:
	case PRIVILEGED_PORT_WRITE:
	case PRIVILEGED_TABLE_LOAD:
		return true;
	case PRIVILEGED_MSR_READ:
		*value = 0;
		return true;
	case PRIVILEGED_PORT_READ: /* nobody answers on the bus */
		call_record_loss(exceptions->calls, LOSS_OUTSIDE);
		*value = UINT64_MAX;
		return true;
	case PRIVILEGED_TIME:
		*value = product_time(exceptions);
		return true;
	case PRIVILEGED_HALT:
		exceptions->calls->abort = (struct call_abort){LOSS_DAMAGED, "HLT"};
		if (exceptions->worlds->context.nested)
			call_record_loss(exceptions->calls, LOSS_DAMAGED);
		cpu_abandon(cpu, CPU_EXIT_CLIENT);
	}
	return false;
}

/* -- exceptions -- */

/*
 * The tables that tell of an instruction of the image are constant data, and asked in the trusted world. Those of a module are where the
 * product's kernel has loaded it, and so are those of a kernel that the trusted one is not.
 */
static enum world world_of(const struct exceptions *exceptions, uint64_t rip)
{
	const struct worlds *worlds = exceptions->worlds;

	return kernel_in_image(worlds->product, rip) && !worlds_have_two_kernels(worlds) ? WORLD_TRUSTED : WORLD_PRODUCT;
}

/* Calls fixup_exception() with these registers, which it changes if the instruction has a fixup. */
static bool ask_for_fixup(struct exceptions *exceptions, enum world world, uint8_t *regs, unsigned size)
{
	struct worlds *worlds = exceptions->worlds;
	struct cpu *cpu = worlds->cpu;
	bool window = world == WORLD_PRODUCT && worlds->context.way == REDIRECT_CONTEXT;
	uint64_t place = window ? align_down(cpu->gpr[RSP] - size, 16) : context_scratch(&worlds->context, size), fixed;
	uint64_t argument[] = {place, cpu->exception.vector, cpu->exception.error_code, cpu->cr2};

	if (!(window ? product_memory_write(&worlds->memory, place, regs, size) : cpu_poke(cpu, place, regs, size)))
		return false;
	if (world == WORLD_PRODUCT)
		context_tag_argument(&worlds->context, 0, size);
	if (!worlds_call(worlds, world, FUNCTION_fixup_exception, argument, 4, &fixed) || !(uint32_t)fixed)
		return false;
	return window ? product_memory_read(&worlds->memory, place, regs, size) : cpu_peek(cpu, place, regs, size) == size;
}

/* Asks the kernel whether the faulting instruction has a fixup, and if so goes on there. */
static bool fix_up(struct exceptions *exceptions)
{
	struct cpu *cpu = exceptions->worlds->cpu;
	const struct abi *abi = exceptions->worlds->context.abi;
	uint8_t regs[ABI_REGS_SIZE];

	if (!exceptions->worlds->product->function[FUNCTION_fixup_exception])
		return false;
	abi_regs_get(abi, cpu, regs);
	if (!ask_for_fixup(exceptions, world_of(exceptions, cpu->rip), regs, abi_regs_size(abi)))
		return false;
	abi_regs_set(abi, cpu, regs);
	return true;
}

/*
 * The kernel's bug table says of each UD2 in its code whether it is a WARN, after which it goes on (include/asm-generic/bug.h). An entry
 * begins with the instruction's address, absolute or relative to itself, and ends with flags; what is between depends on version and
 * configuration, so that its size is told by its neighbour.
 */
enum { BUGFLAG_WARNING = 1, FLAGS_SIZE = 2, UD2_SIZE = 2 };

/* A look at the table that tells of the instruction at `rip`. */
struct bug_search {
	struct worlds *worlds;
	enum world world;
	uint64_t rip;
};

static uint64_t find_bug(const struct bug_search *search, uint64_t rip)
{
	uint64_t entry;

	return worlds_call(search->worlds, search->world, FUNCTION_find_bug, &rip, 1, &entry) ? entry : 0;
}

static bool read_entry(const struct bug_search *search, uint64_t place, unsigned size, uint64_t *ret)
{
	return search->world == WORLD_TRUSTED ? cpu_peek_word(search->worlds->cpu, place, size, ret)
					      : product_memory_read_word(&search->worlds->memory, place, size, ret);
}

static bool is_bug_entry(const struct bug_search *search, uint64_t place)
{
	uint64_t value, word = search->worlds->context.abi->word;

	if (!read_entry(search, place, 4, &value))
		return false;
	return find_bug(search, word == 8 ? place + (int32_t)value : value) == place ||
	       (word == 4 && find_bug(search, (uint32_t)(place + value)) == place);
}

static bool is_warning(struct exceptions *exceptions)
{
	static const struct {
		unsigned size, flags;
	} layouts[] = {{8, 4}, {12, 10}, {16, 14}};
	uint64_t rip = exceptions->worlds->cpu->rip, entry, flags;
	const struct bug_search search = {exceptions->worlds, world_of(exceptions, rip), rip};
	uint8_t code[UD2_SIZE];

	if (!exceptions->worlds->product->function[FUNCTION_find_bug] || code_read(exceptions->code, rip, code, UD2_SIZE) != UD2_SIZE ||
	    code[0] != 0x0f || code[1] != 0x0b)
		return false;
	entry = find_bug(&search, rip);
	for (unsigned i = 0; entry && i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (is_bug_entry(&search, entry + layouts[i].size) || is_bug_entry(&search, entry - layouts[i].size))
			return read_entry(&search, entry + layouts[i].flags, FLAGS_SIZE, &flags) && flags & BUGFLAG_WARNING;
	}
	return false;
}

/*
 * Whether the instruction may access user memory: the kernel has a fixup for each that may, and STAC before it under SMAP. Others are led
 * there by broken pointers, for which the trusted handler would kill the tool.
 */
static bool may_access_user(struct exceptions *exceptions)
{
	uint64_t rip = exceptions->worlds->cpu->rip, entry;

	if (exceptions->worlds->cpu->cr4 & CR4_SMAP && !(cpu_get_eflags(exceptions->worlds->cpu) & FLAG_AC))
		return false;
	return !exceptions->worlds->product->function[FUNCTION_search_exception_tables] ||
	       (worlds_call(exceptions->worlds, world_of(exceptions, rip), FUNCTION_search_exception_tables, &rip, 1, &entry) && entry);
}

/* Answers for a BPF program that is called, whose code is in no module. */
static bool pass_program(struct exceptions *exceptions)
{
	struct loss_code code = {0};
	uint32_t answer;

	if (!bpf_answer(exceptions->worlds, &answer))
		return false;
	code_find_owner(exceptions->code, exceptions->worlds->cpu->rip, &code);
	if (code.owner != LOSS_OWNER_NONE)
		return false;
	exceptions->calls->stats.stand_ins++;
	return worlds_return(exceptions->worlds, answer) == MARK_LOOK;
}

static void give_up_at_fault(struct exceptions *exceptions, enum product_gap gap)
{
	static const struct {
		enum loss_cause cause;
		const char *reason;
	} gaps[] = {
		[PRODUCT_GAP_NONE] = {LOSS_DAMAGED, "fault"},
		[PRODUCT_GAP_FULL] = {LOSS_LIMIT, "too many pages written"},
		[PRODUCT_GAP_UNREADABLE] = {LOSS_UNREADABLE, "a page that cannot be read"},
	};

	call_give_up(exceptions->calls, gaps[gap].cause, gaps[gap].reason);
}

/* Product's own code has an instruction that we do not have. Returns false if it has none such. */
static bool give_up_at_instruction(struct exceptions *exceptions)
{
	struct worlds *worlds = exceptions->worlds;
	char bytes[CPU_SPECIFIC_TEXT], near[MODULES_NEAR];
	uint64_t rip = worlds->cpu->rip;

	if (!cpu_specific_name(exceptions->code, bytes))
		return false;
	if (!exceptions->told)
		note(exceptions->notes,
		     "the snapshot's code at %s has an instruction that xray86 does not have (%s): calls that need it are given up",
		     modules_near(exceptions->code->modules, rip, near), bytes);
	exceptions->told = true;
	call_give_up(exceptions->calls, LOSS_INSTRUCTION, "an instruction that xray86 does not have");
	return true;
}

static bool take_undefined(struct exceptions *exceptions)
{
	struct cpu *cpu = exceptions->worlds->cpu;

	if (is_warning(exceptions)) {
		exceptions->calls->stats.warnings++;
		call_record_loss(exceptions->calls, LOSS_WARNING);
		cpu->rip += UD2_SIZE;
		return true;
	}
	return code_is_own(exceptions->code, cpu->rip) && (cpu_specific_execute(exceptions->code) || give_up_at_instruction(exceptions));
}

/* A fetch, also of the second page of an instruction. */
static bool is_fetch(const struct cpu *cpu)
{
	return cpu->exception.vector == VECTOR_PF && (cpu->cr2 == cpu->rip || cpu->exception.error_code & PF_I);
}

/* The call begins anew when the module is proven; a call of ours within it, or outside of calls, ends. */
static void put_off(struct exceptions *exceptions)
{
	if (exceptions->worlds->context.nested) {
		exceptions->calls->abort = (struct call_abort){LOSS_CODE, "code that is to be proven first"};
		cpu_request_exit(exceptions->worlds->cpu, CPU_EXIT_CLIENT);
	} else {
		call_undo(exceptions->calls);
	}
}

static void take_fetch(struct exceptions *exceptions)
{
	uint64_t address = exceptions->worlds->cpu->cr2;

	switch (code_seek(exceptions->code, address)) {
	case CODE_FOUND:
		break;
	case CODE_WANTED:
		put_off(exceptions);
		break;
	case CODE_MISSING:
		if (address == exceptions->worlds->cpu->rip && pass_program(exceptions))
			break;
		if (!exceptions->worlds->context.nested && code_reconsider(exceptions->code)) {
			call_undo(exceptions->calls);
			break;
		}
		code_record_missing(exceptions->code, address);
		call_give_up(exceptions->calls, LOSS_CODE, "code that the trusted kernel does not have");
	}
}

static bool on_exception(void *opaque, struct cpu *cpu)
{
	struct exceptions *exceptions = opaque;
	const struct context *context = &exceptions->worlds->context;
	enum product_gap gap = cpu->exception.vector == VECTOR_PF ? exceptions->worlds->memory.gap : PRODUCT_GAP_NONE;

	if (context->phase != CONTEXT_PRODUCT)
		return false;
	if (cpu->cpl) {
		call_give_up(exceptions->calls, LOSS_DAMAGED, "a return to user mode");
		return true;
	}
	if (cpu->exception.vector == VECTOR_PF && cpu->cr2 < exceptions->worlds->memory.kernel_start && !is_fetch(cpu) &&
	    !context->nested && !context_is_refused(&exceptions->worlds->context) && may_access_user(exceptions)) {
		if (context_begin_user_fault(&exceptions->worlds->context)) {
			exceptions->calls->stats.user_faults++;
			return false;
		}
	} else if (is_fetch(cpu)) {
		take_fetch(exceptions);
		return true;
	} else if (cpu->exception.vector == VECTOR_UD && take_undefined(exceptions)) {
		return true;
	} else if (fix_up(exceptions)) {
		return true;
	}
	give_up_at_fault(exceptions, gap);
	return true;
}

static bool on_fetch(void *opaque, struct cpu *cpu, uint64_t linear, uint64_t *ret_paddr)
{
	(void)cpu;
	return code_fetch(((struct exceptions *)opaque)->code, linear, ret_paddr);
}

static void on_interrupt_return(void *opaque, struct cpu *cpu)
{
	struct exceptions *exceptions = opaque;

	(void)cpu;
	context_end_user_fault(&exceptions->worlds->context);
}

void exceptions_begin(struct exceptions *exceptions)
{
	struct worlds *worlds = exceptions->worlds;

	worlds->context.client = (struct cpu_client){
		.opaque = exceptions,
		.exception = on_exception,
		.interrupt_return = on_interrupt_return,
		.privileged = on_privileged,
		.fetch = on_fetch,
	};
	cpu_set_client(worlds->cpu, &worlds->context.client);
}
