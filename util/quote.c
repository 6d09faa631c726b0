/* Quoted text: quote.h. */
#include "util/quote.h"

#include <stdbool.h>
#include <string.h>

static const char cut_mark[] = "\"...";

unsigned quote_byte(uint8_t byte, char to[QUOTE_BYTE])
{
	static const char special[] = "\"\"\\\\\nn\tt\rr"; /* byte, letter */

	to[0] = '\\';
	for (const char *at = special; *at; at += 2) {
		if (byte == (uint8_t)*at) {
			to[1] = at[1];
			return 2;
		}
	}
	if (byte >= ' ' && byte <= '~') {
		to[0] = (char)byte;
		return 1;
	}
	to[1] = '0' + (byte >> 6);
	to[2] = '0' + (byte >> 3 & 7);
	to[3] = '0' + (byte & 7);
	return 4;
}

/* In ASCII, whatever the locale. */
static bool is_name(const char *text, size_t length)
{
	static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+~:/@=,%$";

	for (size_t i = 0; i < length; i++) {
		if (!memchr(characters, text[i], sizeof(characters) - 1))
			return false;
	}
	return length > 0;
}

const char *quote(char *to, size_t size, const char *text, size_t length)
{
	size_t at = 1, i;

	length = strnlen(text, length);
	if (length < size && is_name(text, length)) {
		memcpy(to, text, length);
		to[length] = '\0';
		return to;
	}
	to[0] = '"';
	for (i = 0; i < length && at + QUOTE_BYTE + sizeof(cut_mark) <= size; i++)
		at += quote_byte(text[i], to + at);
	strcpy(to + at, i < length ? cut_mark : "\"");
	return to;
}

const char *quote_string(char *to, size_t size, const char *text)
{
	return quote(to, size, text, strlen(text));
}
