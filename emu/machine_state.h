/*
 * The state of a machine as bytes: CPU, devices and clock; memory is apart (physmem.h). The bytes mean something only to the same build
 * of the program, and to a machine of the same configuration.
 */
#ifndef XRAY86_EMU_MACHINE_STATE_H
#define XRAY86_EMU_MACHINE_STATE_H

#include "emu/machine.h"

size_t machine_state_size(void);
/* Between runs only. */
void machine_state_save(const struct machine *machine, uint8_t *to);
/*
 * machine: one that has not run yet. Its memory must be in place. Every field is checked before the machine has it, since the engine and
 * the devices index arrays and divide by some of them. False: some field is none that a machine can have; the machine is as it was.
 */
bool machine_state_load(struct machine *machine, const uint8_t *from);

#endif
