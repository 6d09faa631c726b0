/*
 * Introspection: a machine whose trusted kernel runs the bodies of flagged system calls on the product's data.
 *
 * The first instruction of each system call's body is marked (emu/engine.h). When a tool's task comes there, the policy decides which world
 * the call goes to. A call on the product runs in product context (context.h) until its own RET. For a file that the product opens for the
 * tool, the trusted kernel has a placeholder (descriptors.h). So the trusted kernel itself numbers, duplicates, inherits and closes
 * descriptors.
 */
#ifndef XRAY86_REDIRECT_REDIRECT_H
#define XRAY86_REDIRECT_REDIRECT_H

#include "emu/machine.h"
#include "loader/rodata.h"
#include "loader/runtime_constants.h"
#include "loader/symbols.h"
#include "redirect/call.h"
#include "redirect/delivery.h"
#include "redirect/proof.h"
#include "util/cancel.h"
#include "util/note.h"

/* What is known of the product's kernel before anything of it runs. */
struct product_facts {
	struct page_source memory;
	struct paging paging;  /* by swapper_pg_dir */
	uint64_t kernel_start; /* first address of the kernel half */
	uint64_t percpu;       /* per-CPU base of the CPU on which calls run; 0: its kernel is built for one CPU */
};

struct redirect;

struct redirect_config {
	struct machine *machine;
	const struct symbols *symbols; /* of the trusted kernel, at its base */
	/*
	 * Of the product's kernel, at its base. NULL: it is the trusted one, of the same build and at the same base. Otherwise the
	 * product's own code runs on its data, nothing of it is verified, and these are not looked at: constants, rodata, code, modules.
	 * Both kernels have the same word size. If the product's has 5-level paging, the machine's processor must have it, and use it, too.
	 */
	const struct symbols *product_symbols;
	const struct runtime_constants *constants; /* of the kernel's code, as linked; NULL: none */
	uint64_t constants_shift;                  /* by which it stands elsewhere */
	const struct rodata *rodata;               /* of that kernel; it need not be known; NULL: nor is it */
	struct product_facts product;
	bool x86_64;
	enum redirect_way way;
	const struct policy *policy; /* NULL: the default one */
	unsigned host_pid;           /* --as */
	/*
	 * Instructions that a call may take, and WORK_ITERATIONS times as many iterations of REP string instructions. Each call that spends
	 * the budget halves it for the next ones, down to a 64th.
	 */
	uint64_t budget;
	uint64_t (*output)(void *opaque); /* bytes that the tools have put out so far; NULL: always 0 */
	void *output_opaque;
	struct cancel cancel;            /* asked some hundred times a second */
	bool agent;                      /* the first task that makes a system call after redirect_begin() is no tool */
	const struct supplier *supplier; /* delivers files; NULL: nothing is delivered */
	uint32_t first_pid;              /* tools have process numbers from here on; the product has none of these */
	bool trusted_only;               /* redirect nothing: tools look at the trusted VM, and find delivered programs */
	enum code_choice code;
	const char *const *trust_modules;      /* names of modules whose code is the product's own in any case, ended by NULL; or NULL */
	const struct module_supplier *modules; /* files of modules, to prove them by; NULL: there are none */
	bool park;                             /* no tool is run: the machine stops at the first system call, for redirect_read_process() */
	struct notes notes;
	struct losses *losses;                                         /* losses are recorded here */
	void (*trace)(void *opaque, const struct redirect_call *call); /* or NULL */
	void *trace_opaque;
};

struct error *redirect_create(const struct redirect_config *config, struct redirect **ret);
/* NULL is allowed. */
void redirect_destroy(struct redirect *redirect);

/* From now on tasks are tools, and their calls are judged. Between runs only. */
struct error *redirect_begin(struct redirect *redirect);

/*
 * Make a file, or a folder, in the trusted VM, with the folders above it. From within supplier->deliver() only. Returns false if it cannot
 * be made.
 */
bool redirect_deliver(struct redirect *redirect, const char *path, unsigned mode, const uint8_t *data, size_t size);
void redirect_make_folder(struct redirect *redirect, const char *path);

/*
 * Like machine_run(), and ends calls that spend their budget. Iterations count towards it, too (work.h). MACHINE_STOP_LIMIT before the
 * limit means that config.cancel wants to stop.
 */
enum machine_stop redirect_run(struct redirect *redirect, uint64_t until);

/* Why redirect_run() came back with MACHINE_STOP_CPU. The caller destroys it. NULL: introspection is not the reason. */
struct error *redirect_failure(struct redirect *redirect);

const struct redirect_stats *redirect_stats(const struct redirect *redirect);

/* With config.park, when redirect_run() has come back with MACHINE_STOP_CPU and without a failure: as process_memory_read(). */
struct error *redirect_read_process(struct redirect *redirect, unsigned pid, uint64_t address, void *to, size_t size);

/*
 * Calls fn with each page of the product's physical memory that calls have written, as it is now, until it says false; then it returns
 * false. Between runs, when no call runs.
 */
bool redirect_for_each_change(const struct redirect *redirect, bool (*fn)(void *opaque, uint64_t paddr, const uint8_t *page), void *opaque);
/* How many such pages there are. */
size_t redirect_changes(const struct redirect *redirect);

#endif
