/* Ends loops that wait for a CPU of the product: all CPUs are frozen. */
#ifndef XRAY86_REDIRECT_SPIN_H
#define XRAY86_REDIRECT_SPIN_H

#include "redirect/code.h"

/*
 * Sets *ret_spins if the body, in product context and between instructions, goes in a circle that only another CPU could end. Returns true
 * if it has ended the circle.
 */
bool spin_end(struct code *code, bool *ret_spins);

#endif
