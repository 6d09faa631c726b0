/* Makes cases: the case of a number is a pure function of the run's seed and that number (and of the options that narrow the choice). */
#ifndef XRAY86_TESTS_DIFFERENTIAL_GENERATE_H
#define XRAY86_TESTS_DIFFERENTIAL_GENERATE_H

#include "tests/differential/case.h"
#include "tests/differential/exempt.h"
#include "tests/differential/host.h"

struct generator {
	const struct isa *isa;
	struct host host;
	uint64_t seed;
	unsigned mode;         /* 16 (the segmented one), 32, 64, or 0: all */
	unsigned sequences;    /* percent of the cases */
	const char *name;      /* only rows of this operation; NULL: all */
	uint16_t *eligible[2]; /* rows for 16- and 32-bit code, and for 64-bit code */
	unsigned eligible_count[2];
};

struct error *generator_init(struct generator *generator);
void generator_deinit(struct generator *generator);

/* The image that the cases of a batch start from. */
void generate_image(const struct generator *generator, uint64_t batch, uint8_t *image);
void generate_case(const struct generator *generator, uint64_t number, struct test_case *ret);
/* Lays the case's instructions out as code, with the jump to the exit behind them. */
void generate_assemble(struct test_case *test);

#endif
