/* What is known of a snapshot and the kernel in it: as JSON, and the words for it. */
#ifndef XRAY86_SESSION_INFO_H
#define XRAY86_SESSION_INFO_H

#include "session/target.h"

const char *info_architecture(const struct product *product);
const char *info_paging(enum paging_mode mode);
/* With the kernel's image. */
uint64_t info_kaslr_offset(const struct target *target);

/* An object of several lines, without a newline at its end; to be freed. NULL: out of memory. */
char *info_json(const struct target *target);

#endif
