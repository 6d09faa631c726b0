/* Sieve of Eratosthenes: byte stores with a stride, compare and branch. */
#include "kernel.h"

enum { LIMIT = 1 << 20, ROUNDS = 12 };
static uint8_t composite[LIMIT];

static unsigned sieve(void)
{
	unsigned i, k, primes = 0;

	for (i = 0; i < LIMIT; i++)
		composite[i] = 0;
	for (i = 2; i < LIMIT; i++) {
		if (composite[i])
			continue;
		primes++;
		for (k = 2 * i; k < LIMIT; k += i)
			composite[k] = 1;
	}
	return primes;
}

void run(void)
{
	unsigned round, sum = 0;

	begin();
	for (round = 0; round < ROUNDS; round++)
		sum += sieve();
	end(sum);
}
