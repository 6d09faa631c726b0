/* Reading the memory of processes: reader.h. */
#include "session/reader.h"

#include <stdlib.h>

enum {
	LIMIT = 100000000,   /* instructions: far more than the agent needs until its first system call */
	MOST_CHANGES = 16384 /* pages: reading counts references to pages, and what is written thereby takes memory */
};

/* Nobody writes or reads anything. */
static ssize_t no_input(void *opaque, void *to, size_t size, bool idle)
{
	(void)opaque, (void)to, (void)size, (void)idle;
	return 0;
}

static int no_output(void *opaque, unsigned stream, const void *bytes, size_t size)
{
	(void)opaque, (void)stream, (void)bytes, (void)size;
	return 0;
}

/* The agent is told to make a folder: that is its first system call. */
static void set_courier(struct courier *courier, struct machine *machine)
{
	static const struct program nothing;
	static char *const none[] = {NULL};

	courier_init(courier, machine);
	courier->program = &nothing;
	courier->argument = courier->environment = none;
	courier->directory = "/";
	courier->folders[0] = courier->folders[1] = "/bin";
	courier->streams = (struct courier_streams){no_input, no_output, NULL};
}

static struct error *run_to_first_call(struct reader *reader)
{
	struct error *err = redirect_begin(reader->redirect);
	enum machine_stop stop;

	if (err)
		return err;
	stop = redirect_run(reader->redirect, cpu_instructions(reader->machine->cpu) + LIMIT);
	err = redirect_failure(reader->redirect);
	if (!err && stop == MACHINE_STOP_LIMIT && cancel_wanted(&reader->session->config.cancel))
		err = error_create_code(ERROR_CANCELLED, "reading the memory of a process was stopped");
	if (!err && (stop != MACHINE_STOP_CPU || reader->courier->failure))
		err = error_create("the trusted VM stopped before its first system call (%d)", stop);
	return err;
}

static struct error *start(struct reader *reader, struct session *session)
{
	struct redirect_config config;
	struct error *err;

	reader->session = session;
	err = trusted_vm_start(&session->vm, &reader->machine);
	if (err)
		return err;
	reader->courier = calloc(1, sizeof(*reader->courier));
	if (!reader->courier)
		return error_create("out of memory");
	set_courier(reader->courier, reader->machine);
	session_describe(session, reader->machine, &config);
	config.park = true;
	config.losses = &reader->losses;
	err = redirect_create(&config, &reader->redirect);
	return err ? err : run_to_first_call(reader);
}

struct error *reader_read(struct reader *reader, struct session *session, unsigned pid, uint64_t address, void *to, size_t size)
{
	struct error *err;

	if (reader->redirect && redirect_changes(reader->redirect) > MOST_CHANGES)
		reader_close(reader);
	err = reader->redirect ? NULL : start(reader, session);
	if (err) {
		reader_close(reader);
		return err;
	}
	return redirect_read_process(reader->redirect, pid, address, to, size);
}

void reader_close(struct reader *reader)
{
	redirect_destroy(reader->redirect);
	if (reader->courier)
		courier_deinit(reader->courier);
	free(reader->courier);
	if (reader->session)
		trusted_vm_end(&reader->session->vm, reader->machine);
	*reader = (struct reader){0};
}
