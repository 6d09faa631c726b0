/* What product context does to the machine, and what becomes of it: exceptions, fetches, and effects of privileged instructions. */
#ifndef XRAY86_REDIRECT_EXCEPTIONS_H
#define XRAY86_REDIRECT_EXCEPTIONS_H

#include "redirect/code.h"

struct exceptions {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct code *code;
};

/* The CPU's client from now on. */
void exceptions_begin(struct exceptions *exceptions);

#endif
