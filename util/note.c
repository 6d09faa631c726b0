/* Notes: note.h. */
#include "util/note.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void note(const struct notes *notes, const char *format, ...)
{
	char *text;
	va_list args;
	int length;

	if (!notes->take)
		return;
	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	notes->take(notes->opaque, length < 0 ? "out of memory for what is to be told" : text);
	if (length >= 0)
		free(text);
}
