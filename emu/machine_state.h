/*
 * The state of a machine as bytes: CPU, devices and clock. Memory is saved apart (physmem.h). Only the same build of the program, and a
 * machine of the same configuration, can use the bytes.
 */
#ifndef XRAY86_EMU_MACHINE_STATE_H
#define XRAY86_EMU_MACHINE_STATE_H

#include "emu/machine.h"

size_t machine_state_size(void);
/* Between runs only. */
void machine_state_save(const struct machine *machine, uint8_t *to);
/*
 * `machine` must not have run yet, and its memory must be in place. Checks every field first, since the engine and the devices index arrays
 * with some of them, and divide by some. Returns false if a field has a value that a machine cannot have; the machine is as it was then.
 */
bool machine_state_load(struct machine *machine, const uint8_t *from);

#endif
