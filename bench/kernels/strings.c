/* Memory and strings: REP MOVS/STOS, byte loops as a C library without SIMD has them, REPNE SCAS, short copies. */
#include "kernel.h"

enum { SIZE = 1 << 18 };
static uint8_t source[SIZE + 64], target[SIZE + 64];

static void rep_movs(void *to, const void *from, size_t size)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

static void rep_stos(void *to, uint8_t value, size_t size)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
}

static size_t scas_length(const void *text)
{
	size_t count = -1ul;

	__asm__ volatile("repne scasb" : "+D"(text), "+c"(count) : "a"(0) : "memory");
	return -count - 2;
}

static __attribute__((noinline, optimize("no-tree-loop-distribute-patterns"))) size_t length(const uint8_t *text)
{
	const uint8_t *at = text;

	while (*at)
		at++;
	return at - text;
}

static __attribute__((noinline, optimize("no-tree-loop-distribute-patterns"))) void copy(uint8_t *to, const uint8_t *from, size_t size)
{
	while (size--)
		*to++ = *from++;
}

static __attribute__((noinline)) int compare(const uint8_t *a, const uint8_t *b, size_t size)
{
	for (; size; size--, a++, b++)
		if (*a != *b)
			return *a - *b;
	return 0;
}

void run(void)
{
	uint64_t sum = 0;
	unsigned round, i;

	begin();
	for (i = 0; i < SIZE; i++)
		source[i] = i % 251 + 1;
	for (round = 0; round < 72; round++) {
		rep_movs(target, source, SIZE);
		rep_stos(target + round, 7, 1000);
		sum += compare(source, target, SIZE);
		copy(target, source, SIZE);
		target[SIZE - 1 - round] = 0;
		sum += length(target) + scas_length(target);
		for (i = 0; i < 20000; i++) {
			rep_movs(target + (i & 1023), source + (i * 7 & 4095), 24 + (i & 31));
			sum += target[i & 1023];
		}
	}
	end(sum);
}
