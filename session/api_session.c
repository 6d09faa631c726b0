/* The public API: sessions, facts and memory. */
#include <stdlib.h>
#include <string.h>

#include "emu/machine.h"
#include "session/api.h"
#include "session/remote.h"

enum { MIN_MEMORY = 64 << 20 };

/* -- calls -- */

xray86_error *api_enter(xray86_session *session)
{
	if (!session)
		return api_invalid("there is no session");
	if (atomic_exchange(&session->busy, true))
		return api_error(error_create_code(ERROR_BUSY, "the session is in a call: a callback cannot call it, nor another thread"));
	return NULL;
}

xray86_error *api_leave(xray86_session *session, struct error *err)
{
	atomic_store(&session->busy, false);
	return api_error(err);
}

/* -- opening -- */

static const char **copy_list(const char *const *list)
{
	size_t count = 0;
	const char **copy;
	bool good;

	while (list[count])
		count++;
	copy = calloc(count + 1, sizeof(*copy));
	good = copy;
	for (size_t i = 0; good && i < count; i++) {
		copy[i] = strdup(list[i]);
		good = copy[i];
	}
	for (size_t i = 0; !good && copy && copy[i]; i++)
		free((char *)copy[i]);
	if (!good)
		free(copy);
	return good ? copy : NULL;
}

static bool copy_text(const char *text, const char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return !text == !*ret;
}

/* With strings of our own. False: some are missing. */
static bool copy_options(const struct xray86_open_options *from, struct xray86_open_options *ret)
{
	bool kernel, cache, worker; /* each is copied even if another could not be: the session frees them all */

	*ret = *from;
	ret->kernel_path = from->kernel_path ? copy_list(from->kernel_path) : NULL;
	kernel = copy_text(from->kernel, &ret->kernel);
	cache = copy_text(from->cache, &ret->cache);
	worker = copy_text(from->worker, &ret->worker);
	return kernel && cache && worker && !from->kernel_path == !ret->kernel_path;
}

static struct error *check_options(const struct xray86_open_options *options)
{
	const char *text = NULL;

	if (options->flags & ~(XRAY86_NO_CACHE | XRAY86_ISOLATE))
		text = "options.flags has one that is not known";
	else if (options->memory && (options->memory < MIN_MEMORY || options->memory > MACHINE_MAX_MEMORY || options->memory % PAGE_SIZE))
		text = "options.memory must be 64 MiB to 64 GiB, in whole 4 KiB pages";
	else if ((options->kernel && !*options->kernel) || (options->cache && !*options->cache) || (options->worker && !*options->worker))
		text = "a path in options is empty";
	for (size_t i = 0; !text && options->kernel_path && options->kernel_path[i]; i++) {
		if (!*options->kernel_path[i] || strchr(options->kernel_path[i], ':'))
			text = "options.kernel_path has a name that is empty or has a colon";
	}
	return text ? error_create_code(ERROR_INVALID, "%s", text) : NULL;
}

static void destroy(xray86_session *session)
{
	for (size_t i = 0; session->options.kernel_path && session->options.kernel_path[i]; i++)
		free((char *)session->options.kernel_path[i]);
	free((void *)session->options.kernel_path);
	free((char *)session->options.kernel);
	free((char *)session->options.cache);
	free((char *)session->options.worker);
	free(session->snapshot);
	free(session->info);
	free(session);
}

static struct error *open_backend(xray86_session *session)
{
	if (session->options.flags & XRAY86_ISOLATE)
		return remote_open(session->snapshot, &session->options, &session->backend, &session->self);
	return local_open(session->snapshot, &session->options, NULL, &session->backend, &session->self);
}

xray86_error *xray86_open(const char *snapshot, const struct xray86_open_options *options, xray86_session **ret)
{
	struct xray86_open_options taken;
	xray86_session *session;
	struct error *err;
	bool copied, named;

	if (!ret)
		return api_invalid("there is no place for the session");
	*ret = NULL;
	if (!snapshot)
		return api_invalid("there is no snapshot");
	err = api_take(&taken, sizeof(taken), options, "xray86_open_options");
	if (!err)
		err = check_options(&taken);
	if (err)
		return api_error(err);
	session = calloc(1, sizeof(*session));
	if (!session)
		return api_error(error_create("out of memory"));
	copied = copy_options(&taken, &session->options);
	named = copy_text(snapshot, (const char **)&session->snapshot);
	err = copied && named ? open_backend(session) : error_create("out of memory");
	if (err)
		destroy(session);
	else
		*ret = session;
	return api_error(err);
}

void xray86_close(xray86_session *session)
{
	if (!session || atomic_exchange(&session->busy, true)) /* by its own callback: it goes on */
		return;
	session->backend->close(session->self);
	destroy(session);
}

void xray86_cancel(xray86_session *session)
{
	if (session)
		session->backend->cancel(session->self);
}

/* -- facts -- */

xray86_error *xray86_get_facts(xray86_session *session, struct xray86_facts *ret)
{
	struct xray86_facts facts = {.size = sizeof(facts)};
	xray86_error *busy = api_enter(session);
	struct error *err;
	size_t size;

	if (busy)
		return busy;
	if (!ret || !api_size_makes_sense(ret->size))
		return api_leave(session, error_create_code(ERROR_INVALID, "struct xray86_facts has no size, or a wrong one: initialise "
									   "it with XRAY86_INIT()"));
	size = ret->size;
	err = session->backend->facts(session->self, &facts);
	if (!err) {
		memset(ret, 0, size);
		memcpy(ret, &facts, size < sizeof(facts) ? size : sizeof(facts));
		ret->size = size;
	}
	return api_leave(session, err);
}

xray86_error *xray86_get_info(xray86_session *session, const char **ret_json)
{
	xray86_error *busy = api_enter(session);
	char *text = NULL;
	struct error *err;

	if (busy)
		return busy;
	if (!ret_json)
		return api_leave(session, error_create_code(ERROR_INVALID, "there is no place for the text"));
	*ret_json = NULL;
	err = session->backend->info(session->self, &text);
	if (!err) {
		free(session->info);
		*ret_json = session->info = text;
	}
	return api_leave(session, err);
}

/* -- memory -- */

static xray86_error *read_memory(xray86_session *session, enum memory_kind kind, unsigned pid, uint64_t address, void *to, size_t size)
{
	xray86_error *busy = api_enter(session);

	if (busy)
		return busy;
	if (!to && size)
		return api_leave(session, error_create_code(ERROR_INVALID, "there is no place for the bytes"));
	return api_leave(session, size ? session->backend->read(session->self, kind, pid, address, to, size) : NULL);
}

xray86_error *xray86_read_physical(xray86_session *session, uint64_t paddr, void *to, size_t size)
{
	return read_memory(session, MEMORY_PHYSICAL, 0, paddr, to, size);
}

xray86_error *xray86_read_kernel(xray86_session *session, uint64_t vaddr, void *to, size_t size)
{
	return read_memory(session, MEMORY_KERNEL, 0, vaddr, to, size);
}

xray86_error *xray86_read_process(xray86_session *session, unsigned pid, uint64_t vaddr, void *to, size_t size)
{
	return read_memory(session, MEMORY_PROCESS, pid, vaddr, to, size);
}
