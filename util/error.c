/* Host-side errors as returned objects: see error.h. */
#include "util/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Handed out when there is no memory left to describe a failure with; never freed. */
static struct error out_of_memory = {.message = (char[]){"out of memory"}};

static struct error *wrap(char *message)
{
	struct error *err = message ? malloc(sizeof(*err)) : NULL;

	if (!err) {
		free(message);
		return &out_of_memory;
	}
	err->message = message;
	return err;
}

struct error *error_create(const char *format, ...)
{
	char *message;
	va_list args;

	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	va_end(args);
	return wrap(message);
}

struct error *error_prefix(struct error *err, const char *format, ...)
{
	char *prefix, *message;
	va_list args;

	va_start(args, format);
	if (vasprintf(&prefix, format, args) < 0)
		prefix = NULL;
	va_end(args);
	if (!prefix)
		return err;
	if (asprintf(&message, "%s: %s", prefix, err->message) < 0)
		message = NULL;
	free(prefix);
	if (!message)
		return err;
	error_destroy(err);
	return wrap(message);
}

void error_destroy(struct error *err)
{
	if (!err || err == &out_of_memory)
		return;
	free(err->message);
	free(err);
}
