/*
 * The native executor: see native.h. enter.S has the way in and out.
 *
 * A case normally ends by jumping to EXIT64/EXIT32, which costs no system call; whatever else happens to it is a signal, whose ucontext has
 * the registers, the vector, the error code and CR2 as the processor gave them to the kernel.
 */
#include "tests/differential/native.h"

#include "tests/differential/native_segments.h"

#include <fcntl.h>
#include <inttypes.h>
#include <asm/prctl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/hybrid.h"

enum { PATIENCE_MS = 5000, HWCAP2_FSGSBASE = 2 };

bool native_has_fsgsbase(void)
{
	return getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE;
}

/* The page at CONTEXT: what enter.S works on. */
struct native_context {
	struct state state; /* in and out */
	uint64_t host_rsp, host_fs;
	uint32_t host_mxcsr, fsgsbase;
	struct {
		uint64_t rip, cs, rflags, rsp, ss;
	} iret, *frame; /* frame: where IRET takes it from */
	/* the child's own; enter.S does not know them */
	struct batch *batch;
	uint8_t *code; /* the code pages, to be written */
	bool signalled;
};
_Static_assert(offsetof(struct state, rflags) == STATE_RFLAGS && offsetof(struct state, fs_base) == STATE_FS_BASE &&
		       offsetof(struct state, gs_base) == STATE_GS_BASE && offsetof(struct state, selector) == STATE_SELECTOR &&
		       offsetof(struct state, fx) == STATE_FX && sizeof(struct state) == STATE_SIZE,
	       "enter.S relies on these");
_Static_assert(offsetof(struct native_context, host_rsp) == CONTEXT_HOST_RSP &&
		       offsetof(struct native_context, host_fs) == CONTEXT_HOST_FS &&
		       offsetof(struct native_context, host_mxcsr) == CONTEXT_MXCSR &&
		       offsetof(struct native_context, fsgsbase) == CONTEXT_FSGSBASE &&
		       offsetof(struct native_context, iret) == CONTEXT_IRET && offsetof(struct native_context, frame) == CONTEXT_FRAME,
	       "enter.S relies on these");

void native_enter(void);
void native_signal(int signal, siginfo_t *info, void *ucontext);
void native_collect_signal(const ucontext_t *ucontext);
extern const uint8_t native_exit[], native_exit_end[], native_exit32[], native_exit32_end[];

struct native {
	struct batch *batch;
	pid_t child;
	int to_child, from_child;
	bool running; /* a batch is under way */
};

static struct native_context *context(void)
{
	return (struct native_context *)CONTEXT;
}

/* -- in the child -- */

/* Called by native_signal on the signal stack: how the running case ended. */
void native_collect_signal(const ucontext_t *ucontext)
{
	static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
				      REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
	struct native_context *now = context();
	struct outcome *outcome = &now->batch->outcome[now->batch->next];
	const greg_t *reg = ucontext->uc_mcontext.gregs;

	for (unsigned i = 0; i < 16; i++)
		now->state.gpr[i] = reg[order[i]];
	now->state.rip = reg[REG_RIP];
	now->state.rflags = reg[REG_EFL];
	now->state.selector[1] = reg[REG_CSGSFS] & 0xffff;
	now->state.selector[2] = (uint64_t)reg[REG_CSGSFS] >> 48;
	memcpy(now->state.fx, ucontext->uc_mcontext.fpregs, sizeof(now->state.fx));
	outcome->kind = OUTCOME_FAULT;
	outcome->vector = reg[REG_TRAPNO];
	outcome->error_code = reg[REG_ERR];
	outcome->cr2 = outcome->vector == 14 ? reg[REG_CR2] : 0;
	now->signalled = true;
}

/* Data pages hold the image between cases: only what a case changes is put back. */
static void run_case(struct batch *batch, const struct test_case *test, struct outcome *outcome)
{
	struct native_context *now = context();
	uint8_t *code = now->code + test->offset;
	const uint8_t *image = batch->image;

	memcpy(code, test->code, test->length);
	for (unsigned i = 0; i < test->patches; i++)
		memcpy((void *)test->patch[i].address, test->patch[i].bytes, test->patch[i].size);
	now->state = test->before;
	now->iret.rip = test->before.rip;
	now->iret.cs = test->before.selector[1];
	now->iret.rflags = test->before.rflags;
	now->iret.rsp = test->before.gpr[4];
	now->iret.ss = test->before.selector[2];
	now->frame = native_frame(test, &now->iret, sizeof(now->iret));
	now->signalled = false;
	outcome->kind = OUTCOME_NONE;
	outcome->vector = 0;
	outcome->error_code = 0;
	outcome->cr2 = 0;
	outcome->changes = 0;
	outcome->checksum = 0;
	native_enter();
	memset(code, 0xcc, test->length);
	if (!now->signalled) {
		outcome->kind = OUTCOME_END;
		now->state.rip = exit_address(test);
		now->state.selector[1] = test->before.selector[1];
	}
	outcome->after = now->state;
	for (unsigned i = 0; i < DATA_REGIONS; i++) {
		const struct data_region *region = &data_regions[i];

		outcome_collect(outcome, region, (uint8_t *)region->base, image);
		image += region->pages * 4096;
	}
}

static bool map_at(uint64_t address, uint64_t size, int protection)
{
	void *at = mmap((void *)address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1,
			0);

	return at == (void *)address && mprotect(at, size, protection) == 0;
}

/* Cases may not write the code pages, so we do by another address. Returns that, or NULL. */
static uint8_t *map_code(void)
{
	int file = memfd_create("code", MFD_CLOEXEC);
	void *code = MAP_FAILED, *at = MAP_FAILED;

	if (file >= 0 && ftruncate(file, CODE_SIZE) == 0) {
		code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
		at = mmap((void *)CODE_BASE, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, file, 0);
	}
	if (code == MAP_FAILED || at != (void *)CODE_BASE)
		return NULL;
	memset(code, 0xcc, CODE_SIZE);
	return code;
}

static bool map_everything(void)
{
	uint8_t *code = map_code();
	bool ok = code && map_at(SUPPORT_BASE, SUPPORT_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC) && native_map_frames();

	for (unsigned i = 0; i < DATA_REGIONS; i++)
		ok = ok && map_at(data_regions[i].base, data_regions[i].pages * 4096, PROT_READ | PROT_WRITE);
	if (!ok)
		return false;
	context()->code = code;
	memset((void *)SUPPORT_BASE, 0xcc, SUPPORT_SIZE / 2);
	memcpy((void *)EXIT64, native_exit, native_exit_end - native_exit);
	memcpy((void *)EXIT32, native_exit32, native_exit32_end - native_exit32);
	return mprotect((void *)SUPPORT_BASE, SUPPORT_SIZE / 2, PROT_READ | PROT_EXEC) == 0;
}

/* Brings the data pages to a new image; read-only pages are opened for it. */
static void load_image(const uint8_t *image)
{
	for (unsigned i = 0; i < DATA_REGIONS; i++) {
		const struct data_region *region = &data_regions[i];
		uint8_t *fixed = (uint8_t *)region->base + region->writable_pages * 4096;
		size_t fixed_size = (region->pages - region->writable_pages) * 4096;

		if (fixed_size)
			mprotect(fixed, fixed_size, PROT_READ | PROT_WRITE);
		memcpy((void *)region->base, image, region->pages * 4096);
		if (fixed_size)
			mprotect(fixed, fixed_size, PROT_READ);
		image += region->pages * 4096;
	}
}

static bool take_signals(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
	struct sigaction action = {.sa_sigaction = native_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	size_t size = 256 << 10;
	stack_t stack = {.ss_sp = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0),
			 .ss_size = size};

	if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) < 0)
		return false;
	sigemptyset(&action.sa_mask);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (sigaction(signals[i], &action, NULL) < 0)
			return false;
	}
	return true;
}

/*
 * Stray system calls of cases do not happen: the kernel sends SIGSYS for all that come from their code, and for all but what serve() and
 * enter.S need.
 */
static bool forbid_system_calls(void)
{
#define ALLOW(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, CODE_BASE, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, CODE_BASE + CODE_SIZE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_read),
		ALLOW(SYS_write),
		ALLOW(SYS_mprotect),
		ALLOW(SYS_arch_prctl), /* without FSGSBASE */
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Stays on one CPU, for the sake of LSL: Linux keeps the CPU's number in a segment limit. */
static bool bind_to_cpu(struct batch *batch)
{
	uint32_t limit = 0, selector = SELECTOR_CPU;

	if (!stay_on_one_cpu())
		return false;
	__asm__ volatile("lsl %1, %0" : "+r"(limit) : "r"(selector) : "cc");
	batch->cpu_limit = limit;
	return true;
}

/* The child's life: a byte in starts a batch (from batch->next), a byte out says that it is done; the first one says that it lives. */
static void serve(struct batch *batch, int in, int out)
{
	struct native_context *now;
	char byte = 0;

	if (!bind_to_cpu(batch) || !map_everything() || !take_signals())
		_exit(2);
	batch->has_ldt = native_install_ldt(batch->ldt);
	if (!forbid_system_calls())
		_exit(2);
	now = context();
	now->batch = batch;
	now->fsgsbase = native_has_fsgsbase();
	syscall(SYS_arch_prctl, ARCH_GET_FS, &now->host_fs);
	__asm__ volatile("stmxcsr %0" : "=m"(now->host_mxcsr));
	if (write(out, &byte, 1) != 1)
		_exit(2);
	while (read(in, &byte, 1) == 1) {
		load_image(batch->image);
		for (; batch->next < batch->count; batch->next++) {
			if (!batch->test[batch->next].skip)
				run_case(batch, &batch->test[batch->next], &batch->outcome[batch->next]);
		}
		if (write(out, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

/* -- in the parent -- */

static struct error *start_child(struct native *native)
{
	int down[2], up[2];
	char byte;

	if (pipe2(down, O_CLOEXEC) < 0)
		return error_create("cannot make a pipe");
	if (pipe2(up, O_CLOEXEC) < 0) {
		close(down[0]);
		close(down[1]);
		return error_create("cannot make a pipe");
	}
	native->child = fork();
	if (native->child == 0) {
		close(down[1]);
		close(up[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(native->batch, down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	native->to_child = down[1];
	native->from_child = up[0];
	if (native->child < 0 || read(native->from_child, &byte, 1) != 1)
		return error_create("cannot start the native child: fork, its fixed addresses or its system call filter failed");
	return NULL;
}

static int stop_child(struct native *native)
{
	int status = 0;

	close(native->to_child);
	close(native->from_child);
	if (native->child > 0) {
		kill(native->child, SIGKILL);
		waitpid(native->child, &status, 0);
	}
	native->child = 0;
	return status;
}

struct error *native_create(struct native **ret)
{
	struct native *native;
	struct error *err;

	*ret = NULL;
	native = calloc(1, sizeof(*native));
	if (!native)
		return error_create("out of memory");
	native->batch = mmap(NULL, sizeof(*native->batch), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (native->batch == MAP_FAILED) {
		free(native);
		return error_create("out of memory");
	}
	err = start_child(native);
	if (err) {
		native_destroy(native);
		return err;
	}
	*ret = native;
	return NULL;
}

void native_destroy(struct native *native)
{
	if (!native)
		return;
	stop_child(native);
	munmap(native->batch, sizeof(*native->batch));
	free(native);
}

struct batch *native_batch(struct native *native)
{
	return native->batch;
}

static struct error *kick(struct native *native)
{
	char byte = 0;

	return write(native->to_child, &byte, 1) == 1 ? NULL : error_create("the native child is gone");
}

struct error *native_start(struct native *native)
{
	native->batch->next = 0;
	return kick(native);
}

/* Waits for the batch's end while cases keep being done. Returns false if the child died or hangs on one. */
static bool wait_for_child(struct native *native)
{
	struct pollfd poll_in = {.fd = native->from_child, .events = POLLIN};
	char byte;

	for (;;) {
		uint32_t at = native->batch->next;

		if (poll(&poll_in, 1, PATIENCE_MS) == 1)
			return read(native->from_child, &byte, 1) == 1;
		if (native->batch->next == at)
			return false;
	}
}

struct error *native_finish(struct native *native)
{
	struct batch *batch = native->batch;

	while (!wait_for_child(native)) {
		struct error *err;
		uint32_t at = batch->next;
		bool alive = waitpid(native->child, NULL, WNOHANG) == 0;

		if (!alive)
			native->child = 0;
		stop_child(native);
		if (at >= batch->count)
			return error_create("the native child died between cases");
		batch->outcome[at].kind = alive ? OUTCOME_RUNAWAY : OUTCOME_DIED;
		batch->next = at + 1;
		err = start_child(native);
		if (!err)
			err = kick(native);
		if (err)
			return err;
	}
	return NULL;
}

/* The code and data of cases, which are in the emulator as well. */
static bool is_given(uint64_t address)
{
	bool given = address - CODE_BASE < CODE_SIZE;

	for (unsigned i = 0; i < DATA_REGIONS && !given; i++)
		given = address - data_regions[i].base < data_regions[i].pages * 4096ull;
	return given;
}

bool native_has_own(const struct native *native, uint64_t address)
{
	char name[32], line[512];
	uint64_t start, end;
	bool found = false;
	FILE *maps;

	if (is_given(address))
		return false;
	snprintf(name, sizeof(name), "/proc/%d/maps", (int)native->child);
	maps = fopen(name, "re");
	while (maps && !found && fgets(line, sizeof(line), maps))
		found = sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2 && address >= start && address < end;
	if (maps)
		fclose(maps);
	return found;
}
