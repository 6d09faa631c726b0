/* The command's environment: environment.h. */
#include "session/environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* How texts look, where things are, and what the terminal is like: none of them makes a program run anything. */
static const char *const allowed[] = {"LANG", "LC_*", "TZ", "TERM", "PATH", "HOME", "COLUMNS", "LINES"};

static size_t name_length(const char *variable)
{
	return strcspn(variable, "=");
}

static bool is_allowed(const char *variable)
{
	size_t length = name_length(variable);

	for (unsigned i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		size_t wanted = strlen(allowed[i]);
		bool begins = allowed[i][wanted - 1] == '*';

		if (begins ? length >= wanted && strncmp(variable, allowed[i], wanted - 1) == 0
			   : length == wanted && strncmp(variable, allowed[i], wanted) == 0)
			return true;
	}
	return false;
}

/* -- additions -- */

struct error *additions_add(struct additions *additions, const char *text)
{
	const char **larger;

	if (!name_length(text))
		return error_create("--env %s: must be NAME or NAME=VALUE", text);
	larger = reallocarray(additions->text, additions->count + 1, sizeof(*larger));
	if (!larger)
		return error_create("out of memory");
	additions->text = larger;
	additions->text[additions->count++] = text;
	return NULL;
}

void additions_deinit(struct additions *additions)
{
	free(additions->text);
	*additions = (struct additions){0};
}

/* -- building -- */

static size_t find(char *const *environment, size_t count, const char *variable)
{
	size_t length = name_length(variable);

	for (size_t i = 0; i < count; i++) {
		if (name_length(environment[i]) == length && strncmp(environment[i], variable, length) == 0)
			return i;
	}
	return count;
}

static size_t count_of(char *const *environment)
{
	size_t count = 0;

	while (environment[count])
		count++;
	return count;
}

/* In place of one of the same name, or behind all; false: out of memory. */
static bool put(char **list, size_t *count, const char *variable)
{
	size_t at = find(list, *count, variable);
	char *copy = strdup(variable);

	if (!copy)
		return false;
	free(list[at]);
	list[at] = copy;
	*count += at == *count;
	return true;
}

struct error *environment_build(char *const *environment, const struct additions *additions, char ***ret)
{
	size_t here = count_of(environment), count = 0;
	char **list = calloc(here + additions->count + 1, sizeof(*list));
	bool good = list;

	for (size_t i = 0; good && i < here; i++) {
		if (is_allowed(environment[i]))
			good = put(list, &count, environment[i]);
	}
	for (size_t i = 0; good && i < additions->count; i++) {
		const char *text = additions->text[i];
		size_t at = strchr(text, '=') ? here : find(environment, here, text);

		if (at < here)
			good = put(list, &count, environment[at]);
		else if (strchr(text, '='))
			good = put(list, &count, text);
	}
	if (good) {
		*ret = list;
		return NULL;
	}
	environment_free(list);
	return error_create("out of memory");
}

void environment_free(char **environment)
{
	for (size_t i = 0; environment && environment[i]; i++)
		free(environment[i]);
	free(environment);
}

const char *environment_get(char *const *environment, const char *name)
{
	size_t count = count_of(environment), at = find(environment, count, name);

	return at < count && strchr(environment[at], '=') ? strchr(environment[at], '=') + 1 : NULL;
}
