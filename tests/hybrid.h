/*
 * Hybrid processors have kinds of CPUs that differ in what is left to the model (RCPPS, x87's last bits, undefined flags). Tests that
 * compare the emulator with the host, both of which compute on the host, stay on one CPU there; elsewhere they may use all.
 */
#ifndef XRAY86_TESTS_HYBRID_H
#define XRAY86_TESTS_HYBRID_H

#include <cpuid.h>
#include <sched.h>
#include <stdbool.h>

/* Keeps the caller, and what it starts from now on, on the first CPU that it may use. False: the host does not let us. */
static inline bool stay_on_one_cpu(void)
{
	cpu_set_t allowed, one;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return false;
	while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &allowed))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one) == 0;
}

static inline bool is_hybrid(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && d >> 15 & 1;
}

/* On hybrid processors, the same. */
static inline bool stay_on_one_kind(void)
{
	return !is_hybrid() || stay_on_one_cpu();
}

#endif
