/* Host-side errors as returned objects: see error.h. */
#include "util/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Handed out when there is no memory left to describe a failure with; never freed. */
static struct error out_of_memory = {.message = (char[]){"out of memory"}};

static __attribute__((format(printf, 2, 0))) struct error *create(enum error_code code, const char *format, va_list args)
{
	struct error *err = malloc(sizeof(*err));

	if (!err)
		return &out_of_memory;
	err->code = code;
	if (vasprintf(&err->message, format, args) >= 0)
		return err;
	free(err);
	return &out_of_memory;
}

struct error *error_create(const char *format, ...)
{
	struct error *err;
	va_list args;

	va_start(args, format);
	err = create(ERROR_FAILED, format, args);
	va_end(args);
	return err;
}

struct error *error_create_code(enum error_code code, const char *format, ...)
{
	struct error *err;
	va_list args;

	va_start(args, format);
	err = create(code, format, args);
	va_end(args);
	return err;
}

struct error *error_prefix(struct error *err, const char *format, ...)
{
	struct error *prefix, *whole;
	va_list args;

	va_start(args, format);
	prefix = create(err->code, format, args);
	va_end(args);
	if (prefix == &out_of_memory)
		return err;
	whole = error_create_code(err->code, "%s: %s", prefix->message, err->message);
	error_destroy(prefix);
	if (whole == &out_of_memory)
		return err;
	error_destroy(err);
	return whole;
}

void error_destroy(struct error *err)
{
	if (!err || err == &out_of_memory)
		return;
	free(err->message);
	free(err);
}
