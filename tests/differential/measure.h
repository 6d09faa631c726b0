/* Measures the host's traits (trait.h) and how it leaves flags (flag_rule.h), with the native executor. */
#ifndef XRAY86_TESTS_DIFFERENTIAL_MEASURE_H
#define XRAY86_TESTS_DIFFERENTIAL_MEASURE_H

#include "tests/differential/host.h"
#include "tests/differential/native.h"

struct error *measure_host(struct native *native, struct host *ret);
/* The same from outcomes; the unit tests make these by the emulator. `with` runs the case; false: it cannot. */
typedef struct error *(*measure_run)(void *with, const struct test_case *test, struct outcome *ret);
struct error *measure(measure_run run, void *with, bool fsgsbase, bool code32, bool segments, struct host *ret);

#endif
