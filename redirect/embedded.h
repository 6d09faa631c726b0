/*
 * Descriptors that a system call does not have as arguments but in memory that they point to: i386's socketcall(), bpf(), and netlink
 * messages that name a network namespace. What the product is to see there is put in place for the time of the body, and put back
 * (call_put_translated(), call_restore_arguments()).
 */
#ifndef XRAY86_REDIRECT_EMBEDDED_H
#define XRAY86_REDIRECT_EMBEDDED_H

#include "redirect/placeholders.h"

/* Notes the descriptors in memory that a call on a product descriptor points to. */
void embedded_translate(struct placeholders *placeholders);
/* i386's socketcall(). */
enum verdict embedded_judge_socketcall(struct placeholders *placeholders);
/* Likewise of bpf(). */
enum verdict embedded_judge_bpf(struct placeholders *placeholders, int *ret_errno);

#endif
