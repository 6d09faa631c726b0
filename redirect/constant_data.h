/*
 * Constant data of the image in product context. Read-only data that no kernel ever changes, tables of functions above all, are code by
 * another name, so they are the trusted kernel's. If a word of them differs in the product, the product's kernel has not written it.
 * Product context reads the trusted kernel's word there, and a note tells the user. So a hook in a table of operations is passed by.
 *
 * Data that are read-only only after initialisation (ro_after_init) are the product's, like all other data.
 */
#ifndef XRAY86_REDIRECT_CONSTANT_DATA_H
#define XRAY86_REDIRECT_CONSTANT_DATA_H

#include "redirect/code.h"
#include "util/note.h"

enum { CONSTANT_FINDINGS = 8 /* at most; each becomes a note */ };

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
		uint8_t *bytes; /* the right contents; NULL: the product's page will do */
	} * page;               /* by number, from range[0].start's page on */
	struct constant_finding {
		uint64_t address, value, right;
		uint64_t end;   /* of the words that differ one behind the other, of which this is one */
		unsigned words; /* how many these are */
	} finding[CONSTANT_FINDINGS];
	unsigned findings, told;
	bool overflow, told_more; /* there are others; and that was told */
};

/* Makes product context read constant data this way. Kernels that do not name where their constant data are (i386) have none. */
struct error *constant_data_begin(struct constant_data *constants);
/* Looks at the tables of system calls, which no call of a tool uses in the product. */
void constant_data_look_at_tables(struct constant_data *constants);
/* Notes what has been found since the last time. Between calls only. */
void constant_data_tell(struct constant_data *constants);
void constant_data_deinit(struct constant_data *constants);

#endif
