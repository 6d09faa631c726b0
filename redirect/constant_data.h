/*
 * Constant data in product context, of the image and of modules that are proven. Read-only data that no kernel ever changes, tables of
 * functions above all, are code by another name, so they are the trusted kernel's, or those of the module's file. If a word of them differs
 * in the product, the product's kernel has not written it. Product context reads the right word there, and a note tells the user. So a hook
 * in a table of operations is passed by.
 *
 * Data that are read-only only after initialisation (ro_after_init) are the product's, like all other data.
 */
#ifndef XRAY86_REDIRECT_CONSTANT_DATA_H
#define XRAY86_REDIRECT_CONSTANT_DATA_H

#include "loader/rodata.h"
#include "redirect/code.h"
#include "util/note.h"

enum { CONSTANT_FINDINGS = 8 /* at most; each becomes a note */ };

struct constant_range {
	uint64_t start, end;
};

/* Pages with constant data. */
struct constant_area {
	struct constant_data *owner;
	struct constant_range *range; /* the constant bytes, sorted */
	size_t ranges;
	bool text_only; /* of the words there, those whose right value leads to the image's text */
	/* Fills in `to` with the right bytes of a page. Bytes that are not constant do not matter. */
	bool (*read)(void *opaque, uint64_t page, uint8_t *to);
	void *opaque;
	uint64_t start; /* of its first page */
	size_t pages;
	struct constant_page {
		bool looked_at;
		uint8_t *bytes; /* the right contents; NULL: the product's page will do */
	} * page;
};

struct constant_data {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct code *code;
	const struct notes *notes;

	/* -- its state -- */
	struct constant_area **area, *image; /* image: the one of the image; NULL: there is none */
	size_t areas, room;
	struct constant_finding {
		uint64_t address, value, right;
		uint64_t end;   /* of the words that differ one behind the other, of which this is one */
		unsigned words; /* how many these are */
	} finding[CONSTANT_FINDINGS];
	unsigned findings, told;
	bool overflow, told_more; /* there are others; and that was told */
};

/*
 * Makes product context read the image's constant data this way. In kernels that do not name where their constant data are (i386), these
 * are the words of `rodata` (which need not be known; NULL: it is not) that lead to text, except for data that are read-only only after
 * initialisation: these begin at the latest where `rodata` says that the boot has changed a word, and end with the table of jump labels.
 */
struct error *constant_data_begin(struct constant_data *constants, const struct rodata *rodata, uint64_t jump_table_end);
/*
 * Likewise others: takes the ranges over, which are sorted, even after an error. `read` and its opaque must outlive the constant data.
 * Pages of areas must not overlap.
 */
struct error *constant_data_add(struct constant_data *constants, struct constant_range *range, size_t ranges,
				bool (*read)(void *opaque, uint64_t page, uint8_t *to), void *opaque);
/* Looks at the tables of system calls, which no call of a tool uses in the product. */
void constant_data_look_at_tables(struct constant_data *constants);
/* Notes what has been found since the last time. Between calls only. */
void constant_data_tell(struct constant_data *constants);
void constant_data_deinit(struct constant_data *constants);

#endif
