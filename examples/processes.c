/*
 * What ran in a machine when its memory was saved? Prints the facts of a snapshot, and its processes by the ps of this machine.
 *
 *     cc processes.c $(pkg-config --cflags --libs xray86) -o processes
 *     ./processes memory.elf [FOLDER-OF-KERNELS]
 */
#include <stdio.h>
#include <xray86.h>

static int fail(xray86_error *err)
{
	fprintf(stderr, "processes: %s\n", xray86_error_message(err));
	xray86_error_destroy(err);
	return 1;
}

int main(int argc, char **argv)
{
	const char *const folders[] = {argc > 2 ? argv[2] : "/boot", NULL}, *const command[] = {"ps", "-e", "-o", "pid,user,comm", NULL};
	struct xray86_open_options options = XRAY86_INIT(struct xray86_open_options);
	struct xray86_facts facts = XRAY86_INIT(struct xray86_facts);
	xray86_session *session = NULL;
	xray86_result *result = NULL;
	xray86_error *err;

	options.kernel_path = folders;
	err = xray86_open(argc > 1 ? argv[1] : "memory.elf", &options, &session);
	if (!err)
		err = xray86_get_facts(session, &facts);
	if (!err)
		printf("%s, Linux %s\n", facts.format, facts.release ? facts.release : "not found");
	if (!err)
		err = xray86_run(session, command, NULL, &result);
	if (!err)
		fputs(xray86_result_output(result, XRAY86_STDOUT, NULL), stdout);
	if (!err && xray86_result_losses(result))
		fprintf(stderr, "processes: %s\n", xray86_result_losses(result));
	xray86_result_destroy(result);
	xray86_close(session);
	return err ? fail(err) : 0;
}
