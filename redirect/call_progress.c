/* Whether each call that went to the snapshot brings the command further: repetition.h. */
#include <errno.h>
#include <string.h>

#include "emu/peek.h"
#include "redirect/call.h"
#include "util/error.h"

/* Calls that bring data when their result is not 0. Other calls with such a result tell where, when or who, and bring nothing new. */
static const char *const transfers[] = {
	"read",     "pread64",    "readv",      "preadv",   "preadv2", "recvfrom", "recvmsg",         "recvmmsg",        "recvmmsg_time32",
	"getdents", "getdents64", "write",      "pwrite64", "writev",  "pwritev",  "pwritev2",        "sendto",          "sendmsg",
	"sendmmsg", "sendfile",   "sendfile64", "splice",   "tee",     "vmsplice", "copy_file_range", "recvmmsg_time64", "socketcall",
};

/* Calls that only ask the snapshot for a position or for the time. A command that sleeps in between may do so as long as it likes. */
static const char *const idle_talk[] = {
	"clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday", "time",    "clock_nanosleep", "clock_nanosleep_time64",
	"getpriority",   "getcwd",          "umask",        "uname",        "sysinfo", "getcpu",
};

static bool is_idle_talk(const struct calls *calls)
{
	for (unsigned i = 0; i < sizeof(idle_talk) / sizeof(idle_talk[0]); i++) {
		if (strcmp(calls->now.row->name, idle_talk[i]) == 0)
			return true;
	}
	return false;
}

static bool is_transfer(const struct calls *calls)
{
	for (unsigned i = 0; i < sizeof(transfers) / sizeof(transfers[0]); i++) {
		if (strcmp(calls->now.row->name, transfers[i]) == 0)
			return true;
	}
	return false;
}

/* The bytes up to the path's end, or as many as there are: nothing is fetched for it. */
static uint64_t digest_path(const struct calls *calls, uint64_t digest, uint64_t address)
{
	char bytes[64];

	for (size_t done = 0, size; done < TOOL_PATH; done += size) {
		size_t in_page = PAGE_SIZE - ((address + done) & ~PAGE_MASK);

		size = cpu_peek(calls->worlds->cpu, address + done, bytes, in_page < sizeof(bytes) ? in_page : sizeof(bytes));
		if (!size || memchr(bytes, 0, size))
			return repetition_digest(digest, bytes, size ? strlen(bytes) : 0);
		digest = repetition_digest(digest, bytes, size);
	}
	return digest;
}

static uint64_t digest_call(const struct calls *calls, int64_t result)
{
	const struct call *call = &calls->now;
	const uint64_t words[] = {call->abi, call->number, (uint64_t)result};
	uint64_t digest = repetition_digest(0, words, sizeof(words));

	digest = repetition_digest(digest, call->argument, sizeof(call->argument));
	for (unsigned i = 0; i < CALL_ARGUMENTS; i++) {
		if (policy_is_path(call->row, i))
			digest = digest_path(calls, digest, call->argument[i]);
	}
	return digest;
}

void call_note_progress(struct calls *calls, int64_t result, const char *vain)
{
	struct repeated_call call = {
		.vain = vain || result == -EAGAIN,
		.progress = (calls->now.opens && result >= 0) || (result > 0 && is_transfer(calls)),
		.output = calls->output ? calls->output(calls->output_opaque) : 0,
		.idle = calls->worlds->machine->idle,
	};

	if (calls->failure || (!vain && is_idle_talk(calls)) || !repetition_asks(&calls->repetition, &call))
		return;
	call.digest = digest_call(calls, result);
	if (!repetition_note(&calls->repetition, &call))
		return;
	calls->failure = error_create("the command was stopped, since it would not end: it has made the same calls to the snapshot "
				      "%u times in vain, without any output meanwhile (the last one: %s, %s%s%s); --trace shows them",
				      REPETITION_LIMIT, calls->now.row->name,
				      result < 0 ? strerrorname_np(-result) ? strerrorname_np(-result) : "an error" : "no error",
				      vain ? ": " : "", vain ? vain : "");
	cpu_request_exit(calls->worlds->cpu, CPU_EXIT_CLIENT);
}
