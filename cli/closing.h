/*
 * How `xray86 run` ends when something was lost (redirect/losses.h): one line that tells what that means for the answer, how often and why,
 * and what to type; before it a line for each module whose code was missing. As JSON, too, where the rest of what is told is JSON.
 */
#ifndef XRAY86_CLI_CLOSING_H
#define XRAY86_CLI_CLOSING_H

#include <stdbool.h>
#include <stdio.h>

#include "redirect/code.h"
#include "redirect/losses.h"

struct closing_options {
	enum code_choice code;
	bool traced; /* --trace was given */
	bool strict; /* --strict was: a loss is a failure */
};

/* Nothing if nothing was lost. */
void closing_tell(const struct losses *losses, const struct closing_options *options, FILE *to);
/* The same as an object, a line; nothing if nothing was lost. */
void closing_tell_json(const struct losses *losses, FILE *to);

#endif
