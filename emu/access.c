/*
 * The slow paths of memory access: what emu/access.h's inline lookups leave over. TLB misses, page crossings, devices, writes to code,
 * data breakpoints (SDM vol. 3B 17.2.4), alignment checks (vol. 3A 6.15, #AC).
 *
 * Every access first *resolves* all its bytes into one or two places (one a page), which raises whatever there is to raise and restarts the
 * instruction in a throw-away block where it has to be alone; only then are bytes transferred, which cannot fail. A write that was
 * probed before has therefore nothing left to raise.
 */
#include "emu/access.h"

#include "emu/breakpoint.h"
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
	bool single;                 /* a device, or code about to be written: the instruction must be alone in its block */
	uint8_t *host;               /* NULL: by physmem_read() and physmem_write() at paddr */
	uint8_t *shadow;             /* or NULL */
	struct tlb_traffic *traffic; /* or NULL: not counted */
};

struct span {
	struct place place[2];
	unsigned count;
	uint64_t breakpoints; /* met: DR6 bits */
};

/* Pages with data breakpoints are not entered, so that every access to them is looked at. */
static bool may_enter(const struct cpu *cpu, uint64_t linear)
{
	return likely(!cpu_debug_armed(cpu)) || !cpu_debug_data_breakpoint(cpu, linear & PAGE_MASK, PAGE_SIZE, true);
}

static void place_at(struct place *place, const struct tlb_page *page)
{
	unsigned offset = place->linear & ~PAGE_MASK;

	place->host = page->host + offset;
	place->shadow = page->shadow ? page->shadow + offset : NULL;
}

static uint32_t page_code(const struct physmem_region *region, uint64_t paddr)
{
	return region->code ? region->code[(paddr - region->start) >> PAGE_SHIFT] : 0;
}

static void place_in_region(struct place *place, const struct physmem_region *region, uint8_t *shadow)
{
	uint64_t page = place->paddr & PAGE_MASK;

	place_at(place, &(struct tlb_page){.host = region->host + (page - region->start), .shadow = shadow});
}

/* A write to RAM at place->paddr: by way of the host's memory but where there is code. */
static void place_write(struct place *place, const struct physmem_region *region, uint8_t *shadow)
{
	place_in_region(place, region, shadow);
	if (page_code(region, place->paddr) & physmem_granules(place->paddr & ~PAGE_MASK, place->size)) {
		place->host = NULL; /* physmem_write() tells who must know */
		place->single = true;
	}
}

/* A slow write entry holds the physical address. Once all code is gone from the page it becomes a fast one. */
static void locate_slow(struct cpu *cpu, struct tlb_entry *entry, uint8_t *shadow, struct place *place)
{
	const struct physmem_region *region;

	place->paddr = place->linear + entry->addend;
	region = physmem_find(cpu->mem, place->paddr);
	place_write(place, region, shadow);
	if (page_code(region, place->paddr))
		return;
	entry->tag &= ~(uint64_t)TLB_SLOW;
	entry->addend = (uintptr_t)place->host - place->linear;
}

static bool locate_cached(struct cpu *cpu, struct tlb *bank, bool write, struct place *place)
{
	unsigned index = tlb_index(place->linear);
	struct tlb_entry *entry = &(write ? bank->write : bank->read)[index];
	uint8_t *shadow = (write ? bank->write_shadow : bank->read_shadow)[index];
	uint64_t start = place->linear & PAGE_MASK, tag = tlb_tag(bank, place->linear, place->size);

	if (entry->tag == tag) {
		place_at(place, &(struct tlb_page){.host = (uint8_t *)(start + entry->addend), .shadow = shadow});
		return true;
	}
	if (!write || entry->tag != (tag | TLB_SLOW))
		return false;
	locate_slow(cpu, entry, shadow, place);
	return true;
}

/* False: the client leaves the page, whose shadow is then in *ret_shadow, to the CPU. */
static bool locate_by_client(struct cpu *cpu, struct tlb *bank, bool write, struct place *place, uint8_t **ret_shadow)
{
	struct tlb_page page = {0};

	switch (bank->client->fill(bank->client, place->linear, write, &page)) {
	case TLB_FILL_OK:
		if (!page.traffic && may_enter(cpu, place->linear))
			tlb_enter(bank, place->linear, &page, write ? TLB_WRITE : TLB_READ, 0);
		place_at(place, &page);
		place->traffic = page.traffic;
		return true;
	case TLB_FILL_TRUSTED:
		*ret_shadow = page.shadow;
		return false;
	case TLB_FILL_FAULT:
		cpu_raise_page_fault(cpu, place->linear, page.error_code);
	case TLB_FILL_STOP:
		break;
	}
	cpu_abandon(cpu, CPU_EXIT_CLIENT);
}

static bool is_own_bank(const struct cpu *cpu, const struct tlb *bank)
{
	return bank >= cpu->banks && bank < cpu->banks + BANK_COUNT;
}

/* On whose behalf a bank is used. A client's own bank stands for the one that would be current without it. */
static enum bank requester(const struct cpu *cpu, const struct tlb *bank)
{
	if (is_own_bank(cpu, bank))
		return bank - cpu->banks;
	if (cpu->cpl == 3)
		return BANK_USER;
	return cpu->eflags & FLAG_AC ? BANK_SUPERVISOR_AC : BANK_SUPERVISOR;
}

static enum tlb_rights rights_of(const struct walk_result *walk, const struct physmem_region *region)
{
	if (!walk->writable || !walk->dirty || region->kind != PHYSMEM_RAM)
		return TLB_READ;
	return page_code(region, walk->paddr) ? TLB_WRITE_SLOW : TLB_WRITE;
}

/* A page that is memory is entered, for all that it may be used for; but a bank's client is to see the first write. */
static void enter_walked(struct cpu *cpu, struct tlb *bank, bool write, uint64_t linear, const struct walk_result *walk,
			 const struct physmem_region *region, uint8_t *shadow)
{
	struct tlb_page page = {.host = region->host + ((walk->paddr & PAGE_MASK) - region->start), .shadow = shadow};

	if (!may_enter(cpu, linear))
		return;
	tlb_enter(bank, linear, &page, bank->client && !write ? TLB_READ : rights_of(walk, region), walk->paddr);
	if (walk->page_shift > PAGE_SHIFT)
		tlb_note_large(bank, linear, walk->page_shift);
	if (walk->user_page && cpu->paging.smap && !is_own_bank(cpu, bank)) /* the CPU has a bank of its own for each state of AC */
		tlb_note_override(bank, linear);
}

static void locate_by_walk(struct cpu *cpu, struct tlb *bank, bool write, struct place *place, uint8_t *shadow)
{
	const struct physmem_region *region;
	struct walk_result walk;

	cpu_walk(cpu, requester(cpu, bank), place->linear, write ? ACCESS_WRITE : ACCESS_READ, &walk);
	place->paddr = walk.paddr;
	region = physmem_find(cpu->mem, walk.paddr);
	if (!region || region->kind == PHYSMEM_MMIO) {
		place->single = region;
		return;
	}
	enter_walked(cpu, bank, write, place->linear, &walk, region, shadow);
	if (!write)
		place_in_region(place, region, shadow);
	else if (region->kind == PHYSMEM_RAM)
		place_write(place, region, shadow);
}

static void locate(struct cpu *cpu, struct tlb *bank, bool write, uint64_t linear, unsigned size, struct place *ret)
{
	uint8_t *shadow = NULL;

	*ret = (struct place){.linear = linear, .size = size};
	if (locate_cached(cpu, bank, write, ret))
		return;
	if (bank->client && locate_by_client(cpu, bank, write, ret, &shadow))
		return;
	locate_by_walk(cpu, bank, write, ret, shadow);
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

bool write_stretch(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, unsigned size, struct stretch *ret)
{
	struct place place;

	if (!bank->client || cpu_debug_armed(cpu) || !linear_canonical(cpu, linear))
		return false;
	cpu->current = insn;
	locate(cpu, bank, true, linear, size, &place);
	*ret = (struct stretch){place.host, place.shadow, place.traffic};
	return place.host;
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

/* NULL: not counted. A span counts once, though it may lie in two pages. */
static struct tlb_traffic *span_traffic(const struct span *span)
{
	struct tlb_traffic *traffic = span->place[0].traffic;

	return traffic || span->count == 1 ? traffic : span->place[1].traffic;
}

static void fetch_span(struct cpu *cpu, const struct span *span, void *to)
{
	struct tlb_traffic *traffic = span_traffic(span);
	uint8_t *at = to;

	if (traffic)
		traffic->loads++;
	for (unsigned i = 0; i < span->count; at += span->place[i++].size)
		fetch_place(cpu, &span->place[i], at);
	cpu->pending_debug |= span->breakpoints;
}

static void put_span(struct cpu *cpu, const struct span *span, const void *from)
{
	struct tlb_traffic *traffic = span_traffic(span);
	const uint8_t *at = from;

	if (traffic)
		traffic->stores++;
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

uint64_t load_rmw_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, unsigned size, tag_t *ret_tag)
{
	uint64_t value = 0;
	struct span span;

	resolve_operand(cpu, insn, bank, ACCESS_WRITE, linear, size, &span);
	fetch_span(cpu, &span, &value);
	if (ret_tag)
		*ret_tag = span_tag(bank, &span);
	return value;
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

/* The bank that instructions which push and pop use now. */
static struct tlb *stack_bank(const struct cpu *cpu)
{
	bool by_tag = (cpu->mode & MODE_TAGGED) && (cpu->gpr_tag[RSP] & TAG_STACK);

	return cpu->cpl == 3 ? &cpu->banks[BANK_USER] : cpu->data_by_tag[by_tag];
}

uint64_t stack_read(struct cpu *cpu, uint64_t linear, unsigned size)
{
	struct request request = own_request(cpu, BANK_USER, ACCESS_READ, VECTOR_SS);

	request.bank = stack_bank(cpu);
	return own_read(cpu, &request, linear, size);
}

void stack_write(struct cpu *cpu, uint64_t linear, uint64_t value, unsigned size)
{
	struct request request = own_request(cpu, BANK_USER, ACCESS_WRITE, VECTOR_SS);
	struct span span;

	request.bank = stack_bank(cpu);
	resolve(cpu, &request, linear, size, &span);
	put_span(cpu, &span, &value);
	span_set_tag(&span, 0);
}
