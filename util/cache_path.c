/* Where the user's cache is: see cache_path.h. */
#include "util/cache_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the name of the folder that an absolute path is in. */
static size_t parent_length(const char *path)
{
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		length--;
	while (length > 1 && path[length - 1] != '/')
		length--;
	return length - 1;
}

struct error *cache_path(const char *name, char **ret, size_t *ret_base)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	size_t base;
	int length;

	*ret = NULL;
	if (cache && cache[0] == '/') {
		length = asprintf(ret, "%s/xray86/%s", cache, name);
		base = parent_length(cache);
	} else if (home && home[0] == '/') {
		length = asprintf(ret, "%s/.cache/xray86/%s", home, name);
		base = strlen(home);
	} else {
		return error_create("neither XDG_CACHE_HOME nor HOME is set");
	}
	if (length < 0) {
		*ret = NULL;
		return error_create("out of memory");
	}
	if (ret_base)
		*ret_base = base;
	return NULL;
}
