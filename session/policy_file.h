/*
 * --policy FILE: rows of the policy that the user changes, a line each.
 *
 *	CALL RULE [ARGUMENT...] [FLAG...]	# comment
 *
 * CALL is the name of a system call, in both ABIs, or in one: CALL/x86-64, CALL/i386. RULE and FLAG are words of policy_rules.def and
 * policy_flags.def. An ARGUMENT is the number, from 0 on, of an argument that the rule looks at; for `refused` it is the name of an errno.
 * In a line without flags, the call keeps the flags that say what it does; `none` removes these, too.
 */
#ifndef XRAY86_SESSION_POLICY_FILE_H
#define XRAY86_SESSION_POLICY_FILE_H

#include "redirect/policy.h"
#include "util/error.h"

/* `policy` must be initialised. The error names the file and the line, what is wrong there, and what is allowed. */
struct error *policy_file_read(const char *path, struct policy *policy);

#endif
