/* Quicksort over pointers with a comparison function: loads through pointers, indirect calls, recursion, unpredictable branches. */
#include "kernel.h"

enum { COUNT = 1 << 16, ROUNDS = 6 };

struct record {
	uint64_t key, payload;
};

static struct record records[COUNT];
static struct record *order[COUNT];

typedef int compare_fn(const struct record *a, const struct record *b);

static __attribute__((noinline)) int by_key(const struct record *a, const struct record *b)
{
	return a->key < b->key ? -1 : a->key > b->key;
}

static void sort(struct record **first, struct record **last, compare_fn *volatile compare)
{
	while (first < last) {
		struct record *pivot = first[(last - first) / 2], **low = first, **high = last, *swap;

		while (low <= high) {
			while (compare(*low, pivot) < 0)
				low++;
			while (compare(*high, pivot) > 0)
				high--;
			if (low > high)
				break;
			swap = *low, *low++ = *high, *high-- = swap;
		}
		sort(first, high, compare);
		first = low;
	}
}

void run(void)
{
	uint64_t seed = 88172645463325252ull, sum = 0;
	unsigned round, i;

	begin();
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < COUNT; i++) {
			records[i] = (struct record){next_random(&seed), i};
			order[i] = &records[i];
		}
		sort(order, order + COUNT - 1, by_key);
		for (i = 0; i < COUNT; i += 97)
			sum = sum * 31 + order[i]->payload;
	}
	end(sum);
}
