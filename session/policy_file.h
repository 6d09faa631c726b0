/*
 * --policy FILE: rows of the policy that the user wants otherwise.
 *
 *	CALL trusted|product|refused [ERRNO]	# comment
 *
 * CALL is a system call by its name; ERRNO, by its name too, is what a refused one fails with (EPERM unless told).
 */
#ifndef XRAY86_SESSION_POLICY_FILE_H
#define XRAY86_SESSION_POLICY_FILE_H

#include "redirect/policy.h"
#include "util/error.h"

/* policy: initialised. Errors name the file and the line. */
struct error *policy_file_read(const char *path, struct policy *policy);

#endif
