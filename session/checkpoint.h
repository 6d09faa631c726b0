/*
 * Checkpoints: a machine after a long preparation (a booted trusted kernel), in a file, from which machines start in milliseconds.
 *
 * A checkpoint is good for one key: text that says everything that it depends on (program build, kernel, base, memory, agent). Loading maps
 * memory copy-on-write, so it costs what is touched, and the file never changes: it is written under another name and then renamed, so that
 * whoever uses an older one keeps it. A file that is stale, cut short or no checkpoint is told from a good one and not used.
 *
 * Whose word it is: only files that nobody but this user can write are taken (util/owned.h). Key, state and extra bytes have a checksum
 * against accidents, and every field of the state is checked before the machine has it (machine_state.h). The extra bytes are the owner's
 * to check. RAM has no checksum, since reading all of it would cost what the mapping saves: only the guest relies on what is in it.
 *
 * File: struct header, key, machine state, extra bytes; then, from a page boundary on, the regions of RAM one behind the other, with holes
 * for pages of zeros.
 */
#ifndef XRAY86_SESSION_CHECKPOINT_H
#define XRAY86_SESSION_CHECKPOINT_H

#include "emu/machine.h"

/*
 * Writes `name` in a folder of this user's (owned_directory_open()). extra: whatever the owner wants to find again. Nothing half-written
 * is left behind, not even if the host's power fails: the contents are on disk before the name is. What other writers have left of such a
 * file ("other.KIND.NUMBER", where name is "one.KIND") that were killed is deleted.
 */
struct error *checkpoint_save(int directory, const char *name, const char *key, const struct machine *machine, const void *extra,
			      size_t extra_size);

/* A good checkpoint whose head is in memory. */
struct checkpoint;

/* One in memory alone, gone when it is closed and nothing is mapped from it any more. */
struct error *checkpoint_hold(const char *key, const struct machine *machine, const void *extra, size_t extra_size,
			      struct checkpoint **ret);

/*
 * *ret is NULL without an error if there is no checkpoint of that name, or no good one, or not with so many extra bytes: a new one can be
 * saved. The error says why the file is not even looked into: it is not this user's own.
 */
struct error *checkpoint_open(int directory, const char *name, size_t extra_size, struct checkpoint **ret);
/* The same of a file that the caller vouches for. Owns fd. */
struct checkpoint *checkpoint_open_fd(int fd, size_t extra_size);
/* NULL is allowed. Memory that was mapped stays. */
void checkpoint_close(struct checkpoint *checkpoint);

const char *checkpoint_key(const struct checkpoint *checkpoint);
/* Not aligned. */
const void *checkpoint_extra(const struct checkpoint *checkpoint);

/*
 * Puts machine, new and of the configuration that was saved, in the state saved. False: it is another machine's, or damaged; the machine's
 * state is as it was, and its memory is good for nothing.
 */
bool checkpoint_load(const struct checkpoint *checkpoint, struct machine *machine);

#endif
