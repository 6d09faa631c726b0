/*
 * The system call whose body is entered: its number and arguments out of pt_regs, and those put there that the product is to see. The order
 * of the registers in pt_regs is arch/x86/include/asm/ptrace.h's; which of them are arguments, arch/x86/include/asm/syscall_wrapper.h's.
 */
#include <errno.h>
#include <string.h>

#include "emu/peek.h"
#include "redirect/session.h"

enum { USER_CS64 = 0x33 /* __USER_CS */, IP64 = 16, CS64 = 17 /* x86-64: the words of ip and cs, for both ABIs */ };

/* Words of pt_regs: the arguments in order, orig_ax, ip, sp. */
enum { ORIG_AX = ARGUMENTS, IP, SP, WORDS };

static const uint8_t *pt_regs_words(const struct redirect *redirect)
{
	static const uint8_t x86_64[WORDS] = {14, 13, 12, 7, 9, 8, 15, 16, 19}, compat[WORDS] = {5, 11, 12, 13, 14, 4, 15, 16, 19},
			     i386[WORDS] = {0, 1, 2, 3, 4, 5, 11, 12, 15};

	if (redirect->context.word == 4)
		return i386;
	return redirect->call.abi == POLICY_X86_64 ? x86_64 : compat;
}

/*
 * Puts arguments into the pt_regs that the body looks at: in the "context" way a copy, in the "tags" way the trusted ones, which get
 * theirs back at the end. Only those that the policy changed.
 */
static bool put_arguments(struct redirect *redirect, const uint64_t argument[ARGUMENTS])
{
	const struct call *call = &redirect->call;
	unsigned word = redirect->context.word;
	const uint8_t *words = pt_regs_words(redirect);

	for (unsigned i = 0; i < ARGUMENTS; i++) {
		uint64_t place = context_to_product(&redirect->context, call->regs + words[i] * word);

		if (call->translated[i] == call->argument[i])
			continue;
		if (!(redirect->context.way == REDIRECT_TAGS ? cpu_poke(redirect->cpu, place, &argument[i], word)
							     : product_memory_write(&redirect->memory, place, &argument[i], word)))
			return false;
	}
	return true;
}

/* The same for descriptors in the tool's memory. */
static bool put_patches(struct redirect *redirect, bool translated)
{
	const struct call *call = &redirect->call;

	for (unsigned i = 0; i < call->patches; i++) {
		const struct patch *patch = &call->patch[i];

		if (!cpu_poke(redirect->cpu, patch->address, translated ? &patch->translated : &patch->original, 4))
			return false;
	}
	return true;
}

bool put_translated(struct redirect *redirect)
{
	return put_arguments(redirect, redirect->call.translated) && put_patches(redirect, true);
}

void restore_arguments(struct redirect *redirect)
{
	put_patches(redirect, false);
	if (redirect->context.way == REDIRECT_TAGS)
		put_arguments(redirect, redirect->call.argument);
}

/* 64-bit code may make the calls of 32-bit code, too, by INT 80h, and no others: SYSCALL is another instruction. */
static bool read_abi(struct redirect *redirect, uint64_t regs, enum policy_abi *ret)
{
	static const uint8_t int80[] = {0xcd, 0x80};
	uint8_t code[sizeof(int80)];
	uint64_t cs, ip;

	*ret = POLICY_I386;
	if (redirect->context.word == 4)
		return true;
	if (!cpu_peek_word(redirect->cpu, regs + CS64 * 8, 8, &cs) || !cpu_peek_word(redirect->cpu, regs + IP64 * 8, 8, &ip))
		return false;
	if ((cs & 0xffff) == USER_CS64 &&
	    (cpu_peek(redirect->cpu, ip - sizeof(code), code, sizeof(code)) != sizeof(code) || memcmp(code, int80, sizeof(code)) != 0))
		*ret = POLICY_X86_64;
	return true;
}

bool read_call(struct redirect *redirect)
{
	struct call *call = &redirect->call;
	unsigned word = redirect->context.word;
	uint64_t regs = redirect->cpu->gpr[word == 8 ? RDI : RAX], number;
	/* A call that the tables do not know: tools do without it, as on older kernels. */
	static const struct policy_row unknown = {"(a new system call)", POLICY_REFUSED, {ENOSYS}, 0, ""};
	const struct policy_row *rows;
	const uint8_t *words;
	size_t count;

	memset(call, 0, sizeof(*call));
	call->regs = regs;
	call->started = cpu_instructions(redirect->cpu);
	call->before = redirect->memory.traffic;
	if (!read_abi(redirect, regs, &call->abi))
		return false;
	words = pt_regs_words(redirect);
	for (unsigned i = 0; i < ARGUMENTS; i++) {
		if (!cpu_peek_word(redirect->cpu, regs + words[i] * word, word, &call->argument[i]))
			return false;
		call->translated[i] = call->argument[i];
	}
	if (!cpu_peek_word(redirect->cpu, regs + words[ORIG_AX] * word, word, &number) ||
	    !cpu_peek_word(redirect->cpu, regs + words[IP] * word, word, &call->rip) ||
	    !cpu_peek_word(redirect->cpu, regs + words[SP] * word, word, &call->rsp))
		return false;
	call->number = number;
	rows = policy_table(call->abi, &count);
	if (redirect->config.policy)
		rows = redirect->config.policy->row[call->abi];
	call->row = call->number < count && rows[call->number].name ? &rows[call->number] : &unknown;
	return true;
}
