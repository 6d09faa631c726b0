/* Policy files: policy_file.h. */
#include "session/policy_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/quote.h"

enum { MAX_ERRNO = 133, MAX_WORDS = 32, ARGUMENTS = 6 /* of a system call */, LIST = 512 /* bytes */ };

/* A line's words; `at` is the next one. */
struct line {
	char *word[MAX_WORDS];
	unsigned count, at;
	char quoted[QUOTE_NAME]; /* for messages */
};

/* Returns false if there are too many. */
static bool split(char *text, struct line *ret)
{
	static const char blanks[] = " \t\r\n";
	char *rest;

	text[strcspn(text, "#")] = '\0';
	for (char *word = strtok_r(text, blanks, &rest); word; word = strtok_r(NULL, blanks, &rest)) {
		if (ret->count == MAX_WORDS)
			return false;
		ret->word[ret->count++] = word;
	}
	return true;
}

static const char *quote_word(struct line *line, unsigned n)
{
	return quote_string(line->quoted, sizeof(line->quoted), line->word[n]);
}

/* -- what is allowed -- */

static const char *rule_word(unsigned i)
{
	return policy_rule_info(i)->word;
}

static const char *flag_word(unsigned i)
{
	return policy_flag_info(i)->word;
}

static const char *list(char to[LIST], const char *(*word)(unsigned), unsigned count)
{
	size_t length = 0;

	for (unsigned i = 0; i < count; i++)
		length += snprintf(to + length, LIST - length, "%s%s", i ? " " : "", word(i));
	return to;
}

/* Returns `count` if there is no such word. */
static unsigned find(const char *word, const char *(*word_of)(unsigned), unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(word, word_of(i)) == 0)
			return i;
	}
	return count;
}

/* -- the parts of a line -- */

/* CALL or CALL/ABI */
static struct error *read_call(struct line *line, struct policy_row *row, enum policy_abi *ret)
{
	static const char *const abis[] = {[POLICY_X86_64] = "x86-64", [POLICY_I386] = "i386"};
	char *slash = strchr(line->word[0], '/');

	row->name = line->word[line->at++];
	*ret = POLICY_ABIS;
	if (!slash)
		return NULL;
	for (unsigned i = 0; i < POLICY_ABIS; i++) {
		if (strcmp(slash + 1, abis[i]) == 0)
			*ret = i;
	}
	if (*ret == POLICY_ABIS)
		return error_create("%s names no ABI: there are /x86-64 and /i386", quote_word(line, 0));
	*slash = '\0';
	return NULL;
}

static struct error *read_rule(struct line *line, struct policy_row *row)
{
	char rules[LIST];
	unsigned rule = line->at < line->count ? find(line->word[line->at], rule_word, POLICY_RULES) : POLICY_RULES;

	list(rules, rule_word, POLICY_RULES);
	if (line->at == line->count)
		return error_create("must be: CALL RULE [ARGUMENT...] [FLAG...]; rules are: %s", rules);
	if (rule == POLICY_RULES)
		return error_create("%s is no rule; rules are: %s", quote_word(line, line->at), rules);
	row->rule = rule;
	line->at++;
	return NULL;
}

/* 0: there is none of that name. */
static int find_errno(const char *word)
{
	for (int i = 1; i <= MAX_ERRNO; i++) {
		const char *name = strerrorname_np(i);

		if (name && strcmp(word, name) == 0)
			return i;
	}
	return 0;
}

static struct error *read_errno(struct line *line, struct policy_row *row)
{
	row->argument[0] = EPERM;
	if (line->at == line->count || line->word[line->at][0] != 'E')
		return NULL;
	row->argument[0] = find_errno(line->word[line->at]);
	if (!row->argument[0])
		return error_create("%s is no error of Linux: write it as EPERM", quote_word(line, line->at));
	line->at++;
	return NULL;
}

static struct error *read_arguments(struct line *line, struct policy_row *row)
{
	const struct policy_rule_info *info = policy_rule_info(row->rule);

	if (row->rule == POLICY_REFUSED)
		return read_errno(line, row);
	for (unsigned i = 0; i < policy_rule_arguments(row->rule); i++) {
		const char *word = line->at < line->count ? line->word[line->at] : "";

		if (word[0] < '0' || word[0] >= '0' + ARGUMENTS || word[1])
			return error_create("must be: CALL %s %s [FLAG...]; each argument by its number, 0 to %u", info->word,
					    info->arguments, ARGUMENTS - 1);
		row->argument[i] = word[0] - '0';
		line->at++;
	}
	return NULL;
}

static struct error *read_flags(struct line *line, struct policy_row *row)
{
	char flags[LIST];

	if (line->at + 1 == line->count && strcmp(line->word[line->at], "none") == 0)
		return NULL;
	for (; line->at < line->count; line->at++) {
		unsigned flag = find(line->word[line->at], flag_word, POLICY_FLAGS);

		if (flag == POLICY_FLAGS)
			return error_create("%s is no flag; flags are: %s, or none", quote_word(line, line->at),
					    list(flags, flag_word, POLICY_FLAGS));
		row->flags |= 1u << flag;
	}
	return NULL;
}

static struct error *read_line(char *text, struct policy *policy)
{
	struct line line = {.count = 0};
	struct policy_row row = {.name = NULL};
	enum policy_abi abi;
	struct error *err;
	bool flags;

	if (!split(text, &line))
		return error_create("more than %u words", MAX_WORDS);
	if (!line.count)
		return NULL;
	err = read_call(&line, &row, &abi);
	if (!err)
		err = read_rule(&line, &row);
	if (!err)
		err = read_arguments(&line, &row);
	flags = line.at < line.count;
	if (!err)
		err = read_flags(&line, &row);
	if (err || policy_change(policy, abi, &row, flags))
		return err;
	return error_create("there is no system call %s%s: names are those of Linux, as --trace shows them", quote_word(&line, 0),
			    abi == POLICY_X86_64 ? " on x86-64"
			    : abi == POLICY_I386 ? " on i386"
						 : "");
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
