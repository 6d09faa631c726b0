/*
 * The system call whose body begins: reads its number and arguments from pt_regs (abi.h), and puts those there that the product shall see.
 */
#include <errno.h>
#include <string.h>

#include "emu/peek.h"
#include "redirect/call.h"

enum { USER_CS64 = 0x33 /* __USER_CS */ };

/* Reads the register of the trusted pt_regs at this offset (abi.h). */
static bool read_register(const struct calls *calls, unsigned offset, uint64_t *ret)
{
	return cpu_peek_word(calls->worlds->cpu, calls->now.regs + offset, calls->worlds->context.abi->word, ret);
}

/*
 * Puts the arguments that the policy has changed into the pt_regs that the body looks at. In the "context" way these are a copy. In the
 * "tags" way they are the trusted ones, which are restored at the end.
 */
static bool put_arguments(struct calls *calls, const uint64_t argument[CALL_ARGUMENTS])
{
	const struct call *call = &calls->now;
	const struct abi *abi = calls->worlds->context.abi;
	unsigned word = abi->word;

	for (unsigned i = 0; i < CALL_ARGUMENTS; i++) {
		uint64_t place = context_to_product(&calls->worlds->context, call->regs + abi_call_argument_offset(abi, call->abi, i));

		if (call->translated[i] == call->argument[i])
			continue;
		if (!(calls->worlds->context.way == REDIRECT_TAGS
			      ? cpu_poke(calls->worlds->cpu, place, &argument[i], word)
			      : product_memory_write(&calls->worlds->memory, place, &argument[i], word)))
			return false;
	}
	return true;
}

/* The same for descriptors in the tool's memory. */
static bool put_patches(struct calls *calls, bool translated)
{
	const struct call *call = &calls->now;

	for (unsigned i = 0; i < call->patches; i++) {
		const struct call_patch *patch = &call->patch[i];

		if (!cpu_poke(calls->worlds->cpu, patch->address, translated ? &patch->translated : &patch->original, 4))
			return false;
	}
	return true;
}

bool call_put_translated(struct calls *calls)
{
	return put_arguments(calls, calls->now.translated) && put_patches(calls, true);
}

void call_restore_arguments(struct calls *calls)
{
	put_patches(calls, false);
	if (calls->worlds->context.way == REDIRECT_TAGS)
		put_arguments(calls, calls->now.argument);
}

void call_undo(struct calls *calls)
{
	context_undo(&calls->worlds->context);
	call_restore_arguments(calls);
}

/* 64-bit code may make the calls of 32-bit code, too, by INT 80h, and no others: SYSCALL is another instruction. */
static bool read_abi(const struct calls *calls, enum policy_abi *ret)
{
	static const uint8_t int80[] = {0xcd, 0x80};
	const struct abi *abi = calls->worlds->context.abi;
	uint8_t code[sizeof(int80)];
	uint64_t cs, ip;

	*ret = POLICY_I386;
	if (abi->call == POLICY_I386)
		return true;
	if (!read_register(calls, abi_regs_offset(abi, ABI_CS), &cs) || !read_register(calls, abi_regs_offset(abi, ABI_IP), &ip))
		return false;
	if ((cs & 0xffff) == USER_CS64 &&
	    (cpu_peek(calls->worlds->cpu, ip - sizeof(code), code, sizeof(code)) != sizeof(code) || memcmp(code, int80, sizeof(code)) != 0))
		*ret = POLICY_X86_64;
	return true;
}

bool call_read(struct calls *calls)
{
	struct call *call = &calls->now;
	const struct abi *abi = calls->worlds->context.abi;
	uint64_t number;
	/* For a call that the tables do not know. Tools do without it, as on older kernels. */
	static const struct policy_row unknown = {"(a new system call)", POLICY_REFUSED, {ENOSYS}, 0, ""};
	const struct policy_row *rows;
	size_t count;

	memset(call, 0, sizeof(*call));
	call->regs = abi_argument(abi, calls->worlds->cpu, 0);
	call->started = cpu_instructions(calls->worlds->cpu);
	call->before = calls->worlds->memory.traffic;
	if (!read_abi(calls, &call->abi))
		return false;
	for (unsigned i = 0; i < CALL_ARGUMENTS; i++) {
		if (!read_register(calls, abi_call_argument_offset(abi, call->abi, i), &call->argument[i]))
			return false;
		call->translated[i] = call->argument[i];
	}
	if (!read_register(calls, abi_regs_offset(abi, ABI_ORIG_AX), &number) ||
	    !read_register(calls, abi_regs_offset(abi, ABI_IP), &call->rip) ||
	    !read_register(calls, abi_regs_offset(abi, ABI_SP), &call->rsp))
		return false;
	call->number = number;
	rows = policy_table(call->abi, &count);
	if (calls->policy)
		rows = calls->policy->row[call->abi];
	call->row = call->number < count && rows[call->number].name ? &rows[call->number] : &unknown;
	return true;
}
