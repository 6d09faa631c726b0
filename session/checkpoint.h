/*
 * Checkpoints: a machine after a long preparation (a booted trusted kernel), in a file. New machines start from it in milliseconds.
 *
 * A checkpoint is good for one key: text that names everything on which it depends (program build, kernel, base, memory, agent). Loading
 * maps memory copy-on-write, so only touched memory costs something. A file never changes: it is written under another name and then
 * renamed, so users of an older file keep theirs. A file that is stale, cut short or no checkpoint is recognised and not used.
 *
 * Trust: only files are taken that nobody but this user can write (util/owned.h). Key, state and extra bytes have a checksum against
 * accidents. Every field of the state is checked before the machine gets it (machine_state.h). The owner checks the extra bytes. RAM has no
 * checksum, since reading all of it would cost what the mapping saves, and only the guest relies on it.
 *
 * File: struct header, key, machine state, extra bytes; then, from a page boundary on, the regions of RAM in sequence, with holes for pages
 * of zeros.
 */
#ifndef XRAY86_SESSION_CHECKPOINT_H
#define XRAY86_SESSION_CHECKPOINT_H

#include "emu/machine.h"

/*
 * Writes `name` in a folder of this user's (owned_directory_open()). `extra` is whatever the owner wants to find again. Nothing
 * half-written remains, not even after a power failure: the contents are on disk before the name is. Deletes what killed writers have left
 * of such files
 * ("other.KIND.NUMBER", where name is "one.KIND").
 */
struct error *checkpoint_save(int directory, const char *name, const char *key, const struct machine *machine, const void *extra,
			      size_t extra_size);

/* A good checkpoint whose head is in memory. */
struct checkpoint;

/* Makes a checkpoint in memory alone. It is gone when it is closed and nothing is mapped from it any more. */
struct error *checkpoint_hold(const char *key, const struct machine *machine, const void *extra, size_t extra_size,
			      struct checkpoint **ret);

/*
 * Opens a checkpoint. If there is none of that name, or no good one, or one with another number of extra bytes, *ret is NULL without an
 * error: a new one can be saved. The error says why the file is not even looked into: it is not this user's own.
 */
struct error *checkpoint_open(int directory, const char *name, size_t extra_size, struct checkpoint **ret);
/* The same for a file that the caller vouches for. Takes fd. */
struct checkpoint *checkpoint_open_fd(int fd, size_t extra_size);
/* NULL is allowed. Memory that was mapped stays. */
void checkpoint_close(struct checkpoint *checkpoint);

const char *checkpoint_key(const struct checkpoint *checkpoint);
/* Not aligned. */
const void *checkpoint_extra(const struct checkpoint *checkpoint);

/*
 * Puts a new machine of the saved configuration into the saved state. Returns false if the checkpoint is another machine's, or damaged. The
 * machine's state is as it was then, but its memory must not be used.
 */
bool checkpoint_load(const struct checkpoint *checkpoint, struct machine *machine);

#endif
