/*
 * Descriptors that a system call takes in memory instead of as arguments: those of i386's socketcall(), of bpf(), and of netlink messages
 * that name a network namespace. While the body runs, the memory holds what the product shall see; afterwards it is restored
 * (call_put_translated(), call_restore_arguments()).
 */
#ifndef XRAY86_REDIRECT_EMBEDDED_H
#define XRAY86_REDIRECT_EMBEDDED_H

#include "redirect/placeholders.h"

/* Notes the descriptors in memory that a call on a product descriptor points to. */
void embedded_translate(struct placeholders *placeholders);
/* Judges i386's socketcall(). */
enum verdict embedded_judge_socketcall(struct placeholders *placeholders);
/* Judges bpf(). */
enum verdict embedded_judge_bpf(struct placeholders *placeholders, int *ret_errno);

#endif
