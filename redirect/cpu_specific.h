/*
 * Instructions that the product's own code has because of the product's CPU, and that ours lacks. Linux chooses such code at boot
 * (alternatives): so it is in the image, in modules, and on any snapshot. What such an instruction is for, product context mostly does not
 * need; then it is stood in for.
 */
#ifndef XRAY86_REDIRECT_CPU_SPECIFIC_H
#define XRAY86_REDIRECT_CPU_SPECIFIC_H

#include "redirect/code.h"

/*
 * The instruction at RIP has raised #UD, in product context. Does what it would do here, if it is a known one, and goes on behind it.
 * Returns false if it is none.
 */
bool cpu_specific_execute(struct code *code);
/*
 * Whether an instruction is at RIP that some CPU may have, as opposed to one that all CPUs leave undefined; then puts its bytes there, as
 * text.
 */
enum { CPU_SPECIFIC_TEXT = 32 };
bool cpu_specific_name(struct code *code, char to[CPU_SPECIFIC_TEXT]);

#endif
