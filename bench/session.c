/* What a command costs in an open session: prints the seconds of the first one, with opening, and of a later one (the median of several).
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <xray86.h>

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void check(xray86_error *err)
{
	if (!err)
		return;
	fprintf(stderr, "session: %s\n", xray86_error_message(err));
	exit(1);
}

static double run(xray86_session *session, const char *root, const char *const *command)
{
	struct xray86_run_options options = XRAY86_INIT(struct xray86_run_options);
	xray86_result *result;
	double start = seconds();

	options.root = root;
	check(xray86_run(session, command, &options, &result));
	xray86_result_destroy(result);
	return seconds() - start;
}

static int compare(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

int main(int argc, char **argv)
{
	enum { RUNS = 9 };
	struct xray86_open_options options = XRAY86_INIT(struct xray86_open_options);
	const char *const folders[] = {argc > 2 ? argv[2] : "", NULL};
	double start = seconds(), first, later[RUNS];
	xray86_session *session;

	if (argc < 5) {
		fputs("usage: session SNAPSHOT KERNEL-PATH ROOT COMMAND [ARGUMENT...]\n", stderr);
		return 2;
	}
	options.kernel_path = folders;
	check(xray86_open(argv[1], &options, &session));
	run(session, argv[3], (const char *const *)argv + 4);
	first = seconds() - start;
	for (int i = 0; i < RUNS; i++)
		later[i] = run(session, argv[3], (const char *const *)argv + 4);
	qsort(later, RUNS, sizeof(later[0]), compare);
	printf("%.6f %.6f\n", first, later[RUNS / 2]);
	xray86_close(session);
	return 0;
}
