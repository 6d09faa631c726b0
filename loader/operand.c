/* Addresses in code: operand.h. */
#include "loader/operand.h"

enum { MAX_CODE = 128 /* bytes of a function that are looked at */ };

static bool is_memory(const struct decoded *insn)
{
	return (insn->has_modrm && insn->mod != 3) || insn->row->op == OP_MOV_MOFFS;
}

bool operand_is_variable(const struct decoded *insn, uint64_t next, uint64_t *ret_address)
{
	if (!is_memory(insn) || insn->index != NO_REGISTER || (insn->base != NO_REGISTER && insn->base != RIP_REGISTER))
		return false;
	*ret_address = insn->displacement + (insn->base == RIP_REGISTER ? next : 0);
	return true;
}

static bool is_table(const struct decoded *insn, unsigned word, uint64_t *ret_address)
{
	*ret_address = insn->displacement;
	return is_memory(insn) && insn->base == NO_REGISTER && insn->index != NO_REGISTER && 1u << insn->scale == word;
}

static bool is_wanted(const struct view *view, enum operand_form kind, const struct decoded *insn, uint64_t next, uint64_t *ret)
{
	bool wanted = kind == OPERAND_TABLE ? is_table(insn, view->pointer_size, ret) : operand_is_variable(insn, next, ret);

	*ret = view_address(view, *ret);
	return wanted && !insn->segment_override && view_contains(view, *ret);
}

bool operand_find(const struct view *view, uint64_t function, enum operand_form kind, uint64_t *ret_address)
{
	struct isa *isa = isa_create();
	struct decoded insn;
	bool found = false;
	size_t size;

	for (uint64_t at = function; isa && !found && at - function < MAX_CODE; at += insn.length) {
		const uint8_t *code = view_at(view, at, &size);

		if (!code || decode(isa, view->pointer_size, code, size < INSN_MAX_LENGTH ? size : INSN_MAX_LENGTH, &insn) != DECODE_OK)
			break;
		found = is_wanted(view, kind, &insn, at + insn.length, ret_address);
	}
	isa_destroy(isa);
	return found;
}
