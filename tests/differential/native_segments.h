/* The native child's segments: its LDT, and IRET to 16-bit stacks. */
#ifndef XRAY86_TESTS_DIFFERENTIAL_NATIVE_SEGMENTS_H
#define XRAY86_TESTS_DIFFERENTIAL_NATIVE_SEGMENTS_H

#include "tests/differential/segments.h"

/*
 * Gives this process the segments of segment_rows; *ret: the descriptors as the kernel made them. False if it does not have them then: no
 * modify_ldt, no CONFIG_X86_16BIT, or (some hypervisors) an LDT that never reaches the processor.
 */
bool native_install_ldt(uint64_t ret[SEGMENT_ROWS]);

/* Maps the pages of IRET_BASE. */
bool native_map_frames(void);
/* Where IRET is to take its frame (of size bytes) from: from where it is or, for a 16-bit stack, from the page of the upper half of ESP. */
void *native_frame(const struct test_case *test, void *frame, size_t size);

#endif
