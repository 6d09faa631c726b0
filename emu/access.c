/*
 * The slow paths of memory access: what emu/access.h's inline lookups leave over. TLB misses, page crossings, devices, writes to code,
 * data breakpoints (SDM vol. 3B 17.2.4), alignment checks (vol. 3A 6.15, #AC).
 *
 * Every access first *resolves* all its bytes into one or two places (one a page), which raises whatever there is to raise and restarts the
 * instruction in a throw-away block where it has to be alone; only then are bytes transferred, which cannot fail. A write that was
 * probed before has therefore nothing left to raise.
 */
#include "emu/access.h"

#include "emu/debug.h"
#include "emu/paging.h"
#include "emu/segment.h"

uint64_t ea_slow(struct cpu *cpu, const struct insn *insn, unsigned size, bool write)
{
	uint64_t offset = ea_offset(cpu, insn).v & (UINT64_MAX >> (64 - 8 * insn_address_size(insn)));

	cpu->current = insn;
	if (insn->segment == CPU_OFFSET(zero))
		return offset;
	return segment_linear(cpu, (insn->segment - CPU_OFFSET(seg[0].base)) / sizeof(struct segment), offset, size, write);
}

/* -- resolving -- */

struct request {
	struct tlb *bank;
	enum access access;
	enum vector non_canonical; /* #GP, or #SS for stack references */
	uint64_t mask;             /* linear addresses wrap around at it */
	bool operand;              /* an instruction's: breakpoints and alignment checks apply */
};

/* Bytes of an access that lie in one page. */
struct place {
	uint64_t linear, paddr;
	unsigned size;
	bool single;     /* a device, or code about to be written: the instruction must be alone in its block */
	uint8_t *host;   /* NULL: by physmem_read() and physmem_write() at paddr */
	uint8_t *shadow; /* or NULL */
};

struct span {
	struct place place[2];
	unsigned count;
	uint64_t breakpoints; /* met: DR6 bits */
};

static void enter(const struct cpu *cpu, struct tlb *bank, bool write, uint64_t linear, const struct tlb_page *page)
{
	if (unlikely(cpu_debug_armed(cpu)) && cpu_debug_data_breakpoint(cpu, linear & PAGE_MASK, PAGE_SIZE, true))
		return;
	tlb_enter(bank, write ? bank->write : bank->read, linear, (uintptr_t)page->host);
	(write ? bank->write_shadow : bank->read_shadow)[tlb_index(linear)] = page->shadow;
}

static void place_at(struct place *place, const struct tlb_page *page)
{
	unsigned offset = place->linear & ~PAGE_MASK;

	place->host = page->host + offset;
	place->shadow = page->shadow ? page->shadow + offset : NULL;
}

static bool locate_cached(const struct tlb *bank, bool write, struct place *place)
{
	unsigned index = tlb_index(place->linear);
	const struct tlb_entry *entry = &(write ? bank->write : bank->read)[index];
	uint64_t start = place->linear & PAGE_MASK;

	if (entry->tag != tlb_tag(bank, place->linear, place->size))
		return false;
	place_at(place, &(struct tlb_page){.host = (uint8_t *)(start + entry->addend),
					   .shadow = (write ? bank->write_shadow : bank->read_shadow)[index]});
	return true;
}

/* False: the client leaves the page to the CPU. */
static bool locate_by_client(struct cpu *cpu, struct tlb *bank, bool write, struct place *place)
{
	struct tlb_page page = {0};

	switch (bank->client->fill(bank->client, place->linear, write, &page)) {
	case TLB_FILL_OK:
		enter(cpu, bank, write, place->linear, &page);
		place_at(place, &page);
		return true;
	case TLB_FILL_TRUSTED:
		return false;
	case TLB_FILL_FAULT:
		cpu_raise_page_fault(cpu, place->linear, page.error_code);
	case TLB_FILL_STOP:
		break;
	}
	cpu_abandon(cpu, CPU_EXIT_CLIENT);
}

/* On whose behalf a bank is used. A client's own bank stands for the one that would be current without it. */
static enum bank requester(const struct cpu *cpu, const struct tlb *bank)
{
	if (bank >= cpu->banks && bank < cpu->banks + BANK_COUNT)
		return bank - cpu->banks;
	if (cpu->cpl == 3)
		return BANK_USER;
	return cpu->eflags & FLAG_AC ? BANK_SUPERVISOR_AC : BANK_SUPERVISOR;
}

static void locate_by_walk(struct cpu *cpu, struct tlb *bank, bool write, struct place *place)
{
	const struct physmem_region *region;
	struct walk_result walk;
	struct tlb_page page;
	uint32_t code = 0;

	cpu_walk(cpu, requester(cpu, bank), place->linear, write ? ACCESS_WRITE : ACCESS_READ, &walk);
	place->paddr = walk.paddr;
	region = physmem_find(cpu->mem, walk.paddr);
	if (!region || region->kind == PHYSMEM_MMIO) {
		place->single = region;
		return;
	}
	page = (struct tlb_page){.host = region->host + ((walk.paddr & PAGE_MASK) - region->start)};
	if (region->kind == PHYSMEM_RAM)
		code = region->code[(walk.paddr - region->start) >> PAGE_SHIFT];
	enter(cpu, bank, false, place->linear, &page);
	if (walk.writable && walk.dirty && region->kind == PHYSMEM_RAM && !code)
		enter(cpu, bank, true, place->linear, &page);
	if (walk.page_shift > PAGE_SHIFT)
		tlb_note_large(bank, place->linear, walk.page_shift);

	if (write && unlikely(region->kind == PHYSMEM_ROM))
		return;
	if (write && code && (code & physmem_granules(walk.paddr & ~PAGE_MASK, place->size)))
		place->single = true;
	else
		place_at(place, &page);
}

static void locate(struct cpu *cpu, struct tlb *bank, bool write, uint64_t linear, unsigned size, struct place *ret)
{
	*ret = (struct place){.linear = linear, .size = size};
	if (locate_cached(bank, write, ret))
		return;
	if (bank->client && locate_by_client(cpu, bank, write, ret))
		return;
	locate_by_walk(cpu, bank, write, ret);
}

/* Table 6-7: what an operand of size bytes must be aligned to, less one. Saved states are arrays of doublewords. */
static unsigned alignment_mask(unsigned size)
{
	if (size <= 16 && (size & (size - 1)) == 0)
		return size - 1;
	return size == 10 ? 7 : 3;
}

static uint64_t find_breakpoints(struct cpu *cpu, const struct span *span, bool write)
{
	uint64_t met = 0;

	for (unsigned i = 0; i < span->count; i++)
		met |= cpu_debug_data_breakpoint(cpu, span->place[i].linear, span->place[i].size, write);
	if (met) /* the trap comes right after the instruction */
		cpu_require_single(cpu);
	return met;
}

static void resolve(struct cpu *cpu, const struct request *request, uint64_t linear, unsigned size, struct span *ret)
{
	struct tlb *bank = request->bank;
	bool write = request->access == ACCESS_WRITE;
	unsigned first = PAGE_SIZE - (linear & ~PAGE_MASK);

	linear &= request->mask;
	if (!linear_canonical(cpu, linear) || !linear_canonical(cpu, (linear + size - 1) & request->mask))
		cpu_raise_code(cpu, request->non_canonical, 0);
	if (bank == &cpu->banks[BANK_USER_ALIGNED]) {
		if (linear & alignment_mask(size))
			cpu_raise_code(cpu, VECTOR_AC, 0);
		bank = &cpu->banks[BANK_USER];
	}
	ret->count = size > first ? 2 : 1;
	ret->breakpoints = 0;
	locate(cpu, bank, write, linear, size > first ? first : size, &ret->place[0]);
	if (size > first)
		locate(cpu, bank, write, (linear + first) & request->mask, size - first, &ret->place[1]);
	if (ret->place[0].single || (size > first && ret->place[1].single))
		cpu_require_single(cpu);
	if (request->operand && unlikely(cpu_debug_armed(cpu)))
		ret->breakpoints = find_breakpoints(cpu, ret, write);
}

/* -- transferring -- */

/* How many of size bytes a device or hole is accessed with next. */
static unsigned piece(unsigned size)
{
	return size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;
}

static void fetch_place(struct cpu *cpu, const struct place *place, uint8_t *to)
{
	if (likely(place->host)) {
		memcpy(to, place->host, place->size);
		return;
	}
	for (unsigned done = 0, n; done < place->size; done += n) {
		n = piece(place->size - done);
		store_host(to + done, physmem_read(cpu->mem, place->paddr + done, n), n);
	}
}

static void put_place(struct cpu *cpu, const struct place *place, const uint8_t *from)
{
	if (likely(place->host)) {
		memcpy(place->host, from, place->size);
		return;
	}
	for (unsigned done = 0, n; done < place->size; done += n) {
		n = piece(place->size - done);
		physmem_write(cpu->mem, place->paddr + done, load_host(from + done, n), n);
	}
}

static void fetch_span(struct cpu *cpu, const struct span *span, void *to)
{
	uint8_t *at = to;

	for (unsigned i = 0; i < span->count; at += span->place[i++].size)
		fetch_place(cpu, &span->place[i], at);
	cpu->pending_debug |= span->breakpoints;
}

static void put_span(struct cpu *cpu, const struct span *span, const void *from)
{
	const uint8_t *at = from;

	for (unsigned i = 0; i < span->count; at += span->place[i++].size)
		put_place(cpu, &span->place[i], at);
	cpu->pending_debug |= span->breakpoints;
}

static tag_t span_tag(const struct tlb *bank, const struct span *span)
{
	tag_t tag = 0;

	for (unsigned i = 0; i < span->count; i++) {
		const struct place *place = &span->place[i];

		if (place->shadow)
			tag |= shadow_get(place->shadow, place->size);
		else if (bank->client)
			tag |= bank->client->default_tag;
	}
	return tag;
}

static void span_set_tag(const struct span *span, tag_t tag)
{
	for (unsigned i = 0; i < span->count; i++)
		if (span->place[i].shadow)
			shadow_set(span->place[i].shadow, span->place[i].size, tag);
}

/* -- operands of instructions -- */

/*
 * In flat 64-bit code SS cannot be told from DS by its base: the base register decides, as it does where the SDM chooses the default
 * segment.
 */
static bool is_stack_reference(const struct insn *insn)
{
	if (insn->segment == CPU_OFFSET(zero))
		return insn->base == CPU_OFFSET(gpr[RSP]) || insn->base == CPU_OFFSET(gpr[RBP]);
	return insn->segment == CPU_OFFSET(seg[SEG_SS].base);
}

static void resolve_operand(struct cpu *cpu, const struct insn *insn, struct tlb *bank, enum access access, uint64_t linear, unsigned size,
			    struct span *ret)
{
	const struct request request = {
		.bank = bank,
		.access = access,
		.non_canonical = is_stack_reference(insn) ? VECTOR_SS : VECTOR_GP,
		.mask = cpu->ea_mask,
		.operand = true,
	};

	cpu->current = insn;
	resolve(cpu, &request, linear, size, ret);
}

void load_bytes_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, void *to, unsigned size, tag_t *ret_tag)
{
	struct span span;

	resolve_operand(cpu, insn, bank, ACCESS_READ, linear, size, &span);
	fetch_span(cpu, &span, to);
	if (ret_tag)
		*ret_tag = span_tag(bank, &span);
}

uint64_t load_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, unsigned size, tag_t *ret_tag)
{
	uint64_t value = 0;

	load_bytes_slow(cpu, insn, bank, linear, &value, size, ret_tag);
	return value;
}

void store_bytes_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, const void *from, unsigned size,
		      tag_t tag)
{
	struct span span;

	resolve_operand(cpu, insn, bank, ACCESS_WRITE, linear, size, &span);
	put_span(cpu, &span, from);
	span_set_tag(&span, tag);
}

void store_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, uint64_t value, unsigned size, tag_t tag)
{
	store_bytes_slow(cpu, insn, bank, linear, &value, size, tag);
}

void probe_write(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, unsigned size)
{
	struct span span;

	resolve_operand(cpu, insn, bank, ACCESS_WRITE, linear, size, &span);
}

/* -- the processor's own accesses -- */

static struct request own_request(const struct cpu *cpu, enum bank bank, enum access access, enum vector non_canonical)
{
	return (struct request){
		.bank = &cpu->banks[bank],
		.access = access,
		.non_canonical = non_canonical,
		.mask = cpu_long_mode(cpu) ? UINT64_MAX : UINT32_MAX,
	};
}

static uint64_t own_read(struct cpu *cpu, const struct request *request, uint64_t linear, unsigned size)
{
	const uint8_t *host = fast_read(request->bank, linear, size);
	uint64_t value = 0;
	struct span span;

	if (likely(host))
		return load_host(host, size);
	resolve(cpu, request, linear, size, &span);
	fetch_span(cpu, &span, &value);
	return value;
}

static void own_write(struct cpu *cpu, const struct request *request, uint64_t linear, uint64_t value, unsigned size)
{
	uint8_t *host = fast_write(request->bank, linear, size);
	struct span span;

	if (likely(host)) {
		store_host(host, value, size);
		return;
	}
	resolve(cpu, request, linear, size, &span);
	put_span(cpu, &span, &value);
}

uint64_t system_read(struct cpu *cpu, uint64_t linear, unsigned size)
{
	const struct request request = own_request(cpu, BANK_SUPERVISOR, ACCESS_READ, VECTOR_GP);

	return own_read(cpu, &request, linear, size);
}

void system_write(struct cpu *cpu, uint64_t linear, uint64_t value, unsigned size)
{
	const struct request request = own_request(cpu, BANK_SUPERVISOR, ACCESS_WRITE, VECTOR_GP);

	own_write(cpu, &request, linear, value, size);
}

void system_probe_write(struct cpu *cpu, uint64_t linear, unsigned size)
{
	const struct request request = own_request(cpu, BANK_SUPERVISOR, ACCESS_WRITE, VECTOR_GP);
	struct span span;

	resolve(cpu, &request, linear, size, &span);
}

/* Stacks are accessed explicitly, as SMAP understands it: EFLAGS.AC counts. */
static enum bank privileged_bank(const struct cpu *cpu, unsigned cpl)
{
	if (cpl == 3)
		return BANK_USER;
	return cpu->paging.smap && (cpu->eflags & FLAG_AC) ? BANK_SUPERVISOR_AC : BANK_SUPERVISOR;
}

uint64_t privileged_read(struct cpu *cpu, uint64_t linear, unsigned size, unsigned cpl)
{
	const struct request request = own_request(cpu, privileged_bank(cpu, cpl), ACCESS_READ, VECTOR_SS);

	return own_read(cpu, &request, linear, size);
}

void privileged_write(struct cpu *cpu, uint64_t linear, uint64_t value, unsigned size, unsigned cpl)
{
	const struct request request = own_request(cpu, privileged_bank(cpu, cpl), ACCESS_WRITE, VECTOR_SS);

	own_write(cpu, &request, linear, value, size);
}

void privileged_probe_write(struct cpu *cpu, uint64_t linear, unsigned size, unsigned cpl)
{
	const struct request request = own_request(cpu, privileged_bank(cpu, cpl), ACCESS_WRITE, VECTOR_SS);
	struct span span;

	resolve(cpu, &request, linear, size, &span);
}
