/* Facts of a snapshot and the kernel in it, as JSON and in words. */
#ifndef XRAY86_SESSION_INFO_H
#define XRAY86_SESSION_INFO_H

#include "session/target.h"

const char *info_architecture(const struct product *product);
const char *info_paging(enum paging_mode mode);
/* Needs the kernel's image. */
uint64_t info_kaslr_offset(const struct target *target);

/* A JSON object of several lines, without a newline at its end. The caller frees it. NULL: out of memory. */
char *info_json(const struct target *target);

#endif
