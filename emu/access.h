/*
 * How handlers reach registers and memory.
 *
 * A value travels with its tag. In plain execution (ENGINE_TAGGED 0) tags are constant 0, and the compiler drops all of it. The files of
 * emu/ops/ are compiled twice, once for each engine.
 *
 * Fast paths are inline and end in one comparison. Everything else (misses, page crossings, MMIO, code pages, faults) is in emu/access.c,
 * which does not return if the access faults. So a handler reads all sources, then stores to memory, then commits registers and flags. In
 * that order it never has to undo anything.
 */
#ifndef XRAY86_EMU_ACCESS_H
#define XRAY86_EMU_ACCESS_H

#include <string.h>

#include "emu/cpu.h"
#include "emu/exception.h"

#ifndef ENGINE_TAGGED
#define ENGINE_TAGGED 0
#endif
#if ENGINE_TAGGED
#define ENGINE(name) name##_tagged
#else
#define ENGINE(name) name##_plain
#endif

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Integers of `size` bytes. Sizes are compile-time constants wherever speed matters. */
struct value {
	uint64_t v;
	tag_t tag;
};

struct address {
	uint64_t linear;
	tag_t tag;
};

/* -- registers, by offset in struct cpu -- */

ALWAYS_INLINE void *cpu_field(struct cpu *cpu, uint16_t offset)
{
	return (uint8_t *)cpu + offset;
}

ALWAYS_INLINE uint64_t load_host(const void *from, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, from, size); /* little-endian hosts only */
	return v;
}

ALWAYS_INLINE void store_host(void *to, uint64_t v, unsigned size)
{
	memcpy(to, &v, size);
}

ALWAYS_INLINE tag_t reg_tag(const struct cpu *cpu, uint16_t offset)
{
	return ENGINE_TAGGED ? cpu->gpr_tag[offset >> 3] : 0;
}

ALWAYS_INLINE struct value reg_get(struct cpu *cpu, uint16_t offset, unsigned size)
{
	return (struct value){load_host(cpu_field(cpu, offset), size), reg_tag(cpu, offset)};
}

/* Writes a general register (or its low or high byte) as 64-bit mode does: 4-byte writes clear the upper half, smaller ones keep it. */
ALWAYS_INLINE void reg_set(struct cpu *cpu, uint16_t offset, unsigned size, struct value value)
{
	if (size == 4)
		store_host(cpu_field(cpu, offset), (uint32_t)value.v, 8);
	else
		store_host(cpu_field(cpu, offset), value.v, size);
	if (ENGINE_TAGGED)
		cpu->gpr_tag[offset >> 3] = size >= 4 ? value.tag : cpu->gpr_tag[offset >> 3] | value.tag;
}

/* -- effective addresses -- */

/* The general case, with address size, segment base, and checks of limit and type. Raises #GP(0) or #SS(0). */
uint64_t ea_slow(struct cpu *cpu, const struct insn *insn, unsigned size, bool write);

/* The offset alone, for LEA: base + index * scale + disp, cut to the address size. */
ALWAYS_INLINE struct value ea_offset(struct cpu *cpu, const struct insn *insn)
{
	uint64_t offset = load_host(cpu_field(cpu, insn->base), 8) + (load_host(cpu_field(cpu, insn->index), 8) << insn->scale) +
			  (uint64_t)insn->disp;

	return (struct value){offset, reg_tag(cpu, insn->base) | reg_tag(cpu, insn->index)};
}

/* Linear address of the memory operand. The caller will read or write `size` bytes there; for a read-modify-write, write is true. */
ALWAYS_INLINE struct address ea(struct cpu *cpu, const struct insn *insn, unsigned size, bool write)
{
	struct value offset = ea_offset(cpu, insn);

	if (unlikely(insn->bits & INSN_SLOW_EA))
		return (struct address){ea_slow(cpu, insn, size, write), offset.tag};
	return (struct address){(offset.v + load_host(cpu_field(cpu, insn->segment), 8)) & cpu->ea_mask, offset.tag};
}

/* -- memory -- */

/* The bank of a data access. In tagged execution the address's tag chooses it; the bank's client decides the rest. */
ALWAYS_INLINE struct tlb *data_bank(struct cpu *cpu, struct address address)
{
	if (ENGINE_TAGGED)
		return cpu->data_by_tag[address.tag & TAG_STACK];
	return cpu->data;
}

/*
 * Slow paths. size is 1, 2, 4 or 8; for those of bytes it is anything up to 4096. The tag comes through *ret_tag, which may be NULL. They
 * set cpu->current.
 */
uint64_t load_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, unsigned size, tag_t *ret_tag);
void store_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, uint64_t value, unsigned size, tag_t tag);
/* The load of a read-modify-write. It faults as a write does, and uses the write entry. */
uint64_t load_rmw_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, unsigned size, tag_t *ret_tag);
/* Raises what a write of size bytes would raise, and has no other effect. */
void probe_write(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, unsigned size);
void load_bytes_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, void *to, unsigned size, tag_t *ret_tag);
void store_bytes_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, const void *from, unsigned size,
		      tag_t tag);

/*
 * Gives host memory for many writes at once within a page of a client's bank. (Pages whose accesses are counted have no entries there, so
 * each write would be slow.) Raises what the first of the writes would. Returns false if the writes must be done one by one. `size` is the
 * size of all of them together.
 */
struct stretch {
	uint8_t *host, *shadow;      /* shadow: or NULL */
	struct tlb_traffic *traffic; /* the caller counts here, unless it is NULL */
};
bool write_stretch(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, unsigned size, struct stretch *ret);

/* Unites the tags of `size` bytes of shadow; writes them. */
ALWAYS_INLINE tag_t shadow_get(const uint8_t *shadow, unsigned size)
{
	uint64_t tags = 0;

	for (; size > 8; size -= 8, shadow += 8)
		tags |= load_host(shadow, 8);
	tags |= load_host(shadow, size);
	tags |= tags >> 32;
	tags |= tags >> 16;
	return tags | tags >> 8;
}
ALWAYS_INLINE void shadow_set(uint8_t *shadow, unsigned size, tag_t tag)
{
	memset(shadow, tag, size);
}

/* Host address for reading (writing) size bytes at linear through bank. NULL if the fast path does not cover the access. */
ALWAYS_INLINE uint8_t *fast_read(struct tlb *bank, uint64_t linear, unsigned size)
{
	const struct tlb_entry *entry = &bank->read[tlb_index(linear)];

	return likely(entry->tag == tlb_tag(bank, linear, size)) ? (uint8_t *)(linear + entry->addend) : NULL;
}
ALWAYS_INLINE uint8_t *fast_write(struct tlb *bank, uint64_t linear, unsigned size)
{
	const struct tlb_entry *entry = &bank->write[tlb_index(linear)];

	return likely(entry->tag == tlb_tag(bank, linear, size)) ? (uint8_t *)(linear + entry->addend) : NULL;
}

/* `shadow` is that of linear's page. */
ALWAYS_INLINE tag_t page_tag(const struct tlb *bank, const uint8_t *shadow, uint64_t linear, unsigned size)
{
	if (!shadow)
		return bank->client ? bank->client->default_tag : 0;
	return shadow_get(shadow + (linear & ~PAGE_MASK), size);
}
ALWAYS_INLINE tag_t fast_load_tag(struct tlb *bank, uint64_t linear, unsigned size)
{
	return ENGINE_TAGGED ? page_tag(bank, bank->read_shadow[tlb_index(linear)], linear, size) : 0;
}
/* The tag of a value that is read through a write entry. The read entry of the same slot may be another page's. */
ALWAYS_INLINE tag_t fast_rmw_tag(struct tlb *bank, uint64_t linear, unsigned size)
{
	return ENGINE_TAGGED ? page_tag(bank, bank->write_shadow[tlb_index(linear)], linear, size) : 0;
}
ALWAYS_INLINE void fast_store_tag(struct tlb *bank, uint64_t linear, unsigned size, tag_t tag)
{
	uint8_t *shadow;

	if (!ENGINE_TAGGED)
		return;
	shadow = bank->write_shadow[tlb_index(linear)];
	if (shadow)
		shadow_set(shadow + (linear & ~PAGE_MASK), size, tag);
}

ALWAYS_INLINE struct value load(struct cpu *cpu, const struct insn *insn, struct address address, unsigned size)
{
	struct tlb *bank = data_bank(cpu, address);
	const uint8_t *host = fast_read(bank, address.linear, size);
	struct value value = {0, 0};

	if (likely(host)) {
		value.v = load_host(host, size);
		value.tag = fast_load_tag(bank, address.linear, size);
		return value;
	}
	if (ENGINE_TAGGED) {
		tag_t tag;

		value.v = load_slow(cpu, insn, bank, address.linear, size, &tag);
		value.tag = tag;
	} else {
		value.v = load_slow(cpu, insn, bank, address.linear, size, NULL);
	}
	return value;
}

ALWAYS_INLINE void store(struct cpu *cpu, const struct insn *insn, struct address address, unsigned size, struct value value)
{
	struct tlb *bank = data_bank(cpu, address);
	uint8_t *host = fast_write(bank, address.linear, size);

	if (likely(host)) {
		store_host(host, value.v, size);
		fast_store_tag(bank, address.linear, size, value.tag);
		return;
	}
	store_slow(cpu, insn, bank, address.linear, value.v, size, value.tag);
}

/* Read-modify-write: load_rmw() raises what the write would raise, so store_rmw() cannot fault. */
struct rmw {
	struct address address;
	uint8_t *host; /* NULL: slow */
};

ALWAYS_INLINE struct value load_rmw(struct cpu *cpu, const struct insn *insn, struct address address, unsigned size, struct rmw *ret)
{
	struct tlb *bank = data_bank(cpu, address);

	ret->address = address;
	ret->host = fast_write(bank, address.linear, size);
	if (likely(ret->host))
		return (struct value){load_host(ret->host, size), fast_rmw_tag(bank, address.linear, size)};
	if (ENGINE_TAGGED) {
		tag_t tag;
		uint64_t v = load_rmw_slow(cpu, insn, bank, address.linear, size, &tag);

		return (struct value){v, tag};
	}
	return (struct value){load_rmw_slow(cpu, insn, bank, address.linear, size, NULL), 0};
}

ALWAYS_INLINE void store_rmw(struct cpu *cpu, const struct insn *insn, const struct rmw *rmw, unsigned size, struct value value)
{
	if (likely(rmw->host)) {
		store_host(rmw->host, value.v, size);
		fast_store_tag(data_bank(cpu, rmw->address), rmw->address.linear, size, value.tag);
		return;
	}
	store_slow(cpu, insn, data_bank(cpu, rmw->address), rmw->address.linear, value.v, size, value.tag);
}

/*
 * Two-path access for hot handlers. With `fast` set these functions do what the fast path covers; otherwise they return false and have done
 * nothing. The handler then leaves the access to a copy of itself that may call functions (see TWO_PATHS), and so needs no stack frame.
 * Without `fast` they always succeed.
 */
ALWAYS_INLINE bool load_operand(struct cpu *cpu, const struct insn *insn, bool fast, unsigned size, struct value *ret)
{
	struct address address;
	struct tlb *bank;
	const struct tlb_entry *entry;

	if (!fast) {
		*ret = load(cpu, insn, ea(cpu, insn, size, false), size);
		return true;
	}
	if (unlikely(insn->bits & INSN_SLOW_EA))
		return false;
	address = ea(cpu, insn, size, false);
	bank = data_bank(cpu, address);
	entry = &bank->read[tlb_index(address.linear)];
	if (unlikely(entry->tag != tlb_tag(bank, address.linear, size)))
		return false;
	ret->v = load_host((const uint8_t *)(address.linear + entry->addend), size);
	ret->tag = fast_load_tag(bank, address.linear, size);
	return true;
}

ALWAYS_INLINE bool store_operand(struct cpu *cpu, const struct insn *insn, bool fast, unsigned size, struct value value)
{
	struct address address;
	struct tlb *bank;
	const struct tlb_entry *entry;

	if (!fast) {
		store(cpu, insn, ea(cpu, insn, size, true), size, value);
		return true;
	}
	if (unlikely(insn->bits & INSN_SLOW_EA))
		return false;
	address = ea(cpu, insn, size, true);
	bank = data_bank(cpu, address);
	entry = &bank->write[tlb_index(address.linear)];
	if (unlikely(entry->tag != tlb_tag(bank, address.linear, size)))
		return false;
	store_host((uint8_t *)(address.linear + entry->addend), value.v, size);
	fast_store_tag(bank, address.linear, size, value.tag);
	return true;
}

/* The load of a read-modify-write; store_rmw() follows. */
ALWAYS_INLINE bool load_rmw_operand(struct cpu *cpu, const struct insn *insn, bool fast, unsigned size, struct rmw *rmw, struct value *ret)
{
	struct tlb *bank;
	const struct tlb_entry *entry;

	if (!fast) {
		*ret = load_rmw(cpu, insn, ea(cpu, insn, size, true), size, rmw);
		return true;
	}
	if (unlikely(insn->bits & INSN_SLOW_EA))
		return false;
	rmw->address = ea(cpu, insn, size, true);
	bank = data_bank(cpu, rmw->address);
	entry = &bank->write[tlb_index(rmw->address.linear)];
	if (unlikely(entry->tag != tlb_tag(bank, rmw->address.linear, size)))
		return false;
	rmw->host = (uint8_t *)(rmw->address.linear + entry->addend);
	if (!rmw->host)
		__builtin_unreachable();
	ret->v = load_host(rmw->host, size);
	ret->tag = fast_rmw_tag(bank, rmw->address.linear, size);
	return true;
}

/* Any number of bytes (10-byte reals, 16-byte vectors, FXSAVE areas). If the access faults, nothing is transferred. */
ALWAYS_INLINE tag_t load_bytes(struct cpu *cpu, const struct insn *insn, struct address address, void *to, unsigned size)
{
	struct tlb *bank = data_bank(cpu, address);
	const uint8_t *host = fast_read(bank, address.linear, size);
	tag_t tag = 0;

	if (likely(host)) {
		memcpy(to, host, size);
		return fast_load_tag(bank, address.linear, size);
	}
	load_bytes_slow(cpu, insn, bank, address.linear, to, size, ENGINE_TAGGED ? &tag : NULL);
	return tag;
}

ALWAYS_INLINE void store_bytes(struct cpu *cpu, const struct insn *insn, struct address address, const void *from, unsigned size, tag_t tag)
{
	struct tlb *bank = data_bank(cpu, address);
	uint8_t *host = fast_write(bank, address.linear, size);

	if (likely(host)) {
		memcpy(host, from, size);
		fast_store_tag(bank, address.linear, size, tag);
		return;
	}
	store_bytes_slow(cpu, insn, bank, address.linear, from, size, tag);
}

/*
 * The processor's own accesses to its tables (GDT, LDT, IDT, TSS) and, with cpl given, to stacks of another privilege. They are no operands
 * of an instruction, carry no tags, and go through the CPU's own banks. cpu->current must be set, or NULL during delivery. size is 1, 2, 4
 * or 8.
 */
uint64_t system_read(struct cpu *cpu, uint64_t linear, unsigned size);
void system_write(struct cpu *cpu, uint64_t linear, uint64_t value, unsigned size);
uint64_t privileged_read(struct cpu *cpu, uint64_t linear, unsigned size, unsigned cpl);
void privileged_write(struct cpu *cpu, uint64_t linear, uint64_t value, unsigned size, unsigned cpl);
/*
 * The stack as PUSH and POP reach it, through a client's bank if there is one. For far CALL, RET and IRET, and for code outside of
 * instructions that pushes. Stored values have no tag.
 */
uint64_t stack_read(struct cpu *cpu, uint64_t linear, unsigned size);
void stack_write(struct cpu *cpu, uint64_t linear, uint64_t value, unsigned size);

/* -- going on -- */

#if defined(__has_attribute)
#if __has_attribute(musttail)
#define TAIL __attribute__((musttail))
#endif
#endif
#ifndef TAIL
#define TAIL
#endif

/* In optimised builds a handler calls its successor. Sanitizers and -O0 would overflow the stack; they use the run loop's trampoline. */
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(XRAY86_TRAMPOLINE)
#define NEXT(cpu, insn) TAIL return (insn)[1].execute(cpu, (insn) + 1)
#define GO(cpu, insn) TAIL return (insn)->execute(cpu, insn)
#else
#define NEXT(cpu, insn) return (void)(cpu), (insn) + 1
#define GO(cpu, insn) return (void)(cpu), insn
#endif

/* The address of the instruction after insn, while its block runs. Not cut to the code size. */
ALWAYS_INLINE uint64_t next_rip(const struct cpu *cpu, const struct insn *insn)
{
	return cpu->rip + insn->offset + insn->length;
}

/*
 * Makes the handler `name` from an inline function bool do_it(cpu, insn, fast, ...). `call` is the expression that calls it, with `fast` as
 * its free variable. It is instantiated twice: with fast set and without calls, and out of line, for what the first instance cannot do.
 */
#define TWO_PATHS(name, call)                                                                                                              \
	static __attribute__((noinline, cold)) const struct insn *name##_slow(struct cpu *cpu, const struct insn *insn)                    \
	{                                                                                                                                  \
		const bool fast = false;                                                                                                   \
		call;                                                                                                                      \
		NEXT(cpu, insn);                                                                                                           \
	}                                                                                                                                  \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                                           \
	{                                                                                                                                  \
		const bool fast = true;                                                                                                    \
		if (unlikely(!(call)))                                                                                                     \
			return name##_slow(cpu, insn);                                                                                     \
		NEXT(cpu, insn);                                                                                                           \
	}

/*
 * Makes the handler `name` from a function `void do_it(struct cpu *, const struct insn *)` that needs no speed. The function may raise, and
 * finds its operands itself. Execution goes on with the next instruction.
 */
#define SIMPLE(name, do_it)                                                                                                                \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                                           \
	{                                                                                                                                  \
		cpu->current = insn;                                                                                                       \
		do_it(cpu, insn);                                                                                                          \
		NEXT(cpu, insn);                                                                                                           \
	}

/* The same for a function that sets cpu->rip itself (far transfers, INT). It ends the block. */
#define TRANSFER(name, do_it)                                                                                                              \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                                           \
	{                                                                                                                                  \
		cpu->current = insn;                                                                                                       \
		do_it(cpu, insn);                                                                                                          \
		return NULL;                                                                                                               \
	}

#endif
