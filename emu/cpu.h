/*
 * struct cpu: the architectural state of one x86 processor, and what the engine keeps beside it.
 *
 * The general registers are first (offset 0), so that the offset of a register operand also gives the index of its tag. While a block runs,
 * `rip` is the address of the block's *first* instruction, and the running instruction is at rip + insn->offset. At every boundary (outside
 * cpu_run(), after a handler has returned NULL, in exception delivery) rip is exact. A guest fault unwinds to the run loop with one longjmp
 * (emu/exception.h). The CPU knows its surroundings through struct cpu_bus only.
 */
#ifndef XRAY86_EMU_CPU_H
#define XRAY86_EMU_CPU_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/flags.h"
#include "emu/insn.h"
#include "mmu/physmem.h"
#include "mmu/tlb.h"
#include "mmu/walk.h"
#include "util/embed.h"
#include "util/error.h"

struct block;
struct block_cache;
struct block_links;
struct cpu_client;
struct isa;
struct mark;

enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

enum segment_index { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

/* Segment attributes: the descriptor's access byte in bits 0-7, its flags nibble in bits 12-15 (SDM vol. 3A 3.4.5, 24.4.1). */
enum {
	SEGMENT_TYPE = 0xf, /* with S set: bit 0 accessed, 1 writable/readable, 2 expand-down/conforming, 3 code */
	SEGMENT_S = 1 << 4, /* code or data, not a system segment */
	SEGMENT_DPL_SHIFT = 5,
	SEGMENT_P = 1 << 7,
	SEGMENT_AVL = 1 << 12,
	SEGMENT_L = 1 << 13,
	SEGMENT_DB = 1 << 14,
	SEGMENT_G = 1 << 15,
};

/* A segment register with its hidden part. limit is in bytes; G is already applied. A null (unusable) segment has attributes 0. */
struct segment {
	uint64_t base;
	uint32_t limit;
	uint16_t attributes;
	uint16_t selector;
};

struct table_register { /* GDTR, IDTR */
	uint64_t base;
	uint16_t limit;
};

enum {
	CR0_PE = 1 << 0,
	CR0_MP = 1 << 1,
	CR0_EM = 1 << 2,
	CR0_TS = 1 << 3,
	CR0_ET = 1 << 4,
	CR0_NE = 1 << 5,
	CR0_WP = 1 << 16,
	CR0_AM = 1 << 18,
	CR0_NW = 1 << 29,
	CR0_CD = 1 << 30,
};
#define CR0_PG 0x80000000u
enum {
	CR4_VME = 1 << 0,
	CR4_PVI = 1 << 1,
	CR4_TSD = 1 << 2,
	CR4_DE = 1 << 3,
	CR4_PSE = 1 << 4,
	CR4_PAE = 1 << 5,
	CR4_MCE = 1 << 6,
	CR4_PGE = 1 << 7,
	CR4_PCE = 1 << 8,
	CR4_OSFXSR = 1 << 9,
	CR4_OSXMMEXCPT = 1 << 10,
	CR4_UMIP = 1 << 11,
	CR4_LA57 = 1 << 12,
	CR4_FSGSBASE = 1 << 16,
	CR4_PCIDE = 1 << 17,
	CR4_OSXSAVE = 1 << 18,
	CR4_SMEP = 1 << 20,
	CR4_SMAP = 1 << 21,
};
enum { EFER_SCE = 1 << 0, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11 };

/*
 * Mode bits: what the meaning of a block's bytes depends on, besides its physical address and what handlers test at run time. They are part
 * of every block's key. cpu_update_mode() computes them anew whenever control registers, EFER, CS/SS/DS/ES/FS/GS or MXCSR change.
 */
enum {
	MODE_CODE_SHIFT = 0,        /* 2 bits: log2 of the code size in bytes: 1 = 16-bit, 2 = 32-bit, 3 = 64-bit */
	MODE_STACK_SHIFT = 2,       /* 2 bits: the same for the stack (SS.B) */
	MODE_FLAT = 1 << 4,         /* CS, SS, DS, ES: base 0, no limit, readable, data writable; always so in 64-bit code */
	MODE_FS_UNCHECKED = 1 << 5, /* FS (GS): any base, no limit, writable */
	MODE_GS_UNCHECKED = 1 << 6,
	MODE_X87_OFF = 1 << 7,     /* CR0.EM or TS: x87 (and MMX) instructions raise #NM or #UD */
	MODE_SSE_OFF = 1 << 8,     /* CR0.EM, TS or no CR4.OSFXSR: SSE instructions raise #UD or #NM */
	MODE_SIMD_TRAPS = 1 << 9,  /* MXCSR has an unmasked exception: SSE arithmetic must look for them */
	MODE_CS_LIMITED = 1 << 10, /* CS has a limit or base that matter: blocks are checked at each entry and never chained */
	MODE_TAGGED = 1 << 11,     /* tagged execution */
	MODE_USER = 1 << 12,       /* CPL 3. Outside of the block's key: it says which translations jumps may use */
	MODE_CODE_BANK = 1 << 13,  /* a client's bank finds code at CPL 0-2. Outside of the block's key likewise */
	MODE_KEY = MODE_USER - 1,
};

/* TLB banks, one for each privilege. */
enum bank {
	BANK_USER,
	BANK_SUPERVISOR,    /* with CR4.SMAP: no user pages */
	BANK_SUPERVISOR_AC, /* supervisor with EFLAGS.AC set */
	BANK_USER_ALIGNED,  /* user under alignment checking (CR0.AM, EFLAGS.AC): without data entries, so that every access is checked */
	BANK_COUNT,
};

/* Physical address width, CPUID 80000008H:EAX[7:0]. */
enum { CPU_MAXPHYADDR = 46 };

/* Tags: provenance of a value (redirect/ uses them; see docs/internals.md). */
typedef uint8_t tag_t;
enum { TAG_STACK = 1, TAG_PRODUCT = 2 };

union xmm {
	uint8_t u8[16];
	uint16_t u16[8];
	uint32_t u32[4];
	uint64_t u64[2];
	float f32[4];
	double f64[2];
};

/* x87 register in its 80-bit memory format, padded. MMX register n is the significand of *physical* register n. */
struct fpu_register {
	uint64_t significand;
	uint16_t sign_exponent;
	uint16_t unused[3];
};

struct fpu {
	struct fpu_register reg[8]; /* physical: R0-R7 (SDM vol. 1, 8.1.2) */
	uint16_t control;           /* FCW */
	uint16_t reserved;          /* keeps what is written all the time out of control's doubleword, as which compilers may read it */
	uint16_t status;            /* FSW without TOP */
	uint8_t top;
	uint8_t valid;     /* abridged tag word: bit n set = physical register n not empty */
	uint16_t opcode;   /* FOP */
	uint16_t fcs, fds; /* last instruction's and operand's selectors */
	uint64_t fip, fdp;
};

/* What a CPU needs of the machine around it. Each may be NULL; what it would do is then inert (ports read all-ones). */
struct cpu_bus {
	void *opaque;
	uint32_t (*port_read)(void *opaque, uint16_t port, unsigned size);
	void (*port_write)(void *opaque, uint16_t port, uint32_t value, unsigned size);
	/* Acknowledges an interrupt (INTA cycle) and returns its vector. Called when cpu->interrupt_line is set and IF is on. */
	uint8_t (*interrupt_acknowledge)(void *opaque);
	/* MSRs that live outside the core (IA32_APIC_BASE, x2APIC, TSC deadline). Return false for #GP. */
	bool (*msr_read)(void *opaque, uint32_t index, uint64_t *ret);
	bool (*msr_write)(void *opaque, uint32_t index, uint64_t value);
	/* CR8 is the local APIC's TPR >> 4. */
	uint64_t (*tpr_read)(void *opaque);
	void (*tpr_write)(void *opaque, uint64_t cr8);
};

enum cpu_exit {
	CPU_EXIT_NONE,
	CPU_EXIT_DEADLINE, /* the run has reached the instruction count that was asked for */
	CPU_EXIT_HALT,     /* HLT; interrupts may wake it */
	CPU_EXIT_SHUTDOWN, /* triple fault */
	CPU_EXIT_REQUEST,  /* cpu_request_exit() */
	CPU_EXIT_MARK,     /* a marked address asked to leave */
	CPU_EXIT_CLIENT, /* a TLB client asked to stop, or rep_allowance is used up, before the instruction or the delivery of the event */
};

/* A cached answer to "which block is at this RIP in this mode": see emu/block.h. */
struct jump_cache_entry {
	uint64_t rip;
	uint64_t tag; /* cpu->jump_tag when it was entered */
	struct block *block;
};
enum { JUMP_CACHE_SIZE = 4096, CPU_BIAS = 8192 };
enum {
	CPU_REP_LIMIT = 1 << 16,    /* iterations of a REP string instruction between chances for interrupts */
	CPU_SIGNATURE = 0x000306a9, /* CPUID 1:EAX, and EDX after RESET: family 6, model 3a, stepping 9 */
};

#define CPU_REP_UNLIMITED INT64_MAX

/*
 * The architectural state, in parts that struct cpu embeds. emu/cpu_state.c saves and restores these parts, so a member that is added to
 * one of them is saved. If the engine relies on the member's value, cpu_packed_is_sound() must check it. Members that are derived, or that
 * belong to the engine, stand in struct cpu itself.
 */
struct cpu_registers {
	uint64_t gpr[16];
	uint64_t zero; /* always 0: the absent base, index or segment base */
	uint64_t rip;
	uint64_t bias; /* always CPU_BIAS: lets RIP-relative displacements that outgrow 32 bits when counted from the block's start be
			  lowered */
	struct lazy_flags flags; /* CF PF AF ZF SF OF */
};

struct cpu_segments {
	uint32_t eflags; /* all but the arithmetic flags; bit 1 set */
	uint8_t cpl;
	struct segment seg[SEG_COUNT];
};

struct cpu_floating {
	_Alignas(16) union xmm xmm[16];
	struct fpu fpu;
	uint32_t mxcsr;
};

struct cpu_tags {
	tag_t gpr_tag[19]; /* parallel to gpr, zero, rip, bias */
	tag_t xmm_tag[16];
	tag_t fpu_tag[8];
};

struct cpu_system {
	uint64_t cr0, cr2, cr3, cr4, efer;
	uint64_t dr[8];
	struct table_register gdtr, idtr;
	uint64_t star, lstar, cstar, fmask; /* IA32_STAR.. */
	uint64_t kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t tsc_offset, tsc_aux, pat, misc_enable;
	uint64_t mtrr_def_type, mtrr_fixed[11], mtrr_variable[16];
	uint64_t spec_ctrl;
	uint64_t pdpte[4]; /* PAE */
	bool nmi_pending, nmi_blocked;
	bool interrupt_shadow; /* the next instruction runs before interrupts are taken (STI, MOV SS, POP SS) */
	bool debug_shadow;     /* MOV SS / POP SS: debug exceptions wait too */
	bool step_inhibited;   /* no single-step trap follows the last instruction: INT n and the like */
	bool halted;
	uint64_t pending_debug; /* DR6 bits of data/single-step traps to raise after this instruction */
	struct delivery {       /* of an event to the guest; if a TLB client has stopped it, the CPU goes on with it later */
		bool active;
		bool has_error_code;
		uint8_t source; /* enum event_source */
		uint8_t vector;
		uint32_t error_code;
	} delivery;
};

struct cpu {
	/* -- what handlers touch all the time; gpr MUST BE FIRST -- */
	EMBED(cpu_registers, registers);
	int64_t budget;           /* instructions until the deadline; those of the running block count as done */
	uint64_t ea_mask;         /* of linear addresses: 2^64-1 in 64-bit code, else 2^32-1 */
	struct tlb *data;         /* bank of plain explicit data accesses at the current privilege */
	uint64_t stack_mask;      /* of rSP, for implicit stack accesses, if SS is flat and not 16-bit; 0: take the slow paths */
	uint32_t link_generation; /* block links of another generation are void */
	uint64_t jump_tag;        /* fetch generation << 16 | mode */
	struct jump_cache_entry *jump_cache;
	const struct insn *current; /* the running instruction; set before anything that may fault or ask for the time */
	uint32_t mode;              /* MODE_* */
	EMBED(cpu_segments, segments);
	EMBED(cpu_floating, floating);

	/* -- tagged execution -- */
	struct tlb *data_by_tag[2]; /* bank of a data access, by TAG_STACK of its address */
	EMBED(cpu_tags, tags);

	/* -- system state, and inputs as the devices have them -- */
	EMBED(cpu_system, system);
	uint64_t a20_mask;   /* ANDed to every physical address */
	bool interrupt_line; /* INTR */

	/* -- engine -- */
	uint64_t deadline; /* instruction count at which budget is 0: now = deadline - budget (- current->left inside a block) */
	uint64_t
		rep_limit; /* iterations that one execution of a REP string instruction may do: 1 under TF and breakpoints, else the next */
	uint64_t rep_limit_normal;     /* CPU_REP_LIMIT; less for tests that cannot wait */
	int64_t rep_allowance;         /* iterations after which cpu_run() ends with CPU_EXIT_CLIENT, before a REP string instruction */
	struct block_links *link_from; /* the links of the block just left, if one is to lead to the next block; or NULL */
	unsigned link_slot;
	struct mark *marks; /* sorted by address */
	size_t mark_count;
	uint64_t mark_skip;  /* a mark at this address does not fire when execution resumes there; all-ones: none */
	struct insn patched; /* an instruction whose operand was adjusted; `current` may point here after the handler has returned */
	bool single;         /* the running block is a throw-away of one instruction, which may access any memory (emu/engine.c) */
	struct {
		bool interrupt_shadow, debug_shadow, rf;
	} found; /* as that instruction found them; they come back if it is abandoned */
	struct physmem *mem;
	struct tlb *banks;                    /* BANK_COUNT of them */
	struct tlb *supervisor_bank[2];       /* a client's banks for CPL 0-2, by TAG_STACK of the address; NULL: the CPU's own bank */
	struct jump_cache_entry *jump_caches; /* jump_cache without the code bank, and with it */
	struct tlb *code_bank;                /* a client's bank for fetches at CPL 0-2 under MODE_CODE_BANK; or NULL */
	uint16_t x87_host_control;            /* the control word that the host's x87 has now: emu/x87.h */
	struct block_cache *blocks;
	const struct isa *isa;
	struct cpu_bus bus;
	struct paging paging;             /* derived from the control registers by cpu_update_paging() */
	enum cpu_exit exit;               /* why the run loop should be left, or CPU_EXIT_NONE */
	jmp_buf *unwind;                  /* the innermost run loop's; see emu/exception.h */
	uint64_t call_return, call_stack; /* cpu_call(): leave when rip and rSP are these; all-ones: no call */
	struct exception {                /* what cpu_raise*() unwinds with */
		uint8_t vector;
		bool has_error_code;
		uint32_t error_code;
	} exception;
	uint64_t trace_rip[16]; /* the last blocks entered from the run loop, newest at trace_next - 1: for crash reports */
	unsigned trace_next;
	unsigned features;               /* CPU_FEATURE_*: what CPUID offers beyond the floor */
	const struct cpu_client *client; /* emu/client.h, or NULL */
};

_Static_assert(offsetof(struct cpu, gpr) == 0, "operand offsets double as tag indexes");

#define CPU_OFFSET(member) ((uint16_t)offsetof(struct cpu, member))

/* Creates a CPU on mem, which must outlive it. The CPU is in its state after RESET (SDM vol. 3A 9.1.1). */
struct error *cpu_create(struct physmem *mem, const struct cpu_bus *bus, struct cpu **ret);
void cpu_destroy(struct cpu *cpu);

/*
 * Runs until the instruction count is `until` (CPU_EXIT_DEADLINE) or something else ends the run. Takes interrupts.
 * The state after n instructions is the same whatever the caches held.
 */
enum cpu_exit cpu_run(struct cpu *cpu, uint64_t until);

/* Instructions executed so far; within a handler, those before the current one (cpu->current must be set). */
uint64_t cpu_instructions(const struct cpu *cpu);

/* Makes cpu_run() return after the current instruction (from device callbacks and hooks). */
void cpu_request_exit(struct cpu *cpu, enum cpu_exit why);
/* Sets the level of INTR. The CPU looks at it before the next instruction. */
void cpu_set_interrupt_line(struct cpu *cpu, bool level);
void cpu_raise_nmi(struct cpu *cpu);
void cpu_set_a20(struct cpu *cpu, bool enabled);

/* The whole EFLAGS image. cpu_set_eflags() replaces the bits in mask, arithmetic ones too, and does what AC, TF and others entail. */
uint32_t cpu_get_eflags(const struct cpu *cpu);
void cpu_set_eflags(struct cpu *cpu, uint32_t value, uint32_t mask);

/* Tagged or plain execution, from the next block on. */
void cpu_set_tagged(struct cpu *cpu, bool tagged);

/*
 * Sets the banks of supervisor data accesses, until the next call. Plain accesses, and those by addresses without TAG_STACK, take
 * `untagged`; those by addresses with TAG_STACK (in tagged execution) take `stack`. NULL stands for the CPU's own bank. The banks belong to
 * the caller and must outlive their use. Their clients see the misses. Both banks are emptied here, and again whenever the CPU's own are.
 */
void cpu_set_supervisor_banks(struct cpu *cpu, struct tlb *untagged, struct tlb *stack);

/*
 * A client's bank for fetches at CPL 0-2, beside the CPU's own, and emptied with it. cpu_use_code_bank() chooses between the two; each
 * keeps what it knows. A miss of either asks the client's `fetch`. The bank is the caller's and must outlive its use. NULL takes it away.
 */
void cpu_set_code_bank(struct cpu *cpu, struct tlb *bank);
void cpu_use_code_bank(struct cpu *cpu, bool use);

/* Derive mode bits and banks, and struct paging and its caches. To be called when the registers that these depend on have changed. */
void cpu_update_mode(struct cpu *cpu);
void cpu_update_paging(struct cpu *cpu);
/* Makes the jump cache and all links void, since a translation or a block is gone. The flushes below do this, too. */
void cpu_forget_jumps(struct cpu *cpu);
/* Adds to the instruction count: a halted CPU skips the time until the next event. */
void cpu_skip_time(struct cpu *cpu, uint64_t instructions);
/* Forget all translations (MOV CR3 and the like), or those of one page (INVLPG). */
void cpu_flush_tlb(struct cpu *cpu);
void cpu_flush_page(struct cpu *cpu, uint64_t linear);

static inline bool cpu_long_mode(const struct cpu *cpu)
{
	return cpu->efer & EFER_LMA;
}
static inline bool cpu_code64(const struct cpu *cpu)
{
	return (cpu->mode >> MODE_CODE_SHIFT & 3) == 3;
}
static inline bool cpu_protected(const struct cpu *cpu) /* protected or long, not V86 */
{
	return (cpu->cr0 & CR0_PE) && !(cpu->eflags & FLAG_VM);
}

#endif
