/*
 * Every combination of page-table bits, control bits and kinds of access, cold and behind a read that filled the TLB, against the SDM's rules spelt out
 * anew (vol. 3A 4.6 access rights, 4.7 error codes, 4.8 accessed and dirty bits). Single cases with names are in long-paging.c.
 */
#include "tests/metal/metal.h"

#define WINDOW 0x8000000000ull /* PML4 entry 1 */
enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, LARGE = 0x80 };
#define NX (1ull << 63)
#define RESERVED (1ull << 51)
#define RESERVED_LARGE (1ull << 13)
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };
enum { EFER = 0xc0000080, EFER_NXE = 1 << 11 };

extern uint64_t tables[]; /* the start file's PML4 */
static uint64_t pdpt[512] __attribute__((aligned(4096)));
static uint64_t directory[512] __attribute__((aligned(4096)));
static uint64_t window[512] __attribute__((aligned(4096)));
static uint8_t target[4096] __attribute__((aligned(4096)));

SNIPPET(reads, "mov (%rbx), %eax; int $0x30");
SNIPPET(writes, "mov %al, 64(%rbx); int $0x30");
SNIPPET(executes, "jmp *%rbx");

enum access { READ, WRITE, FETCH };
struct attempt_kind {
	enum access access;
	bool user, wp, nxe, warm;
};

static uint64_t *pde, *pte;
static const char *where;
static bool tcg; /* it leaves P out with RSVD */

/* -- the rules -- */

/* What one access does: true: it succeeds, and leaves its marks in the entries. Else *error is the page fault's. */
static bool model(const struct attempt_kind *kind, uint64_t *pde_now, uint64_t *pte_now, unsigned *error)
{
	bool large = *pde_now & LARGE, present = (*pde_now & P) && (large || (*pte_now & P));
	uint64_t used = large ? *pde_now : *pde_now & *pte_now;		 /* rights that all levels must give */
	uint64_t any = large || !(*pde_now & P) ? *pde_now : *pde_now | *pte_now; /* bits that one level is enough for */
	uint64_t reserved = RESERVED | (kind->nxe ? 0 : NX);
	bool bad_pde = (*pde_now & P) && (*pde_now & (reserved | (large ? RESERVED_LARGE : 0)));
	bool bad_pte = !large && (*pde_now & P) && (*pte_now & P) && (*pte_now & reserved), bad = bad_pde || bad_pte;
	bool allowed;

	*error = (kind->access == WRITE ? PF_W : 0) | (kind->user ? PF_U : 0) | (kind->access == FETCH && kind->nxe ? PF_I : 0);
	if (!present && !bad)
		return false;
	if (bad) {
		*error |= tcg ? PF_RSVD : PF_P | PF_RSVD;
		return false;
	}
	*error |= PF_P;
	allowed = !kind->user || (used & U);
	if (kind->access == WRITE)
		allowed &= (used & W) || (!kind->user && !kind->wp);
	if (kind->access == FETCH)
		allowed &= !(kind->nxe && (any & NX));
	if (!allowed)
		return false;
	*pde_now |= A;
	*(large ? pde_now : pte_now) |= A | (kind->access == WRITE ? D : 0);
	return true;
}

/* -- one case -- */

static volatile uint8_t *address(void)
{
	return (volatile uint8_t *)(WINDOW + ((word)target & 0x1fffff));
}

static void set_control(const struct attempt_kind *kind)
{
	static int wp = -1, nxe = -1;

	if (wp != kind->wp)
		write_cr0(kind->wp ? read_cr0() | CR0_WP : read_cr0() & ~(word)CR0_WP);
	if (nxe != kind->nxe)
		wrmsr(EFER, kind->nxe ? rdmsr(EFER) | EFER_NXE : rdmsr(EFER) & ~(uint64_t)EFER_NXE);
	wp = kind->wp, nxe = kind->nxe;
}

static struct state perform(enum access access, bool user)
{
	static char *const code[] = {reads, writes, executes};
	struct state s = user ? user_state(code[access]) : kernel_state(code[access]);

	s.bx = (word)address();
	go(&s);
	return s;
}

static bool right(const struct attempt_kind *kind, uint64_t new_pde, uint64_t new_pte)
{
	struct attempt_kind first = {READ, false, kind->wp, kind->nxe, false};
	uint64_t want_pde = new_pde, want_pte = new_pte, unsure;
	unsigned error = 0;
	bool succeeds;
	struct state s;

	set_control(kind);
	*pde = new_pde, *pte = new_pte;
	invlpg((const void *)address());
	if (kind->warm) {
		model(&first, &want_pde, &want_pte, &error);
		perform(READ, false);
		want_pde = (want_pde & ~(uint64_t)A) | (*pde & A); /* of a walk that ended below it */
	}
	succeeds = model(kind, &want_pde, &want_pte, &error);
	s = perform(kind->access, kind->user);
	unsure = succeeds ? 0 : A; /* a walk that fails below may mark the upper levels */
	if (succeeds ? s.vector != VECTOR_DONE : s.vector != VEC_PF || s.error != error) {
		where = "outcome";
	} else if (!succeeds && s.cr2 != (word)address() + (kind->access == WRITE ? 64 : 0)) {
		where = "CR2";
	} else if (*pte != want_pte || ((*pde ^ want_pde) & ~unsure)) {
		where = "entries";
	} else {
		return true;
	}
	say("vector ");
	say_hex(s.vector, 2);
	say(" error ");
	say_hex(s.error, 2);
	say(succeeds ? " wanted none" : " wanted ");
	say_hex(error, 2);
	say("\n");
	return false;
}

/* -- all of them -- */

static bool judge(const struct attempt_kind *kind, uint64_t new_pde, uint64_t new_pte)
{
	if (right(kind, new_pde, new_pte))
		return true;
	say(where);
	say(kind->user ? ": user" : ": kernel");
	say(kind->access == READ ? " reads" : kind->access == WRITE ? " writes" : " fetches");
	say(kind->wp ? " WP" : "");
	say(kind->nxe ? " NXE" : "");
	say(kind->warm ? " behind a read" : "");
	say(" PDE ");
	say_hex(new_pde, 16);
	say(" PTE ");
	say_hex(new_pte, 16);
	say(" now ");
	say_hex(*pde, 16);
	say(" ");
	say_hex(*pte, 16);
	say("\n");
	return false;
}

static bool all_entries(const struct attempt_kind *kind)
{
	static const uint64_t rights[] = {P, W, U, NX}, marks[] = {0, A, A | D};
	static const struct {
		uint64_t pde, pte;
	} reserved[] = {{0, 0}, {RESERVED, 0}, {0, RESERVED}, {RESERVED_LARGE, 0}};
	uint64_t frame = (word)target, large_frame = frame & ~0x1fffffull;

	for (unsigned i = 0; i < 256 * 4 * 2; i++) {
		bool large = i & 1;
		unsigned extra = i >> 1 & 3;
		uint64_t new_pde = large ? large_frame | LARGE : (word)window, new_pte = frame;

		if (extra == 3 && !large)
			continue;
		for (unsigned bit = 0; bit < 4; bit++) {
			new_pde |= i >> (3 + bit) & 1 ? rights[bit] : 0;
			new_pte |= i >> (7 + bit) & 1 ? rights[bit] : 0;
		}
		for (unsigned m = 0; m < 9; m++) {
			uint64_t pde_marks = marks[m % 3], pte_marks = marks[m / 3];

			if (extra && m)
				break;
			if (!judge(kind, new_pde | reserved[extra].pde | pde_marks, new_pte | reserved[extra].pte | pte_marks))
				return false;
		}
	}
	return true;
}

void run(void)
{
	static const char *const names[3][2] = {
		{"kernel reads", "user reads"}, {"kernel writes", "user writes"}, {"kernel fetches", "user fetches"}};

	tcg = on_tcg();
	memcpy(target, "\xcd\x30", 2);
	pdpt[0] = (word)directory | P | W | U;
	tables[1] = (word)pdpt | P | W | U;
	write_cr3(read_cr3());
	pde = &directory[0];
	pte = &window[(word)target >> 12 & 511];
	for (unsigned access = READ; access <= FETCH; access++) {
		for (unsigned user = 0; user < 2; user++) {
			bool ok = true;

			for (unsigned control = 0; control < 8 && ok; control++) {
				struct attempt_kind kind = {access, user, control & 1, control & 2, control & 4};

				ok = all_entries(&kind);
			}
			check(names[access][user], ok);
		}
	}
}
