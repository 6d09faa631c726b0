/*
 * The command's environment. Variables decide what code a program runs (LD_PRELOAD, BASH_ENV, PERL5OPT, LESSOPEN, GIT_*, ...), and a file
 * that they name here is another file in the snapshot. So a command gets only the variables of a list, and those that --env names.
 */
#ifndef XRAY86_SESSION_ENVIRONMENT_H
#define XRAY86_SESSION_ENVIRONMENT_H

#include <stddef.h>

#include "util/error.h"

/* The default PATH. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What --env adds, in order: NAME=VALUE, or NAME with its value here. The strings are argv's. */
struct additions {
	const char **text;
	size_t count;
};

/* The error names the option. */
struct error *additions_add(struct additions *additions, const char *text);
void additions_deinit(struct additions *additions);

/*
 * Makes the environment: the variables of `environment` that are on the list, then the additions, each name once, ended by NULL.
 * environment_free() frees it.
 */
struct error *environment_build(char *const *environment, const struct additions *additions, char ***ret);
/* NULL is allowed. */
void environment_free(char **environment);
/* The value of a variable. NULL if there is none of this name. */
const char *environment_get(char *const *environment, const char *name);

#endif
