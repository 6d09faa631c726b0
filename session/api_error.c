/* The public API's errors, and its structs of options: api.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/api.h"

const char *xray86_version(void)
{
	return XRAY86_VERSION;
}

static const enum xray86_code codes[] = {
	[ERROR_FAILED] = XRAY86_FAILED,         [ERROR_NOT_FOUND] = XRAY86_NOT_FOUND, [ERROR_CANNOT_EXECUTE] = XRAY86_CANNOT_EXECUTE,
	[ERROR_NO_PROCESS] = XRAY86_NO_PROCESS, [ERROR_NO_KERNEL] = XRAY86_NO_KERNEL, [ERROR_NOT_THERE] = XRAY86_NOT_THERE,
	[ERROR_CANCELLED] = XRAY86_CANCELLED,   [ERROR_TIMEOUT] = XRAY86_TIMEOUT,     [ERROR_BUSY] = XRAY86_BUSY,
	[ERROR_INVALID] = XRAY86_INVALID,       [ERROR_WORKER] = XRAY86_WORKER,
};

xray86_error *api_error(struct error *err)
{
	return (xray86_error *)err;
}

enum xray86_code xray86_error_code(const xray86_error *err)
{
	return codes[((const struct error *)err)->code];
}

const char *xray86_error_message(const xray86_error *err)
{
	return ((const struct error *)err)->message;
}

void xray86_error_destroy(xray86_error *err)
{
	error_destroy((struct error *)err);
}

xray86_error *api_invalid(const char *format, ...)
{
	struct error *err;
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	err = error_create_code(ERROR_INVALID, "%s", text ? text : "out of memory");
	free(text);
	return api_error(err);
}

/* Far more than any version has: the field was never set. */
enum { LARGEST_STRUCT = 4096 };

bool api_size_makes_sense(size_t size)
{
	return size >= sizeof(size) && size <= LARGEST_STRUCT;
}

struct error *api_take(void *ret, size_t size, const void *theirs, const char *name)
{
	const uint8_t *bytes = theirs;
	size_t given, known;

	memset(ret, 0, size);
	if (!theirs) {
		memcpy(ret, &size, sizeof(size));
		return NULL;
	}
	memcpy(&given, theirs, sizeof(given));
	if (!api_size_makes_sense(given))
		return error_create_code(ERROR_INVALID, "struct %s has no size, or a wrong one: initialise it with XRAY86_INIT()", name);
	known = given < size ? given : size;
	for (size_t i = known; i < given; i++) {
		if (bytes[i])
			return error_create_code(ERROR_INVALID,
						 "struct %s has something set that version " XRAY86_VERSION " of the library does not know",
						 name);
	}
	memcpy(ret, theirs, known);
	memcpy(ret, &size, sizeof(size));
	return NULL;
}
