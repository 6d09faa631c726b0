/*
 * The system call whose body begins: reads its number and arguments from pt_regs, and puts those there that the product shall see. The
 * order of registers in pt_regs is that of arch/x86/include/asm/ptrace.h; arch/x86/include/asm/syscall_wrapper.h says which of them are
 * arguments.
 */
#include <errno.h>
#include <string.h>

#include "emu/peek.h"
#include "redirect/call.h"

enum { USER_CS64 = 0x33 /* __USER_CS */, IP64 = 16, CS64 = 17 /* x86-64: the words of ip and cs, for both ABIs */ };

/* Words of pt_regs: the arguments in order, orig_ax, ip, sp. */
enum { ORIG_AX = CALL_ARGUMENTS, IP, SP, WORDS };

static const uint8_t *pt_regs_words(const struct calls *calls)
{
	static const uint8_t x86_64[WORDS] = {14, 13, 12, 7, 9, 8, 15, 16, 19}, compat[WORDS] = {5, 11, 12, 13, 14, 4, 15, 16, 19},
			     i386[WORDS] = {0, 1, 2, 3, 4, 5, 11, 12, 15};

	if (calls->worlds->context.word == 4)
		return i386;
	return calls->now.abi == POLICY_X86_64 ? x86_64 : compat;
}

/*
 * Puts the arguments that the policy has changed into the pt_regs that the body looks at. In the "context" way these are a copy. In the
 * "tags" way they are the trusted ones, which are restored at the end.
 */
static bool put_arguments(struct calls *calls, const uint64_t argument[CALL_ARGUMENTS])
{
	const struct call *call = &calls->now;
	unsigned word = calls->worlds->context.word;
	const uint8_t *words = pt_regs_words(calls);

	for (unsigned i = 0; i < CALL_ARGUMENTS; i++) {
		uint64_t place = context_to_product(&calls->worlds->context, call->regs + words[i] * word);

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

bool call_patch(struct calls *calls, uint64_t address, const void *bytes)
{
	struct call *call = &calls->now;
	struct call_patch patch = {.address = address};

	if (call->patches == CALL_PATCHES || cpu_peek(calls->worlds->cpu, address, &patch.original, 4) != 4)
		return false;
	memcpy(&patch.translated, bytes, 4);
	call->patch[call->patches++] = patch;
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
static bool read_abi(struct calls *calls, uint64_t regs, enum policy_abi *ret)
{
	static const uint8_t int80[] = {0xcd, 0x80};
	uint8_t code[sizeof(int80)];
	uint64_t cs, ip;

	*ret = POLICY_I386;
	if (calls->worlds->context.word == 4)
		return true;
	if (!cpu_peek_word(calls->worlds->cpu, regs + CS64 * 8, 8, &cs) || !cpu_peek_word(calls->worlds->cpu, regs + IP64 * 8, 8, &ip))
		return false;
	if ((cs & 0xffff) == USER_CS64 &&
	    (cpu_peek(calls->worlds->cpu, ip - sizeof(code), code, sizeof(code)) != sizeof(code) || memcmp(code, int80, sizeof(code)) != 0))
		*ret = POLICY_X86_64;
	return true;
}

bool call_read(struct calls *calls)
{
	struct call *call = &calls->now;
	unsigned word = calls->worlds->context.word;
	uint64_t regs = calls->worlds->cpu->gpr[word == 8 ? RDI : RAX], number;
	/* For a call that the tables do not know. Tools do without it, as on older kernels. */
	static const struct policy_row unknown = {"(a new system call)", POLICY_REFUSED, {ENOSYS}, 0, ""};
	const struct policy_row *rows;
	const uint8_t *words;
	size_t count;

	memset(call, 0, sizeof(*call));
	call->regs = regs;
	call->started = cpu_instructions(calls->worlds->cpu);
	call->before = calls->worlds->memory.traffic;
	if (!read_abi(calls, regs, &call->abi))
		return false;
	words = pt_regs_words(calls);
	for (unsigned i = 0; i < CALL_ARGUMENTS; i++) {
		if (!cpu_peek_word(calls->worlds->cpu, regs + words[i] * word, word, &call->argument[i]))
			return false;
		call->translated[i] = call->argument[i];
	}
	if (!cpu_peek_word(calls->worlds->cpu, regs + words[ORIG_AX] * word, word, &number) ||
	    !cpu_peek_word(calls->worlds->cpu, regs + words[IP] * word, word, &call->rip) ||
	    !cpu_peek_word(calls->worlds->cpu, regs + words[SP] * word, word, &call->rsp))
		return false;
	call->number = number;
	rows = policy_table(call->abi, &count);
	if (calls->policy)
		rows = calls->policy->row[call->abi];
	call->row = call->number < count && rows[call->number].name ? &rows[call->number] : &unknown;
	return true;
}
