/*
 * The text of the kernel's image in product context: collects its patch sites (switches.h), and stands in for the functions that write to
 * it.
 *
 * A call may turn a switch (a sysctl does): the kernel then writes to its text by way of a user address of its own, which would be the
 * tool's memory. Product context writes to the text in the overlay instead, and the switch is followed from the next call on.
 */
#ifndef XRAY86_REDIRECT_TEXT_H
#define XRAY86_REDIRECT_TEXT_H

#include "loader/runtime_constants.h"
#include "redirect/code.h"

enum { TEXT_WRITERS = 8 /* at most */ };

struct text {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct code *code;

	/* -- its state -- */
	struct switches switches;
	struct patch_sites sites; /* until switches has them */
	struct text_mark {
		struct text *owner;
		const struct text_writer *row; /* of the table */
	} mark[TEXT_WRITERS];
	bool written; /* text of either kernel, since the last call */
};

/* Notes what the switches need of a function of the kernel. To be called with each, before text_follow(). */
struct error *text_note_function(struct text *text, const struct symbol *function);
/* From now on the product's switches are followed. Runtime constants: as linked (NULL: none), for a kernel that stands `shift` elsewhere.
 */
struct error *text_follow(struct text *text, const struct runtime_constants *constants, uint64_t shift);
/* Before a call on the product: what was written to text since the last one counts from now on. */
void text_refresh(struct text *text);
void text_deinit(struct text *text);

#endif
