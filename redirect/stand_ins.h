/* Stand-ins: what happens in the place of kernel functions that product context never enters. */
#ifndef XRAY86_REDIRECT_STAND_INS_H
#define XRAY86_REDIRECT_STAND_INS_H

#include "redirect/code.h"
#include "redirect/host_task.h"

enum { STAND_INS = 64, STAND_INS_SEVERAL = 8 /* at most */ };

struct stand_ins {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct host_task *host;
	struct code *code;

	/* -- its state -- */
	struct stand_in_mark {
		struct stand_ins *owner;
		const struct stand_in *row; /* of the table */
	} mark[STAND_INS], several[STAND_INS_SEVERAL];
};

/* Marks a function of the product's kernel if kernels have several of it. To be called with each __* function. */
struct error *stand_in_note_function(struct stand_ins *stand_ins, const struct symbol *function);
/* Marks all the others. */
struct error *stand_in_mark(struct stand_ins *stand_ins);

#endif
