/* Looking at guest memory from outside: peek.h. */
#include "emu/peek.h"

#include "emu/access.h"

static bool read_entry(void *opaque, uint64_t paddr, unsigned size, uint64_t *ret)
{
	const struct cpu *cpu = opaque;

	*ret = 0;
	return physmem_copy_out(cpu->mem, paddr & cpu->a20_mask, ret, size);
}

/* Where linear is in physical memory; false: nowhere. */
static bool translate(const struct cpu *cpu, uint64_t linear, uint64_t *ret_paddr)
{
	const struct walk_memory memory = {.opaque = (void *)(uintptr_t)cpu, .read = read_entry};
	const struct walk_request request = {.linear = linear, .access = ACCESS_READ, .smap_override = true};
	struct walk_result result = {.paddr = linear};
	uint32_t error_code;

	if (cpu->paging.mode != PAGING_OFF && paging_walk(&cpu->paging, &memory, &request, &result, &error_code) != WALK_OK)
		return false;
	*ret_paddr = result.paddr & cpu->a20_mask;
	return true;
}

/* The bytes from linear on that lie in its page, at most size. */
static size_t in_page(uint64_t linear, size_t size)
{
	size_t left = PAGE_SIZE - (linear & ~PAGE_MASK);

	return size < left ? size : left;
}

size_t cpu_peek(const struct cpu *cpu, uint64_t linear, void *to, size_t size)
{
	size_t done = 0, n;
	uint64_t paddr;

	for (; done < size; done += n) {
		uint64_t at = (linear + done) & cpu->ea_mask;

		n = in_page(at, size - done);
		if (!translate(cpu, at, &paddr) || !physmem_copy_out(cpu->mem, paddr, (uint8_t *)to + done, n))
			break;
	}
	return done;
}

bool cpu_poke(struct cpu *cpu, uint64_t linear, const void *from, size_t size)
{
	uint64_t paddr;

	for (size_t done = 0; done < size; done += in_page(linear + done, size - done)) {
		if (!translate(cpu, (linear + done) & cpu->ea_mask, &paddr) || !physmem_host(cpu->mem, paddr, true, true))
			return false;
	}
	for (size_t done = 0, n; done < size; done += n) {
		n = in_page(linear + done, size - done);
		translate(cpu, (linear + done) & cpu->ea_mask, &paddr);
		physmem_copy_in(cpu->mem, paddr, (const uint8_t *)from + done, n);
	}
	return true;
}

bool cpu_peek_word(const struct cpu *cpu, uint64_t linear, unsigned size, uint64_t *ret)
{
	*ret = 0;
	return cpu_peek(cpu, linear, ret, size) == size;
}
