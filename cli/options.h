/*
 * Command-line options as tables: their names, their arguments, what --help says about them, and where their values go.
 */
#ifndef XRAY86_CLI_OPTIONS_H
#define XRAY86_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

struct option_spec {
	const char *name;     /* without the dashes; NULL ends a table */
	const char *argument; /* its argument, for --help; NULL: it takes none; [=...]: it may be left out, and is NULL then */
	const char *help;     /* may have several lines */
	struct error *(*set)(void *into, const char *value);
	/*
	 * If set is NULL: the offset in `into` where the value goes. It is a bool that becomes true, for an option without an argument, or
	 * a const char *, of argv.
	 */
	size_t place;
};

/*
 * Reads argv[1..argc). Options and other words may be mixed; "--" ends options. The other words are in argv[1..] afterwards, and their
 * number is in *ret_others. --help sets *ret_help and stops.
 */
struct error *options_parse(const struct option_spec *spec, void *into, int argc, char **argv, int *ret_others, int *ret_help);
/*
 * Reads a line that ends in the line of another program: OPTION... WORD OPTION... [--] COMMAND ARGUMENT..., from argv[1] to argv[argc],
 * which is NULL. The second word that is no option begins the command, and so does "--"; all behind it is the command's. *ret_word is
 * NULL if there is no WORD, (*ret_command)[0] is NULL if there is no command. --help before the command sets *ret_help and stops.
 */
struct error *options_parse_command(const struct option_spec *spec, void *into, int argc, char **argv, const char **ret_word,
				    char *const **ret_command, int *ret_help);
/* Prints the table to stdout. */
void options_help(const struct option_spec *spec);

/* Reads one of two words, for option `name`. *ret is true for the second. */
struct error *parse_switch(const char *name, const char *value, const char *first, const char *second, bool *ret);
/* Reads a number in decimal or 0x..., for option `name`. */
struct error *parse_number(const char *name, const char *value, unsigned long long *ret);
/* Reads a number that may have a decimal suffix K, M, G or T. */
struct error *parse_count(const char *name, const char *value, unsigned long long *ret);
/* Reads a size, a number of MiB or one with a suffix K, M, G, and returns it in bytes. */
struct error *parse_size(const char *name, const char *value, unsigned long long *ret);

#endif
