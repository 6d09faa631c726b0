/* Policy files: policy_file.h. */
#include "session/policy_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_ERRNO = 133 };

static bool parse_rule(const char *word, enum policy_rule *ret)
{
	static const struct {
		const char *word;
		enum policy_rule rule;
	} rules[] = {{"trusted", POLICY_TRUSTED}, {"product", POLICY_PRODUCT}, {"refused", POLICY_REFUSED}};

	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (strcmp(word, rules[i].word) == 0) {
			*ret = rules[i].rule;
			return true;
		}
	}
	return false;
}

/* 0: there is none of that name. */
static int parse_errno(const char *word)
{
	for (int i = 1; i <= MAX_ERRNO; i++) {
		const char *name = strerrorname_np(i);

		if (name && strcmp(word, name) == 0)
			return i;
	}
	return 0;
}

static struct error *read_line(char *line, struct policy *policy)
{
	static const char blanks[] = " \t\r\n";
	char *rest, *call, *rule, *error;
	enum policy_rule parsed;
	int number;

	line[strcspn(line, "#")] = '\0';
	call = strtok_r(line, blanks, &rest);
	if (!call)
		return NULL;
	rule = strtok_r(NULL, blanks, &rest);
	error = rule ? strtok_r(NULL, blanks, &rest) : NULL;
	if (!rule || !parse_rule(rule, &parsed) || (error && (parsed != POLICY_REFUSED || strtok_r(NULL, blanks, &rest))))
		return error_create("must be: CALL trusted|product|refused [ERRNO]");
	number = error ? parse_errno(error) : EPERM;
	if (!number)
		return error_create("%s is no error of Linux: write it as EPERM", error);
	return policy_change(policy, call, parsed, number) ? NULL : error_create("there is no system call %s", call);
}

struct error *policy_file_read(const char *path, struct policy *policy)
{
	struct stat status;
	bool fifo = lstat(path, &status) == 0 && S_ISFIFO(status.st_mode); /* it would be waited for; a shell's <(command) is a link */
	FILE *file = fifo ? NULL : fopen(path, "re");
	struct error *err = NULL;
	char *line = NULL;
	size_t room = 0;

	if (!file)
		return error_create("%s: %s", path, fifo ? "not a regular file" : strerror(errno));
	for (unsigned number = 1; !err && getline(&line, &room, file) >= 0; number++) {
		err = read_line(line, policy);
		if (err)
			err = error_prefix(err, "%s:%u", path, number);
	}
	if (!err && ferror(file))
		err = error_create("%s: %s", path, strerror(errno));
	free(line);
	fclose(file);
	return err;
}
