/* The inside of struct redirect: only for redirect/. */
#ifndef XRAY86_REDIRECT_SESSION_H
#define XRAY86_REDIRECT_SESSION_H

#include "redirect/redirect.h"
#include "redirect/repetition.h"

enum { PATH_MAX_BYTES = 4096, ARGUMENTS = 6, CLOCK_SOURCES = 8 };

/* Pages of the product's own code that product context has run: code.c. */
struct code_pages {
	struct code_page {
		uint64_t linear, paddr;
	} * page;
	size_t count;
};

/* 4 bytes in the tool's memory that the product is to see otherwise: a descriptor, as its own number, or a part of a path. */
enum { MAX_PATCHES = 4 };
struct patch {
	uint64_t address;
	uint32_t original, translated;
};

/* What is to be delivered before the judged call is run: delivery.c. */
enum { MAX_ORDERS = 2 /* as many paths as a call has */ };
struct orders {
	struct order {
		enum delivery_kind kind;
		char path[PATH_MAX_BYTES];
	} order[MAX_ORDERS];
	unsigned count;
};

/* The system call whose body is entered or runs. */
struct call {
	enum policy_abi abi;
	unsigned number;
	const struct policy_row *row;
	uint64_t regs;     /* trusted pt_regs */
	uint64_t rip, rsp; /* of the tool, after its SYSCALL or INT */
	uint64_t argument[ARGUMENTS];
	uint64_t translated[ARGUMENTS]; /* as the product is to see them */
	uint64_t started;
	struct tlb_traffic before; /* the product's traffic at its start */
	size_t pages;              /* copied */
	struct patch patch[MAX_PATCHES];
	unsigned patches;
	bool opens;
	bool shortened;  /* it reads less than it was to: short_reads.c */
	bool asked_disk; /* something was to be read from a disk */
	unsigned lost;   /* bits of enum loss_cause: what has been recorded of it */
};

struct redirect {
	struct redirect_config config;
	struct machine *machine;
	struct cpu *cpu;
	struct product_memory memory;
	struct context context;
	struct descriptors descriptors;
	struct code_pages code;
	struct call call;
	struct orders orders;
	struct redirect_stats stats;
	struct abort {
		enum loss_cause cause;
		const char *reason; /* NULL: none */
	} abort;                    /* why the running call, or one of ours within it, cannot go on */
	struct error *failure;      /* why introspection cannot go on */
	uint64_t agent;             /* `current` of the task that is no tool */
	uint64_t stand_in[64];      /* addresses, in the order of stand_ins.c */
	struct fs {
		unsigned member; /* offset of task_struct.fs */
		uint64_t first;  /* product fs_struct that tools begin with */
		struct directory *directory;
		size_t directories, room;
	} fs; /* directories.c */
	struct namespaces {
		bool known;                                 /* the offsets: */
		unsigned nsproxy, thread_pid, for_children; /* of members of task_struct, twice, and of nsproxy */
		struct traveller *traveller;
		size_t travellers, room;
	} namespaces;               /* namespaces.c */
	struct constant_site *site; /* constants.c */
	unsigned sites;
	bool work_put_off; /* the product's task has task work, such as the last half of a close */
	struct shorter {
		uint64_t regs, count; /* pt_regs of the call, and bytes */
	} shorter;                    /* short_reads.c */
	uint64_t again; /* pt_regs of the call whose body, entered next, has been judged: it goes to the trusted world; 0: none */
	struct clock {
		uint64_t read[CLOCK_SOURCES]; /* addresses, in the order of clocks.c */
		bool known;
		uint64_t count; /* what they return in product context */
		unsigned bits;  /* of the product's clock source; 0: the TSC */
	} clock;
	uint64_t holes, left_out, unreadable, unfinished; /* of memory.count and context, as far as they are recorded */
	bool active, ready;                               /* tools run; the product is set up */
	bool namespaces_noted;                            /* that they cannot be changed */
	struct repetition repetition;

	/* Addresses of the trusted kernel's functions. */
	struct functions {
		uint64_t bpf_get_current_task, find_task_by_vpid, fixup_exception, fget, fput, get_unused_fd_flags, filp_open, fd_install,
			get_close_on_exec, close_fd, __close_fd, task_work_run, strncpy_from_user, vmalloc, vfree, kernel_write, ksize,
			kmemdup, exit_files, dup_fd, exit_fs, copy_fs_struct, find_bug, search_exception_tables, vfs_llseek, vfs_setpos,
			ktime_get, ktime_get_real_seconds, do_settimeofday64, __module_address, get_task_exe_file, file_path, mkdir,
			copy_namespaces, copy_creds, copy_semundo, task_active_pid_ns, get_task_pid, alloc_pid, attach_pid;
	} function;

	/* What setup.c found out about the kernel. */
	uint64_t current_offset; /* per-CPU offset of `current` */
	unsigned task_stack;     /* offset of task_struct.stack */
	uint64_t host_files;     /* product: its files_struct */
	uint64_t first_task;     /* product: the copy of the host task that host_task.c made */
	uint64_t host_task;      /* product: the task that the present call runs as: that one, or one of namespaces.c */
};

/* -- symbols.c -- */

/* The address of a function or variable of the kernel; 0: there is none of this name. */
uint64_t find_symbol(const struct redirect *redirect, const char *name);
/* Calls fn for each function of the kernel, until it returns an error. */
struct error *for_each_function(struct redirect *redirect, struct error *(*fn)(struct redirect *, const struct symbol *));
/* "name+0x12" */
const char *symbol_near(const struct redirect *redirect, uint64_t address, char to[KSYM_NAME_LEN + 20]);

/* -- setup.c -- */

/* At the first tool's first system call: finds the host task and makes the product ready for calls. */
struct error *set_up_product(struct redirect *redirect);
/* Before anything else: how the kernel keeps `current`. */
struct error *find_current(struct redirect *redirect);
/* `current` of the trusted machine; 0: it cannot be told. */
uint64_t trusted_current(struct redirect *redirect);

/* -- host_task.c -- */

/* Makes the task that calls on the product run as, and sets the product CPU's `current` to it. */
struct error *make_host_task(struct redirect *redirect);
/* Its steps: the task of process `pid` (ERROR_NO_PROCESS: there is none), and making a copy of a task the host task. */
struct error *find_host(struct redirect *redirect, uint64_t init_task, uint64_t pid, uint64_t *ret);
struct error *become_host(struct redirect *redirect, uint64_t init_task, uint64_t original);
/* Another copy of such a task; false: there is no memory for it. */
bool duplicate_task(struct redirect *redirect, uint64_t original, uint64_t *ret);
/* Calls on the product run as this task from now on. */
bool set_current(struct redirect *redirect, uint64_t task);
/* The displacement of the function's first load relative to a register that is not the stack pointer: a member of its argument. */
bool find_member(struct redirect *redirect, uint64_t function, int64_t *ret);
/* Before a call on the product: one of a 32-bit tool on a 64-bit kernel is one for the product, too. */
void set_call_abi(struct redirect *redirect);
/* And the host task's stack is the one that the call runs on. */
void set_call_stack(struct redirect *redirect);

/* -- host_choice.c -- */

/* Makes another process than PID 1 the host, and returns its number; 0: none can be. */
uint64_t choose_host(struct redirect *redirect, uint64_t init_task);

/* -- paths.c -- */

/* Whether a process of this number is a tool: one of the trusted VM's. */
bool is_tool(struct redirect *redirect, uint32_t pid);
/* Reads the path at a user address; false: it is not all there (the kernel will say EFAULT) or too long. */
bool read_path(struct redirect *redirect, uint64_t address, char path[PATH_MAX_BYTES]);
/*
 * An absolute path without empty components, "." and "..": as it would be without symbolic links; others stay as they are. What is trusted
 * is told by where a path begins, and one that climbs out again belongs to where it gets.
 */
void simplify_path(const char *path, char to[PATH_MAX_BYTES]);
/*
 * The path at a user address is the product's. If it is one in /proc/PID of a tool, of what is told of the machine, the product knows no
 * such process: it sees /proc/self there, if that is the same. Else the file is not there.
 */
void translate_tool_directory(struct redirect *redirect, uint64_t address, const char *path);
/* Whether redirect->call means the trusted VM's file of this path; orders it if that is the host's to deliver. */
bool is_trusted_path(struct redirect *redirect, const char *path);

/* -- judge.c -- */

enum verdict { VERDICT_TRUSTED, VERDICT_PRODUCT, VERDICT_REFUSED };
/*
 * Decides redirect->call, translates its arguments, and orders what it needs of the host. VERDICT_REFUSED: the call is done, with the
 * result -*ret_errno.
 */
enum verdict judge(struct redirect *redirect, int *ret_errno);

/*
 * Shells look for a command in the directories of PATH before they execute it. The call found nothing in the product: whether the host has
 * a program of this path, to be delivered.
 */
bool looked_for_program(struct redirect *redirect, char path[PATH_MAX_BYTES]);

/* -- delivery.c -- */

/* What the host has for a path, as delivery.h says: asked, nothing is done. */
enum readers readers_of_delivered(const struct redirect *redirect, const char *path);
bool is_delivered_loader(const struct redirect *redirect, uint64_t address, const uint8_t *code, size_t size);
bool offers_program(const struct redirect *redirect, const char *path);
bool offers_modules(const struct redirect *redirect, const char *executable, const char *path);
/* What is offered is to be delivered if the call that is being judged is run. */
void order_delivery(struct redirect *redirect, enum delivery_kind kind, const char *path);
void forget_orders(struct redirect *redirect);
/* Before it is run. */
void deliver_orders(struct redirect *redirect);
/* At once; what is offered. */
void deliver(struct redirect *redirect, enum delivery_kind kind, const char *path);

/* -- embedded.c -- */

/* The product is to see other bytes, 4, at the user address. */
void patch_memory(struct redirect *redirect, uint64_t address, const char bytes[4]);

/* Notes the descriptors in memory that a call on a product descriptor points to. */
void translate_embedded(struct redirect *redirect);
/* i386's socketcall(). */
enum verdict judge_socketcall(struct redirect *redirect);
/* Likewise of bpf(). */
enum verdict judge_bpf(struct redirect *redirect, int *ret_errno);

/* -- files.c -- */

/* Which product descriptor the tool's descriptor stands for; false: none, it is a trusted one. */
bool product_descriptor(struct redirect *redirect, uint32_t fd, uint32_t *ret_number);
/* Whether a pointer that a kernel function returned is an errno (include/linux/err.h). */
bool is_error(const struct redirect *redirect, uint64_t value);
/* Gives the tool a descriptor for the product's; or a negative errno. */
int64_t install_placeholder(struct redirect *redirect, uint32_t number);
/* Gives the tool another descriptor for what this one of its own is open for; or a negative errno. */
int64_t duplicate_placeholder(struct redirect *redirect, uint32_t fd, bool close_on_exec);
/* The tool looks at the fdinfo of its descriptor: a placeholder's tells the position of the product's file, if it fits 32 bits on i386. */
void show_position(struct redirect *redirect, uint32_t fd);
/* Runs what the product's task has put off until its return to user mode (task work): the last half of closing a file, mostly. */
void finish_put_off_work(struct redirect *redirect);
/* The placeholder's last reference goes. */
void release_placeholder(struct redirect *redirect, uint64_t file);

/* -- exceptions.c -- */

extern const struct cpu_client client_template;

/* -- code.c -- */

/*
 * A fetch at privilege 0 that no TLB entry serves. True: *ret_paddr has the code. False: as the CPU would. Raises #PF where product context
 * may not go.
 */
bool fetch_outside(struct redirect *redirect, uint64_t linear, uint64_t *ret_paddr);
/* Records whose code it is for want of which the call, at its first instruction, is about to be given up. */
void record_missing_code(struct redirect *redirect, uint64_t address);
void code_deinit(struct redirect *redirect);

/* -- stand_ins.c -- */

struct error *mark_stand_ins(struct redirect *redirect);
/* The function at whose first instruction the CPU stands, in either world, returns this. */
enum mark_action return_to_caller(struct redirect *redirect, int64_t value);

/* -- waits.c -- */

/* The body is about to sleep, in product context: for what. */
enum loss_cause cause_of_wait(struct redirect *redirect);

/* -- short_reads.c -- */

/* The body lacks data of a disk. Whether the call begins anew, to read less. */
bool read_less(struct redirect *redirect);
/* Before a call on the product: it is one that has begun anew. */
void shorten_read(struct redirect *redirect);

/* -- spin.c -- */

/*
 * Whether the body, in product context and between instructions, goes in a circle that only another CPU could end (*ret_spins). True: not
 * any more.
 */
bool end_spin(struct redirect *redirect, bool *ret_spins);

/* -- directories.c -- */

struct error *mark_directories(struct redirect *redirect);
/* When there is a host task: gives it a fs_struct of its own. */
bool make_directories(struct redirect *redirect);
/* Before a call on the product: the host task gets the current tool's directory. */
void go_to_directory(struct redirect *redirect);
/* After a call that may have given the host task another fs_struct: it is the current tool's. */
void keep_directory(struct redirect *redirect);
void directories_deinit(struct redirect *redirect);

/* -- namespaces.c -- */

struct error *mark_namespaces(struct redirect *redirect);
/* Before a call on the product: it is to run as the current tool's task. */
struct error *go_to_namespaces(struct redirect *redirect);
/* Before a call that changes the current tool's namespaces, which are its own from now on. False: that cannot be done. */
bool separate_namespaces(struct redirect *redirect);
/* A new task, trusted, is where its parent is. False: out of memory. */
bool inherit_namespaces(struct redirect *redirect, uint64_t parent, uint64_t child);
/* Whether a tool's task, trusted, is in the same namespaces as the current one. */
bool shares_namespaces(struct redirect *redirect, uint64_t task);
void namespaces_deinit(struct redirect *redirect);

/* -- constants.c -- */

struct error *mark_constants(struct redirect *redirect);

/* -- clocks.c -- */

struct error *mark_clocks(struct redirect *redirect);
/* The trusted VM's wall clock becomes the product's, for those who wait until a time of it. */
void set_wall_clock(struct redirect *redirect);

/* -- call.c -- */

/* Sets redirect->call, at the body's first instruction; false: its pt_regs cannot be read. */
bool read_call(struct redirect *redirect);
/* The product sees the call's translated arguments. In product context. */
bool put_translated(struct redirect *redirect);
/* The trusted pt_regs get back what the policy changed in them, when the body is done or will begin anew. */
void restore_arguments(struct redirect *redirect);

/* -- progress.c -- */

/* redirect->call has ended with `result`; given up, refused or not. Ends the command (redirect->failure) if it goes in circles. */
void note_progress(struct redirect *redirect, int64_t result, const char *vain);

/* -- redirect.c -- */

/* Ends the running call with the errno of the cause, and records it. */
void abort_call(struct redirect *redirect, enum loss_cause cause, const char *reason);
/* The body cannot go on: ends the running call, or the call of a kernel function within it (kernel_call() fails). */
void give_up(struct redirect *redirect, enum loss_cause cause, const char *reason);
/* The same when the CPU came back by itself, as it does where it cannot be stopped in another way. */
void abort_stopped_call(struct redirect *redirect);
/* Records what the running call, or a call of ours, loses or leaves in doubt: each cause once for each call. */
void record_loss(struct redirect *redirect, enum loss_cause cause);

#endif
