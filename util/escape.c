/* Escaped output: escape.h. UTF-8 is that of Unicode's table 3-7 (well-formed byte sequences). */
#include "util/escape.h"

#include <string.h>

#include "util/quote.h"

static const struct lead {
	uint8_t first, last;         /* the first byte */
	uint8_t second, second_last; /* what may follow it; all further ones are 80..BF */
	uint8_t length;
} leads[] = {
	{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, /* no surrogates */
	{0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
	{0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* NULL: no character of several bytes begins with it. */
static const struct lead *find_lead(uint8_t byte)
{
	for (unsigned i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
		if (byte >= leads[i].first && byte <= leads[i].last)
			return &leads[i];
	}
	return NULL;
}

static bool goes_on(const struct escape *escape, uint8_t byte)
{
	const struct lead *lead = find_lead(escape->pending[0]);

	return escape->count == 1 ? byte >= lead->second && byte <= lead->second_last : byte >= 0x80 && byte <= 0xbf;
}

static bool is_complete(const struct escape *escape)
{
	return escape->count == find_lead(escape->pending[0])->length;
}

/* U+0080 to U+009F */
static bool is_c1(const uint8_t *character)
{
	return character[0] == 0xc2 && character[1] < 0xa0;
}

static size_t put_character(const uint8_t *character, unsigned length, bool plain, char *to)
{
	size_t at = 0;

	for (unsigned i = 0; i < length; i++) {
		if (plain)
			to[at++] = (char)character[i];
		else
			at += quote_byte(character[i], to + at);
	}
	return at;
}

size_t escape_end(struct escape *escape, char to[ESCAPED_SIZE(0)])
{
	size_t length = put_character(escape->pending, escape->count, false, to);

	escape->count = 0;
	return length;
}

/* A byte that no character is waiting for. */
static size_t put_first(struct escape *escape, uint8_t byte, char *to)
{
	if (escape->utf8 && find_lead(byte)) {
		escape->pending[escape->count++] = byte;
		return 0;
	}
	return put_character(&byte, 1, (byte >= ' ' && byte <= '~') || memchr("\n\t\r", byte, 3), to);
}

static size_t put_next(struct escape *escape, uint8_t byte, char *to)
{
	size_t length;

	if (!goes_on(escape, byte)) {
		length = escape_end(escape, to);
		return length + put_first(escape, byte, to + length);
	}
	escape->pending[escape->count++] = byte;
	if (!is_complete(escape))
		return 0;
	length = put_character(escape->pending, escape->count, !is_c1(escape->pending), to);
	escape->count = 0;
	return length;
}

size_t escape_bytes(struct escape *escape, const uint8_t *from, size_t size, char *to)
{
	size_t at = 0;

	for (size_t i = 0; i < size; i++)
		at += escape->count ? put_next(escape, from[i], to + at) : put_first(escape, from[i], to + at);
	return at;
}
