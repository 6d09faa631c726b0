/*
 * Bringing operands to a common form: see operand.h.
 *
 * What Capstone and the table legitimately say in different ways is levelled here: address arithmetic is cut to the address size, branch
 * targets are made absolute, immediates are cut to the operand size.
 */
#include "tests/decoder/operand.h"

#include <string.h>

#include "emu/cpu.h"

static const char *const gpr8[] = {"al",  "cl",  "dl",   "bl",   "spl",  "bpl",  "sil",  "dil",
				   "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"};
static const char *const gpr8_high[] = {"ah", "ch", "dh", "bh"};
static const char *const gpr16[] = {"ax",  "cx",  "dx",   "bx",   "sp",   "bp",   "si",   "di",
				    "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"};
static const char *const gpr32[] = {"eax", "ecx", "edx",  "ebx",  "esp",  "ebp",  "esi",  "edi",
				    "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"};
static const char *const gpr64[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
				    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const segments[] = {"es", "cs", "ss", "ds", "fs", "gs", "?", "?"};
static const char *const control[] = {"cr0", "cr1", "cr2",  "cr3",  "cr4",  "cr5",  "cr6",  "cr7",
				      "cr8", "cr9", "cr10", "cr11", "cr12", "cr13", "cr14", "cr15"};
static const char *const debug[] = {"dr0", "dr1", "dr2",  "dr3",  "dr4",  "dr5",  "dr6",  "dr7",
				    "dr8", "dr9", "dr10", "dr11", "dr12", "dr13", "dr14", "dr15"};
static const char *const mmx[] = {"mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7"};
static const char *const xmm[] = {"xmm0", "xmm1", "xmm2",  "xmm3",  "xmm4",  "xmm5",  "xmm6",  "xmm7",
				  "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"};
static const char *const x87[] = {"st(0)", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)"};

static uint64_t cut(uint64_t number, unsigned size)
{
	return size == 0 || size >= 8 ? number : number & ((1ull << 8 * size) - 1);
}

/* -- ours -- */

static const char *gpr_name(const struct decoded *decoded, unsigned number, unsigned size)
{
	switch (size) {
	case 1:
		return decoded->rex == 0 && number >= 4 ? gpr8_high[number & 3] : gpr8[number];
	case 2:
		return gpr16[number];
	case 4:
		return gpr32[number];
	default:
		return gpr64[number];
	}
}

static unsigned type_size(const struct decoded *decoded, enum isa_type type)
{
	static const uint8_t fixed[] = {
		[TYPE_b] = 1,  [TYPE_w] = 2,  [TYPE_d] = 4,  [TYPE_q] = 8,  [TYPE_dq] = 16,
		[TYPE_t] = 10, [TYPE_x] = 16, [TYPE_ss] = 4, [TYPE_sd] = 8,
	};
	unsigned size = decoded->operand_size;

	switch (type) {
	case TYPE_v:
	case TYPE_bs:
		return size;
	case TYPE_z:
		return size > 4 ? 4 : size;
	case TYPE_y:
		return decoded->rex & 8 || size == 8 ? 8 : 4;
	case TYPE_a:
		return size * 2;
	default:
		return type < sizeof fixed ? fixed[type] : 0;
	}
}

static struct operand memory_operand(const struct decoded *decoded, unsigned size)
{
	const char *const *names = decoded->address_size == 2 ? gpr16 : decoded->address_size == 4 ? gpr32 : gpr64;
	struct operand operand = {.class = OPERAND_MEMORY, .size = size, .scale = 1};

	operand.segment = decoded->segment_override ? segments[decoded->segment] : NULL;
	if (decoded->base == RIP_REGISTER)
		operand.base = decoded->address_size == 8 ? "rip" : "eip";
	else if (decoded->base != NO_REGISTER)
		operand.base = names[decoded->base];
	if (decoded->index != NO_REGISTER) {
		operand.index = names[decoded->index];
		operand.scale = 1u << decoded->scale;
	}
	operand.number = cut((uint64_t)decoded->displacement, decoded->address_size);
	return operand;
}

/* Capstone shows ES for a destination outside 64-bit code only. */
static struct operand string_operand(const struct decoded *decoded, unsigned code_size, bool source, unsigned size)
{
	const char *const *names = decoded->address_size == 2 ? gpr16 : decoded->address_size == 4 ? gpr32 : gpr64;
	struct operand operand = {.class = OPERAND_MEMORY, .size = size, .scale = 1};

	operand.base = names[source ? RSI : RDI];
	if (!source)
		operand.segment = code_size == 8 ? NULL : "es";
	else
		operand.segment = decoded->segment_override ? segments[decoded->segment] : NULL;
	return operand;
}

static struct operand register_operand(const char *name, unsigned size)
{
	return (struct operand){.class = OPERAND_REGISTER, .name = name, .size = size};
}

static struct operand immediate_operand(uint64_t number, unsigned size)
{
	return (struct operand){.class = OPERAND_IMMEDIATE, .number = cut(number, size), .size = size};
}

static struct operand fixed_operand(const struct decoded *decoded, enum isa_operand which, unsigned size)
{
	switch (which) {
	case OPN_rCL:
		return register_operand(gpr8[RCX], size);
	case OPN_rDX:
		return register_operand(gpr16[RDX], size);
	case OPN_sES:
	case OPN_sCS:
	case OPN_sSS:
	case OPN_sDS:
	case OPN_sFS:
	case OPN_sGS:
		return register_operand(segments[which - OPN_sES], size);
	case OPN_ST0:
		return register_operand(x87[0], 0);
	case OPN_STi:
		return register_operand(x87[decoded->rm & 7], 0);
	default:
		return register_operand(gpr_name(decoded, RAX, size), size);
	}
}

static struct operand modrm_operand(const struct decoded *decoded, enum isa_method method, unsigned size)
{
	if (decoded->mod != 3)
		return memory_operand(decoded, size);
	switch (method) {
	case METHOD_W:
	case METHOD_U:
		return register_operand(xmm[decoded->rm], 0);
	case METHOD_Q:
	case METHOD_N:
		return register_operand(mmx[decoded->rm], 0);
	default:
		return register_operand(gpr_name(decoded, decoded->rm, size), size);
	}
}

static struct operand reg_operand(const struct decoded *decoded, enum isa_method method, unsigned size)
{
	switch (method) {
	case METHOD_S:
		return register_operand(segments[decoded->reg], 0);
	case METHOD_C:
		return register_operand(control[decoded->reg], 0);
	case METHOD_D:
		return register_operand(debug[decoded->reg], 0);
	case METHOD_V:
		return register_operand(xmm[decoded->reg], 0);
	case METHOD_P:
		return register_operand(mmx[decoded->reg], 0);
	default:
		return register_operand(gpr_name(decoded, decoded->reg, size), size);
	}
}

static struct operand branch_operand(const struct decoded *decoded, unsigned code_size, uint64_t address)
{
	uint64_t target = address + decoded->length + decoded->immediate;

	return immediate_operand(target, code_size == 8 ? 8 : decoded->operand_size);
}

unsigned operands_of_decoded(const struct decoded *decoded, unsigned code_size, uint64_t address, struct operand ret[OPERANDS_MAX])
{
	unsigned count = 0;
	uint64_t immediate = decoded->immediate;

	if (decoded->row->op == OP_CBW || decoded->row->op == OP_CWD) /* rAX is implied, thinks Capstone */
		return 0;
	for (unsigned i = 0; i < 4 && decoded->row->operand[i] != OPN_none; i++) {
		const struct isa_operand_info *info = &isa_operands[decoded->row->operand[i]];
		unsigned size = type_size(decoded, info->type);

		switch ((enum isa_method)info->method) {
		case METHOD_I:
			ret[count++] = immediate_operand(immediate, size);
			immediate = decoded->immediate2;
			break;
		case METHOD_J:
			ret[count++] = branch_operand(decoded, code_size, address);
			break;
		case METHOD_A:
			ret[count++] = immediate_operand(decoded->immediate2, 2);
			ret[count++] = immediate_operand(decoded->immediate, decoded->operand_size);
			break;
		case METHOD_FIXED:
			ret[count++] = fixed_operand(decoded, decoded->row->operand[i], size);
			break;
		case METHOD_X:
		case METHOD_Y:
			ret[count++] = string_operand(decoded, code_size, info->method == METHOD_X, size);
			break;
		case METHOD_O:
			ret[count++] = memory_operand(decoded, size);
			break;
		case METHOD_Z:
			ret[count++] = register_operand(gpr_name(decoded, decoded->opcode_reg, size), size);
			break;
		case METHOD_E:
		case METHOD_M:
		case METHOD_R:
		case METHOD_W:
		case METHOD_U:
		case METHOD_Q:
		case METHOD_N:
			ret[count++] = modrm_operand(decoded, info->method, size);
			break;
		default:
			ret[count++] = reg_operand(decoded, info->method, size);
			break;
		}
	}
	return count;
}

/* -- Capstone's -- */

static const char *capstone_register(csh handle, x86_reg number)
{
	return number == X86_REG_INVALID || number == X86_REG_RIZ || number == X86_REG_EIZ ? NULL : cs_reg_name(handle, number);
}

/* ES, CS, SS and DS overrides do nothing in 64-bit code: Capstone shows them all the same. */
static const char *segment_of_capstone(csh handle, x86_reg segment, unsigned code_size)
{
	return code_size == 8 && segment != X86_REG_FS && segment != X86_REG_GS ? NULL : capstone_register(handle, segment);
}

unsigned operands_of_capstone(csh handle, const cs_insn *insn, unsigned code_size, struct operand ret[OPERANDS_MAX])
{
	const cs_x86 *x86 = &insn->detail->x86;
	unsigned address_size = x86->addr_size ? x86->addr_size : code_size;

	for (unsigned i = 0; i < x86->op_count; i++) {
		const cs_x86_op *from = &x86->operands[i];
		struct operand *to = &ret[i];

		*to = (struct operand){.size = from->size, .scale = 1};
		switch (from->type) {
		case X86_OP_REG:
			to->class = OPERAND_REGISTER;
			to->name = capstone_register(handle, from->reg);
			break;
		case X86_OP_MEM:
			to->class = OPERAND_MEMORY;
			to->segment = segment_of_capstone(handle, from->mem.segment, code_size);
			to->base = capstone_register(handle, from->mem.base);
			to->index = capstone_register(handle, from->mem.index);
			to->scale = to->index ? (unsigned)from->mem.scale : 1;
			to->number = cut((uint64_t)from->mem.disp, address_size);
			break;
		default:
			to->class = OPERAND_IMMEDIATE;
			to->number = (uint64_t)from->imm;
			break;
		}
	}
	return x86->op_count;
}

/* -- comparing -- */

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

const char *operand_difference(const struct operand *a, const struct operand *b)
{
	unsigned size;

	if (a->class != b->class)
		return "kind";
	switch (a->class) {
	case OPERAND_REGISTER:
		return same(a->name, b->name) ? NULL : "register";
	case OPERAND_IMMEDIATE:
		size = a->size ? a->size : b->size;
		return cut(a->number, size) == cut(b->number, size) ? NULL : "immediate";
	default:
		break;
	}
	if (!same(a->base, b->base))
		return "base";
	if (!same(a->index, b->index))
		return "index";
	if (a->scale != b->scale)
		return "scale";
	if (a->number != b->number)
		return "displacement";
	if (!same(a->segment, b->segment))
		return "segment";
	return a->size && b->size && a->size != b->size ? "size" : NULL;
}
