/* The policy's tables: policy.h. */
#include "redirect/policy.h"

#include <errno.h>

#define TRUSTED                                                                                                                            \
	POLICY_TRUSTED,                                                                                                                    \
	{                                                                                                                                  \
		0                                                                                                                          \
	}
#define PRODUCT                                                                                                                            \
	POLICY_PRODUCT,                                                                                                                    \
	{                                                                                                                                  \
		0                                                                                                                          \
	}
#define REFUSED(error)                                                                                                                     \
	POLICY_REFUSED,                                                                                                                    \
	{                                                                                                                                  \
		error                                                                                                                      \
	}
#define FD(n)                                                                                                                              \
	POLICY_FD,                                                                                                                         \
	{                                                                                                                                  \
		n                                                                                                                          \
	}
#define FD2(n, m)                                                                                                                          \
	POLICY_FD2,                                                                                                                        \
	{                                                                                                                                  \
		n, m                                                                                                                       \
	}
#define PATH(n)                                                                                                                            \
	POLICY_PATH,                                                                                                                       \
	{                                                                                                                                  \
		n                                                                                                                          \
	}
#define PATH2(n, m)                                                                                                                        \
	POLICY_PATH2,                                                                                                                      \
	{                                                                                                                                  \
		n, m                                                                                                                       \
	}
#define AT(d, n)                                                                                                                           \
	POLICY_AT,                                                                                                                         \
	{                                                                                                                                  \
		d, n                                                                                                                       \
	}
#define AT2(d, n, e, m)                                                                                                                    \
	POLICY_AT2,                                                                                                                        \
	{                                                                                                                                  \
		d, n, e, m                                                                                                                 \
	}
#define PID(n)                                                                                                                             \
	POLICY_PID,                                                                                                                        \
	{                                                                                                                                  \
		n                                                                                                                          \
	}
#define CLOCK(n)                                                                                                                           \
	POLICY_CLOCK,                                                                                                                      \
	{                                                                                                                                  \
		n                                                                                                                          \
	}
#define FCNTL                                                                                                                              \
	POLICY_FCNTL,                                                                                                                      \
	{                                                                                                                                  \
		0                                                                                                                          \
	}
#define SOCKETCALL                                                                                                                         \
	POLICY_SOCKETCALL,                                                                                                                 \
	{                                                                                                                                  \
		0                                                                                                                          \
	}
#define IPC                                                                                                                                \
	POLICY_IPC,                                                                                                                        \
	{                                                                                                                                  \
		0                                                                                                                          \
	}
#define CHDIR                                                                                                                              \
	POLICY_CHDIR,                                                                                                                      \
	{                                                                                                                                  \
		0                                                                                                                          \
	}
#define FCHDIR                                                                                                                             \
	POLICY_FCHDIR,                                                                                                                     \
	{                                                                                                                                  \
		0                                                                                                                          \
	}
#define CWD                                                                                                                                \
	POLICY_CWD,                                                                                                                        \
	{                                                                                                                                  \
		0                                                                                                                          \
	}
#define CHROOT                                                                                                                             \
	POLICY_CHROOT,                                                                                                                     \
	{                                                                                                                                  \
		0                                                                                                                          \
	}
#define UNSHARE                                                                                                                            \
	POLICY_UNSHARE,                                                                                                                    \
	{                                                                                                                                  \
		0                                                                                                                          \
	}
#define INOTIFY                                                                                                                            \
	POLICY_INOTIFY,                                                                                                                    \
	{                                                                                                                                  \
		0                                                                                                                          \
	}
#define BPF                                                                                                                                \
	POLICY_BPF,                                                                                                                        \
	{                                                                                                                                  \
		0                                                                                                                          \
	}
#define OPENS POLICY_OPENS
#define REFUSES POLICY_REFUSES

#define ROW(number, name, rule, flags, why) [number] = {#name, rule, flags, why},

static const struct policy_row x86_64[] = {
#include "redirect/policy_x86_64.def"
};

static const struct policy_row i386[] = {
#include "redirect/policy_i386.def"
};

const struct policy_row *policy_table(enum policy_abi abi, size_t *ret_count)
{
	*ret_count = abi == POLICY_X86_64 ? sizeof(x86_64) / sizeof(x86_64[0]) : sizeof(i386) / sizeof(i386[0]);
	return abi == POLICY_X86_64 ? x86_64 : i386;
}
