/* Stand-ins: what happens in the place of kernel functions that product context never enters. */
#ifndef XRAY86_REDIRECT_STAND_INS_H
#define XRAY86_REDIRECT_STAND_INS_H

#include "redirect/host_task.h"

enum { STAND_INS = 64 /* at most */ };

struct stand_ins {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct host_task *host;

	/* -- its state -- */
	struct stand_in_mark {
		struct stand_ins *owner;
		const struct stand_in *row; /* of the table */
	} mark[STAND_INS];
};

struct error *stand_in_mark(struct stand_ins *stand_ins);

#endif
