/* A stack that is large enough: stack.h. */
#include "cli/stack.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ENOUGH = 1 << 20 /* several times what was seen; most is taken while kernels are looked for */ };

/* Without system calls (makecontext() has some), as a sandbox may be in force when fn returns. `top` is a multiple of 16. */
static void call_on(uint8_t *top, void (*fn)(void *opaque), void *opaque)
{
	__asm__ volatile("mov %%rsp, %%rbx\n\t"
			 "mov %1, %%rsp\n\t"
			 "call *%2\n\t"
			 "mov %%rbx, %%rsp"
			 : "+D"(opaque)
			 : "r"(top), "r"(fn)
			 : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			   "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory", "cc");
}

bool stack_call(void (*fn)(void *opaque), void *opaque)
{
	const size_t guard = sysconf(_SC_PAGESIZE);
	struct rlimit limit;
	uint8_t *stack;

	if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur >= ENOUGH) {
		fn(opaque);
		return true;
	}
	stack = mmap(NULL, guard + ENOUGH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return false;
	if (mprotect(stack, guard, PROT_NONE) < 0) {
		munmap(stack, guard + ENOUGH);
		return false;
	}
	call_on(stack + guard + ENOUGH, fn, opaque); /* the stack stays until the process ends */
	return true;
}
