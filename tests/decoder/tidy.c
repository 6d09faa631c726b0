/*
 * Prefixes that Capstone 4.0.2 mistakes.
 *
 * It wants a mandatory prefix right before the opcode or REX, takes REX bytes anywhere, shows only the last segment override even
 * where that has no effect, lets F2 and F3 hide 66, takes 67 beside REX.W for 66, lets 67 cut branch targets, and knows no mandatory
 * prefixes in 16-bit code. What we make of the bytes as they are is therefore compared with what Capstone makes of the prefixes that
 * count, each once, in the order that it wants; with F2 and F3 left out where they mean nothing; with 67 left out, if it changes no
 * more than the address size for us; and 16-bit code as 32-bit code, with 66 and 67 inverted. What then still differs may be one
 * of the listed exceptions.
 */
#include <string.h>

#include "tests/decoder/compare.h"

enum tidying { TIDY, TIDY_WITHOUT_REPEAT, TIDY_WITHOUT_67, TIDY_AS_32 };

static const char *const tidying_reasons[] = {
	[TIDY] = ("prefixes may repeat and stand in any order, the last of a group counts (SDM vol. 2A 2.1.1); in 64-bit code ES, CS, SS, "
		  "DS "
		  "overrides do nothing (vol. 1 3.3.7.1) and REX counts directly before the opcode only (vol. 2A 2.2.1)"),
	[TIDY_WITHOUT_REPEAT] = "F2 and F3 that mean nothing do not hide 66 (SDM vol. 2A 2.1.1)",
	[TIDY_WITHOUT_67] = "67 beside REX.W or on a branch changes the address size only (SDM vol. 2A 2.1.1)",
	[TIDY_AS_32] = "16-bit code is 32-bit code with 66 and 67 inverted (SDM vol. 1 3.6)",
};

/*
 * 16-bit code seen as 32-bit: is the meaning of 66 (67) inverted? Not that of a mandatory 66, and nobody minds 67 on a branch but
 * Capstone.
 */
static bool inverts_66(const struct sample *sample)
{
	const struct isa_row *row = sample->decoded.row;

	return !(row->attributes & (A_SSE | A_MMX)) && row->op != OP_INVPCID;
}

static bool inverts_67(const struct sample *sample)
{
	const struct isa_row *row = sample->decoded.row;

	return !(row->attributes & A_BRANCH) || row->op == OP_JrCXZ;
}

static unsigned tidy_bytes(const struct sample *sample, enum tidying tidying, uint8_t bytes[INSN_MAX_LENGTH + 3])
{
	const struct anatomy *anatomy = &sample->anatomy;
	bool prefix_67 =
		tidying == TIDY_AS_32 ? inverts_67(sample) && !anatomy->prefix_67 : tidying != TIDY_WITHOUT_67 && anatomy->prefix_67;
	bool prefix_66 = anatomy->prefix_66 != (tidying == TIDY_AS_32 && inverts_66(sample));
	bool repeat = tidying == TIDY_AS_32 ? sample->decoded.row->prefix != P_ANY : tidying != TIDY_WITHOUT_REPEAT;
	const uint8_t prefixes[] = {anatomy->lock ? 0xf0 : 0,     anatomy->segment, prefix_67 ? 0x67 : 0, prefix_66 ? 0x66 : 0,
				    repeat ? anatomy->repeat : 0, anatomy->rex};
	unsigned count = 0;

	for (unsigned i = 0; i < sizeof prefixes; i++)
		if (prefixes[i])
			bytes[count++] = prefixes[i];
	memcpy(bytes + count, sample->bytes + anatomy->prefixes, sample->available - anatomy->prefixes);
	return count + sample->available - anatomy->prefixes;
}

/* Is tidy, decoded anew, the original but for the address size? */
static bool only_address_size(const struct sample *original, struct sample *tidy)
{
	struct decoded decoded = original->decoded;

	if (decode(tidy->isa, tidy->code_size, tidy->bytes, tidy->available, &tidy->decoded) != original->status)
		return false;
	decoded.length = tidy->decoded.length;
	decoded.address_size = tidy->decoded.address_size;
	return original->status != DECODE_OK || !memcmp(&decoded, &tidy->decoded, sizeof decoded);
}

static const char *excuse_tidied(const struct sample *sample, enum tidying tidying)
{
	uint8_t bytes[INSN_MAX_LENGTH + 3]; /* inverting may add two */
	struct sample tidy = *sample;
	struct difference difference;
	const uint8_t *code = bytes;
	const char *reason;
	uint64_t address;
	unsigned removed;
	size_t left;

	tidy.available = tidy_bytes(sample, tidying, bytes);
	tidy.bytes = bytes;
	removed = sample->available - tidy.available;
	tidy.decoded.length -= removed;
	tidy.address += removed; /* so that it ends where it did */
	if (tidying == TIDY_AS_32) {
		tidy.handle = sample->handle32;
		tidy.code_size = 4;
	}
	address = tidy.address;
	left = tidy.available;
	tidy.insn = cs_disasm_iter(tidy.handle, &code, &left, &address, sample->spare) ? sample->spare : NULL;
	dissect(&tidy);
	if (tidying == TIDY_WITHOUT_67 && !only_address_size(sample, &tidy))
		return NULL;
	difference = compare(&tidy);
	reason = difference.kind == SAME ? tidying_reasons[tidying] : listed_excuse(&tidy, &difference);
	return reason;
}

const char *excuse(const struct sample *sample, const struct difference *difference)
{
	const struct anatomy *anatomy = &sample->anatomy;
	const char *reason = listed_excuse(sample, difference);

	if (!reason)
		reason = excuse_tidied(sample, TIDY);
	if (!reason && anatomy->repeat && sample->status == DECODE_OK && sample->decoded.row->prefix == P_ANY)
		reason = excuse_tidied(sample, TIDY_WITHOUT_REPEAT);
	if (!reason && anatomy->prefix_67 &&
	    (anatomy->rex & 8 || (sample->status == DECODE_OK && sample->decoded.row->attributes & A_BRANCH)))
		reason = excuse_tidied(sample, TIDY_WITHOUT_67);
	if (!reason && sample->code_size == 2 && sample->status == DECODE_OK)
		reason = excuse_tidied(sample, TIDY_AS_32);
	return reason;
}
