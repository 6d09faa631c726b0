/* Sessions: session.h. */
#include "session/session.h"

enum { CALL_BUDGET = 100000000 /* instructions */ };

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
	if (session->config.stages.opening)
		session->config.stages.opening(session->config.stages.opaque, session->cache.directory);
	return session->cache.directory;
}

struct error *session_open_snapshot(struct session *session)
{
	struct error *err = target_open(&session->target, session->config.snapshot);

	if (!err)
		session->target.snapshot->cancel = session->config.cancel;
	return err;
}

struct error *session_boot(struct session *session, enum trusted_choice choice,
			   struct error *(*identified)(void *opaque, const struct product *product), void *opaque)
{
	const struct session_config *config = &session->config;
	const struct trusted_vm_options options = {
		.choice = choice,
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

	if (session->booted && choice == TRUSTED_SAME && session->vm.lack)
		return error_create_code(session->vm.lack->code, "%s", session->vm.lack->message);
	if (session->booted)
		return identified(opaque, &session->target.product);
	if (session->failed) {
		target_close(&session->target);
		err = session_open_snapshot(session);
		if (err)
			return err;
	}
	err = trusted_vm_open(&session->target, &config->sources, &options, &session->vm);
	if (err)
		trusted_vm_close(&session->vm);
	session->booted = !err;
	session->module_store = (struct module_store){.sources = &config->sources, .banner = &session->vm.kernel.landmarks.banner};
	session->modules = module_store_supplier(&session->module_store);
	session->failed = err;
	if (session->booted && config->stages.booted)
		config->stages.booted(config->stages.opaque);
	return err;
}

/* i386: PAGE_OFFSET, of the snapshot's kernel. */
static uint64_t kernel_start(const struct session *session)
{
	const struct landmarks *landmarks = session->vm.lack ? &session->target.landmarks : &session->vm.kernel.landmarks;

	return landmarks->x86_64 ? 1ull << 63 : landmarks->link_base - landmarks->link_paddr;
}

void session_describe(const struct session *session, struct machine *machine, struct redirect_config *ret)
{
	const struct trusted_kernel *kernel = &session->vm.kernel;
	const struct product *product = &session->target.product;

	*ret = (struct redirect_config){
		.machine = machine,
		.symbols = &session->vm.symbols,
		.product_symbols = session->vm.lack ? &session->target.own.symbols : NULL,
		.constants = &kernel->landmarks.constants,
		.constants_shift = kernel->base - kernel->landmarks.link_base,
		.rodata = &kernel->rodata,
		.x86_64 = product->x86_64,
		.budget = CALL_BUDGET,
		.cancel = session->config.cancel,
		.modules = &session->modules,
		.notes = session->config.notes,
		.product =
			{
				.memory = snapshot_source(session->target.snapshot),
				.paging = product->paging,
				.kernel_start = kernel_start(session),
				.percpu = product->per_cpu_base[0],
			},
	};
}

/* -- changes that are kept -- */

struct page_source session_kept(const struct session *session)
{
	return session->kept ? overlay_source(session->kept) : snapshot_source(session->target.snapshot);
}

/* What is written to a device that the snapshot does not have is kept nowhere. */
static bool keep_page(void *opaque, uint64_t paddr, const uint8_t *page)
{
	const struct session *session = opaque;

	return overlay_write(session->kept, paddr, page, PAGE_SIZE) || !snapshot_find(session->target.snapshot, paddr);
}

struct error *session_keep(struct session *session, const struct redirect *redirect)
{
	const struct overlay_config config = {.source = snapshot_source(session->target.snapshot), .max_pages = SIZE_MAX};
	struct error *err = session->kept ? NULL : overlay_create(&config, &session->kept);

	if (err)
		return err;
	overlay_begin(session->kept);
	if (redirect_for_each_change(redirect, keep_page, session)) {
		overlay_commit(session->kept);
		return NULL;
	}
	overlay_rollback(session->kept);
	return error_create("keeping the command's changes: out of memory");
}

void session_close(struct session *session)
{
	overlay_destroy(session->kept);
	module_store_deinit(&session->module_store);
	trusted_vm_close(&session->vm);
	cache_close(&session->cache);
	target_close(&session->target);
}
