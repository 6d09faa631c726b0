/* Kernel banners: see banner.h. */
#include "loader/banner.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loader/bzimage.h"
#include "util/fnv1a.h"

/* Copies text[0..length) as a string. */
static bool take(const char *text, size_t length, char *ret, size_t room)
{
	if (!length || length >= room)
		return false;
	memcpy(ret, text, length);
	ret[length] = 0;
	return true;
}

/* The banner's line, printable throughout. */
static bool take_line(const char *text, size_t size, char ret[BANNER_MAX])
{
	size_t length = 0;

	while (length < size && length < BANNER_MAX && text[length] >= ' ' && text[length] <= '~')
		length++;
	return length < size && text[length] == '\n' && take(text, length, ret, BANNER_MAX);
}

static bool is_release(const char *release)
{
	return isdigit((unsigned char)release[0]) &&
	       !release[strspn(release, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-+_~")];
}

bool banner_parse(const char *text, size_t size, struct banner *ret)
{
	const size_t start = strlen(BANNER_START);
	const char *release, *builder, *builder_end, *version;

	if (size < start || memcmp(text, BANNER_START, start) != 0 || !take_line(text, size, ret->text))
		return false;
	release = ret->text + start;
	builder = strstr(release, " (");
	builder_end = builder ? strstr(builder, ") (") : NULL;
	version = builder_end ? strstr(builder_end, ") #") : NULL; /* a compiler's version may have parentheses, but no number sign */
	/* A banner without a number is in the image too: init/version.c has one for the first pass of linking. */
	return version && isdigit((unsigned char)version[3]) && take(release, builder - release, ret->release, sizeof(ret->release)) &&
	       is_release(ret->release) && take(builder + 2, builder_end - builder - 2, ret->builder, sizeof(ret->builder)) &&
	       take(version + 2, strlen(version + 2), ret->version, sizeof(ret->version));
}

static bool is_text(const char *text, size_t room)
{
	return memchr(text, 0, room);
}

bool banner_is_sound(const struct banner *banner)
{
	struct banner parsed;
	char line[BANNER_MAX + 1];

	if (!is_text(banner->text, sizeof(banner->text)) || !is_text(banner->release, sizeof(banner->release)) ||
	    !is_text(banner->builder, sizeof(banner->builder)) || !is_text(banner->version, sizeof(banner->version)))
		return false;
	snprintf(line, sizeof(line), "%s\n", banner->text);
	return banner_parse(line, strlen(line), &parsed) && !strcmp(parsed.release, banner->release) &&
	       !strcmp(parsed.builder, banner->builder) && !strcmp(parsed.version, banner->version);
}

static bool starts_at(const uint8_t *at, const uint8_t *end)
{
	const size_t length = strlen(BANNER_START);

	return (size_t)(end - at) >= length && *at == BANNER_START[0] && memcmp(at, BANNER_START, length) == 0;
}

/* The next start; NULL: there is none. memmem() is fast but takes a while to begin, which a memory full of starts could make use of. */
static const uint8_t *next_start(const uint8_t *at, const uint8_t *end)
{
	enum { NEAR = 256 };

	for (unsigned i = 0; i < NEAR && at < end; i++, at++) {
		if (starts_at(at, end))
			return at;
	}
	return memmem(at, end - at, BANNER_START, strlen(BANNER_START));
}

/* The end of the line, or the next start, or where the line is too long for a banner. */
static const uint8_t *end_of_line(const uint8_t *start, const uint8_t *end)
{
	const uint8_t *limit = end - start < BANNER_MAX ? end : start + BANNER_MAX, *at = start + strlen(BANNER_START);

	while (at < limit && *at != '\n' && !starts_at(at, end))
		at++;
	return at;
}

/* Each byte is looked at a fixed number of times, whatever the data: of several starts in a line only the last can be a banner's. */
const uint8_t *banner_search(const uint8_t *data, size_t size, struct banner *ret)
{
	const uint8_t *end = data + size, *at, *stop;

	for (at = next_start(data, end); at; at = next_start(stop, end)) {
		stop = end_of_line(at, end);
		if (stop < end && *stop == '\n' && banner_parse((const char *)at, end - at, ret))
			return at;
	}
	return NULL;
}

bool banner_same(const struct banner *a, const struct banner *b)
{
	return strcmp(a->text, b->text) == 0;
}

bool banner_of_bzimage(const uint8_t *data, size_t size, char *ret)
{
	enum { VERSION_POINTER_AT = 0x20e, VERSION_BASE = 0x200 };
	uint16_t pointer;
	size_t at, length;

	if (!bzimage_detect(data, size) || size < VERSION_POINTER_AT + sizeof(pointer))
		return false;
	memcpy(&pointer, data + VERSION_POINTER_AT, sizeof(pointer));
	at = (size_t)pointer + VERSION_BASE;
	if (!pointer || at >= size)
		return false;
	length = strnlen((const char *)data + at, size - at);
	return length < size - at && take((const char *)data + at, length, ret, BANNER_MAX);
}

/* Whether the version of the banner is this one, or has a signature in parentheses behind it. */
static bool is_version(const char *whole, const char *version)
{
	size_t length = strlen(version);
	const char *rest = whole + length;

	return strncmp(whole, version, length) == 0 &&
	       (!*rest || (strncmp(rest, " (", 2) == 0 && !strchr(rest + 2, '(') && rest[strlen(rest) - 1] == ')'));
}

bool banner_fits_bzimage(const struct banner *banner, const char *text)
{
	size_t release = strlen(banner->release);
	const char *version = strstr(text, ") #");
	char builder[BANNER_MAX];

	if (!version || strncmp(text, banner->release, release) != 0 || strncmp(text + release, " (", 2) != 0 ||
	    !is_version(banner->version, version + 2))
		return false;
	/* With what follows it in the banner: the compiler. */
	return snprintf(builder, sizeof(builder), "%.*s (", (int)(version + 1 - (text + release)), text + release) < BANNER_MAX &&
	       strstr(banner->text, builder);
}

bool banner_is_smp(const struct banner *banner)
{
	static const char flag[] = " SMP";
	const char *at = strstr(banner->version, flag);

	return at && (at[strlen(flag)] == ' ' || !at[strlen(flag)]);
}

void banner_name(const struct banner *banner, char ret[BANNER_NAME_MAX])
{
	snprintf(ret, BANNER_NAME_MAX, "%s-%016" PRIx64, banner->release, fnv1a_text(banner->text));
}
