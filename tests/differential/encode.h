/* Random encodings of the rows of the instruction table. */
#ifndef XRAY86_TESTS_DIFFERENTIAL_ENCODE_H
#define XRAY86_TESTS_DIFFERENTIAL_ENCODE_H

#include "tests/differential/case.h"
#include "tests/differential/random.h"

/* A byte string that should be `row`, and where its displacement is. What it really is, only the decoder says. */
struct encoding {
	uint8_t bytes[40];                          /* immediates and more: longer than any instruction */
	uint8_t displacement_at, displacement_size; /* size 0: none */
};

/* What the encoder may choose. */
struct encode_options {
	unsigned code_size; /* 2, 4 or 8 */
	bool in_sequence;   /* registers that sequences use as pointers are not operands, and pointers are only those */
};

/* Registers that sequences keep as pointers into data: encodings in sequences address memory by them and write others. */
extern const uint8_t pointer_registers[];
enum { POINTER_REGISTERS = 4 };

void encode_random(struct random *random, const struct isa_row *row, const struct encode_options *options, struct encoding *ret);

#endif
