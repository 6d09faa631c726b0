/*
 * The decoder's edge cases by table: bytes, code size, and what must come out. The bulk is tested against Capstone: tests/decoder/.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "emu/cpu.h"
#include "emu/decode.h"

enum { NONE = NO_REGISTER, RIP = RIP_REGISTER };

static int setup(void **state)
{
	*state = isa_create();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	isa_destroy(*state);
	return 0;
}

static unsigned parse_hex(const char *text, uint8_t bytes[32])
{
	unsigned count = 0;

	for (; *text; text += *text == ' ') {
		unsigned byte;

		sscanf(text, "%2x", &byte);
		bytes[count++] = (uint8_t)byte;
		text += 2;
	}
	return count;
}

static enum decode_status decode_hex(struct isa *isa, unsigned code_size, const char *text, struct decoded *ret)
{
	uint8_t bytes[32];
	unsigned count = parse_hex(text, bytes);

	return decode(isa, code_size, bytes, count, ret);
}

/* -- what is an instruction, and which -- */

static const struct {
	unsigned code_size;
	const char *bytes;
	enum decode_status status;
	enum op op; /* DECODE_OK: and the length is that of bytes */
} validity[] = {
	/* length limit */
	{8, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", DECODE_OK, OP_NOP},
	{8, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", DECODE_TOO_LONG, OP_none},
	{8, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66", DECODE_TOO_LONG, OP_none},
	{8, "66 66 66 66 66 66 66 66 66 66 66 66 66 66", DECODE_MORE, OP_none},
	{4, "2e 2e 2e 2e 2e 2e 2e 2e 2e 2e b8 00 00 00 00", DECODE_OK, OP_MOV},
	{4, "2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e b8 00 00 00 00", DECODE_TOO_LONG, OP_none},
	{8, "", DECODE_MORE, OP_none},
	{8, "26 f0 f0 3e 26 26 a3 01 02 03 04 05 06 07 08 09", DECODE_UD, OP_none},
	{8, "26 f0 f0 3e 26 26 26 26 a3 01 02 03 04 05 06 07 08", DECODE_TOO_LONG, OP_none},
	{8, "f0 a3 01 02 03", DECODE_MORE, OP_none},
	/* LOCK */
	{8, "f0 01 00", DECODE_OK, OP_ADD},
	{8, "f0 01 c0", DECODE_UD, OP_none},
	{8, "f0 03 00", DECODE_UD, OP_none},
	{8, "f0 39 00", DECODE_UD, OP_none},
	{8, "f0 0f a3 00", DECODE_UD, OP_none},
	{8, "f0 0f ab 00", DECODE_OK, OP_BTS},
	{8, "f0 87 00", DECODE_OK, OP_XCHG},
	{8, "f0 90", DECODE_UD, OP_none},
	{8, "f0 0f c7 08", DECODE_OK, OP_CMPXCHG8B},
	{8, "f0 48 0f c7 08", DECODE_OK, OP_CMPXCHG16B},
	{8, "f0 0f c7 c8", DECODE_UD, OP_none}, /* the Pentium's F00F bug */
	{8, "f0 0f 22 c0", DECODE_UD, OP_none}, /* CR8 on AMD only */
	{8, "f2 f0 01 00", DECODE_OK, OP_ADD},  /* XACQUIRE */
	/* not in 64-bit code, or only there */
	{4, "06", DECODE_OK, OP_PUSH_SREG},
	{8, "06", DECODE_UD, OP_none},
	{4, "82 c0 01", DECODE_OK, OP_ADD},
	{8, "82 c0 01", DECODE_UD, OP_none},
	{4, "63 c0", DECODE_OK, OP_ARPL},
	{8, "63 c0", DECODE_OK, OP_MOVSXD},
	{4, "d6", DECODE_OK, OP_SALC},
	{8, "d6", DECODE_UD, OP_none},
	{4, "40", DECODE_OK, OP_INC},
	{4, "0f 01 f8", DECODE_UD, OP_none},
	{8, "0f 01 f8", DECODE_OK, OP_SWAPGS},
	{4, "f3 0f ae c0", DECODE_UD, OP_none},
	{8, "f3 0f ae c0", DECODE_OK, OP_RDFSBASE},
	/* VEX, EVEX, XOP are not offered; their bytes are LES, LDS, BOUND, POP outside 64-bit code */
	{4, "c4 00", DECODE_OK, OP_LES},
	{2, "c5 00", DECODE_OK, OP_LDS},
	{4, "c5 f8 77", DECODE_UD, OP_none},
	{8, "c5 f8 77", DECODE_UD, OP_none},
	{4, "62 00", DECODE_OK, OP_BOUND},
	{4, "62 c0", DECODE_UD, OP_none},
	{8, "62 f1 7c 48 28 c0", DECODE_UD, OP_none},
	{8, "8f c0", DECODE_OK, OP_POP},
	{8, "8f e9 78 01 c0", DECODE_UD, OP_none},
	/* groups */
	{8, "c0 f0 01", DECODE_OK, OP_SHL},
	{8, "d3 f0", DECODE_OK, OP_SHL},
	{8, "f6 c8 01", DECODE_OK, OP_TEST},
	{8, "f7 c8 01 02 03 04", DECODE_OK, OP_TEST},
	{8, "c6 c8 01", DECODE_UD, OP_none},
	{8, "c6 f8 01", DECODE_UD, OP_none}, /* XABORT */
	{8, "fe d0", DECODE_UD, OP_none},
	{8, "ff f8", DECODE_UD, OP_none},
	{8, "ff d8", DECODE_UD, OP_none}, /* CALL far, register */
	{8, "ff 18", DECODE_OK, OP_CALL_FAR_INDIRECT},
	{8, "0f ba e0 01", DECODE_OK, OP_BT},
	{8, "0f ba d8 01", DECODE_UD, OP_none},
	/* segment, control and debug registers */
	{8, "8c e8", DECODE_OK, OP_MOV_FROM_SREG},
	{8, "44 8c e8", DECODE_OK, OP_MOV_FROM_SREG},
	{8, "8c f0", DECODE_UD, OP_none},
	{8, "8e f8", DECODE_UD, OP_none},
	{8, "8e c8", DECODE_UD, OP_none},
	{8, "0f 20 c0", DECODE_OK, OP_MOV_FROM_CR},
	{8, "0f 20 00", DECODE_OK, OP_MOV_FROM_CR},
	{8, "0f 20 c8", DECODE_UD, OP_none},
	{8, "44 0f 20 c0", DECODE_OK, OP_MOV_FROM_CR},
	{8, "44 0f 20 d0", DECODE_UD, OP_none},
	{8, "0f 23 f8", DECODE_OK, OP_MOV_TO_DR},
	{8, "44 0f 23 c0", DECODE_UD, OP_none},
	{4, "0f 24 c0", DECODE_UD, OP_none},
	/* mandatory prefixes */
	{8, "0f b8 c0", DECODE_UD, OP_none},
	{8, "f3 0f b8 c0", DECODE_OK, OP_POPCNT},
	{8, "f3 66 0f b8 c0", DECODE_OK, OP_POPCNT},
	{8, "f3 0f bc c0", DECODE_OK, OP_BSF}, /* not TZCNT */
	{8, "f3 0f bd c0", DECODE_OK, OP_BSR},
	{8, "0f 38 f0 00", DECODE_OK, OP_MOVBE},
	{8, "66 0f 38 f0 00", DECODE_OK, OP_MOVBE},
	{8, "0f 38 f0 c0", DECODE_UD, OP_none},
	{8, "f3 0f 38 f0 00", DECODE_UD, OP_none},
	{8, "f2 0f 38 f0 c0", DECODE_OK, OP_CRC32},
	{8, "66 f2 0f 38 f1 c0", DECODE_OK, OP_CRC32},
	{8, "f3 0f 38 f6 c0", DECODE_UD, OP_none}, /* ADOX */
	{8, "0f c3 00", DECODE_OK, OP_MOVNTI},
	{8, "66 0f c3 00", DECODE_UD, OP_none},
	{8, "0f c3 c0", DECODE_UD, OP_none},
	{8, "66 0f 38 82 00", DECODE_OK, OP_INVPCID},
	{8, "0f 38 82 00", DECODE_UD, OP_none},
	/* 0F AE, 0F C7, 0F 01 */
	{8, "0f ae e8", DECODE_OK, OP_FENCE},
	{8, "0f ae ef", DECODE_OK, OP_FENCE},
	{8, "66 0f ae e8", DECODE_UD, OP_none},
	{8, "0f ae 38", DECODE_OK, OP_CLFLUSH},
	{8, "66 0f ae 38", DECODE_UD, OP_none}, /* CLFLUSHOPT */
	{8, "0f ae 20", DECODE_UD, OP_none},    /* XSAVE */
	{8, "0f c7 f0", DECODE_OK, OP_RDRAND},
	{4, "66 0f c7 f0", DECODE_OK, OP_RDRAND},
	{8, "48 0f c7 f8", DECODE_OK, OP_RDSEED},
	{8, "0f c7 30", DECODE_UD, OP_none}, /* VMPTRLD */
	{8, "f0 0f c7 f0", DECODE_UD, OP_none},
	{8, "f2 0f c7 f0", DECODE_UD, OP_none},
	{8, "f3 0f c7 f8", DECODE_UD, OP_none}, /* RDPID */
	{8, "0f 01 c1", DECODE_UD, OP_none},    /* VMCALL */
	{8, "0f 01 c8", DECODE_OK, OP_MONITOR},
	{8, "0f 01 ca", DECODE_OK, OP_CLAC},
	{8, "66 0f 01 ca", DECODE_UD, OP_none},
	{8, "0f 01 d0", DECODE_OK, OP_XGETBV},
	{8, "0f 01 d9", DECODE_UD, OP_none}, /* VMMCALL */
	{8, "0f 01 f9", DECODE_OK, OP_RDTSCP},
	{8, "0f 01 e0", DECODE_OK, OP_SMSW},
	{8, "0f 01 38", DECODE_OK, OP_INVLPG},
	/* NOPs and what is undefined on purpose */
	{8, "90", DECODE_OK, OP_NOP},
	{8, "f3 90", DECODE_OK, OP_PAUSE},
	{8, "41 90", DECODE_OK, OP_XCHG},
	{8, "f3 41 90", DECODE_OK, OP_XCHG},
	{8, "44 90", DECODE_OK, OP_NOP},
	{8, "f3 0f 1e fa", DECODE_OK, OP_NOP}, /* ENDBR64 */
	{8, "0f 1f 44 00 00", DECODE_OK, OP_NOP},
	{8, "0f 19 c0", DECODE_OK, OP_NOP},
	{8, "0f 0d 08", DECODE_OK, OP_PREFETCH},
	{8, "0f 0d c8", DECODE_OK, OP_NOP},
	{8, "0f 18 08", DECODE_OK, OP_PREFETCH},
	{8, "0f 18 20", DECODE_OK, OP_NOP},
	{8, "0f 0b", DECODE_OK, OP_UD2},
	{8, "0f b9 40 00", DECODE_OK, OP_UD1},
	{8, "0f ff 40 00", DECODE_OK, OP_UD0},
	{8, "f1", DECODE_OK, OP_INT1},
	{8, "0f 0e", DECODE_UD, OP_none},
	{8, "0f 0f c0 0d", DECODE_UD, OP_none},
	{8, "0f aa", DECODE_UD, OP_none},
	/* what is undefined is read to its end: being too long or incomplete comes first */
	{2, "0f ba 06 c8 98", DECODE_MORE, OP_none}, /* group 8: /0 with disp16, the immediate missing */
	{2, "0f ba 06 c8 98 00", DECODE_UD, OP_none},
	{8, "66 66 66 66 66 66 66 66 66 66 66 66 0f ba 00 00", DECODE_TOO_LONG, OP_none},
	{8, "0f ba 05 00 00 00", DECODE_MORE, OP_none},
	{8, "0f 71 40 00", DECODE_MORE, OP_none},
	{8, "0f 71 c0", DECODE_MORE, OP_none},
	{8, "0f 71 c0 00", DECODE_UD, OP_none},
	{8, "c6 48 01", DECODE_MORE, OP_none},
	{8, "66 c7 c8 01", DECODE_MORE, OP_none},
	{8, "66 c7 c8 01 02", DECODE_UD, OP_none},
	{8, "c7 c8 01 02 03", DECODE_MORE, OP_none},
	{8, "c7 c8 01 02 03 04", DECODE_UD, OP_none},
	{8, "fe 50", DECODE_MORE, OP_none},
	{8, "fe 50 00", DECODE_UD, OP_none},
	{2, "ff 3e 00", DECODE_MORE, OP_none},
	{8, "d9 48", DECODE_MORE, OP_none}, /* x87: D9 /1 */
	{8, "d9 48 00", DECODE_UD, OP_none},
	{8, "0f 20 0d", DECODE_UD, OP_none}, /* CR1; memory forms are registers */
	{8, "0f ae 25 00 00 00", DECODE_MORE, OP_none},
	{8, "0f c7 48", DECODE_MORE, OP_none},
	{8, "0f 00 75", DECODE_MORE, OP_none},
	{8, "f3 0f 28 40", DECODE_MORE, OP_none}, /* another prefix's instruction */
	{8, "f3 0f 28 40 00", DECODE_UD, OP_none},
	{8, "f2 0f c6 c0", DECODE_MORE, OP_none},
	{8, "f2 0f c6 c0 00", DECODE_UD, OP_none},
	{8, "82 c0", DECODE_MORE, OP_none}, /* another mode's */
	{8, "d4", DECODE_MORE, OP_none},
	{8, "d4 0a", DECODE_UD, OP_none},
	{8, "9a 01 02 03 04 05", DECODE_MORE, OP_none},
	{8, "9a 01 02 03 04 05 06", DECODE_UD, OP_none},
	{8, "66 ea 01 02 03", DECODE_MORE, OP_none},
	{8, "66 ea 01 02 03 04", DECODE_UD, OP_none},
	{8, "0f 38 0c", DECODE_MORE, OP_none}, /* no one's: 0F 38 has ModRM, 0F 3A an immediate besides */
	{8, "0f 38 0c 44 00", DECODE_MORE, OP_none},
	{8, "0f 38 0c 44 00 00", DECODE_UD, OP_none},
	{2, "0f 38 ff 46", DECODE_MORE, OP_none},
	{8, "0f 3a 00 c0", DECODE_MORE, OP_none},
	{8, "0f 3a 00 c0 00", DECODE_UD, OP_none},
	{8, "0f 78 40", DECODE_MORE, OP_none}, /* VMREAD */
	{8, "0f 78 40 00", DECODE_UD, OP_none},
	{8, "0f 04", DECODE_UD, OP_none},
	/* near branches in 64-bit code do not mind 66 */
	{8, "66 e8 00 00 00 00", DECODE_OK, OP_CALL},
	{8, "66 0f 84 00 00 00 00", DECODE_OK, OP_Jcc},
	{4, "66 e8 00 00", DECODE_OK, OP_CALL},
	{2, "e8 00 00", DECODE_OK, OP_CALL},
	{2, "66 e8 00 00 00 00", DECODE_OK, OP_CALL},
};

static void test_validity(void **state)
{
	for (size_t i = 0; i < sizeof validity / sizeof *validity; i++) {
		uint8_t bytes[32];
		unsigned count = parse_hex(validity[i].bytes, bytes);
		struct decoded decoded;
		enum decode_status status = decode(*state, validity[i].code_size, bytes, count, &decoded);

		if (status != validity[i].status)
			fail_msg("%s: status %d, not %d", validity[i].bytes, status, validity[i].status);
		if (status != DECODE_OK)
			continue;
		if (decoded.row->op != validity[i].op || decoded.length != count)
			fail_msg("%s: %s of %u bytes", validity[i].bytes, isa_op_names[decoded.row->op], decoded.length);
	}
}

/* -- memory operands -- */

static const struct {
	unsigned code_size;
	const char *bytes;
	uint8_t base, index, scale, segment;
	int64_t displacement;
	unsigned address_size;
} addresses[] = {
	/* 16-bit forms */
	{2, "8b 00", RBX, RSI, 0, SEG_DS, 0, 2},
	{2, "8b 01", RBX, RDI, 0, SEG_DS, 0, 2},
	{2, "8b 02", RBP, RSI, 0, SEG_SS, 0, 2},
	{2, "8b 03", RBP, RDI, 0, SEG_SS, 0, 2},
	{2, "8b 04", RSI, NONE, 0, SEG_DS, 0, 2},
	{2, "8b 05", RDI, NONE, 0, SEG_DS, 0, 2},
	{2, "8b 06 34 92", NONE, NONE, 0, SEG_DS, -0x6dcc, 2},
	{2, "8b 07", RBX, NONE, 0, SEG_DS, 0, 2},
	{2, "8b 46 fe", RBP, NONE, 0, SEG_SS, -2, 2},
	{2, "8b 87 00 80", RBX, NONE, 0, SEG_DS, -0x8000, 2},
	{2, "26 8b 46 00", RBP, NONE, 0, SEG_ES, 0, 2},
	{4, "67 8b 46 01", RBP, NONE, 0, SEG_SS, 1, 2},
	/* 32-bit forms */
	{2, "67 8b 00", RAX, NONE, 0, SEG_DS, 0, 4},
	{4, "8b 05 04 03 02 81", NONE, NONE, 0, SEG_DS, -0x7efdfcfc, 4},
	{4, "8b 45 80", RBP, NONE, 0, SEG_SS, -128, 4},
	{4, "8b 85 00 00 00 80", RBP, NONE, 0, SEG_SS, -0x80000000ll, 4},
	{4, "8b 04 24", RSP, NONE, 0, SEG_SS, 0, 4},
	{4, "8b 04 e4", RSP, NONE, 0, SEG_SS, 0, 4},
	{4, "8b 04 88", RAX, RCX, 2, SEG_DS, 0, 4},
	{4, "8b 04 28", RAX, RBP, 0, SEG_DS, 0, 4},
	{4, "8b 44 45 00", RBP, RAX, 1, SEG_SS, 0, 4},
	{4, "8b 04 8d 01 00 00 00", NONE, RCX, 2, SEG_DS, 1, 4},
	{4, "8b 04 25 01 00 00 00", NONE, NONE, 0, SEG_DS, 1, 4},
	{4, "64 36 8b 00", RAX, NONE, 0, SEG_SS, 0, 4},
	/* 64-bit forms */
	{8, "8b 05 fc ff ff ff", RIP, NONE, 0, SEG_DS, -4, 8},
	{8, "41 8b 05 fc ff ff ff", RIP, NONE, 0, SEG_DS, -4, 8},
	{8, "67 8b 05 fc ff ff ff", RIP, NONE, 0, SEG_DS, -4, 4},
	{8, "8b 04 25 00 00 00 80", NONE, NONE, 0, SEG_DS, -0x80000000ll, 8},
	{8, "41 8b 04 25 01 00 00 00", NONE, NONE, 0, SEG_DS, 1, 8}, /* REX.B does not make it R13 */
	{8, "41 8b 45 00", R13, NONE, 0, SEG_DS, 0, 8},
	{8, "41 8b 04 24", R12, NONE, 0, SEG_DS, 0, 8},
	{8, "42 8b 04 20", RAX, R12, 0, SEG_DS, 0, 8}, /* an index of 4 with REX.X is R12 */
	{8, "43 8b 44 25 00", R13, R12, 0, SEG_DS, 0, 8},
	{8, "8b 04 24", RSP, NONE, 0, SEG_SS, 0, 8},
	{8, "8b 45 00", RBP, NONE, 0, SEG_SS, 0, 8},
	{8, "65 8b 04 25 28 00 00 00", NONE, NONE, 0, SEG_GS, 0x28, 8},
	{8, "3e 8b 45 00", RBP, NONE, 0, SEG_SS, 0, 8}, /* DS does nothing ... */
	{8, "64 3e 8b 00", RAX, NONE, 0, SEG_FS, 0, 8}, /* ... to FS neither */
	{8, "64 65 8b 00", RAX, NONE, 0, SEG_GS, 0, 8},
	{8, "41 66 8b 00", RAX, NONE, 0, SEG_DS, 0, 8}, /* REX not before the opcode */
	{8, "41 42 8b 00", RAX, NONE, 0, SEG_DS, 0, 8}, /* the last REX counts */
	/* moffs */
	{8, "a1 88 77 66 55 44 33 22 91", NONE, NONE, 0, SEG_DS, -0x6eddccbbaa998878ll, 8},
	{8, "67 a1 00 00 00 80", NONE, NONE, 0, SEG_DS, 0x80000000ll, 4},
	{4, "a0 00 00 00 80", NONE, NONE, 0, SEG_DS, 0x80000000ll, 4},
	{2, "a0 00 80", NONE, NONE, 0, SEG_DS, 0x8000, 2},
	/* MMX registers have no REX bits, their base registers do */
	{8, "45 0f 6f 00", R8, NONE, 0, SEG_DS, 0, 8},
};

static void test_addresses(void **state)
{
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		struct decoded decoded;
		enum decode_status status = decode_hex(*state, addresses[i].code_size, addresses[i].bytes, &decoded);

		if (status != DECODE_OK || decoded.base != addresses[i].base || decoded.index != addresses[i].index ||
		    decoded.scale != addresses[i].scale || decoded.segment != addresses[i].segment ||
		    decoded.displacement != addresses[i].displacement || decoded.address_size != addresses[i].address_size)
			fail_msg("%s: status %d base %u index %u scale %u segment %u displacement %lld address size %u", addresses[i].bytes,
				 status, decoded.base, decoded.index, decoded.scale, decoded.segment, (long long)decoded.displacement,
				 decoded.address_size);
	}
}

/* -- sizes and immediates -- */

static const struct {
	unsigned code_size;
	const char *bytes;
	unsigned operand_size;
	uint64_t immediate, immediate2;
} sizes[] = {
	{2, "b8 34 92", 2, 0xffffffffffff9234, 0},
	{2, "66 b8 78 56 34 92", 4, 0xffffffff92345678, 0},
	{4, "b8 78 56 34 12", 4, 0x12345678, 0},
	{8, "b8 78 56 34 92", 4, 0xffffffff92345678, 0},
	{8, "48 b8 08 07 06 05 04 03 02 91", 8, 0x9102030405060708, 0},
	{8, "66 48 b8 08 07 06 05 04 03 02 91", 8, 0x9102030405060708, 0},
	{8, "66 b8 08 07", 2, 0x708, 0},
	{8, "48 05 00 00 00 80", 8, 0xffffffff80000000, 0},
	{8, "48 83 c0 80", 8, 0xffffffffffffff80, 0},
	{8, "04 80", 1, 0xffffffffffffff80, 0},
	{8, "66 48 04 80", 1, 0xffffffffffffff80, 0},
	{8, "c2 00 80", 8, 0x8000, 0},
	{8, "c8 00 90 03", 8, 0x9000, 3},
	{8, "66 c8 00 90 03", 2, 0x9000, 3},
	{4, "9a 04 03 02 81 08 90", 4, 0x81020304, 0x9008},
	{2, "ea 04 83 08 90", 2, 0x8304, 0x9008},
	{8, "d1 e0", 4, 1, 0},
	{8, "68 00 00 00 80", 8, 0xffffffff80000000, 0},
	{8, "66 68 00 80", 2, 0xffffffffffff8000, 0},
	{8, "6a 80", 8, 0xffffffffffffff80, 0},
	{8, "48 6a 01", 8, 1, 0},
	{8, "50", 8, 0, 0},
	{8, "66 50", 2, 0, 0},
	{8, "66 48 50", 8, 0, 0},
	{8, "66 eb fe", 8, 0xfffffffffffffffe, 0},
	{4, "66 eb fe", 2, 0xfffffffffffffffe, 0},
	{8, "66 c3", 8, 0, 0},
	{8, "cf", 4, 0, 0},
	{8, "48 cf", 8, 0, 0},
	{8, "48 ed", 4, 0, 0}, /* IN EAX has no 64-bit form */
	{8, "66 48 6d", 4, 0, 0},
	{8, "66 0f 20 c0", 8, 0, 0},
	{2, "0f 20 c0", 4, 0, 0},
	{8, "0f 01 10", 8, 0, 0},
	{8, "66 f2 0f 38 f1 c0", 2, 0, 0},
	{8, "f2 48 0f 38 f0 c0", 1, 0, 0},
	{8, "0f b6 c0", 4, 0, 0},
	{8, "66 63 c0", 2, 0, 0},
	{4, "66 0f 38 82 00", 4, 0, 0}, /* INVPCID: 66 is mandatory */
};

static void test_sizes(void **state)
{
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct decoded decoded;
		enum decode_status status = decode_hex(*state, sizes[i].code_size, sizes[i].bytes, &decoded);

		if (status != DECODE_OK || decoded.operand_size != sizes[i].operand_size || decoded.immediate != sizes[i].immediate ||
		    decoded.immediate2 != sizes[i].immediate2)
			fail_msg("%s: status %d operand size %u immediates %llx %llx", sizes[i].bytes, status, decoded.operand_size,
				 (unsigned long long)decoded.immediate, (unsigned long long)decoded.immediate2);
	}
}

/* -- registers and prefixes -- */

static void test_registers(void **state)
{
	struct decoded decoded;

	assert_int_equal(decode_hex(*state, 8, "4d 89 c8", &decoded), DECODE_OK);
	assert_int_equal(decoded.reg, R9);
	assert_int_equal(decoded.rm, R8);
	assert_int_equal(decoded.rex, 0x4d);
	assert_int_equal(decode_hex(*state, 8, "4d 66 89 c8", &decoded), DECODE_OK);
	assert_int_equal(decoded.reg, RCX);
	assert_int_equal(decoded.rm, RAX);
	assert_int_equal(decoded.rex, 0);
	assert_int_equal(decode_hex(*state, 8, "41 57", &decoded), DECODE_OK);
	assert_int_equal(decoded.opcode_reg, R15);
	assert_false(decoded.has_modrm);
	assert_int_equal(decode_hex(*state, 8, "45 0f 6f c8", &decoded), DECODE_OK); /* MOVQ mm1, mm0 */
	assert_int_equal(decoded.reg, 1);
	assert_int_equal(decoded.rm, 0);
	assert_int_equal(decode_hex(*state, 8, "44 8e e0", &decoded), DECODE_OK);
	assert_int_equal(decoded.reg, SEG_FS);
	assert_int_equal(decode_hex(*state, 8, "44 0f 22 00", &decoded), DECODE_OK); /* mod is ignored */
	assert_int_equal(decoded.reg, 8);
	assert_int_equal(decoded.mod, 3);
	assert_int_equal(decoded.length, 4);
}

static void test_repeat(void **state)
{
	struct decoded decoded;

	assert_int_equal(decode_hex(*state, 8, "f2 f3 a4", &decoded), DECODE_OK);
	assert_int_equal(decoded.rep, REP_E);
	assert_int_equal(decode_hex(*state, 8, "f3 f2 a6", &decoded), DECODE_OK);
	assert_int_equal(decoded.rep, REP_NE);
	assert_int_equal(decode_hex(*state, 8, "f3 0f b8 c0", &decoded), DECODE_OK); /* mandatory */
	assert_int_equal(decoded.rep, REP_NONE);
	assert_int_equal(decode_hex(*state, 8, "f0 01 00", &decoded), DECODE_OK);
	assert_true(decoded.lock);
	assert_int_equal(decode_hex(*state, 8, "65 a4", &decoded), DECODE_OK);
	assert_int_equal(decoded.segment, SEG_GS);
	assert_true(decoded.segment_override);
}

/* -- bytes that come one at a time -- */

static void check_truncations(struct isa *isa, unsigned code_size, const char *text)
{
	uint8_t bytes[32];
	unsigned count = parse_hex(text, bytes);
	struct decoded decoded;

	if (decode(isa, code_size, bytes, count, &decoded) != DECODE_OK)
		return;
	for (unsigned available = 0; available < decoded.length; available++) {
		struct decoded part;

		if (decode(isa, code_size, bytes, available, &part) != DECODE_MORE)
			fail_msg("%s: the first %u bytes do not ask for more", text, available);
	}
}

static void test_truncation(void **state)
{
	for (size_t i = 0; i < sizeof validity / sizeof *validity; i++)
		check_truncations(*state, validity[i].code_size, validity[i].bytes);
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
		check_truncations(*state, addresses[i].code_size, addresses[i].bytes);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		check_truncations(*state, sizes[i].code_size, sizes[i].bytes);
}

/* -- the table itself -- */

static bool sets_within(const struct isa_row *row)
{
	return !((row->reads | row->writes | row->undefined) & ~FLAGS_ARITHMETIC);
}

static void test_table(void **state)
{
	const struct isa *isa = *state;

	for (size_t i = 0; i < isa_row_count; i++) {
		const struct isa_row *row = &isa_rows[i];
		bool gap = false;

		if (!sets_within(row) || row->op == OP_none || row->op >= OP_COUNT)
			fail_msg("row %zu (%s)", i, isa_op_names[row->op]);
		if ((row->attributes & A_LOCK) && isa_operands[row->operand[0]].method != METHOD_E &&
		    isa_operands[row->operand[0]].method != METHOD_M)
			fail_msg("row %zu (%s): LOCK without a memory destination", i, isa_op_names[row->op]);
		for (unsigned k = 0; k < 4; k++) {
			if (gap && row->operand[k] != OPN_none)
				fail_msg("row %zu (%s): a gap among its operands", i, isa_op_names[row->op]);
			gap |= row->operand[k] == OPN_none;
		}
	}
	for (unsigned slot = 0; slot < MAP_COUNT * 256; slot++)
		for (unsigned i = isa->first[slot]; i < isa->first[slot + 1]; i++)
			if ((isa->row[i]->mod == M_NONE) != (isa->row[isa->first[slot]]->mod == M_NONE))
				fail_msg("%s: its opcode has ModRM in some rows only", isa_op_names[isa->row[i]->op]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_validity),  cmocka_unit_test(test_addresses), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_registers), cmocka_unit_test(test_repeat),    cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
