/*
 * --policy FILE: rows of the policy that the user wants otherwise, a line each.
 *
 *	CALL RULE [ARGUMENT...] [FLAG...]	# comment
 *
 * CALL is a system call by its name, of both ABIs, or of one: CALL/x86-64, CALL/i386. Rules and flags are those of the tables, by the words
 * of policy_rules.def and policy_flags.def. An ARGUMENT is the number, from 0 on, of an argument that the rule looks at; for `refused`
 * it is the name of an errno. A line without flags leaves the call those that say what it does; `none` takes them away, too.
 */
#ifndef XRAY86_SESSION_POLICY_FILE_H
#define XRAY86_SESSION_POLICY_FILE_H

#include "redirect/policy.h"
#include "util/error.h"

/* policy: initialised. Errors name the file and the line, what is wrong there, and what is allowed. */
struct error *policy_file_read(const char *path, struct policy *policy);

#endif
