/* The table of traits and how each is measured: trait.h. */
#include "tests/differential/trait.h"

#include <string.h>

#include "emu/cpu.h"
#include "emu/exception.h"
#include "tests/differential/generate.h"
#include "tests/differential/segments.h"

const struct trait_info traits[TRAITS] = {
	[TRAIT_SSSE3] = {"ssse3", "has it", "lacks it", "rows are not run"},
	[TRAIT_SSE41] = {"sse4.1", "has it", "lacks it", "rows are not run"},
	[TRAIT_SSE42] = {"sse4.2", "has it", "lacks it", "rows are not run"},
	[TRAIT_POPCNT] = {"popcnt", "has it", "lacks it", "the row is not run"},
	[TRAIT_MOVBE] = {"movbe", "has it", "lacks it", "rows are not run"},
	[TRAIT_CX16] = {"cmpxchg16b", "has it", "lacks it", "the row is not run"},
	[TRAIT_INVPCID] = {"invpcid", "has it", "lacks it", "the row is not run"},
	[TRAIT_LAHF] = {"lahf", "is there in 64-bit code", "is not there in 64-bit code", "not made in 64-bit code"},
	[TRAIT_FSGSBASE] = {"fsgsbase", "is there for programs", "is not there", "rows are not run, bases set by arch_prctl()"},
	[TRAIT_CODE32] = {"code32", "there is a segment of 32-bit code", "there is none", "all cases are of 64-bit code"},
	[TRAIT_SEGMENTS] = {"segments", "there is an LDT, 16-bit segments too",
			    "there is none (modify_ldt, CONFIG_X86_16BIT, the hypervisor)", "the segmented mode is not run"},
	[TRAIT_REP_BSF] = {"rep-bsf", "is BSF", "is TZCNT", "not made"},
	[TRAIT_REP_BSR] = {"rep-bsr", "is BSR", "is LZCNT", "not made"},
	[TRAIT_BRANCH_66] = {"branch-66", "near branches of 64-bit code ignore 66", "they are 16 bits wide with it", "not made"},
	[TRAIT_REP_LOOP] = {"rep-loop", "LOOPE and LOOPNE ignore F2 and F3", "F3 makes LOOPE of either, F2 LOOPNE", "not made"},
	[TRAIT_FAR_64] = {"far-64", "LSS, LFS and LGS have m16:64", "they ignore REX.W", "not made"},
	[TRAIT_MOVSXD_66] = {"movsxd-66", "MOVSXD with 66 reads a word", "it reads a doubleword", "not made"},
	[TRAIT_NOP_0D] = {"nop-0d", "0F 0D with a register is NOP", "it is #UD", "the row is not run"},
	[TRAIT_SYSRET_32] = {"sysret-32", "SYSRET is #UD in compatibility mode", "it is #GP", "not made in 32-bit code"},
	[TRAIT_SYSEXIT] = {"sysexit", "SYSEXIT is #GP", "there is none in long mode: #UD", "the row is not run"},
	[TRAIT_NO_REGISTER] = {"no-register", "control registers that do not exist are #UD", "they are #GP",
			       "MOV to and from CR and DR not made"},
	[TRAIT_REP_IO] = {"rep-io", "INS and OUTS are #GP before anything else, repeated zero times too", "#GP comes later",
			  "INS and OUTS not made"},
	[TRAIT_CVTPI2] = {"cvtpi2", "CVTPI2PS and CVTPI2PD from memory leave the x87 state alone", "they enter MMX state", "not made"},
	[TRAIT_BIT_SCAN_0] = {"bit-scan-0", "BSF and BSR of 0 leave the destination", "they clear its upper half",
			      "the result is not compared"},
	[TRAIT_SHLD_16] = {"shld-16", "words shifted by more than 16 go on with the second operand again", "they go on with the first",
			   "the result is not compared"},
	[TRAIT_BSWAP_16] = {"bswap-16", "BSWAP of a word makes it 0", "it exchanges bytes", "the result is not compared"},
	[TRAIT_PUSH_SEGMENT] = {"push-segment", "PUSH of a segment register writes its whole slot", "it writes a word",
				"slots are aligned, and what is above the word is not compared"},
	[TRAIT_POP_SEGMENT] = {"pop-segment", "POP of a segment register reads its whole slot", "it reads a word", "slots are aligned"},
	[TRAIT_NULL_BASE] = {"null-base", "loading FS or GS with a null selector clears the base", "the base stays",
			     "FS and GS are not loaded"},
	[TRAIT_X87_CONDITION] = {"x87-condition", "C0, C2 and C3 stay where they are undefined", "they change",
				 "these bits are not compared"},
	[TRAIT_IDLE_FOP] = {"idle-fop", "FXSAVE without a pending exception stores FOP", "it stores 0 or what was before",
			    "FOP is not compared"},
	[TRAIT_IDLE_FIP] = {"idle-fip", "FXSAVE without a pending exception stores FIP", "it stores 0 or what was before",
			    "FIP is not compared"},
	[TRAIT_IDLE_FDP] = {"idle-fdp", "FXSAVE without a pending exception stores FDP", "it stores 0 or what was before",
			    "FDP is not compared"},
	[TRAIT_PENDING_FOP] = {"pending-fop", "FOP is that of a pending exception", "it is not", "FOP is not compared"},
	[TRAIT_PENDING_FIP] = {"pending-fip", "FIP is that of a pending exception", "it is not", "FIP is not compared"},
	[TRAIT_PENDING_FDP] = {"pending-fdp", "FDP is that of a pending exception", "it is not", "FDP is not compared"},
	[TRAIT_POINTERS_64] = {"pointers-64", "FIP and FDP have 64 bits", "they have 48, or the sign of 57", "48 bits are compared"},
	[TRAIT_ENVIRONMENT] = {"environment", "FNSTENV stores FOP, FIP and FDP as they were loaded", "it stores others",
			       "they are not compared"},
	[TRAIT_CMPS_ORDER] = {"cmps-order", "CMPS sees a fault of its first operand first", "it sees one of the second first",
			      "either is right"},
	[TRAIT_PENDING_FIRST] = {"pending-first", "a pending x87 exception comes before a fault of the operand", "the other way round",
				 "either is right"},
	[TRAIT_MMX_FAULT] = {"mmx-fault", "a conversion that faults leaves the x87 state", "it has entered MMX state",
			     "the x87 state is not compared"},
	[TRAIT_SIMD_FLAGS] = {"simd-flags", "flags beside an unmasked SIMD exception are known", "others are set", "they are not compared"},
	[TRAIT_ALIGNMENT] = {"alignment", "which of x87's, SSE's and segment operands EFLAGS.AC checks is known", "others are",
			     "AC is set for integer operands only"},
	[TRAIT_WRITE_FAULT] = {"write-fault", "an absent operand that is read and written is a fault of a write", "it is one of a read",
			       "error codes are compared without W"},
	[TRAIT_SPLIT_CR2] = {"split-cr2", "CR2 is the first byte of an operand that is not there", "it is its first byte",
			     "CR2 is compared to a page"},
	[TRAIT_ENTER_FAULT] = {"enter-fault", "ENTER that faults has pushed", "it has written nothing", "memory is not compared then"},
	[TRAIT_IMAGE_FAULT] = {"image-fault", "images that fault are neither stored nor loaded in part", "they are",
			       "memory and x87 state are not compared then"},
	[TRAIT_CANONICAL_48] = {"canonical-48", "linear addresses have 48 bits", "they have 57", "what lies between is not compared"},
	[TRAIT_SUPERVISOR] = {"supervisor", "an access to a supervisor's address is #PF", "it is #GP", "either is right"},
	[TRAIT_CALL_LIMIT] = {"call-limit", "a near CALL beyond the segment's limit has pushed nothing", "it has pushed",
			      "memory is not compared then"},
	[TRAIT_CALL_ORDER] = {"call-order", "a near CALL sees that its target is beyond the limit first",
			      "it sees a fault of its push first", "either is right"},
	[TRAIT_CALL_STACK] = {"call-stack", "a near CALL whose push is half beyond the limit has stored nothing",
			      "it has stored the other half", "memory is not compared then"},
};

#define RSI_DEFAULT (DATA_BASE + 0x100)
#define RDI_DEFAULT (DATA_BASE + 0x800)
#define RSP_DEFAULT (STACK_BASE + 0x1000)
#define CODE_AT (CODE_BASE + 0x400)
#define ABSENT (DATA_BASE - 0x800)                    /* nothing is there ... */
#define ALSO_ABSENT (STACK_BASE + STACK_SIZE + 0x800) /* ... nor here */
#define READ_ONLY (DATA_BASE + DATA_WRITABLE)         /* up to the end */
#define DATA_END (DATA_BASE + DATA_PAGES * 4096)

#define CODE(bytes) .length = sizeof(bytes) - 1, .code = (bytes)
#define SEGMENTED(stack, bytes) .segmented = (stack), CODE(bytes)
#define CODE32(bytes) .code32 = true, CODE(bytes)

/* An instruction that is there, or #UD. */
#define EXTENSION(trait, bytes)                                                                                                            \
	{                                                                                                                                  \
		trait, CODE(bytes), .emulated = {ENDS}, .other = { VECTOR_UD }                                                             \
	}
/* One that ends with RAX = value, or with RAX = otherwise. */
#define RESULT(value, otherwise) .emulated = {ENDS, value}, .other = {ENDS, otherwise}, .watch = WATCH_RAX

/* Of FOP, FIP and FDP that FXRSTOR loads. */
#define LOADED .fop = 0x5a6, .fip = 0x123456, .fdp = 0x654321
#define PENDING .fcw = 0x37e, .fsw = 0x8081
#define CONDITIONS .fsw = 0x4700, .watch = WATCH_FSW
#define MISALIGNED(n) .rsi = RSI_DEFAULT + (n), .rflags = FLAG_AC

const struct probe probes[] = {
	EXTENSION(TRAIT_SSSE3, "\x66\x0f\x38\x00\xc1"),
	EXTENSION(TRAIT_SSE41, "\x66\x0f\x38\x10\xc1"),
	EXTENSION(TRAIT_SSE42, "\x66\x0f\x38\x37\xc1"),
	EXTENSION(TRAIT_SSE42, "\xf2\x0f\x38\xf1\xc1"),
	EXTENSION(TRAIT_POPCNT, "\xf3\x0f\xb8\xc1"),
	EXTENSION(TRAIT_MOVBE, "\x0f\x38\xf0\x06"),
	EXTENSION(TRAIT_CX16, "\x48\x0f\xc7\x0e"),
	{TRAIT_INVPCID, CODE("\x66\x0f\x38\x82\x06"), .emulated = {VECTOR_GP}, .other = {VECTOR_UD}},
	EXTENSION(TRAIT_LAHF, "\x9f"),
	EXTENSION(TRAIT_FSGSBASE, "\xf3\x0f\xae\xc0"),
	{TRAIT_SEGMENTS, SEGMENTED(STACK16, "\x90"), .emulated = {ENDS}, .other = {VECTOR_GP}},
	/* CALL by 1000H, and CALL EAX, beyond the limit; with SP beyond the limit of the stack, too; CALL with a push half within it. */
	{TRAIT_CALL_LIMIT, SEGMENTED(STACK16, "\xe8\x00\x10\x00\x00"), .rsp = 0x800, .emulated = {VECTOR_GP, 0}, .other = {VECTOR_GP, 1},
	 .watch = WATCH_CHANGES},
	{TRAIT_CALL_LIMIT, SEGMENTED(STACK16, "\xff\xd0"), .rax = 0x1000, .rsp = 0x800, .emulated = {VECTOR_GP, 0}, .other = {VECTOR_GP, 1},
	 .watch = WATCH_CHANGES},
	{TRAIT_CALL_ORDER, SEGMENTED(STACK16, "\xe8\x00\x10\x00\x00"), .rsp = 2, .emulated = {VECTOR_GP}, .other = {VECTOR_SS}},
	{TRAIT_CALL_ORDER, SEGMENTED(STACK16, "\xff\xd0"), .rax = 0x1000, .rsp = 2, .emulated = {VECTOR_GP}, .other = {VECTOR_SS}},
	{TRAIT_CALL_STACK, SEGMENTED(STACK16_TOP, "\xe8\x00\x00\x00\x00"), .rsp = 2, .emulated = {VECTOR_SS, 0}, .other = {VECTOR_SS, 1},
	 .watch = WATCH_CHANGES},
	{TRAIT_CODE32, CODE32("\x90"), .emulated = {ENDS}, .other = {VECTOR_GP}},

	/* Of 1: BSF clears ZF, TZCNT sets it. SETE AL. */
	{TRAIT_REP_BSF, CODE("\xf3\x0f\xbc\xc1\x0f\x94\xc0"), .rcx = 1, RESULT(0, 1)},
	{TRAIT_REP_BSR, CODE("\xf3\x0f\xbd\xc1"), .rcx = 1, RESULT(0, 31)},
	/* All to the next instruction: JMP, JNE, JMP rel32, CALL, LOOP, RET, JMP RAX, CALL RAX. 16 bits of RIP lead nowhere. */
	{TRAIT_BRANCH_66, CODE("\x66\xeb\x00"), .emulated = {ENDS}, .other = {VECTOR_PF}},
	{TRAIT_BRANCH_66, CODE("\x66\x75\x00"), .emulated = {ENDS}, .other = {VECTOR_PF}},
	{TRAIT_BRANCH_66, CODE("\x66\xe9\x00\x00\x00\x00"), .emulated = {ENDS}, .other = {VECTOR_PF}},
	{TRAIT_BRANCH_66, CODE("\x66\xe8\x00\x00\x00\x00"), .emulated = {ENDS}, .other = {VECTOR_PF}},
	{TRAIT_BRANCH_66, CODE("\x66\xe2\x00"), .rcx = 2, .emulated = {ENDS}, .other = {VECTOR_PF}},
	{TRAIT_BRANCH_66, CODE("\x66\xc3"), .patch_at = RSP_DEFAULT, .patch = CODE_AT + 2, .emulated = {ENDS}, .other = {VECTOR_PF}},
	{TRAIT_BRANCH_66, CODE("\x66\xff\xe0"), .rax = CODE_AT + 3, .emulated = {ENDS}, .other = {VECTOR_PF}},
	{TRAIT_BRANCH_66, CODE("\x66\xff\xd0"), .rax = CODE_AT + 3, .emulated = {ENDS}, .other = {VECTOR_PF}},
	/* REP LOOPNE and REPNE LOOPE over MOV AL, 1, with ZF set. */
	{TRAIT_REP_LOOP, CODE("\xf3\xe0\x02\xb0\x01"), .rcx = 2, .rflags = FLAG_ZF, RESULT(1, 0)},
	{TRAIT_REP_LOOP, CODE("\xf2\xe1\x02\xb0\x01"), .rcx = 2, .rflags = FLAG_ZF, RESULT(0, 1)},
	/* LFS, LGS: offset 355667788 and selector 0, or offset 55667788 and selector 3. */
	{TRAIT_FAR_64, CODE("\x48\x0f\xb4\x06"), .patch_at = RSI_DEFAULT, .patch = 0x355667788, RESULT(0x355667788, 0x55667788)},
	{TRAIT_FAR_64, CODE("\x48\x0f\xb5\x06"), .patch_at = RSI_DEFAULT, .patch = 0x355667788, RESULT(0x355667788, 0x55667788)},
	{TRAIT_MOVSXD_66, CODE("\x66\x63\x06"), .rsi = DATA_END - 2, .emulated = {ENDS}, .other = {VECTOR_PF}},
	EXTENSION(TRAIT_NOP_0D, "\x0f\x0d\xc0"),
	{TRAIT_SYSRET_32, CODE32("\x0f\x07"), .emulated = {VECTOR_UD}, .other = {VECTOR_GP}},
	{TRAIT_SYSEXIT, CODE("\x0f\x35"), .emulated = {VECTOR_GP}, .other = {VECTOR_UD}},
	/* CR1, DR8 (read), CR9 (write). */
	{TRAIT_NO_REGISTER, CODE("\x0f\x20\xc8"), .emulated = {VECTOR_UD}, .other = {VECTOR_GP}},
	{TRAIT_NO_REGISTER, CODE("\x44\x0f\x21\xc0"), .emulated = {VECTOR_UD}, .other = {VECTOR_GP}},
	{TRAIT_NO_REGISTER, CODE("\x44\x0f\x22\xc8"), .emulated = {VECTOR_UD}, .other = {VECTOR_GP}},
	{TRAIT_REP_IO, CODE("\xf3\x6c"), .emulated = {VECTOR_GP}, .other = {ENDS}},
	{TRAIT_REP_IO, CODE("\xf3\x6e"), .emulated = {VECTOR_GP}, .other = {ENDS}},
	{TRAIT_REP_IO, CODE("\x6c"), .rdi = ABSENT, .emulated = {VECTOR_GP}, .other = {VECTOR_PF}},
	{TRAIT_REP_IO, CODE("\x6e"), .rsi = ABSENT, .emulated = {VECTOR_GP}, .other = {VECTOR_PF}},

	{TRAIT_CVTPI2, CODE("\x0f\x2a\x06"), .fsw = 0x1800, .emulated = {ENDS, 0}, .other = {ENDS, 0xff}, .watch = WATCH_FTW},
	{TRAIT_CVTPI2, CODE("\x66\x0f\x2a\x06"), .fsw = 0x1800, .emulated = {ENDS, 0}, .other = {ENDS, 0xff}, .watch = WATCH_FTW},
	{TRAIT_CVTPI2, CODE("\x0f\x2a\x06"), PENDING, .emulated = {ENDS}, .other = {VECTOR_MF}},
	{TRAIT_CVTPI2, CODE("\x66\x0f\x2a\x06"), PENDING, .emulated = {ENDS}, .other = {VECTOR_MF}},
	{TRAIT_BIT_SCAN_0, CODE("\x0f\xbc\xc1"), .rax = 0x1122334455667788, RESULT(0x1122334455667788, 0x55667788)},
	{TRAIT_BIT_SCAN_0, CODE("\x0f\xbd\xc1"), .rax = 0x1122334455667788, RESULT(0x1122334455667788, 0x55667788)},
	{TRAIT_BIT_SCAN_0, CODE("\x66\x0f\xbc\xc1"), .rax = 0x1122334455667788, RESULT(0x1122334455667788, 0x1122334455667788)},
	{TRAIT_BIT_SCAN_0, CODE("\x66\x0f\xbd\xc1"), .rax = 0x1122334455667788, RESULT(0x1122334455667788, 0x1122334455667788)},
	{TRAIT_BIT_SCAN_0, CODE("\x48\x0f\xbc\xc1"), .rax = 0x1122334455667788, RESULT(0x1122334455667788, 0x1122334455667788)},
	{TRAIT_BIT_SCAN_0, CODE("\x48\x0f\xbd\xc1"), .rax = 0x1122334455667788, RESULT(0x1122334455667788, 0x1122334455667788)},
	/* SHLD, SHRD AX, DX, 20. */
	{TRAIT_SHLD_16, CODE("\x66\x0f\xa4\xd0\x14"), .rax = 0x1234, .rdx = 0xabcd, RESULT(0xbcda, 0xbcd1)},
	{TRAIT_SHLD_16, CODE("\x66\x0f\xac\xd0\x14"), .rax = 0x1234, .rdx = 0xabcd, RESULT(0xdabc, 0x4abc)},
	{TRAIT_BSWAP_16, CODE("\x66\x0f\xc8"), .rax = 0x1122334455667788, RESULT(0x1122334455660000, 0x1122334455668877)},
	{TRAIT_BSWAP_16, CODE("\x66\x0f\xc9\x89\xc8"), .rcx = 0x55667788, RESULT(0x55660000, 0x55668877)},
	{TRAIT_PUSH_SEGMENT, CODE("\x0f\xa0"), .patch_at = RSP_DEFAULT - 8, .patch = ~0ull, .emulated = {ENDS, 0},
	 .other = {ENDS, 0xffffffffffff}, .watch = WATCH_MEMORY, .watch_at = RSP_DEFAULT - 6},
	{TRAIT_PUSH_SEGMENT, CODE("\x0f\xa8"), .patch_at = RSP_DEFAULT - 8, .patch = ~0ull, .emulated = {ENDS, 0},
	 .other = {ENDS, 0xffffffffffff}, .watch = WATCH_MEMORY, .watch_at = RSP_DEFAULT - 6},
	{TRAIT_PUSH_SEGMENT, CODE32("\x1e"), .patch_at = RSP_DEFAULT - 8, .patch = ~0ull, .emulated = {ENDS, SELECTOR_DATA},
	 .other = {ENDS, 0xffff0000 | SELECTOR_DATA}, .watch = WATCH_MEMORY, .watch_at = RSP_DEFAULT - 4},
	{TRAIT_POP_SEGMENT, CODE("\x0f\xa1"), .rsp = STACK_BASE + STACK_SIZE - 2, .emulated = {VECTOR_PF}, .other = {ENDS}},
	{TRAIT_NULL_BASE, CODE("\x8e\xe0"), .emulated = {ENDS, 0}, .other = {ENDS, 0x1000}, .watch = WATCH_FS_BASE},
	/* FADD, FLD1, FABS, F2XM1, FSCALE, FILD, FISTP, FXCH, FINCSTP, FFREE, FNCLEX, FNOP. What faults the emulator leaves to the host. */
	{TRAIT_X87_CONDITION, CODE("\xd8\xc1"), .ftw = 0xff, .emulated = {ENDS, 0x4500}, CONDITIONS},
	{TRAIT_X87_CONDITION, CODE("\xd9\xe8"), .emulated = {ENDS, 0x7d00}, CONDITIONS},
	{TRAIT_X87_CONDITION, CODE("\xd9\xe1"), .ftw = 0xff, .emulated = {ENDS, 0x4500}, CONDITIONS},
	{TRAIT_X87_CONDITION, CODE("\xd9\xf0"), .ftw = 0xff, .emulated = {ENDS, 0x4500}, CONDITIONS},
	{TRAIT_X87_CONDITION, CODE("\xd9\xfd"), .ftw = 0xff, .emulated = {ENDS, 0x4500}, CONDITIONS},
	{TRAIT_X87_CONDITION, CODE("\xdf\x06"), .emulated = {ENDS, 0x7d00}, CONDITIONS},
	{TRAIT_X87_CONDITION, CODE("\xdf\x1e"), .ftw = 0xff, .emulated = {ENDS, 0x4d00}, CONDITIONS},
	{TRAIT_X87_CONDITION, CODE("\xd9\xc9"), .ftw = 0xff, .emulated = {ENDS, 0x4500}, CONDITIONS},
	{TRAIT_X87_CONDITION, CODE("\xd9\xf7"), .ftw = 0xff, .emulated = {ENDS, 0x4d00}, CONDITIONS},
	{TRAIT_X87_CONDITION, CODE("\xdd\xc0"), .ftw = 0xff, .emulated = {ENDS, 0x4500}, CONDITIONS},
	{TRAIT_X87_CONDITION, CODE("\xdb\xe2"), .ftw = 0xff, .emulated = {ENDS, 0x4700}, CONDITIONS},
	{TRAIT_X87_CONDITION, CODE("\xd9\xd0"), .ftw = 0xff, .emulated = {ENDS, 0x4700}, CONDITIONS},

	/* NOP, FLD1, FLD m32, FNOP, PADDB. */
	{TRAIT_IDLE_FOP, CODE("\x90"), LOADED, .emulated = {ENDS, 0x5a6}, .watch = WATCH_FOP},
	{TRAIT_IDLE_FOP, CODE("\xd9\xe8"), LOADED, .emulated = {ENDS, 0x1e8}, .other = {ENDS, 0x5a6}, .watch = WATCH_FOP},
	{TRAIT_IDLE_FOP, CODE("\xd9\x06"), LOADED, .emulated = {ENDS, 0x106}, .other = {ENDS, 0x5a6}, .watch = WATCH_FOP},
	{TRAIT_IDLE_FOP, CODE("\x0f\xfc\xc0"), LOADED, .emulated = {ENDS, 0x5a6}, .watch = WATCH_FOP},
	{TRAIT_IDLE_FIP, CODE("\x90"), LOADED, .emulated = {ENDS, 0x123456}, .watch = WATCH_FIP},
	{TRAIT_IDLE_FIP, CODE("\xd9\xe8"), LOADED, .emulated = {ENDS, CODE_AT}, .watch = WATCH_FIP},
	{TRAIT_IDLE_FIP, CODE("\xd9\xd0"), LOADED, .emulated = {ENDS, CODE_AT}, .watch = WATCH_FIP},
	{TRAIT_IDLE_FIP, CODE("\xd9\xf7"), LOADED, .emulated = {ENDS, CODE_AT}, .watch = WATCH_FIP},
	{TRAIT_IDLE_FIP, CODE("\xdd\xc0"), LOADED, .emulated = {ENDS, CODE_AT}, .watch = WATCH_FIP},
	{TRAIT_IDLE_FIP, CODE("\xd9\x06"), LOADED, .emulated = {ENDS, CODE_AT}, .watch = WATCH_FIP},
	{TRAIT_IDLE_FIP, CODE("\x0f\xfc\xc0"), LOADED, .emulated = {ENDS, 0x123456}, .watch = WATCH_FIP},
	{TRAIT_IDLE_FDP, CODE("\x90"), LOADED, .emulated = {ENDS, 0x654321}, .watch = WATCH_FDP},
	{TRAIT_IDLE_FDP, CODE("\xd9\xe8"), LOADED, .emulated = {ENDS, 0x654321}, .watch = WATCH_FDP},
	{TRAIT_IDLE_FDP, CODE("\xd9\x06"), LOADED, .emulated = {ENDS, RSI_DEFAULT}, .other = {ENDS, 0x654321}, .watch = WATCH_FDP},
	{TRAIT_IDLE_FDP, CODE("\x0f\xfc\xc0"), LOADED, .emulated = {ENDS, 0x654321}, .watch = WATCH_FDP},
	/* NOP; FLD1, FDIV by a register of 0, by memory of 0. */
	{TRAIT_PENDING_FOP, CODE("\x90"), LOADED, PENDING, .emulated = {ENDS, 0x5a6}, .watch = WATCH_FOP},
	{TRAIT_PENDING_FOP, CODE("\xd9\xe8\xd8\xf1"), .ftw = 1, .fcw = 0x37b, .emulated = {ENDS, 0x0f1}, .watch = WATCH_FOP},
	{TRAIT_PENDING_FOP, CODE("\xd9\xe8\xd8\x36"), .fcw = 0x37b, .emulated = {ENDS, 0x036}, .watch = WATCH_FOP},
	{TRAIT_PENDING_FIP, CODE("\x90"), LOADED, PENDING, .emulated = {ENDS, 0x123456}, .watch = WATCH_FIP},
	{TRAIT_PENDING_FIP, CODE("\xd9\xe8\xd8\xf1"), .ftw = 1, .fcw = 0x37b, .emulated = {ENDS, CODE_AT + 2}, .watch = WATCH_FIP},
	{TRAIT_PENDING_FIP, CODE("\xd9\xe8\xd8\x36"), .fcw = 0x37b, .emulated = {ENDS, CODE_AT + 2}, .watch = WATCH_FIP},
	{TRAIT_PENDING_FDP, CODE("\x90"), LOADED, PENDING, .emulated = {ENDS, 0x654321}, .watch = WATCH_FDP},
	{TRAIT_PENDING_FDP, CODE("\xd9\x06\xd8\xf1"), .ftw = 1, .fcw = 0x37b, .patch_at = RSI_DEFAULT, .patch = 0x3f800000,
	 .emulated = {ENDS, RSI_DEFAULT}, .watch = WATCH_FDP},
	{TRAIT_PENDING_FDP, CODE("\xd9\xe8\xd8\x36"), .fcw = 0x37b, .emulated = {ENDS, RSI_DEFAULT}, .watch = WATCH_FDP},
	{TRAIT_POINTERS_64, CODE("\x90"), PENDING, .fip = 0xffff800012345678, .emulated = {ENDS, 0xffff800012345678},
	 .other = {ENDS, 0x800012345678}, .watch = WATCH_FIP},
	{TRAIT_POINTERS_64, CODE("\x90"), PENDING, .fip = 0x4160000012345678, .emulated = {ENDS, 0x4160000012345678},
	 .other = {ENDS, 0x12345678}, .watch = WATCH_FIP},
	{TRAIT_ENVIRONMENT, CODE("\xd9\x36"), LOADED, .emulated = {ENDS, 0x123456ffffffff}, .watch = WATCH_MEMORY,
	 .watch_at = RSI_DEFAULT + 8},
	{TRAIT_ENVIRONMENT, CODE("\xd9\x36"), LOADED, .emulated = {ENDS, 0x6543210000 | 0x5a6}, .watch = WATCH_MEMORY,
	 .watch_at = RSI_DEFAULT + 18},

	{TRAIT_CMPS_ORDER, CODE("\xa6"), .rsi = ABSENT, .rdi = ALSO_ABSENT, .emulated = {VECTOR_PF, ABSENT},
	 .other = {VECTOR_PF, ALSO_ABSENT}, .watch = WATCH_CR2},
	{TRAIT_CMPS_ORDER, CODE("\xf3\x48\xa7"), .rcx = 3, .rsi = ABSENT, .rdi = ALSO_ABSENT, .emulated = {VECTOR_PF, ABSENT},
	 .other = {VECTOR_PF, ALSO_ABSENT}, .watch = WATCH_CR2},
	/* FLD m32, MOVQ, CVTPS2PI. */
	{TRAIT_PENDING_FIRST, CODE("\xd9\x06"), PENDING, .rsi = ABSENT, .emulated = {VECTOR_MF}, .other = {VECTOR_PF}},
	{TRAIT_PENDING_FIRST, CODE("\x0f\x6f\x06"), PENDING, .rsi = ABSENT, .emulated = {VECTOR_MF}, .other = {VECTOR_PF}},
	{TRAIT_PENDING_FIRST, CODE("\x0f\x2d\x06"), PENDING, .rsi = ABSENT, .emulated = {VECTOR_MF}, .other = {VECTOR_PF}},
	/* CVTPS2PI, CVTTPS2PI of an SNaN with IM clear. */
	{TRAIT_MMX_FAULT, CODE("\x0f\x2d\xc0"), .mxcsr = 0x1f00, .xmm = {0x7f800001}, .emulated = {VECTOR_XM, 0},
	 .other = {VECTOR_XM, 0xff}, .watch = WATCH_FTW},
	{TRAIT_MMX_FAULT, CODE("\x0f\x2c\xc0"), .mxcsr = 0x1f00, .xmm = {0x7f800001}, .emulated = {VECTOR_XM, 0},
	 .other = {VECTOR_XM, 0xff}, .watch = WATCH_FTW},
	/* MULPS, HADDPS, DPPS: an overflow with OM clear beside inexact results. */
	{TRAIT_SIMD_FLAGS, CODE("\x0f\x59\xc1"), .mxcsr = 0x1b80, .xmm = {0x3fc000007f000000, 0, 0x3f80000140000000, 0},
	 .emulated = {VECTOR_XM, 0x1ba8}, .watch = WATCH_MXCSR},
	{TRAIT_SIMD_FLAGS, CODE("\xf2\x0f\x7c\xc1"), .mxcsr = 0x1b80,
	 .xmm = {0x7f0000007f000000, 0x3f8000013fc00000, 0x300000003f800000, 0}, .emulated = {VECTOR_XM, 0x1ba8}, .watch = WATCH_MXCSR},
	{TRAIT_SIMD_FLAGS, CODE("\x66\x0f\x3a\x40\xc1\xff"), .mxcsr = 0x1b80,
	 .xmm = {0x3fc000007f000000, 0x3f8000013fc00000, 0x3f80000140000000, 0x3f8000013fc00000}, .emulated = {VECTOR_XM, 0x1ba8},
	 .watch = WATCH_MXCSR},
	/* FLD m32, m64, m80; FILD m16; MOVQ; MOVSS, MOVLPS, MOVUPS, MOVDQU; LDMXCSR; LFS. */
	{TRAIT_ALIGNMENT, CODE("\xd9\x06"), MISALIGNED(2), .emulated = {VECTOR_AC}, .other = {ENDS}},
	{TRAIT_ALIGNMENT, CODE("\xdd\x06"), MISALIGNED(4), .emulated = {VECTOR_AC}, .other = {ENDS}},
	{TRAIT_ALIGNMENT, CODE("\xdb\x2e"), MISALIGNED(4), .emulated = {VECTOR_AC}, .other = {ENDS}},
	{TRAIT_ALIGNMENT, CODE("\xdb\x2e"), MISALIGNED(8), .emulated = {ENDS}, .other = {VECTOR_AC}},
	{TRAIT_ALIGNMENT, CODE("\xdf\x06"), MISALIGNED(1), .emulated = {VECTOR_AC}, .other = {ENDS}},
	{TRAIT_ALIGNMENT, CODE("\x0f\x6f\x06"), MISALIGNED(4), .emulated = {VECTOR_AC}, .other = {ENDS}},
	{TRAIT_ALIGNMENT, CODE("\xf3\x0f\x10\x06"), MISALIGNED(2), .emulated = {VECTOR_AC}, .other = {ENDS}},
	{TRAIT_ALIGNMENT, CODE("\x0f\x12\x06"), MISALIGNED(4), .emulated = {VECTOR_AC}, .other = {ENDS}},
	{TRAIT_ALIGNMENT, CODE("\x0f\x10\x06"), MISALIGNED(8), .emulated = {VECTOR_AC}, .other = {ENDS}},
	{TRAIT_ALIGNMENT, CODE("\x0f\x10\x06"), MISALIGNED(2), .emulated = {VECTOR_AC}, .other = {ENDS}},
	{TRAIT_ALIGNMENT, CODE("\xf3\x0f\x6f\x06"), MISALIGNED(8), .emulated = {VECTOR_AC}, .other = {ENDS}},
	{TRAIT_ALIGNMENT, CODE("\x0f\xae\x16"), MISALIGNED(2), .patch_at = RSI_DEFAULT, .patch = 0x1f800000, .emulated = {VECTOR_AC},
	 .other = {ENDS}},
	{TRAIT_ALIGNMENT, CODE("\x0f\xb4\x06"), MISALIGNED(2), .emulated = {VECTOR_AC}, .other = {ENDS}},
	/* ADD, XCHG, SHL, CMPXCHG, BTS, XADD, INC, SHLD. */
	{TRAIT_WRITE_FAULT, CODE("\x01\x06"), .rsi = ABSENT, .emulated = {VECTOR_PF, 6}, .other = {VECTOR_PF, 4}, .watch = WATCH_ERROR},
	{TRAIT_WRITE_FAULT, CODE("\x87\x06"), .rsi = ABSENT, .emulated = {VECTOR_PF, 6}, .other = {VECTOR_PF, 4}, .watch = WATCH_ERROR},
	{TRAIT_WRITE_FAULT, CODE("\xd1\x26"), .rsi = ABSENT, .emulated = {VECTOR_PF, 6}, .other = {VECTOR_PF, 4}, .watch = WATCH_ERROR},
	{TRAIT_WRITE_FAULT, CODE("\x0f\xb1\x0e"), .rsi = ABSENT, .emulated = {VECTOR_PF, 6}, .other = {VECTOR_PF, 4}, .watch = WATCH_ERROR},
	{TRAIT_WRITE_FAULT, CODE("\x0f\xab\x06"), .rsi = ABSENT, .emulated = {VECTOR_PF, 6}, .other = {VECTOR_PF, 4}, .watch = WATCH_ERROR},
	{TRAIT_WRITE_FAULT, CODE("\x0f\xc1\x06"), .rsi = ABSENT, .emulated = {VECTOR_PF, 6}, .other = {VECTOR_PF, 4}, .watch = WATCH_ERROR},
	{TRAIT_WRITE_FAULT, CODE("\xff\x06"), .rsi = ABSENT, .emulated = {VECTOR_PF, 6}, .other = {VECTOR_PF, 4}, .watch = WATCH_ERROR},
	{TRAIT_WRITE_FAULT, CODE("\x0f\xa4\x06\x01"), .rsi = ABSENT, .emulated = {VECTOR_PF, 6}, .other = {VECTOR_PF, 4},
	 .watch = WATCH_ERROR},
	{TRAIT_SPLIT_CR2, CODE("\x48\x8b\x06"), .rsi = DATA_END - 4, .emulated = {VECTOR_PF, DATA_END}, .other = {VECTOR_PF, DATA_END - 4},
	 .watch = WATCH_CR2},
	{TRAIT_SPLIT_CR2, CODE("\x48\x89\x06"), .rsi = READ_ONLY - 4, .emulated = {VECTOR_PF, READ_ONLY},
	 .other = {VECTOR_PF, READ_ONLY - 4}, .watch = WATCH_CR2},
	{TRAIT_SPLIT_CR2, CODE("\x0f\x10\x06"), .rsi = DATA_END - 4, .emulated = {VECTOR_PF, DATA_END}, .other = {VECTOR_PF, DATA_END - 4},
	 .watch = WATCH_CR2},
	{TRAIT_SPLIT_CR2, CODE("\xdb\x2e"), .rsi = DATA_END - 4, .emulated = {VECTOR_PF, DATA_END}, .other = {VECTOR_PF, DATA_END - 4},
	 .watch = WATCH_CR2},
	/* ENTER 2000H, 0 */
	{TRAIT_ENTER_FAULT, CODE("\xc8\x00\x20\x00"), .rbp = ~0ull, .emulated = {VECTOR_PF, 1}, .other = {VECTOR_PF, 0},
	 .watch = WATCH_CHANGES},
	/* FXSAVE, FNSAVE, FNSTENV; FXRSTOR, FRSTOR. */
	{TRAIT_IMAGE_FAULT, CODE("\x0f\xae\x06"), .rsi = READ_ONLY - 256, .emulated = {VECTOR_PF, 0}, .watch = WATCH_CHANGES},
	{TRAIT_IMAGE_FAULT, CODE("\xdd\x36"), .rsi = READ_ONLY - 48, .emulated = {VECTOR_PF, 0}, .watch = WATCH_CHANGES},
	{TRAIT_IMAGE_FAULT, CODE("\xd9\x36"), .rsi = READ_ONLY - 14, .emulated = {VECTOR_PF, 0}, .watch = WATCH_CHANGES},
	{TRAIT_IMAGE_FAULT, CODE("\x0f\xae\x0e"), .rsi = DATA_END - 256, .ftw = 0xa5, .emulated = {VECTOR_PF, 0xa5}, .watch = WATCH_FTW},
	{TRAIT_IMAGE_FAULT, CODE("\xdd\x26"), .rsi = DATA_END - 48, .ftw = 0xa5, .emulated = {VECTOR_PF, 0xa5}, .watch = WATCH_FTW},
	{TRAIT_CANONICAL_48, CODE("\x48\x8b\x06"), .rsi = 1ull << 50, .emulated = {VECTOR_GP}, .other = {VECTOR_PF}},
	{TRAIT_SUPERVISOR, CODE("\x48\x8b\x06"), .rsi = 0xffff900000000000, .emulated = {VECTOR_PF}, .other = {VECTOR_GP}},
};
const unsigned probe_count = sizeof(probes) / sizeof(probes[0]);

static void put(uint8_t *to, uint64_t value, unsigned size)
{
	memcpy(to, &value, size);
}

static uint64_t get(const uint8_t *from, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	return value;
}

static void prepare_fx(const struct probe *probe, uint8_t *fx)
{
	put(fx + FX_FCW, probe->fcw ? probe->fcw : 0x37f, 2);
	put(fx + FX_FSW, probe->fsw, 2);
	put(fx + FX_FTW, probe->ftw, 1);
	put(fx + FX_FOP, probe->fop, 2);
	put(fx + FX_FIP, probe->fip, 8);
	put(fx + FX_FDP, probe->fdp, 8);
	put(fx + FX_MXCSR, probe->mxcsr ? probe->mxcsr : 0x1f80, 4);
	memcpy(fx + FX_XMM, probe->xmm, sizeof(probe->xmm));
}

void probe_prepare(const struct probe *probe, bool fsgsbase, struct test_case *ret)
{
	struct state *state = &ret->before;
	uint64_t *gpr = state->gpr;
	bool narrow = probe->code32 || probe->segmented;

	memset(ret, 0, sizeof(*ret));
	ret->code_size = narrow ? 4 : 8;
	ret->segmented = probe->segmented;
	ret->count = 1;
	ret->offset = CODE_AT - CODE_BASE;
	memcpy(ret->instruction[0].bytes, probe->code, probe->length);
	ret->instruction[0].length = probe->length;
	generate_assemble(ret);
	gpr[RAX] = probe->rax;
	gpr[RCX] = probe->rcx;
	gpr[RDX] = probe->rdx;
	gpr[RBP] = probe->rbp;
	gpr[RSI] = probe->rsi ? probe->rsi : RSI_DEFAULT;
	gpr[RDI] = probe->rdi ? probe->rdi : RDI_DEFAULT;
	gpr[RSP] = probe->rsp ? probe->rsp : RSP_DEFAULT;
	state->rip = CODE_AT;
	state->rflags = probe->rflags | FLAG_IF | 2;
	for (unsigned i = 0; i < 6; i++)
		state->selector[i] = SELECTOR_DATA;
	state->selector[SEG_CS] = probe->code32 ? SELECTOR_CODE32 : SELECTOR_CODE64;
	state->fs_base = narrow && !fsgsbase ? 0 : 0x1000;
	if (!fsgsbase && !narrow)
		state->selector[SEG_FS] = state->selector[SEG_GS] = 0;
	if (probe->segmented) {
		for (unsigned i = 0; i < 6; i++)
			state->selector[i] = segment_selector(i == SEG_CS ? CODE32_CUT : i == SEG_SS ? probe->segmented : DATA16);
		state->rip = CODE_AT - CODE_BASE;
		state->fs_base = state->gs_base = segment_base(ret, SEG_FS);
	}
	prepare_fx(probe, state->fx);
	if (probe->patch_at) {
		ret->patches = 1;
		ret->patch[0].address = probe->patch_at;
		ret->patch[0].size = 8;
		put(ret->patch[0].bytes, probe->patch, 8);
	}
}

/* Eight bytes of memory, which was all 0: words that are not 0 are listed. */
static uint64_t memory(const struct outcome *outcome, uint64_t address)
{
	uint64_t ret = 0;

	for (unsigned i = 0; i < outcome->changes && i < MAX_CHANGES; i++) {
		for (unsigned byte = 0; byte < 8; byte++) {
			uint64_t at = outcome->change[i].address + byte - address;

			if (at < 8)
				ret |= (outcome->change[i].value >> 8 * byte & 0xff) << 8 * at;
		}
	}
	return ret;
}

static uint64_t watched(const struct probe *probe, const struct outcome *outcome)
{
	const struct state *after = &outcome->after;

	switch ((enum watch)probe->watch) {
	case WATCH_NOTHING:
		return 0;
	case WATCH_RAX:
		return after->gpr[RAX];
	case WATCH_CR2:
		return outcome->cr2;
	case WATCH_ERROR:
		return outcome->error_code;
	case WATCH_FS_BASE:
		return after->fs_base;
	case WATCH_FTW:
		return get(after->fx + FX_FTW, 1);
	case WATCH_FSW:
		return get(after->fx + FX_FSW, 2);
	case WATCH_FOP:
		return get(after->fx + FX_FOP, 2);
	case WATCH_FIP:
		return get(after->fx + FX_FIP, 8);
	case WATCH_FDP:
		return get(after->fx + FX_FDP, 8);
	case WATCH_MXCSR:
		return get(after->fx + FX_MXCSR, 4);
	case WATCH_MEMORY:
		return memory(outcome, probe->watch_at);
	case WATCH_CHANGES:
		return outcome->changes;
	}
	return 0;
}

struct finding probe_found(const struct probe *probe, const struct outcome *outcome)
{
	struct finding found = {outcome->kind == OUTCOME_END ? ENDS : outcome->vector, watched(probe, outcome)};

	return found;
}

enum answer probe_judge(const struct probe *probe, const struct outcome *outcome)
{
	struct finding found = probe_found(probe, outcome);

	if (outcome->kind != OUTCOME_END && outcome->kind != OUTCOME_FAULT)
		return UNKNOWN;
	if (found.vector == probe->emulated.vector && found.value == probe->emulated.value)
		return EMULATED;
	if (found.vector == probe->other.vector && found.value == probe->other.value)
		return OTHER;
	return UNKNOWN;
}
