/* Paths of descriptors: descriptor_path.h. */
#include "redirect/descriptor_path.h"

#include <string.h>

/* A component of a path. */
struct component {
	const char *name;
	size_t length;
};

/* The next component; length 0: there is none. *path goes behind it. */
static struct component next(const char **path)
{
	struct component component;

	do {
		component.name = *path + strspn(*path, "/");
		component.length = strcspn(component.name, "/");
		*path = component.name + component.length;
	} while (component.length == 1 && component.name[0] == '.');
	return component;
}

static bool is(struct component component, const char *name)
{
	return component.length == strlen(name) && memcmp(component.name, name, component.length) == 0;
}

/* Numbers as /proc takes them: without zeros in front. */
static bool is_number(struct component component, uint32_t *ret)
{
	uint64_t value = 0;

	if (!component.length || component.length > 10 || (component.name[0] == '0' && component.length > 1))
		return false;
	for (size_t i = 0; i < component.length; i++) {
		if (component.name[i] < '0' || component.name[i] > '9')
			return false;
		value = 10 * value + (component.name[i] - '0');
	}
	*ret = value;
	return value <= UINT32_MAX;
}

/* Behind /proc/: the process, and /task/TID if there is one. */
static bool parse_process(const char **path, struct descriptor_path *ret)
{
	const char *ahead;
	struct component component = next(path);

	if (!is(component, "self") && !is(component, "thread-self") && (!is_number(component, &ret->pid) || !ret->pid))
		return false;
	ahead = *path;
	if (!is(next(&ahead), "task"))
		return true;
	*path = ahead;
	return is_number(next(path), &ret->pid) && ret->pid;
}

static bool parse_proc(const char *path, struct descriptor_path *ret)
{
	struct component component;

	if (!parse_process(&path, ret))
		return false;
	component = next(&path);
	ret->info = is(component, "fdinfo");
	if ((!ret->info && !is(component, "fd")) || !is_number(next(&path), &ret->fd))
		return false;
	ret->rest = path;
	return true;
}

static bool parse_dev(const char *path, struct descriptor_path *ret)
{
	static const char *const streams[] = {"stdin", "stdout", "stderr"};
	struct component component = next(&path);

	if (is(component, "fd")) {
		component = next(&path);
		ret->rest = path;
		return is_number(component, &ret->fd);
	}
	ret->rest = path;
	for (ret->fd = 0; ret->fd < 3; ret->fd++) {
		if (is(component, streams[ret->fd]))
			return true;
	}
	return false;
}

bool descriptor_path_parse(const char *path, struct descriptor_path *ret)
{
	struct component component;

	*ret = (struct descriptor_path){0};
	if (path[0] != '/')
		return false;
	component = next(&path);
	return is(component, "proc") ? parse_proc(path, ret) : is(component, "dev") && parse_dev(path, ret);
}
