/*
 * Runs cases in the emulator: a CPU in long mode at privilege 3, with page tables that give the layout of layout.h, selectors as Linux's,
 * and
 * handlers for all exceptions that only stop.
 */
#ifndef XRAY86_TESTS_DIFFERENTIAL_EMULATE_H
#define XRAY86_TESTS_DIFFERENTIAL_EMULATE_H

#include "tests/differential/case.h"
#include "util/error.h"

struct emulator;
/* cpu_limit: of the segment SELECTOR_CPU. code32: whether there is the segment SELECTOR_CODE32. ldt: SEGMENT_ROWS descriptors. */
struct error *emulator_create(bool tagged, uint32_t cpu_limit, bool code32, const uint64_t *ldt, struct emulator **ret);
void emulator_destroy(struct emulator *emulator);
/* The image that following cases start from; must stay valid. */
void emulator_load(struct emulator *emulator, const uint8_t *image);
void emulator_run(struct emulator *emulator, const struct test_case *test, struct outcome *outcome);

#endif
