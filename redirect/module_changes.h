/* What of a module's code was changed in the product. */
#ifndef XRAY86_REDIRECT_MODULE_CHANGES_H
#define XRAY86_REDIRECT_MODULE_CHANGES_H

#include "redirect/modules.h"
#include "util/note.h"

/* Compares a proven module's code with the product's, but for what kernels patch. If it differs, a note tells that it was passed by. */
void module_changes_tell(const struct known_module *known, struct product_memory *memory, const struct notes *notes);

#endif
