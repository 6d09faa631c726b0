/* Sessions: session.h. */
#include "session/session.h"

void session_init(struct session *session, const struct session_config *config)
{
	*session = (struct session){.config = *config, .cache = {.directory = -1}};
}

int session_open_cache(struct session *session)
{
	struct error *err = session->config.no_cache ? NULL : cache_open(session->config.cache, &session->cache);

	if (err)
		note(&session->config.notes,
		     "booted kernels are not kept, and every run boots one: %s (XDG_CACHE_HOME=DIR takes another folder, --no-cache none)",
		     err->message);
	error_destroy(err);
	return session->cache.directory;
}

struct error *session_open_snapshot(struct session *session)
{
	struct error *err = target_open(&session->target, session->config.snapshot);

	if (!err)
		session->target.snapshot->cancel = session->config.cancel;
	return err;
}

struct error *session_boot(struct session *session, struct error *(*identified)(void *opaque, const struct product *product), void *opaque)
{
	const struct session_config *config = &session->config;
	const struct trusted_vm_options options = {
		.memory = config->memory,
		.cache = &session->cache,
		.once = config->once,
		.cancel = config->cancel,
		.notes = config->notes,
		.progress = config->progress,
		.identified = identified,
		.opaque = opaque,
	};
	struct error *err;

	if (session->booted)
		return identified(opaque, &session->target.product);
	err = trusted_vm_open(&session->target, &config->sources, &options, &session->vm);
	if (err)
		trusted_vm_close(&session->vm);
	session->booted = !err;
	return err;
}

void session_close(struct session *session)
{
	trusted_vm_close(&session->vm);
	cache_close(&session->cache);
	target_close(&session->target);
}
