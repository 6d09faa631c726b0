/*
 * BPF programs of the product, which are code that its kernel generated, or let in, at run time: product context does not run them. Where
 * the kernel asks one, the answer is the one that changes nothing. (Functions that do nothing but ask programs have a stand-in each:
 * stand_ins.c.)
 */
#ifndef XRAY86_REDIRECT_BPF_H
#define XRAY86_REDIRECT_BPF_H

#include "redirect/worlds.h"

/*
 * The CPU is at the first instruction of something that is called, in product context. If the caller is one that calls BPF programs, gives
 * the answer of a program that changes nothing there. Returns false otherwise.
 */
bool bpf_answer(struct worlds *worlds, uint32_t *ret_answer);

#endif
