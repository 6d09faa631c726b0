/* Loops that wait for a CPU of the product, which is frozen. */
#ifndef XRAY86_REDIRECT_SPIN_H
#define XRAY86_REDIRECT_SPIN_H

#include "redirect/call.h"

/*
 * Whether the body, in product context and between instructions, goes in a circle that only another CPU could end (*ret_spins). True: not
 * any more.
 */
bool spin_end(struct calls *calls, bool *ret_spins);

#endif
