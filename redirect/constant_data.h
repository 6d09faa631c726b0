/*
 * Constant data of the image in product context: read-only data that no kernel ever changes, tables of functions above all, are code by
 * another name, so they are the trusted kernel's. A word of them that stands otherwise in the product was not written by its kernel.
 * Product context reads the trusted kernel's word there, and the user is told: so a hook in a table of operations is passed by.
 *
 * What is read-only only after initialisation (ro_after_init) is the product's, like all other data.
 */
#ifndef XRAY86_REDIRECT_CONSTANT_DATA_H
#define XRAY86_REDIRECT_CONSTANT_DATA_H

#include "redirect/code.h"
#include "util/note.h"

enum { CONSTANT_FINDINGS = 8 /* that are told, each by a note */ };

struct constant_data {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct code *code;
	const struct notes *notes;

	/* -- its state -- */
	struct constant_range {
		uint64_t start, end;
	} range[2];
	struct constant_page {
		bool looked_at;
		uint8_t *bytes; /* set right; NULL: the product's page will do */
	} * page;               /* by number, from range[0].start's page on */
	struct constant_finding {
		uint64_t address, value, right;
	} finding[CONSTANT_FINDINGS];
	unsigned findings, told;
	uint64_t words; /* that were set right */
};

/* From now on product context reads constant data so. Kernels that do not name where they are (i386) have none. */
struct error *constant_data_begin(struct constant_data *constants);
/* Looks at tables that calls go by which the tools do not make in the product: the tables of system calls. */
void constant_data_look_at_tables(struct constant_data *constants);
/* Tells what has been found since the last time. Between calls only. */
void constant_data_tell(struct constant_data *constants);
void constant_data_deinit(struct constant_data *constants);

#endif
