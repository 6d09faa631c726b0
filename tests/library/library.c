/*
 * The library on a real snapshot, as a program of a stranger's uses it: only <xray86.h>, and the shared library.
 *
 * usage: library SNAPSHOT KERNEL-PATH ROOT [WORKER]      ROOT: of the command's file system; "": this machine's
 * With WORKER, the xray86 program, all sessions are isolated.
 * Prints a line for each expectation that does not hold, and at the end how many there were.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xray86.h>

static const char *snapshot, *root, *worker;
static const char *kernel_path[2];
static unsigned passed, failed;

static void expect(bool good, const char *what, const char *seen)
{
	passed += good;
	failed += !good;
	if (!good)
		printf("library: WRONG  %s: %s\n", what, seen ? seen : "");
}

/* Whether there is no error; tells of one. */
static bool good(xray86_error *err, const char *what)
{
	bool none = !err;

	expect(none, what, err ? xray86_error_message(err) : NULL);
	xray86_error_destroy(err);
	return none;
}

static void expect_code(xray86_error *err, enum xray86_code code, const char *what)
{
	expect(err && xray86_error_code(err) == code && !strchr(xray86_error_message(err), '\n'), what,
	       err ? xray86_error_message(err) : "no error");
	xray86_error_destroy(err);
}

static xray86_session *open_session(unsigned flags)
{
	struct xray86_open_options options = XRAY86_INIT(struct xray86_open_options);
	xray86_session *session;

	options.kernel_path = kernel_path;
	options.flags = flags | (worker ? XRAY86_ISOLATE : 0);
	options.worker = worker;
	return good(xray86_open(snapshot, &options, &session), "open") ? session : NULL;
}

static struct xray86_run_options run_options(void)
{
	struct xray86_run_options options = XRAY86_INIT(struct xray86_run_options);

	options.root = *root ? root : NULL;
	return options;
}

static xray86_error *run_with(xray86_session *session, const char *script, const struct xray86_run_options *options, xray86_result **ret)
{
	const char *const command[] = {"sh", "-c", script, NULL};

	return xray86_run(session, command, options, ret);
}

static xray86_result *run(xray86_session *session, const char *script, unsigned flags)
{
	struct xray86_run_options options = run_options();
	xray86_result *result;

	options.flags = flags;
	return good(run_with(session, script, &options, &result), script) ? result : NULL;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Memory of this process, in MiB. */
static double resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (file) {
		if (fscanf(file, "%*u %lu", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return pages / 256.0;
}

static bool prints(const xray86_result *result, const char *text)
{
	size_t size;

	return result && strcmp(xray86_result_output(result, XRAY86_STDOUT, &size), text) == 0 && size == strlen(text);
}

static bool same(const xray86_result *a, const xray86_result *b)
{
	return a && b && prints(a, xray86_result_output(b, XRAY86_STDOUT, NULL)) &&
	       strcmp(xray86_result_stats(a), xray86_result_stats(b)) == 0 && xray86_result_status(a) == xray86_result_status(b);
}

/* -- facts and memory -- */

static void test_facts(xray86_session *session)
{
	struct xray86_facts facts = XRAY86_INIT(struct xray86_facts);
	struct {
		struct xray86_facts facts;
		char newer[16];
	} larger;
	const char *info = NULL;
	struct {
		size_t size;
		const char *format;
	} smaller = {.size = sizeof(smaller)};

	if (!good(xray86_get_facts(session, &facts), "facts"))
		return;
	expect(facts.format && facts.architecture && facts.release && facts.banner && facts.memory && facts.cpus && facts.uptime_ms &&
		       facts.kernel_base,
	       "all facts are there", facts.format);
	expect(strstr(facts.banner, facts.release), "the banner has the release", facts.banner);
	memset(&larger, 1, sizeof(larger));
	larger.facts.size = sizeof(larger);
	good(xray86_get_facts(session, &larger.facts), "facts for a newer program");
	expect(larger.facts.cpus == facts.cpus && !larger.newer[0] && larger.facts.size == sizeof(larger), "what is not known is zero",
	       NULL);
	good(xray86_get_facts(session, (struct xray86_facts *)&smaller), "facts for an older program");
	expect(smaller.format && strcmp(smaller.format, facts.format) == 0 && smaller.size == sizeof(smaller), "an older program's facts",
	       NULL);
	good(xray86_get_info(session, &info), "info");
	expect(info && strstr(info, facts.release), "info has the release", info);
}

static void count_note(void *opaque, const char *text)
{
	*(unsigned *)opaque += *text && !strchr(text, '\n');
}

/* Without the kernel's image there are facts, and no commands whose code is verified. */
static void test_no_image(void)
{
	static const char *const nowhere[] = {"/nowhere", NULL};
	struct xray86_open_options options = XRAY86_INIT(struct xray86_open_options);
	struct xray86_facts facts = XRAY86_INIT(struct xray86_facts);
	struct xray86_run_options how = run_options();
	xray86_session *session;
	xray86_result *result;
	unsigned notes = 0;
	uint8_t bytes[16];

	options.kernel_path = nowhere;
	options.flags = XRAY86_NO_CACHE | (worker ? XRAY86_ISOLATE : 0);
	options.worker = worker;
	options.note = count_note;
	options.opaque = &notes;
	if (!good(xray86_open(snapshot, &options, &session), "open"))
		return;
	good(xray86_get_facts(session, &facts), "facts without the image");
	expect(facts.release && facts.architecture && facts.cpus && facts.uptime_ms && facts.kernel_base && notes == 1,
	       "what the memory tells by itself", facts.release);
	good(xray86_read_kernel(session, facts.kernel_base, bytes, sizeof(bytes)), "kernel memory without the image");
	how.code = XRAY86_CODE_VERIFIED;
	for (unsigned i = 0; i < 2; i++) /* it is the same again */
		expect_code(run_with(session, "uname -n", &how, &result), XRAY86_NO_KERNEL, "a command without the image");
	expect_code(xray86_read_process(session, 1, 0x1000, bytes, 1), XRAY86_NO_KERNEL, "a process without the image");
	xray86_close(session);
}

static void test_memory(xray86_session *session)
{
	struct xray86_facts facts = XRAY86_INIT(struct xray86_facts);
	uint8_t text[64], page[5000];

	if (!good(xray86_get_facts(session, &facts), "facts"))
		return;
	good(xray86_read_kernel(session, facts.kernel_base + 4090, text, sizeof(text)), "kernel memory over a page's end");
	good(xray86_read_physical(session, 0x1000, page, sizeof(page)), "physical memory");
	expect_code(xray86_read_physical(session, UINT64_MAX - 10, page, 20), XRAY86_NOT_THERE, "beyond the last address");
	expect_code(xray86_read_physical(session, 1ull << 50, page, 20), XRAY86_NOT_THERE, "no such memory");
	expect_code(xray86_read_kernel(session, 0x1000, page, 20), XRAY86_NOT_THERE, "not the kernel's");
}

/* What ps finds on the stack of PID 1 is what is read there: its arguments, up to the environment. */
static void test_process(xray86_session *session)
{
	xray86_result *where = run(session, "read -r line </proc/1/stat; echo ${line##*) }", 0);
	xray86_result *what = run(session, "cat /proc/1/cmdline; cat /proc/1/environ", 0);
	unsigned long long start = 0, end = 0;
	const char *text = where ? xray86_result_output(where, XRAY86_STDOUT, NULL) : "", *expected;
	size_t size = 0;
	char *bytes;

	for (unsigned field = 3; *text; field++) { /* arg_start is field 48, env_end 51: proc(5) */
		unsigned long long value = strtoull(text, NULL, 10);

		start = field == 48 ? value : start;
		end = field == 51 ? value : end;
		text += strcspn(text, " ");
		text += strspn(text, " \n");
	}
	expected = what ? xray86_result_output(what, XRAY86_STDOUT, &size) : "";
	expect(start && end - start == size, "the place of the arguments of PID 1",
	       where ? xray86_result_output(where, XRAY86_STDOUT, NULL) : "");
	bytes = calloc(1, size + 1);
	if (start && good(xray86_read_process(session, 1, start, bytes, size), "the memory of PID 1"))
		expect(memcmp(bytes, expected, size) == 0, "the memory of PID 1 is what cat finds", bytes);
	expect_code(xray86_read_process(session, 1, 8, bytes, 1), XRAY86_NOT_THERE, "nothing there");
	expect_code(xray86_read_process(session, 2, start, bytes, 1), XRAY86_NOT_THERE, "a kernel thread has none");
	expect_code(xray86_read_process(session, 999999, start, bytes, 1), XRAY86_NO_PROCESS, "no such process");
	free(bytes);
	xray86_result_destroy(where);
	xray86_result_destroy(what);
}

/* -- commands -- */

static void test_results(xray86_session *session)
{
	xray86_result *result = run(session, "echo out; echo err >&2; exit 3", 0);
	size_t size = 0;

	if (result) {
		expect(prints(result, "out\n") && strcmp(xray86_result_output(result, XRAY86_STDERR, &size), "err\n") == 0 && size == 4,
		       "both streams", NULL);
		expect(WIFEXITED(xray86_result_status(result)) && WEXITSTATUS(xray86_result_status(result)) == 3, "status", NULL);
		expect(!xray86_result_losses(result), "nothing was lost", xray86_result_losses(result));
	}
	xray86_result_destroy(result);
	result = run(session, "kill -9 $$", 0);
	expect(result && WIFSIGNALED(xray86_result_status(result)) && WTERMSIG(xray86_result_status(result)) == SIGKILL, "a signal", NULL);
	xray86_result_destroy(result);
}

/* A later command is as a first one, and nothing of the one before is left; nor has it to wait for a boot. */
static void test_several(xray86_session *session)
{
	static const char script[] = "echo $$; cat /proc/uptime; ls /proc | wc -l; echo left >/run/left";
	xray86_session *other = open_session(0);
	xray86_result *first = run(session, script, 0), *later = run(session, script, 0), *others = run(other, script, 0);
	double start = seconds();
	xray86_result *gone = run(session, "cat /run/left 2>&1", 0);

	expect(seconds() - start < 10, "a later command starts at once", NULL);
	start = resident();
	for (unsigned i = 0; i < 3; i++)
		xray86_result_destroy(run(session, script, 0));
	expect(resident() - start < 8, "memory goes back between commands", NULL);
	expect(same(first, later), "a second command is as the first", later ? xray86_result_stats(later) : NULL);
	expect(same(first, others), "and as another session's first", others ? xray86_result_stats(others) : NULL);
	expect(gone && xray86_result_status(gone) != 0, "what a command wrote is gone", NULL);
	xray86_result_destroy(first);
	xray86_result_destroy(later);
	xray86_result_destroy(others);
	xray86_result_destroy(gone);
	xray86_close(other);
}

static void test_keep(xray86_session *session)
{
	xray86_result *write = run(session, "uname -n; echo kept >/proc/sys/kernel/hostname", XRAY86_KEEP);
	xray86_result *read = run(session, "cat /proc/sys/kernel/hostname", XRAY86_KEEP),
		      *without = run(session, "cat /proc/sys/kernel/hostname", 0);
	xray86_result *again = run(session, "cat /proc/sys/kernel/hostname", XRAY86_KEEP);

	expect(prints(read, "kept\n"), "a change is kept", read ? xray86_result_output(read, XRAY86_STDOUT, NULL) : NULL);
	expect(write && without && prints(write, xray86_result_output(without, XRAY86_STDOUT, NULL)), "and is not seen without the flag",
	       without ? xray86_result_output(without, XRAY86_STDOUT, NULL) : NULL);
	expect(prints(again, "kept\n"), "and is there still", again ? xray86_result_output(again, XRAY86_STDOUT, NULL) : NULL);
	xray86_result_destroy(write);
	xray86_result_destroy(read);
	xray86_result_destroy(without);
	xray86_result_destroy(again);
}

static void test_errors(xray86_session *session)
{
	static const char *const unknown[] = {"no-such-command", NULL}, *const text[] = {"/etc/passwd", NULL}, *const none[] = {NULL};
	struct xray86_run_options options = run_options();
	xray86_result *result = (xray86_result *)&options;
	xray86_session *nothing = session;

	expect_code(xray86_run(session, unknown, &options, &result), XRAY86_NOT_FOUND, "no such command");
	expect(!result, "no result after an error", NULL);
	expect_code(xray86_run(session, text, &options, &result), XRAY86_CANNOT_EXECUTE, "no program");
	expect_code(xray86_run(session, none, &options, &result), XRAY86_INVALID, "no command");
	options.as = 999999;
	expect_code(run_with(session, "uname -n", &options, &result), XRAY86_NO_PROCESS, "as no process");
	options = run_options();
	options.budget = 20000000;
	expect_code(run_with(session, "while :; do :; done", &options, &result), XRAY86_TIMEOUT, "budget");
	options = run_options();
	options.timeout = 1;
	expect_code(run_with(session, "while :; do :; done", &options, &result), XRAY86_TIMEOUT, "timeout");
	options.size = 0;
	expect_code(run_with(session, ":", &options, &result), XRAY86_INVALID, "options without a size");
	expect_code(xray86_open("/nowhere/no-such-snapshot", NULL, &nothing), XRAY86_FAILED, "no such snapshot");
	expect(!nothing, "no session after an error", NULL);
}

/* -- callbacks -- */

struct streams {
	xray86_session *session;
	const char *input;
	char output[4096];
	size_t size;
	unsigned calls, busy;
};

static long give(void *opaque, void *to, size_t size, int idle)
{
	struct streams *streams = opaque;
	size_t n = strlen(streams->input);

	if (!idle) /* asked again when it can do nothing else */
		return -1;
	n = n < size ? n : size;
	memcpy(to, streams->input, n);
	streams->input += n;
	return n;
}

static int take(void *opaque, enum xray86_stream stream, const void *bytes, size_t size)
{
	struct streams *streams = opaque;
	struct xray86_facts facts = XRAY86_INIT(struct xray86_facts);
	xray86_error *err = xray86_get_facts(streams->session, &facts);

	streams->busy += err && xray86_error_code(err) == XRAY86_BUSY;
	xray86_error_destroy(err);
	if (stream != XRAY86_STDOUT || size > sizeof(streams->output) - streams->size)
		return ENOSPC;
	memcpy(streams->output + streams->size, bytes, size);
	streams->size += size;
	return 0;
}

static void trace(void *opaque, const char *json)
{
	struct streams *streams = opaque;

	streams->calls += json[0] == '{' && strstr(json, "\"call\"") && !strchr(json, '\n');
}

static void test_streams(xray86_session *session)
{
	struct streams streams = {.session = session, .input = "one\ntwo\n"};
	struct xray86_run_options options = run_options();
	xray86_result *result;

	options.input = give;
	options.output = take;
	options.trace = trace;
	options.opaque = &streams;
	if (good(run_with(session, "cat; read -r line </proc/uptime", &options, &result), "streams")) {
		expect(streams.size == 8 && memcmp(streams.output, "one\ntwo\n", 8) == 0, "input comes out", streams.output);
		expect(streams.busy, "a callback cannot call its session", NULL);
		expect(streams.calls > 2, "calls are traced", NULL);
		xray86_result_destroy(result);
	}
	expect_code(run_with(session, "echo nobody >&2", &options, &result), XRAY86_FAILED, "output that is not taken");
}

/* -- cancelling -- */

static void *cancel_soon(void *session)
{
	struct timespec wait = {.tv_nsec = 300000000};

	nanosleep(&wait, NULL);
	xray86_cancel(session);
	return NULL;
}

static void test_cancel(xray86_session *session)
{
	struct xray86_run_options options = run_options();
	xray86_result *result;
	pthread_t thread;
	double start = seconds();

	pthread_create(&thread, NULL, cancel_soon, session);
	expect_code(run_with(session, "while :; do :; done", &options, &result), XRAY86_CANCELLED, "cancelled by another thread");
	pthread_join(thread, NULL);
	expect(seconds() - start < 20, "soon", NULL);
	xray86_cancel(session);
	expect_code(run_with(session, ":", &options, &result), XRAY86_CANCELLED, "before it began");
	result = run(session, "echo still here", 0);
	expect(prints(result, "still here\n"), "the session can be used again", NULL);
	xray86_result_destroy(result);
}

/* -- threads -- */

static void *use_session(void *ret)
{
	xray86_session *session = open_session(0);

	*(xray86_result **)ret = session ? run(session, "ls /proc | wc -l; cat /proc/version", 0) : NULL;
	xray86_close(session);
	return NULL;
}

static void test_threads(void)
{
	xray86_result *result[2] = {NULL, NULL};
	pthread_t thread[2];

	for (unsigned i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, use_session, &result[i]);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	expect(same(result[0], result[1]), "two sessions in two threads", result[0] ? xray86_result_stats(result[0]) : NULL);
	for (unsigned i = 0; i < 2; i++)
		xray86_result_destroy(result[i]);
}

/* -- the process -- */

/* All of the process that the library must leave as it is. */
struct process {
	struct {
		void (*handler)(int);
		unsigned long flags, mask; /* of the kernel's: the C library leaves the rest of its own as it finds it */
	} action[64];
	struct rlimit limit[RLIM_NLIMITS];
	struct stat descriptor[3];
	int flags[3];
	sigset_t blocked;
	mode_t mask;
	char folder[4096], locale[256];
	long environment; /* a checksum */
	long status;      /* of /proc/self/status: no new privileges, seccomp */
};

static long sum_environment(void)
{
	extern char **environ;
	long sum = 0;

	for (char **at = environ; *at; at++) {
		for (const char *c = *at; *c; c++)
			sum = sum * 31 + *c;
	}
	return sum;
}

static long sum_status(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long sum = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "NoNewPrivs", 10) == 0 || strncmp(line, "Seccomp", 7) == 0 || strncmp(line, "Cap", 3) == 0) {
			for (const char *c = line; *c; c++)
				sum = sum * 31 + *c;
		}
	}
	if (file)
		fclose(file);
	return sum;
}

static struct process *look_at_process(void)
{
	struct process *process = calloc(1, sizeof(*process));

	for (int i = 1; i < 64; i++) {
		struct sigaction action;

		if (sigaction(i, NULL, &action))
			continue;
		process->action[i].handler = action.sa_handler;
		process->action[i].flags = action.sa_flags;
		memcpy(&process->action[i].mask, &action.sa_mask, sizeof(process->action[i].mask));
	}
	for (int i = 0; i < RLIM_NLIMITS; i++)
		getrlimit(i, &process->limit[i]);
	for (int i = 0; i < 3; i++) {
		fstat(i, &process->descriptor[i]);
		process->descriptor[i].st_atim = process->descriptor[i].st_mtim = process->descriptor[i].st_ctim = (struct timespec){0};
		process->descriptor[i].st_size = process->descriptor[i].st_blocks = 0;
		process->flags[i] = fcntl(i, F_GETFL);
	}
	sigprocmask(SIG_BLOCK, NULL, &process->blocked);
	process->mask = umask(0);
	umask(process->mask);
	if (!getcwd(process->folder, sizeof(process->folder)))
		process->folder[0] = '\0';
	snprintf(process->locale, sizeof(process->locale), "%s", setlocale(LC_ALL, NULL));
	process->environment = sum_environment();
	process->status = sum_status();
	return process;
}

static void compare_process(const struct process *before, const struct process *after)
{
	static const struct {
		const char *what;
		size_t at, size;
	} parts[] = {
#define PART(member) {#member, offsetof(struct process, member), sizeof(((struct process *)0)->member)}
		PART(action), PART(limit),  PART(descriptor), PART(flags),       PART(blocked),
		PART(mask),   PART(folder), PART(locale),     PART(environment), PART(status),
#undef PART
	};

	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		expect(memcmp((const char *)before + parts[i].at, (const char *)after + parts[i].at, parts[i].size) == 0,
		       "the process is as it was", parts[i].what);
}

int main(int argc, char **argv)
{
	struct process *before = look_at_process(), *after;
	xray86_session *session;

	if (argc != 4 && argc != 5)
		return 2;
	snapshot = argv[1];
	kernel_path[0] = argv[2];
	root = argv[3];
	worker = argv[4];
	session = open_session(0);
	if (!session)
		return 1;
	test_facts(session);
	test_memory(session);
	test_results(session);
	test_several(session);
	test_process(session);
	test_keep(session);
	test_errors(session);
	test_streams(session);
	test_cancel(session);
	test_threads();
	xray86_close(session);
	test_no_image();
	session = open_session(XRAY86_NO_CACHE); /* what was booted is kept in memory */
	if (session) {
		xray86_result *first = run(session, "ls /proc | wc -l", 0), *later = run(session, "ls /proc | wc -l", 0);

		expect(same(first, later), "two commands without a cache", later ? xray86_result_stats(later) : NULL);
		xray86_result_destroy(first);
		xray86_result_destroy(later);
	}
	xray86_close(session);
	after = look_at_process();
	compare_process(before, after);
	free(before);
	free(after);
	printf("library: %u expectations hold, %u do not\n", passed, failed);
	return failed != 0;
}
