/* Instructions that our CPU lacks: cpu_specific.h. Their encodings: SDM vol. 2, APM vol. 3. */
#include "redirect/cpu_specific.h"

#include <stdio.h>
#include <string.h>

#include "emu/decode.h"
#include "emu/peek.h"

enum action {
	SKIP,      /* it does nothing that can be seen here */
	ZERO,      /* its register is 0, and CF: a random number that is not ready, the number of the first CPU */
	ZERO_AX,   /* EDX:EAX is 0 */
	STATE,     /* EDX:EAX: x87 and SSE are in use, and nothing else */
	HYPERCALL, /* rAX says that there is no such call */
	MULTIPLY,  /* PCLMULQDQ */
};

enum { NO_PREFIX = 0, ANY = 0xff, ESCAPE = 1 /* 0F */, ESCAPE_3A = 3 /* 0F 3A */ };

/* What is matched of ModRM: its reg field, of a form in memory or with a register; or the whole byte. */
enum kind { MEMORY, REGISTER, WHOLE };

static const struct row {
	uint8_t prefix, map, opcode;
	enum kind kind;
	uint8_t modrm;
	enum action action;
	const char *why;
} table[] = {
	{NO_PREFIX, ESCAPE, 0xae, MEMORY, 4, SKIP, "XSAVE: what stands in the registers is the tool's, and comes back by itself"},
	{NO_PREFIX, ESCAPE, 0xae, MEMORY, 5, SKIP, "XRSTOR: likewise"},
	{NO_PREFIX, ESCAPE, 0xae, MEMORY, 6, SKIP, "XSAVEOPT: likewise"},
	{NO_PREFIX, ESCAPE, 0xc7, MEMORY, 3, SKIP, "XRSTORS: likewise"},
	{NO_PREFIX, ESCAPE, 0xc7, MEMORY, 4, SKIP, "XSAVEC: likewise"},
	{NO_PREFIX, ESCAPE, 0xc7, MEMORY, 5, SKIP, "XSAVES: likewise"},
	{NO_PREFIX, ESCAPE, 0x01, WHOLE, 0xd0, STATE, "XGETBV"},
	{NO_PREFIX, ESCAPE, 0x01, WHOLE, 0xd1, SKIP, "XSETBV: the CPU's state is as it was after the call"},
	{0x66, ESCAPE, 0xae, MEMORY, 6, SKIP, "CLWB: there is no cache"},
	{0x66, ESCAPE, 0xae, MEMORY, 7, SKIP, "CLFLUSHOPT: likewise"},
	{0x66, ESCAPE, 0xae, REGISTER, 6, SKIP, "TPAUSE: nobody to wait for"},
	{0xf3, ESCAPE, 0xae, REGISTER, 6, SKIP, "UMONITOR: likewise"},
	{0xf2, ESCAPE, 0xae, REGISTER, 6, SKIP, "UMWAIT: likewise"},
	{0xf3, ESCAPE, 0xc7, REGISTER, 7, ZERO, "RDPID: calls run on the first CPU"},
	{NO_PREFIX, ESCAPE, 0xc7, REGISTER, 6, ZERO, "RDRAND: the kernel has other sources"},
	{0x66, ESCAPE, 0xc7, REGISTER, 6, ZERO, "RDRAND of 16 bits: likewise"},
	{NO_PREFIX, ESCAPE, 0xc7, REGISTER, 7, ZERO, "RDSEED: likewise"},
	{0x66, ESCAPE, 0xc7, REGISTER, 7, ZERO, "RDSEED of 16 bits: likewise"},
	{NO_PREFIX, ESCAPE, 0x01, WHOLE, 0xee, ZERO_AX, "RDPKRU: all keys are open"},
	{NO_PREFIX, ESCAPE, 0x01, WHOLE, 0xef, SKIP, "WRPKRU: likewise"},
	{NO_PREFIX, ESCAPE, 0x01, WHOLE, 0xe8, SKIP, "SERIALIZE: the emulator does nothing early"},
	{NO_PREFIX, ESCAPE, 0x01, WHOLE, 0xc6, SKIP, "WRMSRNS: no MSR is written"},
	{0xf2, ESCAPE, 0x00, REGISTER, 6, SKIP, "LKGS: the tool's segments are not the product's"},
	{NO_PREFIX, ESCAPE, 0x01, WHOLE, 0xc1, HYPERCALL, "VMCALL: the hypervisor is not there"},
	{NO_PREFIX, ESCAPE, 0x01, WHOLE, 0xd9, HYPERCALL, "VMMCALL: likewise"},
	{0x66, ESCAPE, 0x01, WHOLE, 0xcc, HYPERCALL, "TDCALL: likewise"},
	{0x66, ESCAPE_3A, 0x44, MEMORY, ANY, MULTIPLY, "PCLMULQDQ: checksums"},
	{0x66, ESCAPE_3A, 0x44, REGISTER, ANY, MULTIPLY, "PCLMULQDQ: likewise"},
};

enum { COUNT = sizeof(table) / sizeof(table[0]), LONGEST = 15, NO_SUCH_HYPERCALL = -1000 /* KVM_ENOSYS */ };

/* An instruction with a ModRM byte. */
struct instruction {
	uint8_t bytes[LONGEST];
	size_t available;
	uint8_t prefix, rex, map, opcode, modrm, immediate;
	struct decoded operands; /* length does not count */
	unsigned length;
};

static bool is_prefix(uint8_t byte)
{
	return byte && strchr("\x66\xf2\xf3\x2e\x36\x3e\x26\x64\x65", byte);
}

/* Up to the opcode; the index behind it. 0: it is none that may be in the table. */
static unsigned read_opcode(struct instruction *insn, unsigned word)
{
	unsigned at = 0;

	while (at < insn->available && is_prefix(insn->bytes[at])) {
		uint8_t byte = insn->bytes[at++];

		if (byte == 0x66 || byte == 0xf2 || byte == 0xf3)
			insn->prefix = insn->prefix > byte ? insn->prefix : byte; /* F2 and F3 count before 66 */
	}
	if (word == 8 && at < insn->available && (insn->bytes[at] & 0xf0) == 0x40)
		insn->rex = insn->bytes[at++];
	if (at + 4 > insn->available || insn->bytes[at++] != 0x0f)
		return 0;
	insn->map = insn->bytes[at] == 0x3a ? ESCAPE_3A : ESCAPE;
	at += insn->map == ESCAPE_3A;
	insn->opcode = insn->bytes[at++];
	return at;
}

/* Its operands are those of a NOP with the same ModRM byte, and what follows it. */
static bool read_insn(struct code *code, struct instruction *ret)
{
	const struct cpu *cpu = code->worlds->cpu;
	unsigned word = code->worlds->context.abi->word, at;
	uint8_t nop[LONGEST + 3] = {0x40, 0x0f, 0x1f}, *start = nop + (word != 8);

	*ret = (struct instruction){.available = 0};
	ret->available = code_read(code, cpu->rip, ret->bytes, LONGEST);
	at = read_opcode(ret, word);
	if (!at)
		return false;
	ret->modrm = ret->bytes[at];
	nop[0] |= ret->rex;
	memcpy(nop + 3, ret->bytes + at, ret->available - at);
	if (decode(cpu->isa, word, start, nop + 3 + (ret->available - at) - start, &ret->operands) != DECODE_OK)
		return false;
	ret->length = at + ret->operands.length - (nop + 3 - start);
	if (ret->map == ESCAPE_3A) {
		if (ret->length >= ret->available)
			return false;
		ret->immediate = ret->bytes[ret->length++];
	}
	return true;
}

static bool is_row(const struct row *row, const struct instruction *insn)
{
	bool memory = insn->modrm < 0xc0;

	if (row->prefix != insn->prefix || row->map != insn->map || row->opcode != insn->opcode)
		return false;
	if (row->kind == WHOLE)
		return row->modrm == insn->modrm;
	return (row->kind == MEMORY) == memory && (row->modrm == ANY || row->modrm == (insn->modrm >> 3 & 7));
}

static const struct row *find_row(const struct instruction *insn)
{
	for (unsigned i = 0; i < COUNT; i++) {
		if (is_row(&table[i], insn))
			return &table[i];
	}
	return NULL;
}

/* -- PCLMULQDQ -- */

static uint64_t operand_address(const struct code *code, const struct instruction *insn)
{
	const struct cpu *cpu = code->worlds->cpu;
	const struct decoded *operands = &insn->operands;
	uint64_t address = operands->displacement;

	if (operands->base == RIP_REGISTER)
		address += cpu->rip + insn->length;
	else if (operands->base < 16)
		address += cpu->gpr[operands->base];
	if (operands->index < 16)
		address += cpu->gpr[operands->index] * operands->scale;
	return abi_value(code->worlds->context.abi, address);
}

static bool read_operand(struct code *code, const struct instruction *insn, uint64_t ret[2])
{
	struct worlds *worlds = code->worlds;
	const struct context *context = &worlds->context;
	uint64_t address;

	if (insn->modrm >= 0xc0) {
		memcpy(ret, worlds->cpu->xmm[insn->operands.rm].u64, 16);
		return true;
	}
	address = operand_address(code, insn);
	if (context->way == REDIRECT_TAGS && address - context->stack < context->stack_size)
		return cpu_peek(worlds->cpu, address, ret, 16) == 16;
	return product_memory_read(&worlds->memory, address, ret, 16);
}

static bool multiply(struct code *code, const struct instruction *insn)
{
	uint64_t *to = code->worlds->cpu->xmm[insn->operands.reg].u64, other[2], a, b, low = 0, high = 0;

	if (!read_operand(code, insn, other))
		return false;
	a = to[insn->immediate & 1];
	b = other[insn->immediate >> 4 & 1];
	for (unsigned i = 0; i < 64; i++) {
		if (!(b >> i & 1))
			continue;
		low ^= a << i;
		high ^= i ? a >> (64 - i) : 0;
	}
	to[0] = low;
	to[1] = high;
	return true;
}

/* -- the whole -- */

static bool act(struct code *code, const struct instruction *insn, enum action action)
{
	struct cpu *cpu = code->worlds->cpu;

	switch (action) {
	case SKIP:
		break;
	case ZERO:
		cpu->gpr[insn->operands.rm] = 0;
		if (insn->prefix != 0xf3)
			cpu_set_eflags(cpu, 0, FLAGS_ARITHMETIC);
		break;
	case ZERO_AX:
	case STATE:
		cpu->gpr[RAX] = action == STATE ? 3 : 0;
		cpu->gpr[RDX] = 0;
		break;
	case HYPERCALL:
		call_record_loss(code->calls, LOSS_OUTSIDE);
		cpu->gpr[RAX] = abi_value(code->worlds->context.abi, NO_SUCH_HYPERCALL);
		break;
	case MULTIPLY:
		return multiply(code, insn);
	}
	return true;
}

bool cpu_specific_execute(struct code *code)
{
	struct instruction insn;
	const struct row *row = read_insn(code, &insn) ? find_row(&insn) : NULL;

	if (!row || !act(code, &insn, row->action))
		return false;
	code->worlds->cpu->rip += insn.length;
	return true;
}

/* UD0, UD1 and UD2. */
static bool is_undefined(const uint8_t *bytes)
{
	return bytes[0] == 0x0f && (bytes[1] == 0x0b || bytes[1] == 0xb9 || bytes[1] == 0xff);
}

bool cpu_specific_name(struct code *code, char to[CPU_SPECIFIC_TEXT])
{
	enum { SHOWN = 6 };
	uint8_t bytes[SHOWN + 4];
	unsigned at = 0;

	if (code_read(code, code->worlds->cpu->rip, bytes, sizeof(bytes)) != sizeof(bytes))
		return false;
	while (at < 4 && (is_prefix(bytes[at]) || bytes[at] == 0x67))
		at++;
	if (is_undefined(bytes + at))
		return false;
	for (unsigned i = 0; i < SHOWN; i++)
		snprintf(to + 3 * i, CPU_SPECIFIC_TEXT - 3 * i, "%02x ", bytes[i]);
	to[3 * SHOWN - 1] = '\0';
	return true;
}
