/*
 * The text of the kernel's image in product context: collects its patch sites (switches.h), and has stand-ins for the functions that write
 * to it.
 *
 * A call may turn a switch, as a sysctl does. The kernel then writes to its text through a user address of its own, which would be the
 * tool's memory here. Product context writes to the text in the overlay instead, and the switch counts from the next call on.
 */
#ifndef XRAY86_REDIRECT_TEXT_H
#define XRAY86_REDIRECT_TEXT_H

#include "loader/runtime_constants.h"
#include "redirect/code.h"
#include "util/note.h"

enum { TEXT_WRITERS = 8 /* at most */ };

struct text {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct code *code;
	const struct notes *notes;

	/* -- its state -- */
	struct switches switches;
	struct patch_sites sites; /* until switches has them */
	uint64_t jump_table_end;  /* 0: there is no table, or it was not found */
	struct text_mark {
		struct text *owner;
		const struct text_writer *row; /* of the table */
	} mark[TEXT_WRITERS];
	bool told;
	bool written; /* text of either kernel was written since the last call */
};

/* Notes what the switches need of a function of the kernel. To be called with each function, before text_follow(). */
struct error *text_note_function(struct text *text, const struct symbol *function);
/*
 * Follows the product's switches from now on. `constants` are the runtime constants as linked (NULL: none); the kernel is `shift` above
 * that.
 */
struct error *text_follow(struct text *text, const struct runtime_constants *constants, uint64_t shift);
/* Has stand-ins for the functions that write to text from now on. */
struct error *text_mark(struct text *text);
/* Before a call on the product: takes notice of what the last one has written to text. */
void text_refresh(struct text *text);
/* Notes, once, code that was not followed because no kernel makes it so. Between calls only. */
void text_tell(struct text *text);
void text_deinit(struct text *text);

#endif
