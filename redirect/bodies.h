/*
 * Bodies of system calls: which functions of a kernel they are, by name, and which one of the product's own kernel runs in the place of the
 * trusted kernel's.
 */
#ifndef XRAY86_REDIRECT_BODIES_H
#define XRAY86_REDIRECT_BODIES_H

#include "redirect/worlds.h"

/* Whether a function of this name is a body. */
bool body_is(const char *function);
/*
 * The error says that the kernel's bodies take their arguments in another way than in pt_regs: calls of a command would go to the trusted
 * kernel in silence.
 */
struct error *body_check(const struct kernel *kernel);
/* The product's body for the trusted kernel's at this address, where there are two kernels; 0: its kernel has no such call. */
uint64_t body_of_product(const struct worlds *worlds, uint64_t trusted);

#endif
