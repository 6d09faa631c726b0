/*
 * Data that programs read by themselves, wherever they run: program_add_usual_data() of program.h. Where it is: terminfo(5), locale(7) and
 * glibc's locale/findlocale.c, each as Debian has it.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/program.h"

static const char *value_of(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; *environment; environment++) {
		if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
			return *environment + length + 1;
	}
	return "";
}

/* Adds what is at the path that the format gives. */
static struct error *add_formatted(struct program *program, const char *root, const char *format, const char *a, const char *b)
{
	struct error *err;
	char *path;

	if (asprintf(&path, format, a, b) < 0)
		return error_create("out of memory");
	err = program_add_data(program, root, path);
	free(path);
	return err;
}

static struct error *add_terminal(struct program *program, const char *root, const char *terminal)
{
	static const char *const formats[] = {"/etc/terminfo/%s/%s", "/lib/terminfo/%s/%s", "/usr/share/terminfo/%s/%s"};
	const char letter[] = {terminal[0], '\0'};
	struct error *err = NULL;

	if (!isalnum((unsigned char)terminal[0]) || strchr(terminal, '/'))
		return NULL;
	for (unsigned i = 0; !err && i < sizeof(formats) / sizeof(formats[0]); i++)
		err = add_formatted(program, root, formats[i], letter, terminal);
	return err;
}

/* A locale's folder has its codeset in small letters and digits only: en_US.UTF-8 is in en_US.utf8. To be freed. */
static char *normalize(const char *locale)
{
	char *name = strdup(locale), *to = name ? strchr(name, '.') : NULL;

	if (!to)
		return name;
	to++;
	for (const char *from = to; *from; from++) {
		if (*from == '@') {
			memmove(to, from, strlen(from) + 1);
			return name;
		}
		if (isalnum((unsigned char)*from))
			*to++ = tolower((unsigned char)*from);
	}
	*to = '\0';
	return name;
}

static struct error *add_locale(struct program *program, const char *root, const char *locale)
{
	char *normalized;
	size_t before = program->files;
	struct error *err;

	/* The name becomes a folder's: LC_ALL=.. would be all of /usr/lib. */
	if (!isalpha((unsigned char)*locale) || strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0 || strchr(locale, '/'))
		return NULL;
	normalized = normalize(locale);
	if (!normalized)
		return error_create("out of memory");
	err = add_formatted(program, root, "/usr/lib/locale/%s%s", locale, "");
	if (!err && strcmp(normalized, locale) != 0)
		err = add_formatted(program, root, "/usr/lib/locale/%s%s", normalized, "");
	free(normalized);
	if (!err && program->files == before)
		err = program_add_data(program, root, "/usr/lib/locale/locale-archive");
	return err;
}

static struct error *add_locales(struct program *program, const char *root, char *const *environment)
{
	static const char *const names[] = {"LC_CTYPE",    "LC_NUMERIC",  "LC_TIME",        "LC_COLLATE",
					    "LC_MESSAGES", "LC_MONETARY", "LC_MEASUREMENT", "LANG"};
	const char *all = value_of(environment, "LC_ALL");
	struct error *err = add_locale(program, root, all);

	for (unsigned i = 0; !err && !*all && i < sizeof(names) / sizeof(names[0]); i++)
		err = add_locale(program, root, value_of(environment, names[i]));
	return err;
}

/* A name of the time zone database, with or without ":" before it (tzset(3)). Rules like CET-1 have no file; other paths are the
 * snapshot's. */
static struct error *add_time_zone(struct program *program, const char *root, const char *zone)
{
	zone += *zone == ':';
	if (!isalpha((unsigned char)*zone) || strstr(zone, ".."))
		return NULL;
	return add_formatted(program, root, "/usr/share/zoneinfo/%s%s", zone, "");
}

struct error *program_add_usual_data(struct program *program, const char *root, char *const *environment)
{
	struct error *err = add_terminal(program, root, value_of(environment, "TERM"));

	if (!err)
		err = add_time_zone(program, root, value_of(environment, "TZ"));
	return err ? err : add_locales(program, root, environment);
}
