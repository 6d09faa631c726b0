/* Kernel banners: see banner.h. */
#include "loader/banner.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/bzimage.h"

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

void banner_short(const struct banner *banner, char *ret)
{
	/* Together they are shorter than the text that they were taken from. */
	snprintf(ret, BANNER_MAX, "%.64s (%.200s) %.240s", banner->release, banner->builder, banner->version);
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

/* From Linux 6.19 on, Debian's linux-image-* are empty packages that depend on linux-binary-*. */
static const char *package_prefix(const char *release)
{
	unsigned major = 0, minor = 0;

	if (sscanf(release, "%3u.%3u", &major, &minor) != 2)
		return "linux-image";
	return major > 6 || (major == 6 && minor >= 19) ? "linux-binary" : "linux-image";
}

/*
 * The version goes into a command that the user is told to type, and who made the snapshot may have written it: it has only characters of
 * deb-version(7).
 */
bool banner_debian_package(const struct banner *banner, char *ret_name, char *ret_version)
{
	static const char mark[] = " Debian ";
	const char *version = strstr(banner->version, mark), *end;

	if (!version)
		return false;
	version += strlen(mark);
	end = version + strspn(version, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-~:");
	if (*end && *end != ' ')
		return false;
	snprintf(ret_name, BANNER_MAX, "%s-%s", package_prefix(banner->release), banner->release);
	return take(version, end - version, ret_version, BANNER_MAX);
}
