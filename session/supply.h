/*
 * Bringing files of this machine into the trusted VM while the command runs: programs that it starts, and modules of interpreters. From
 * redirect's call of deliver() only (redirect/delivery.h).
 */
#ifndef XRAY86_SESSION_SUPPLY_H
#define XRAY86_SESSION_SUPPLY_H

#include "session/program.h"
#include "redirect/redirect.h"

struct supply {
	struct program *program;
	const char *root; /* as program_collect() takes it */
	char **brought;   /* folders of modules, and files that are in none */
	size_t count;
};

/* The program's files from number `first` on. */
struct error *deliver_files(struct redirect *redirect, const struct program *program, size_t first);
/*
 * What there is at a path that program_has_modules_at() knows: a file alone, or with the whole folder that it is in if that is such a
 * place, too, since interpreters list folders. What is there already, or nowhere, is passed over.
 */
struct error *deliver_modules(struct supply *supply, struct redirect *redirect, const char *path);
void supply_deinit(struct supply *supply);

#endif
