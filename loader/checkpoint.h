/*
 * Checkpoints: a machine after a long preparation (a booted trusted kernel), in a file, from which machines start in milliseconds.
 *
 * A checkpoint is good for one key: text that says everything that it depends on (program build, kernel, base, memory, agent). Loading maps
 * memory copy-on-write, so it costs what is touched, and the file never changes: it is written under another name and then renamed, so that
 * whoever uses an older one keeps it. A file that is stale, cut short or no checkpoint is told from a good one and not used.
 *
 * File: struct header, key, machine state, extra bytes; then, from a page boundary on, the regions of RAM one behind the other, with holes
 * for pages of zeros.
 */
#ifndef XRAY86_LOADER_CHECKPOINT_H
#define XRAY86_LOADER_CHECKPOINT_H

#include "emu/machine.h"

/* extra: whatever the owner wants to find again. Nothing half-written is left behind. */
struct error *checkpoint_save(const char *path, const char *key, const struct machine *machine, const void *extra, size_t extra_size);

/*
 * Puts machine, new and of the configuration that was saved, in the state saved. False: there is no good checkpoint for this key; the
 * machine is as it was. extra_size must be that of the one saved.
 */
bool checkpoint_load(const char *path, const char *key, struct machine *machine, void *ret_extra, size_t extra_size);

/* Reads the extra bytes and the key alone. False: no good checkpoint. *ret_key is to be freed. */
bool checkpoint_peek(const char *path, void *ret_extra, size_t extra_size, char **ret_key);

#endif
