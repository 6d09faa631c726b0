/*
 * One instruction, decoded by us and by Capstone: do they agree?
 */
#ifndef XRAY86_TESTS_DECODER_COMPARE_H
#define XRAY86_TESTS_DECODER_COMPARE_H

#include <capstone/capstone.h>

#include "emu/decode.h"

enum difference_kind {
	SAME,
	ONLY_OURS, /* we decode it, Capstone does not */
	ONLY_CAPSTONE,
	LENGTH,
	MNEMONIC,
	OPERAND_COUNT,
	OPERAND,
};

struct difference {
	enum difference_kind kind;
	unsigned operand;   /* OPERAND: which one, from 0 */
	const char *detail; /* OPERAND: what of it */
};

/* What the bytes are made of, parsed once more by hand: what exceptions and reports talk about. */
struct anatomy {
	unsigned prefixes; /* how many legacy and REX bytes */
	bool prefix_66, prefix_67, lock;
	uint8_t repeat;  /* the last of F2 and F3, or 0 */
	uint8_t segment; /* the override that counts, or 0 */
	uint8_t rex;     /* the one directly before the opcode, or 0 */
	enum isa_map map;
	uint8_t opcode, modrm; /* modrm: the byte after the opcode, whether it is one or not */
};

/* Both decoders' answer to the same bytes. insn is NULL where Capstone finds nothing. */
struct sample {
	const uint8_t *bytes;
	unsigned available;
	unsigned code_size; /* bytes */
	uint64_t address;
	const struct isa *isa;
	csh handle;
	cs_insn *spare; /* for asking Capstone again */
	csh handle32;   /* 16-bit code: for asking it about the same in 32-bit code */
	struct anatomy anatomy;
	enum decode_status status;
	struct decoded decoded;
	const cs_insn *insn;
};

/* Capstone's name for the instruction, without prefixes; "" if there is none. */
const char *capstone_name(const struct sample *sample);

/* Is Capstone's name one of those that the operation may have there? */
bool same_mnemonic(const struct sample *sample, const struct decoded *decoded);

void dissect(struct sample *sample);
struct difference compare(const struct sample *sample);

/* Why the difference is right as it is: the reason of the first listed exception that covers it, or NULL. */
const char *listed_excuse(const struct sample *sample, const struct difference *difference);
/* The same, but also looks past what Capstone makes of prefixes. */
const char *excuse(const struct sample *sample, const struct difference *difference);

#endif
