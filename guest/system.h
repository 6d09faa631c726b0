/* System calls without a C library, for x86-64 and i386: all that the agent needs. */
#ifndef XRAY86_GUEST_SYSTEM_H
#define XRAY86_GUEST_SYSTEM_H

#include <asm/unistd.h>

#ifdef __x86_64__
static inline long system_call(long n, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return result;
}
#else
static inline long system_call(long n, long a, long b, long c, long d, long e)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(n), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
	return result;
}
#endif

#define SYSTEM(name, ...) SYSTEM_(__NR_##name, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SYSTEM_(n, a, b, c, d, e, ...) system_call(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

/* An OUT to the xray86 port. */
static inline long hypercall(unsigned function, long a, long b, long c)
{
	long result;

	__asm__ volatile("outl %%eax, %%dx" : "=a"(result) : "a"(function), "d"(0x7886), "b"(a), "c"(b), "S"(c) : "memory");
	return result;
}

#endif
