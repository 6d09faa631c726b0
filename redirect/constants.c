/*
 * Runtime constants: constants.h. The instructions with such an immediate are marked, and in product context executed here with the
 * immediate that stands at the same place in the product's code: all of them combine a register with it.
 */
#include "redirect/constants.h"

#include <stdlib.h>

#include "emu/decode.h"

enum { MAX_BEFORE = 3 /* bytes of an instruction before its immediate: REX, opcode, ModRM */ };

/* A marked instruction; sorted by address. */
struct constant_site {
	uint64_t address;   /* of the instruction */
	uint64_t immediate; /* its address */
	unsigned size;      /* of the immediate */
};

static int compare_sites(const void *a, const void *b)
{
	const struct constant_site *first = a, *second = b;

	return first->address < second->address ? -1 : first->address > second->address;
}

static const struct constant_site *find_site(const struct constants *constants, uint64_t address)
{
	const struct constant_site key = {.address = address};

	return bsearch(&key, constants->site, constants->sites, sizeof(key), compare_sites);
}

/* As far as flags go: the kernel's assembler statements leave them undefined. */
static bool combine(const struct decoded *insn, uint64_t value, uint64_t *place)
{
	uint64_t mask = insn->operand_size == 8 ? UINT64_MAX : UINT32_MAX, count = value & (insn->operand_size == 8 ? 63 : 31);

	switch (insn->row->op) {
	case OP_MOV:
	case OP_MOV_IMM64:
		*place = value & mask;
		return true;
	case OP_SHR:
		*place = (*place & mask) >> count;
		return true;
	case OP_SHL:
		*place = (*place << count) & mask;
		return true;
	case OP_AND:
		*place &= value & mask;
		return true;
	default:
		return false;
	}
}

static bool decode_at(struct constants *constants, uint64_t address, struct decoded *ret)
{
	uint8_t code[16];
	size_t size = kernel_peek(constants->worlds->product, address, code, sizeof(code));

	return decode(constants->worlds->cpu->isa, constants->worlds->context.word, code, size, ret) == DECODE_OK;
}

static unsigned target_of(const struct decoded *insn)
{
	if (insn->has_modrm)
		return insn->rm;
	return insn->row->op == OP_AND ? RAX : insn->opcode_reg;
}

static enum mark_action on_site(void *opaque, struct cpu *cpu)
{
	struct constants *constants = opaque;
	const struct constant_site *site = find_site(constants, cpu->rip);
	struct decoded insn;
	uint64_t value;

	if (constants->worlds->context.phase != CONTEXT_PRODUCT || !site ||
	    !product_memory_read_word(&constants->worlds->memory, site->immediate, site->size, &value) ||
	    !decode_at(constants, cpu->rip, &insn) || !combine(&insn, value, &cpu->gpr[target_of(&insn)]))
		return MARK_CONTINUE;
	if (constants->worlds->context.way == REDIRECT_TAGS && site->size == 8)
		cpu->gpr_tag[target_of(&insn)] = TAG_PRODUCT;
	cpu->rip += insn.length;
	return MARK_LOOK;
}

/* Marks an instruction that begins at `address`, if what is there may be one that ends in the immediate. */
static struct error *mark_site(struct constants *constants, uint64_t address, uint64_t immediate, unsigned size)
{
	struct decoded insn;
	uint64_t none = 0;

	if (!decode_at(constants, address, &insn) || address + insn.length != immediate + size || (insn.has_modrm && insn.mod != 3) ||
	    !combine(&insn, 0, &none))
		return NULL;
	constants->site[constants->sites++] = (struct constant_site){address, immediate, size};
	return cpu_mark(constants->worlds->cpu, address, on_site, constants);
}

/*
 * Where an instruction begins is not listed. What precedes it may look like its prefix, so every possible beginning is marked: the CPU only
 * comes to the real one.
 */
struct error *constant_mark(struct constants *constants, const struct runtime_constants *linked, uint64_t shift)
{
	struct error *err = NULL;

	if (!linked || !linked->count)
		return NULL;
	constants->site = calloc(linked->count * MAX_BEFORE, sizeof(*constants->site));
	if (!constants->site)
		return error_create("starting introspection: out of memory");
	for (unsigned i = 0; i < linked->count; i++) {
		uint64_t immediate = linked->constant[i].address + shift;

		for (unsigned before = 1; !err && before <= MAX_BEFORE; before++)
			err = mark_site(constants, immediate - before, immediate, linked->constant[i].size);
	}
	qsort(constants->site, constants->sites, sizeof(*constants->site), compare_sites);
	return err;
}

void constant_deinit(struct constants *constants)
{
	free(constants->site);
}
