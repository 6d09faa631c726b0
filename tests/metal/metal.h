/*
 * The runtime of the bare-metal tests: programs without an operating system that test the machine that they run on (the emulator, or any PC that
 * boots multiboot 1 images, to see whether the *tests* are right). Each defines run(), calls check() a few dozen times, and returns; "ok NAME" and
 * "FAIL NAME" lines and a summary go to the first serial port, and the machine ends by isa-debug-exit (port F4h), value 0 if all is well.
 *
 * go() is the instrument: it enters any state (ring, mode, segments, registers, flags) and comes back with the state at the next
 * exception or interrupt. Snippets of code for it end with DONE. ATTEMPT() is for single privileged instructions.
 */
#ifndef XRAY86_TESTS_METAL_H
#define XRAY86_TESTS_METAL_H

/* Selectors: start32.S and start64.S have the GDT; all bases 0. From SEL_FREE on, tests make their own. */
#define SEL_CODE 0x08	/* ring 0, of the image's own width */
#define SEL_DATA 0x10
#define SEL_UCODE32 0x1b /* the order of the next three is SYSRET's */
#define SEL_UDATA 0x23
#define SEL_UCODE64 0x2b
#define SEL_CODE32 0x30
#define SEL_CODE16 0x38 /* limit FFFFh */
#define SEL_DATA16 0x40
#define SEL_TSS 0x48
#define SEL_FREE 0x58
#define GDT_ENTRIES 64

#define VECTOR_DONE 0x30 /* the end of a snippet; DPL 3 */
#define VECTOR_NONE 0xff

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef unsigned long word; /* of the image: 32 or 64 bits */

enum { VEC_DE, VEC_DB, VEC_NMI, VEC_BP, VEC_OF, VEC_BR, VEC_UD, VEC_NM, VEC_DF, VEC_TS = 10, VEC_NP, VEC_SS, VEC_GP, VEC_PF, VEC_MF = 16, VEC_AC };
enum { F_CF = 1, F_PF = 4, F_AF = 0x10, F_ZF = 0x40, F_SF = 0x80, F_TF = 0x100, F_IF = 0x200, F_DF = 0x400, F_OF = 0x800 };
enum { F_IOPL = 0x3000, F_NT = 0x4000, F_RF = 0x10000, F_VM = 0x20000, F_AC = 0x40000, F_VIF = 0x80000, F_VIP = 0x100000, F_ID = 0x200000 };

/* -- reporting -- */

void say(const char *text);
void say_hex(uint64_t value, unsigned digits);
void check(const char *name, bool ok);
/* As check(got == want), and shows them if not. */
void check_equal(const char *name, uint64_t got, uint64_t want);
/* As check_equal(), of something that QEMU's TCG is known not to do (segment limits, alignment checks, ...): a difference is only noted there. */
void check_strict(const char *name, uint64_t got, uint64_t want);
bool on_tcg(void);
void skip(const char *name);
_Noreturn void finish(void);

/* -- running code in any state -- */

/* A state to enter, and the one that came of it. The layout is known to the start files. */
struct state {
	word ax, cx, dx, bx, sp, bp, si, di;
#ifdef __x86_64__
	word r8, r9, r10, r11, r12, r13, r14, r15;
#endif
	word ip, flags, cs, ss, ds, es, fs, gs; /* 64-bit images do not load FS and GS: their bases would go */
	word vector, error, cr2;		/* what ended it */
};

/* What the trap stubs push. */
struct frame {
#ifdef __x86_64__
	word r15, r14, r13, r12, r11, r10, r9, r8;
	word di, si, bp, bx, dx, cx, ax;
	word vector, error, ip, cs, flags, sp, ss;
#else
	word gs, fs, es, ds;
	word di, si, bp, unused, bx, dx, cx, ax;
	word vector, error, ip, cs, flags, sp, ss; /* sp and ss from an outer ring only */
	word v86_es, v86_ds, v86_fs, v86_gs;
#endif
};

/* Ring 0 (user_state: ring 3) at this address, on a stack of its own, all other registers 0. */
struct state kernel_state(const void *ip);
struct state user_state(const void *ip);
/* Runs it until the next exception or interrupt that has no handler; returns its vector. */
unsigned go(struct state *state);
/* Whether that was the snippet's DONE. */
static inline bool done(struct state *state)
{
	return go(state) == VECTOR_DONE;
}

/* Code for go(), in the image's width; for SNIPPET16 below 64 KiB, for SNIPPET32 (in 64-bit images) for compatibility mode. */
#define SNIPPET(name, text) SNIPPET_IN(name, ".text", "", text, "")
#define SNIPPET16(name, text) SNIPPET_IN(name, ".low, \"awx\"", ".code16\n", text, WIDTH)
#define SNIPPET32(name, text) SNIPPET_IN(name, ".text", ".code32\n", text, WIDTH)
#define SNIPPET_IN(name, section, before, text, after)                                                                             \
	extern char name[];                                                                                                         \
	__asm__(".pushsection " section "\n" before ".global " #name "\n" #name ":\n" text "\n" after ".popsection\n")
#define DONE "\nint $0x30\n"
#ifdef __x86_64__
#define WIDTH ".code64\n"
#define POINTER ".quad "
#else
#define WIDTH ".code32\n"
#define POINTER ".long "
#endif

/* Interrupt and exception handlers in C; called with interrupts off, NULL to remove. They take precedence over go(). */
typedef void handler(struct frame *frame);
void set_handler(unsigned vector, handler *handler);

/*
 * One instruction (or a few that leave the stack alone) in ring 0: gives the vector of the exception that it raised, or VECTOR_NONE. Its error code
 * and CR2 are then in `attempt`.
 */
struct attempt {
	word recovery, vector, error, cr2;
};
extern volatile struct attempt attempt;
#ifdef __x86_64__
#define MOVE "movq"
#else
#define MOVE "movl"
#endif
#define ATTEMPT(text, ...)                                                                                                          \
	({                                                                                                                          \
		attempt.vector = VECTOR_NONE;                                                                                       \
		__asm__ volatile(MOVE " $771f, attempt\n" text "\n771: " MOVE " $0, attempt" __VA_ARGS__);                           \
		(unsigned)attempt.vector;                                                                                           \
	})

/* -- tables -- */

extern uint64_t gdt[GDT_ENTRIES];

/* limit in bytes (page-granular if above 1 MiB); flags: 2 = L, 4 = D/B. */
uint64_t descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned flags);
static inline void set_descriptor(unsigned selector, uint64_t value)
{
	gdt[selector >> 3] = value;
}
/* type: 0x8e interrupt gate, 0x8f trap gate, 0x85 task gate; | 0x60 for DPL 3. */
void set_gate(unsigned vector, unsigned selector, const void *target, unsigned type, unsigned ist);
/* Back to the runtime's own. */
void reset_gate(unsigned vector);

#ifdef __x86_64__
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3] __attribute__((packed));
	uint64_t reserved1 __attribute__((packed));
	uint64_t ist[7] __attribute__((packed));
	uint32_t reserved2[2];
	uint16_t reserved3, io_map;
	uint8_t io_bits[0x400];
} __attribute__((packed));
#else
struct tss {
	uint32_t back, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
	uint32_t es, cs, ss, ds, fs, gs, ldt;
	uint16_t trap, io_map;
	uint8_t io_bits[0x400];
};
#endif
extern struct tss tss; /* in TR */

/* -- memory and I/O -- */

extern uint8_t pages[32][4096] __attribute__((aligned(4096))); /* for tests */
extern char image_end[];
#define USER_STACK_TOP 0x90000ul /* free memory below 1 MiB: 10000h-9FFFFh */

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline void outw(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}
static inline uint32_t inl(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}
static inline uint64_t rdmsr(uint32_t index)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	return (uint64_t)high << 32 | low;
}
static inline void wrmsr(uint32_t index, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(index) : "memory");
}
struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};
static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid ret;

	__asm__ volatile("cpuid" : "=a"(ret.eax), "=b"(ret.ebx), "=c"(ret.ecx), "=d"(ret.edx) : "a"(leaf), "c"(subleaf));
	return ret;
}
#define CONTROL(n)                                                                                                                   \
	static inline word read_cr##n(void)                                                                                         \
	{                                                                                                                           \
		word value;                                                                                                         \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(value) : : "memory");                                                  \
		return value;                                                                                                       \
	}                                                                                                                           \
	static inline void write_cr##n(word value)                                                                                  \
	{                                                                                                                           \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory");                                                      \
	}
CONTROL(0)
CONTROL(2)
CONTROL(3)
CONTROL(4)
enum { CR0_MP = 2, CR0_TS = 8, CR0_WP = 1 << 16, CR0_AM = 1 << 18 };
#define CR0_PG 0x80000000ul
enum { CR4_TSD = 4, CR4_DE = 8, CR4_PSE = 0x10, CR4_PAE = 0x20, CR4_PGE = 0x80, CR4_FSGSBASE = 0x10000, CR4_PCIDE = 0x20000, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21 };

#define DEBUG_REGISTER(n)                                                                                                            \
	static inline word read_dr##n(void)                                                                                         \
	{                                                                                                                           \
		word value;                                                                                                         \
		__asm__ volatile("mov %%dr" #n ", %0" : "=r"(value));                                                               \
		return value;                                                                                                       \
	}                                                                                                                           \
	static inline void write_dr##n(word value)                                                                                  \
	{                                                                                                                           \
		__asm__ volatile("mov %0, %%dr" #n : : "r"(value) : "memory");                                                      \
	}
DEBUG_REGISTER(0)
DEBUG_REGISTER(6)
DEBUG_REGISTER(7)

static inline void invlpg(const void *address)
{
	__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}
/* The magic and the information that the loader gave. */
extern uint32_t boot_magic, boot_info;

void run(void);

#endif
#endif
