/* Product context: context.h. */
#include "redirect/context.h"

#include <stdlib.h>
#include <string.h>

#include "emu/peek.h"
#include "util/align.h"
#include "util/array.h"

/* -- the stack -- */

static bool on_stack(const struct context *context, uint64_t address)
{
	return address - context->stack <= context->stack_size; /* its end too: the stack pointer of an empty one */
}

/* Where the product's own kernel looks for pt_regs. */
static uint64_t place_of_regs(const struct context *context)
{
	const struct context_other *other = &context->other;

	return context->memory->window + other->stack_size - other->padding - abi_regs_size(context->abi);
}

uint64_t context_to_product(const struct context *context, uint64_t address)
{
	if (context->way == REDIRECT_TAGS || !on_stack(context, address))
		return address;
	if (context->other.present)
		return address - context->regs + place_of_regs(context);
	return address - context->stack + context->memory->window;
}

uint64_t context_stack_size(const struct context *context)
{
	return context->way == REDIRECT_CONTEXT && context->other.present ? context->other.stack_size : context->stack_size;
}

uint64_t context_stack_start(const struct context *context, uint64_t regs)
{
	const struct context_other *other = &context->other;

	if (context->way == REDIRECT_CONTEXT)
		return context->memory->window;
	if (other->present) /* so that pt_regs are where they are looked for */
		return regs + abi_regs_size(context->abi) + other->padding - other->stack_size;
	return align_down(context->cpu->gpr[RSP], context->stack_size);
}

/* Copies what is in use of the trusted stack to its place in the product's address space, and moves the registers that point there. */
static bool move_stack(struct context *context)
{
	struct cpu *cpu = context->cpu;
	uint64_t rsp = cpu->gpr[RSP], offset = rsp - context->stack, used = context->stack_size - offset;

	if (cpu_peek(cpu, rsp, context->memory->window_host + offset, used) != used)
		return false;
	for (unsigned i = 0; i < 16; i++)
		cpu->gpr[i] = context_to_product(context, cpu->gpr[i]);
	return true;
}

/* -- another kernel's body -- */

static bool copy_regs(struct context *context, uint64_t to)
{
	unsigned size = abi_regs_size(context->abi);

	return cpu_peek(context->cpu, context->regs, context->memory->window_host + (to - context->memory->window), size) == size;
}

/*
 * Calls the body, whose one argument is pt_regs, from nowhere. User accesses are free until its kernel says otherwise, since that kernel
 * does not say so if the CPU on which it ran had no SMAP.
 */
static bool go_to_body(struct context *context, uint64_t body)
{
	struct cpu *cpu = context->cpu;
	const struct abi *abi = context->abi;
	bool tags = context->way == REDIRECT_TAGS;
	uint64_t regs, rsp;

	context->regs = abi_argument(abi, cpu, 0);
	context->back_rip = abi->back;
	regs = tags ? context->regs : place_of_regs(context);
	rsp = align_down(tags ? cpu->gpr[RSP] - abi->word : regs, 16) - abi->word;
	if (tags ? !cpu_poke(cpu, rsp, &context->back_rip, abi->word)
		 : !copy_regs(context, regs) || !product_memory_write(context->memory, rsp, &context->back_rip, abi->word))
		return false;
	memset(cpu->gpr, 0, sizeof(cpu->gpr));
	cpu->gpr[abi->argument[0]] = regs;
	cpu->gpr[RSP] = rsp;
	cpu->rip = body;
	context->back_rsp = rsp + abi->word;
	cpu_set_eflags(cpu, FLAG_AC, FLAG_AC);
	return true;
}

/*
 * In the "tags" way, registers that point into the stack carry the tag from here on. All other registers are untagged, and so are the
 * values on the stack, unless a body in product context has put them there.
 */
static void tag_stack(struct context *context, bool afresh)
{
	struct cpu *cpu = context->cpu;

	memset(cpu->gpr_tag, 0, sizeof(cpu->gpr_tag));
	memset(cpu->xmm_tag, 0, sizeof(cpu->xmm_tag));
	memset(cpu->fpu_tag, 0, sizeof(cpu->fpu_tag));
	for (unsigned i = 0; i < 16; i++)
		cpu->gpr_tag[i] = on_stack(context, cpu->gpr[i]) ? TAG_STACK : 0;
	if (afresh)
		memset(context->stack_data.shadow, 0, context->stack_size);
}

/*
 * An address with TAG_STACK is the trusted stack's only if it also lies there: the tags are over-approximate, and the product has objects
 * of its own at the stack's addresses.
 */
static enum tlb_fill_status fill_stack(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page)
{
	struct context_stack *stack = (struct context_stack *)client;
	const struct context *context = stack->context;

	if (linear - context->stack >= context->stack_size)
		return context->memory->client.fill(&context->memory->client, linear, write, ret_page);
	ret_page->shadow = stack->shadow + ((linear & PAGE_MASK) - context->stack);
	return TLB_FILL_TRUSTED;
}

static void keep_user_page(void *opaque, uint64_t linear)
{
	struct context *context = opaque;

	if (context->phase == CONTEXT_PRODUCT)
		user_pages_keep(&context->user_pages, context->cpu, linear);
}

struct error *context_init(struct context *context)
{
	context->memory->opaque = context;
	context->memory->user_write = keep_user_page;
	context->stack_data.context = context;
	context->stack_data.client = (struct tlb_client){.fill = fill_stack, .default_tag = TAG_PRODUCT};
	tlb_init(&context->stack_data.bank);
	context->stack_data.bank.client = &context->stack_data.client;
	context->memory->other_bank = &context->stack_data.bank;
	tlb_init(&context->code_bank);
	cpu_set_code_bank(context->cpu, &context->code_bank);
	if (context->way == REDIRECT_CONTEXT)
		return product_memory_open_window(context->memory, context_stack_size(context));
	context->stack_data.shadow = calloc(1, context->stack_size);
	return context->stack_data.shadow ? NULL : error_create("shadowing the stack: out of memory");
}

/* -- in and out -- */

/* Puts the banks and rules of a phase in force. The caller takes care of the CPU's registers. */
static void set_phase(struct context *context, enum context_phase phase)
{
	bool product = phase == CONTEXT_PRODUCT, tags = context->way == REDIRECT_TAGS;
	struct tlb *bank = product ? &context->memory->bank : NULL;

	if (context->phase == CONTEXT_PRODUCT)
		work_stop(&context->work, context->cpu);
	if (product)
		work_start(&context->work, context->cpu, context->nested);
	context->phase = phase;
	context->client.hold_interrupts = product;
	cpu_set_supervisor_banks(context->cpu, bank, tags && product ? &context->stack_data.bank : bank);
	cpu_use_code_bank(context->cpu, product);
	cpu_set_tagged(context->cpu, tags && product);
}

/* Per-CPU data are the product's in this context, whatever the segment register says. */
static void set_percpu_base(struct context *context)
{
	struct cpu *cpu = context->cpu;

	cpu->seg[context->abi->percpu].base = context->segment_base;
	cpu_update_mode(cpu);
}

/* Without SMAP the bank does not forget the user half's pages between two accesses of the kernel to it. */
static void begin_user_pages(struct context *context)
{
	user_pages_clear(&context->user_pages);
	if (!(context->cpu->cr4 & CR4_SMAP))
		product_memory_flush(context->memory);
}

/* The body begins. */
static bool begin_body(struct context *context, uint64_t body)
{
	if (body)
		return go_to_body(context, body);
	context->back_rip = context->return_rip;
	context->back_rsp = context_to_product(context, context->return_rsp);
	return context->way == REDIRECT_TAGS || move_stack(context);
}

bool context_enter(struct context *context, uint64_t body)
{
	struct cpu *cpu = context->cpu;
	uint64_t rsp = cpu->gpr[RSP];

	context->entry = cpu_state_save(cpu);
	if (!context->entry)
		return false;
	context->stack = align_down(rsp, context->stack_size);
	context->trusted_rsp = rsp;
	context->return_rsp = rsp + context->abi->word;
	context->started = cpu_instructions(cpu);
	context->refused = false; /* the call before may have been given up in between */
	if (!cpu_peek_word(cpu, rsp, context->abi->word, &context->return_rip) || !begin_body(context, body)) {
		cpu_state_destroy(context->entry);
		context->entry = NULL;
		return false;
	}
	if (context->way == REDIRECT_TAGS)
		tag_stack(context, true);
	product_memory_begin(context->memory);
	begin_user_pages(context);
	context->trusted = context->entry;
	set_percpu_base(context);
	set_phase(context, CONTEXT_PRODUCT);
	return true;
}

bool context_at_return(const struct context *context)
{
	const struct cpu *cpu = context->cpu;

	return context->phase == CONTEXT_PRODUCT && cpu->rip == context->back_rip && cpu->gpr[RSP] == context->back_rsp;
}

static void drop(struct cpu_state **state)
{
	cpu_state_destroy(*state);
	*state = NULL;
}

/* Makes the trusted CPU as it was at the body's start, except that the body is done. */
static void return_from_body(struct context *context, uint64_t result)
{
	struct cpu *cpu = context->cpu;

	set_phase(context, CONTEXT_TRUSTED);
	cpu_state_restore(cpu, context->entry);
	drop(&context->entry);
	drop(&context->suspended);
	cpu->gpr[RAX] = abi_value(context->abi, result);
	cpu->gpr[RSP] = context->return_rsp;
	cpu->rip = context->return_rip;
}

void context_undo(struct context *context)
{
	product_memory_rollback(context->memory);
	set_phase(context, CONTEXT_TRUSTED);
	cpu_state_restore(context->cpu, context->entry);
	user_pages_restore(&context->user_pages, context->cpu);
	drop(&context->entry);
	drop(&context->suspended);
}

void context_leave(struct context *context, uint64_t result)
{
	product_memory_commit(context->memory);
	return_from_body(context, result);
}

void context_abort(struct context *context, int64_t result)
{
	product_memory_rollback(context->memory);
	return_from_body(context, result);
	user_pages_restore(&context->user_pages, context->cpu);
}

/* -- work -- */

/* Charges what has been done so far. */
static struct work charged(const struct context *context)
{
	struct work work = context->work;

	work_charge(&work, context->cpu);
	return work;
}

void context_begin_slice(struct context *context, int64_t iterations)
{
	if (context->phase == CONTEXT_PRODUCT)
		work_stop(&context->work, context->cpu);
	context->work.slice = iterations;
	if (context->phase == CONTEXT_PRODUCT)
		work_start(&context->work, context->cpu, false);
}

bool context_call_spent(const struct context *context)
{
	return charged(context).call <= 0;
}

uint64_t context_iterations(const struct context *context)
{
	return charged(context).total;
}

/* -- page faults on user addresses -- */

/*
 * The frame that the trusted handler gets shows the instruction that faulted, with its registers, on the trusted stack right below what
 * the body found there. So the handler may repair the fault, or move RIP to the instruction's fixup; both come back by IRET.
 *
 * The instruction of another kernel means nothing to it. So the frame shows one of its own that may access user memory: then RIP tells
 * whether the fault was repaired.
 */
bool context_begin_user_fault(struct context *context)
{
	struct cpu *cpu = context->cpu;
	uint64_t gpr[16], rip = cpu->rip, cr2 = cpu->cr2;
	uint32_t flags = cpu_get_eflags(cpu);
	struct exception exception = cpu->exception;

	context->suspended = cpu_state_save(cpu);
	if (!context->suspended)
		return false;
	memcpy(gpr, cpu->gpr, sizeof(gpr));
	set_phase(context, CONTEXT_USER_FAULT);
	cpu_state_restore(cpu, context->entry);
	if (context->way == REDIRECT_CONTEXT) /* in the other way the body's own frames are on that stack */
		gpr[RSP] = cpu->gpr[RSP];
	context->fault_rsp = gpr[RSP];
	memcpy(cpu->gpr, gpr, sizeof(gpr));
	cpu->rip = rip;
	if (context->other.present) {
		cpu->rip = context->other.user_access;
		flags |= FLAG_AC;
	}
	cpu->cr2 = cr2;
	cpu->exception = exception;
	cpu_set_eflags(cpu, flags | FLAG_IF, FLAGS_ARITHMETIC | FLAG_AC | FLAG_DF | FLAG_IF); /* CLI is virtual in product context */
	return true;
}

static void resume(struct context *context)
{
	struct cpu *cpu = context->cpu;
	uint64_t gpr[16], rip = cpu->rip, cr2 = cpu->cr2, rsp;

	memcpy(gpr, cpu->gpr, sizeof(gpr));
	cpu_state_restore(cpu, context->suspended);
	drop(&context->suspended);
	if (context->other.present) {
		context->refused = rip != context->other.user_access;
		cpu->cr2 = cr2;
	} else {
		rsp = cpu->gpr[RSP];
		memcpy(cpu->gpr, gpr, sizeof(gpr));
		cpu->gpr[RSP] = rsp;
		cpu->rip = rip;
	}
	set_phase(context, CONTEXT_PRODUCT);
}

bool context_is_refused(struct context *context)
{
	bool refused = context->refused;

	context->refused = false;
	return refused;
}

static struct context_restart *find_restart(struct context *context, uint64_t rsp)
{
	for (size_t i = 0; i < context->restarts; i++) {
		if (context->restart[i].rsp == rsp)
			return &context->restart[i];
	}
	return NULL;
}

void context_end_user_fault(struct context *context)
{
	struct cpu *cpu = context->cpu;
	struct context_restart *restart;

	if (context->phase == CONTEXT_PRODUCT) /* it may IRET to itself (sync_core()); no frame of ours is there */
		return;
	if (context->phase == CONTEXT_USER_FAULT && cpu->gpr[RSP] == context->fault_rsp) {
		resume(context);
		return;
	}
	restart = find_restart(context, cpu->gpr[RSP]);
	if (!restart)
		return;
	cpu_state_restore(cpu, restart->entry);
	cpu_state_destroy(restart->entry);
	*restart = context->restart[--context->restarts];
}

static bool reserve_restart(struct context *context)
{
	return array_reserve(&context->restart, context->restarts, &context->restart_room, sizeof(*context->restart));
}

bool context_schedule(struct context *context)
{
	if (context->phase != CONTEXT_USER_FAULT)
		return true;
	if (!reserve_restart(context))
		return false;
	product_memory_rollback(context->memory);
	set_phase(context, CONTEXT_TRUSTED);
	user_pages_restore(&context->user_pages, context->cpu);
	drop(&context->suspended);
	context->restart[context->restarts++] = (struct context_restart){context->fault_rsp, context->entry};
	context->entry = NULL;
	return true;
}

/* -- calls of kernel functions -- */

enum { CALL_LIMIT = 20000000 /* instructions, and iterations: far more than any function takes that is called this way */ };

/* Places the first arguments in registers, and the others above the return address, which goes right below `top`. */
static bool pass_arguments(struct context *context, const uint64_t *argument, unsigned arguments, uint64_t top)
{
	const struct abi *abi = context->abi;
	bool in_window = context->phase == CONTEXT_PRODUCT && context->way == REDIRECT_CONTEXT;

	for (unsigned i = 0; i < arguments && i < abi->in_registers; i++)
		context->cpu->gpr[abi->argument[i]] = argument[i];
	for (unsigned i = abi->in_registers; i < arguments; i++) {
		uint64_t place = top + (i - abi->in_registers) * abi->word;

		if (!(in_window ? product_memory_write(context->memory, place, &argument[i], abi->word)
				: cpu_poke(context->cpu, place, &argument[i], abi->word)))
			return false;
	}
	return true;
}

uint64_t context_scratch(const struct context *context, unsigned size)
{
	bool in_window = context->phase == CONTEXT_PRODUCT && context->way == REDIRECT_CONTEXT;

	return align_down((in_window ? context->trusted_rsp : context->cpu->gpr[RSP]) - size, 16);
}

/* Makes the CPU as the function finds it, apart from the arguments and the return address. */
static void go_to_world(struct context *context, enum world world)
{
	struct cpu *cpu = context->cpu;

	if (world == WORLD_TRUSTED && context->phase == CONTEXT_PRODUCT) {
		uint64_t rsp = cpu->gpr[RSP];

		cpu_state_restore(cpu, context->trusted);
		if (context->way == REDIRECT_TAGS) /* it is on the trusted stack, below what is in use */
			cpu->gpr[RSP] = rsp;
	}
	if (world == WORLD_PRODUCT && context->phase != CONTEXT_PRODUCT) {
		context->stack = align_down(cpu->gpr[RSP], context->stack_size);
		context->trusted_rsp = cpu->gpr[RSP];
		cpu->gpr[RSP] = context->other.present && context->way == REDIRECT_CONTEXT ? place_of_regs(context)
											   : context_to_product(context, cpu->gpr[RSP]);
		set_percpu_base(context);
	}
	set_phase(context, world == WORLD_PRODUCT ? CONTEXT_PRODUCT : CONTEXT_TRUSTED);
	context->client.hold_interrupts = true;
	if (world == WORLD_PRODUCT && context->other.present)
		cpu_set_eflags(cpu, FLAG_AC, FLAG_AC); /* go_to_body() */
}

void context_tag_argument(struct context *context, unsigned number, unsigned size)
{
	context->tag_argument = number;
	context->tag_size = size;
}

/* Where it points to, nothing has a tag. */
static void tag_argument(struct context *context, unsigned size)
{
	enum gpr pointer = context->abi->argument[context->tag_argument];
	uint64_t offset = context->cpu->gpr[pointer] - context->stack;

	if (context->way != REDIRECT_TAGS || !size || offset >= context->stack_size || size > context->stack_size - offset)
		return;
	context->cpu->gpr_tag[pointer] = TAG_STACK;
	memset(context->stack_data.shadow + offset, 0, size);
}

bool context_call(struct context *context, enum world world, uint64_t function, const uint64_t *argument, unsigned arguments,
		  uint64_t *ret_value)
{
	struct cpu *cpu = context->cpu;
	enum context_phase phase = context->phase;
	bool own = world == WORLD_PRODUCT && phase != CONTEXT_PRODUCT, done;
	struct cpu_state *saved = function && !(own && cancel_wanted(&context->cancel)) ? cpu_state_save(cpu) : NULL;
	int64_t work = context->work.call;
	unsigned tag_size = context->tag_size;
	uint64_t top;

	context->tag_size = 0;
	if (!saved)
		return false;
	if (own) {
		context->trusted = saved;
		context->work.call = CALL_LIMIT;
		product_memory_begin(context->memory);
	}
	context->nested++;
	go_to_world(context, world);
	top = align_down(cpu->gpr[RSP] - CONTEXT_SCRATCH, 16);
	if (context->way == REDIRECT_TAGS)
		tag_stack(context, own);
	done = pass_arguments(context, argument, arguments, top);
	tag_argument(context, tag_size);
	done = done && cpu_call(cpu, function, top, context->abi->return_address, CALL_LIMIT, ret_value) == CPU_EXIT_MARK;
	context->nested--;
	set_phase(context, phase);
	cpu_state_restore(cpu, saved);
	cpu_state_destroy(saved);
	if (own)
		context->work.call = work;
	if (own && done)
		product_memory_commit(context->memory);
	else if (own)
		product_memory_rollback(context->memory);
	context->unfinished += world == WORLD_PRODUCT && !done;
	return done;
}

void context_forget_code(struct context *context)
{
	tlb_flush(&context->code_bank);
	cpu_forget_jumps(context->cpu);
}

void context_deinit(struct context *context)
{
	cpu_set_code_bank(context->cpu, NULL);
	drop(&context->entry);
	drop(&context->suspended);
	for (size_t i = 0; i < context->restarts; i++)
		cpu_state_destroy(context->restart[i].entry);
	free(context->restart);
	free(context->stack_data.shadow);
	user_pages_deinit(&context->user_pages);
}
