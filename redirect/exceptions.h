/* What product context does to the machine, and how that is answered: exceptions, fetches, and effects of privileged instructions. */
#ifndef XRAY86_REDIRECT_EXCEPTIONS_H
#define XRAY86_REDIRECT_EXCEPTIONS_H

#include "redirect/code.h"

struct exceptions {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct code *code;
	const struct notes *notes;

	/* -- its state -- */
	bool told; /* of an instruction that nobody knows */
};

/* Makes it the CPU's client. */
void exceptions_begin(struct exceptions *exceptions);

#endif
