/*
 * The filter of system calls: sandbox_filter.h. A table of what is allowed, and the program that it becomes (linux/filter.h; for
 * struct seccomp_data, seccomp(2)).
 *
 * Calls that this program was written without knowing of are answered as by a kernel that has none of them either: newer C libraries try
 * those first and fall back.
 */
#include "cli/sandbox_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "redirect/policy.h"

enum { ANY, LACKS /* no bit of the value is set */, IS, IS_NULL, IS_SELF /* this process */ };

/* As the kernel's asm-generic/termbits.h: newer C libraries ask with these. */
enum { TCGETS2_NUMBER = 0x802c542a, TCSETS2_NUMBER = 0x402c542b, TCSETSW2_NUMBER = 0x402c542c, TCSETSF2_NUMBER = 0x402c542d };
enum { X32 = 0x40000000 /* numbers of the x32 ABI, which this program is not of */ };

#define OPEN_WRITES (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY))
#define OPEN_NEW (O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC)

/* A call with several rows is allowed if one of them allows it. check: of argument[number], its low 32 bits but for IS_NULL. */
static const struct row {
	uint16_t call;
	uint8_t last; /* the last stage that has it */
	uint8_t check, argument;
	uint32_t value;
	const char *why;
} rows[] = {
	{SYS_read, SANDBOX_READING, ANY, 0, 0, "files, standard input"},
	{SYS_pread64, SANDBOX_READING, ANY, 0, 0, "the snapshot"},
	{SYS_readv, SANDBOX_READING, ANY, 0, 0, "stdio of other C libraries"},
	{SYS_preadv, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_write, SANDBOX_READING, ANY, 0, 0, "standard output, --trace: what is open for writing was so before"},
	{SYS_writev, SANDBOX_READING, ANY, 0, 0, "stdio of other C libraries; messages of the C library's own"},
	{SYS_lseek, SANDBOX_READING, ANY, 0, 0, "data and holes of the snapshot"},
	{SYS_close, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_poll, SANDBOX_READING, ANY, 0, 0, "standard input"},
	{SYS_ppoll, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_pselect6, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_openat, SANDBOX_READING, LACKS, 2, OPEN_WRITES, "what is delivered, kernels, folders"},
	{SYS_open, SANDBOX_READING, LACKS, 1, OPEN_WRITES, "the same in other C libraries"},
	{SYS_getdents64, SANDBOX_READING, ANY, 0, 0, "folders"},
	{SYS_fstat, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_newfstatat, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_stat, SANDBOX_READING, ANY, 0, 0, "glibc before 2.33"},
	{SYS_lstat, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_statx, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_access, SANDBOX_READING, ANY, 0, 0, "where a command is"},
	{SYS_faccessat, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_faccessat2, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_readlink, SANDBOX_READING, ANY, 0, 0, "what a delivered file's name leads to"},
	{SYS_readlinkat, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_getcwd, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_fcntl, SANDBOX_READING, IS, 1, F_GETFL, "folders, standard streams"},
	{SYS_fcntl, SANDBOX_READING, IS, 1, F_GETFD, "libelf"},
	{SYS_fcntl, SANDBOX_READING, IS, 1, F_SETFD, "folders, in other C libraries"},
	{SYS_fcntl, SANDBOX_READING, IS, 1, F_DUPFD_CLOEXEC, ""},
	{SYS_fadvise64, SANDBOX_READING, ANY, 0, 0, "advice alone"},
	{SYS_ioctl, SANDBOX_READING, IS, 1, TCGETS, "whether a stream is a terminal"},
	{SYS_ioctl, SANDBOX_READING, IS, 1, TCGETS2_NUMBER, "likewise"},
	{SYS_ioctl, SANDBOX_READING, IS, 1, TCSETS, "the console's raw mode, and back"},
	{SYS_ioctl, SANDBOX_READING, IS, 1, TCSETSW, "likewise"},
	{SYS_ioctl, SANDBOX_READING, IS, 1, TCSETSF, "likewise"},
	{SYS_ioctl, SANDBOX_READING, IS, 1, TCSETS2_NUMBER, "likewise"},
	{SYS_ioctl, SANDBOX_READING, IS, 1, TCSETSW2_NUMBER, "likewise"},
	{SYS_ioctl, SANDBOX_READING, IS, 1, TCSETSF2_NUMBER, "likewise"},
	{SYS_ioctl, SANDBOX_READING, IS, 1, TIOCGWINSZ, "the terminal's width"},
	{SYS_ioctl, SANDBOX_READING, IS, 1, FIONREAD, "whether there is input"},

	{SYS_mmap, SANDBOX_READING, LACKS, 2, PROT_EXEC, "memory, never code"},
	{SYS_mprotect, SANDBOX_READING, LACKS, 2, PROT_EXEC, "likewise"},
	{SYS_munmap, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_mremap, SANDBOX_READING, ANY, 0, 0, "realloc()"},
	{SYS_madvise, SANDBOX_READING, ANY, 0, 0, "free()"},
	{SYS_brk, SANDBOX_READING, ANY, 0, 0, ""},

	{SYS_clock_gettime, SANDBOX_READING, ANY, 0, 0, "where the vDSO cannot tell"},
	{SYS_clock_getres, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_gettimeofday, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_time, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_nanosleep, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_clock_nanosleep, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_timer_create, SANDBOX_READING, ANY, 0, 0, "limits in seconds of the host"},
	{SYS_timer_settime, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_timer_delete, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_getrusage, SANDBOX_READING, ANY, 0, 0, "likewise"},

	{SYS_rt_sigaction, SANDBOX_READING, ANY, 0, 0, "abort(), the terminal"},
	{SYS_rt_sigprocmask, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_rt_sigreturn, SANDBOX_READING, ANY, 0, 0, "handlers"},
	{SYS_restart_syscall, SANDBOX_READING, ANY, 0, 0, "after a stop"},
	{SYS_signalfd4, SANDBOX_READING, ANY, 0, 0, "the terminal"},
	{SYS_tgkill, SANDBOX_READING, IS_SELF, 0, 0, "abort()"},
	{SYS_tkill, SANDBOX_READING, IS_SELF, 0, 0, "likewise, in other C libraries"},
	{SYS_kill, SANDBOX_READING, IS_SELF, 0, 0, "raise()"},
	{SYS_futex, SANDBOX_READING, ANY, 0, 0, "locks of the C library"},
	{SYS_sched_yield, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_getrandom, SANDBOX_READING, ANY, 0, 0, "malloc()"},
	{SYS_getpid, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_gettid, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_getuid, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_geteuid, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_getgid, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_getegid, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_uname, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_sysinfo, SANDBOX_READING, ANY, 0, 0, "qsort() looks at the size of memory"},
	{SYS_sched_getaffinity, SANDBOX_READING, ANY, 0, 0, "decompressors count processors"},
	{SYS_prlimit64, SANDBOX_READING, IS_NULL, 2, 0, "limits are read, not set"},
	{SYS_getrlimit, SANDBOX_READING, ANY, 0, 0, "likewise"},
	{SYS_exit, SANDBOX_READING, ANY, 0, 0, ""},
	{SYS_exit_group, SANDBOX_READING, ANY, 0, 0, ""},

	{SYS_mkdirat, SANDBOX_UNPACKING, ANY, 0, 0, "folders of what is unpacked; where, Landlock says"},
	{SYS_openat, SANDBOX_SAVING, IS, 2, OPEN_NEW, "a checkpoint: a new file; where, Landlock says"},
	{SYS_memfd_create, SANDBOX_HOLDING, ANY, 0, 0, "the same in memory, of a session that keeps none"},
	{SYS_ftruncate, SANDBOX_HOLDING, ANY, 0, 0, "its size"},
	{SYS_pwrite64, SANDBOX_HOLDING, ANY, 0, 0, "its contents"},
	{SYS_fsync, SANDBOX_SAVING, ANY, 0, 0, ""},
	{SYS_flock, SANDBOX_SAVING, ANY, 0, 0, "that it is being written, and whether others are"},
	{SYS_renameat, SANDBOX_SAVING, ANY, 0, 0, "its name, when it is whole"},
	{SYS_renameat2, SANDBOX_SAVING, ANY, 0, 0, "the same in other C libraries"},
	{SYS_unlinkat, SANDBOX_SAVING, ANY, 0, 0, "what could not be written whole"},
	{SYS_prctl, SANDBOX_HOLDING, ANY, 0, 0, "the next stage"},
	{SYS_prlimit64, SANDBOX_HOLDING, IS, 0, 0, "likewise, of this process"},
	{SYS_seccomp, SANDBOX_HOLDING, ANY, 0, 0, "likewise"},
	{SYS_landlock_create_ruleset, SANDBOX_HOLDING, ANY, 0, 0, "likewise"},
	{SYS_landlock_add_rule, SANDBOX_HOLDING, ANY, 0, 0, "likewise"},
	{SYS_landlock_restrict_self, SANDBOX_HOLDING, ANY, 0, 0, "likewise"},
};

static void emit(struct sandbox_filter *filter, uint16_t code, uint32_t value, uint8_t if_true, uint8_t if_false)
{
	filter->code[filter->count++] = (struct sock_filter){code, if_true, if_false, value};
}

static void load(struct sandbox_filter *filter, size_t offset)
{
	emit(filter, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void give(struct sandbox_filter *filter, uint32_t action)
{
	emit(filter, BPF_RET | BPF_K, action, 0, 0);
}

/* Goes on after the next `skip` instructions unless the accumulator is the value. */
static void expect(struct sandbox_filter *filter, uint32_t value, uint8_t skip)
{
	emit(filter, BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
}

static size_t argument_at(unsigned n)
{
	return offsetof(struct seccomp_data, args) + n * sizeof(uint64_t);
}

/* The accumulator holds the call's number before each row. */
static void emit_row(struct sandbox_filter *filter, const struct row *row)
{
	enum { LOW = 3, WHOLE = 5 /* instructions of a check, with the reload of the number but for the last */ };

	switch (row->check) {
	case ANY:
		expect(filter, row->call, 1);
		give(filter, SECCOMP_RET_ALLOW);
		return;
	case LACKS:
		expect(filter, row->call, LOW + 1);
		load(filter, argument_at(row->argument));
		emit(filter, BPF_JMP | BPF_JSET | BPF_K, row->value, 1, 0);
		break;
	case IS:
	case IS_SELF:
		expect(filter, row->call, LOW + 1);
		load(filter, argument_at(row->argument));
		expect(filter, row->check == IS ? row->value : (uint32_t)getpid(), 1);
		break;
	case IS_NULL:
		expect(filter, row->call, WHOLE + 1);
		load(filter, argument_at(row->argument));
		expect(filter, 0, 3);
		load(filter, argument_at(row->argument) + sizeof(uint32_t));
		expect(filter, 0, 1);
		break;
	}
	give(filter, SECCOMP_RET_ALLOW);
	load(filter, offsetof(struct seccomp_data, nr));
}

void sandbox_filter_build(enum sandbox_stage stage, struct sandbox_filter *ret)
{
	size_t known;

	policy_table(POLICY_X86_64, &known);
	ret->count = 0;
	load(ret, offsetof(struct seccomp_data, arch));
	emit(ret, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	give(ret, SECCOMP_RET_TRAP); /* 32-bit system calls, whose numbers mean others */
	load(ret, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (stage <= rows[i].last)
			emit_row(ret, &rows[i]);
	}
	expect(ret, SYS_openat2, 1); /* its flags are in memory, where no filter sees them */
	give(ret, SECCOMP_RET_ERRNO | ENOSYS);
	emit(ret, BPF_JMP | BPF_JGE | BPF_K, X32, 2, 0);
	emit(ret, BPF_JMP | BPF_JGE | BPF_K, known, 0, 1);
	give(ret, SECCOMP_RET_ERRNO | ENOSYS);
	give(ret, SECCOMP_RET_TRAP);
}
