/*
 * IN, OUT, INS, OUTS: sizes, directions, repetition, faults in the middle, and who may (SDM vol. 1 chapter 19; vol. 2A "IN", "INS"; vol. 2B
 * "OUT", "OUTS").
 */
#include "tests/unit/system_rig.h"

enum { LOGGED = 16 };

/* A device at every port: reading gives a1b2c3d4H, one more each time; what was asked of it last, and what was written. */
struct device {
	uint16_t port;
	unsigned size, reads, writes;
	uint32_t written[LOGGED];
};

static uint32_t read_port(void *opaque, uint16_t port, unsigned size)
{
	struct device *device = opaque;

	device->port = port;
	device->size = size;
	return 0xa1b2c3d4 + device->reads++;
}

static void write_port(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
	struct device *device = opaque;

	device->port = port;
	device->size = size;
	device->written[device->writes++ % LOGGED] = value;
}

static void attach(struct rig *rig, struct device *device)
{
	*device = (struct device){0};
	rig->cpu->bus = (struct cpu_bus){.opaque = device, .port_read = read_port, .port_write = write_port};
}

/* -- IN and OUT -- */

static void single(void **state)
{
	static const struct {
		const char *code;
		uint16_t port;
		unsigned size;
		bool out;
		uint64_t rax; /* after IN */
	} cases[] = {
		{"\xe4\x80", 0x80, 1, false, 0x11111111222222d4},
		{"\x66\xe5\xff", 0xff, 2, false, 0x111111112222c3d4}, /* immediate ports are not sign-extended */
		{"\xe5\x80", 0x80, 4, false, 0xa1b2c3d4},
		{"\x48\xe5\x80", 0x80, 4, false, 0xa1b2c3d4}, /* there is no 64-bit I/O */
		{"\xec", 0xfff8, 1, false, 0x11111111222222d4},
		{"\x66\xed", 0xfff8, 2, false, 0x111111112222c3d4},
		{"\xed", 0xfff8, 4, false, 0xa1b2c3d4},
		{"\xe6\x81", 0x81, 1, true, 0},
		{"\x66\xe7\xfe", 0xfe, 2, true, 0},
		{"\xe7\x81", 0x81, 4, true, 0},
		{"\xee", 0xfff8, 1, true, 0},
		{"\x66\xef", 0xfff8, 2, true, 0},
		{"\xef", 0xfff8, 4, true, 0},
		{"\x48\xef", 0xfff8, 4, true, 0},
	};
	struct device device;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_LONG)
		{
			unsigned length = strlen(cases[i].code);
			uint32_t low = cases[i].size == 4 ? 0x22222222 : (1u << 8 * cases[i].size) - 1;

			attach(rig, &device);
			rig->cpu->gpr[RAX] = 0x1111111122222222;
			rig->cpu->gpr[RDX] = 0xffffffff7777fff8;
			rig_code(rig, cases[i].code, length);
			rig_run(rig, 1);
			assert_int_equal(rig->cpu->rip, RIG_CODE + length);
			assert_int_equal(device.port, cases[i].port);
			assert_int_equal(device.size, cases[i].size);
			assert_int_equal(device.reads, !cases[i].out);
			assert_int_equal(device.writes, cases[i].out);
			if (cases[i].out)
				assert_int_equal(device.written[0], 0x22222222 & low);
			else
				assert_int_equal(rig->cpu->gpr[RAX], cases[i].rax);
		}
	WITH_RIG(rig, RIG_LONG) /* where no device is */
	{
		RIG_RUN(rig, "\xed\xef", 2);
		assert_int_equal(rig->cpu->gpr[RAX], 0xffffffff);
	}
}

/* -- INS and OUTS -- */

/* Element n of the strings: its bytes count on from 10H + size * n. */
static uint32_t element(unsigned n, unsigned size)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint32_t)(0x10 + n * size + i) << 8 * i;
	return value;
}

static void strings(void **state)
{
	static const struct {
		enum rig_mode mode;
		const char *code;
		unsigned size;
		bool out, repeated;
	} cases[] = {
		{RIG_LONG, "\x6c", 1, false, false},      {RIG_LONG, "\x66\x6d", 2, false, false},
		{RIG_LONG, "\x6d", 4, false, false},      {RIG_LONG, "\x48\x6d", 4, false, false},
		{RIG_LONG, "\xf3\x6c", 1, false, true},   {RIG_LONG, "\xf3\x66\x6d", 2, false, true},
		{RIG_LONG, "\xf3\x6d", 4, false, true},   {RIG_LONG, "\xf3\x48\x6d", 4, false, true},
		{RIG_LONG, "\xf2\x6d", 4, false, true},   {RIG_PROT32, "\xf3\x6d", 4, false, true},
		{RIG_PROT16, "\xf3\x6d", 2, false, true}, {RIG_PROT16, "\x66\xf3\x6d", 4, false, true},
		{RIG_LONG, "\x6e", 1, true, false},       {RIG_LONG, "\x66\x6f", 2, true, false},
		{RIG_LONG, "\x6f", 4, true, false},       {RIG_LONG, "\x48\x6f", 4, true, false},
		{RIG_LONG, "\xf3\x6e", 1, true, true},    {RIG_LONG, "\xf3\x66\x6f", 2, true, true},
		{RIG_LONG, "\xf3\x6f", 4, true, true},    {RIG_LONG, "\xf3\x48\x6f", 4, true, true},
		{RIG_LONG, "\xf2\x6f", 4, true, true},    {RIG_PROT32, "\xf3\x6f", 4, true, true},
		{RIG_PROT16, "\xf3\x6f", 2, true, true},  {RIG_PROT16, "\x66\xf3\x6f", 4, true, true},
	};
	enum { COUNT = 5, BASE = 0x4000 /* within 16 bits */ };
	struct device device;

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, cases[i / 2].mode)
		{
			unsigned size = cases[i / 2].size, done = cases[i / 2].repeated ? COUNT : 1;
			int step = i & 1 ? -(int)size : (int)size;
			uint64_t start = BASE + 0x40, mask = cases[i / 2].size == 1 ? 0xff : size == 2 ? 0xffff : 0xffffffff;
			struct cpu *cpu = rig->cpu;
			bool out = cases[i / 2].out;

			attach(rig, &device);
			cpu_set_eflags(cpu, i & 1 ? FLAG_DF : 0, FLAG_DF);
			cpu->gpr[RDX] = 0x1f0;
			cpu->gpr[RCX] = COUNT;
			cpu->gpr[RSI] = cpu->gpr[RDI] = start;
			for (unsigned n = 0; out && n < done; n++)
				rig_write(rig, start + step * (int)n, &(uint32_t){element(n, size)}, size);
			rig_code(rig, cases[i / 2].code, strlen(cases[i / 2].code));
			rig_run(rig, 1);
			assert_int_equal(cpu->rip, RIG_CODE + strlen(cases[i / 2].code));
			assert_int_equal(device.port, 0x1f0);
			assert_int_equal(device.size, size);
			assert_int_equal(out ? device.writes : device.reads, done);
			assert_int_equal(cpu->gpr[RCX], cases[i / 2].repeated ? 0 : COUNT);
			assert_int_equal(cpu->gpr[out ? RSI : RDI], start + step * (int)done);
			assert_int_equal(cpu->gpr[out ? RDI : RSI], start);
			for (unsigned n = 0; n < done; n++) {
				if (out)
					assert_int_equal(device.written[n], element(n, size));
				else
					assert_int_equal(physmem_read(&rig->mem, start + step * (int)n, size), (0xa1b2c3d4 + n) & mask);
			}
			assert_int_equal(physmem_read(&rig->mem, start + step * (int)done, size), 0); /* no more than that */
		}
}

/* Counts of 0, address sizes, and segments: the source's can be another, the destination's is ES. */
static void string_addresses(void **state)
{
	struct device device;

	(void)state;
	WITH_RIG(rig, RIG_LONG) /* nothing happens, with a 32-bit count too, whose upper half stays */
	{
		attach(rig, &device);
		rig->cpu->gpr[RCX] = 0;
		RIG_RUN(rig, "\xf3\x6c\xf3\x6e", 2);
		rig->cpu->gpr[RCX] = 5ull << 32;
		RIG_RUN(rig, "\x67\xf3\x6c\x67\xf3\x6e", 2);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 6);
		assert_int_equal(rig->cpu->gpr[RCX], 5ull << 32);
		assert_int_equal(device.reads + device.writes, 0);
	}
	WITH_RIG(rig, RIG_LONG) /* 32-bit addresses clear the upper halves */
	{
		attach(rig, &device);
		rig->cpu->gpr[RCX] = 0xaaaaaaaa00000002;
		rig->cpu->gpr[RDI] = 0xaaaaaaaa00000000 | RIG_DATA;
		RIG_RUN(rig, "\x67\xf3\x6c", 1);
		assert_int_equal(rig->cpu->gpr[RCX], 0);
		assert_int_equal(rig->cpu->gpr[RDI], RIG_DATA + 2);
		assert_int_equal(device.reads, 2);
	}
	WITH_RIG(rig, RIG_PROT32) /* 16-bit ones wrap around and leave the upper halves */
	{
		attach(rig, &device);
		rig->cpu->gpr[RCX] = 0xbbbb0002;
		rig->cpu->gpr[RDI] = 0xbbbbffff;
		RIG_RUN(rig, "\x67\xf3\x6c", 1);
		assert_int_equal(rig->cpu->gpr[RCX], 0xbbbb0000);
		assert_int_equal(rig->cpu->gpr[RDI], 0xbbbb0001);
		assert_int_equal(physmem_read(&rig->mem, 0xffff, 1), 0xd4);
		assert_int_equal(physmem_read(&rig->mem, 0, 1), 0xd5);
	}
	WITH_RIG(rig, RIG_PROT32)
	{
		attach(rig, &device);
		rig->cpu->seg[SEG_FS].base = 0x1000;
		rig->cpu->seg[SEG_ES].base = 0x2000;
		cpu_update_mode(rig->cpu);
		rig_write(rig, RIG_DATA + 0x1000, "\x77", 1);
		rig->cpu->gpr[RSI] = rig->cpu->gpr[RDI] = RIG_DATA;
		RIG_RUN(rig, "\x64\x6e\x64\x6c", 2); /* outsb fs:; insb with the same prefix, which does not count */
		assert_int_equal(device.written[0], 0x77);
		assert_int_equal(physmem_read(&rig->mem, RIG_DATA + 0x2000, 1), 0xd4);
		assert_int_equal(physmem_read(&rig->mem, RIG_DATA + 0x1000, 1), 0x77);
	}
	WITH_RIG(rig, RIG_REAL)
	{
		attach(rig, &device);
		rig->cpu->seg[SEG_ES].base = RIG_DATA;
		cpu_update_mode(rig->cpu);
		rig->cpu->gpr[RDI] = 0x10;
		rig->cpu->gpr[RCX] = 3;
		RIG_RUN(rig, "\xf3\x6d", 1);
		assert_int_equal(rig_read64(rig, RIG_DATA + 0x10), 0xc3d6c3d5c3d4);
		assert_int_equal(rig->cpu->gpr[RDI], 0x16);
	}
}

/* -- faults in the middle: what was done stays done, and the instruction can be started again -- */

static void string_faults(void **state)
{
	struct device device;

	(void)state;
	WITH_RIG(rig, RIG_PAGED32) /* the port is not read for what cannot be stored */
	{
		attach(rig, &device);
		rig->cpu->gpr[RCX] = 5;
		rig->cpu->gpr[RDI] = 0x3ffffffe;
		rig_write(rig, RIG_TABLES + 255 * 4, &(uint32_t){0x00000087}, 4); /* the last mapped page is RAM */
		EXPECT_FAULT(rig, "\xf3\x6c", 14, 2);
		assert_int_equal(rig->cpu->cr2, 0x40000000);
		assert_int_equal(device.reads, 2);
		assert_int_equal(rig->cpu->gpr[RCX], 3);
		assert_int_equal(rig->cpu->gpr[RDI], 0x40000000);
		rig_write(rig, RIG_TABLES + 256 * 4, &(uint32_t){0x00400087}, 4);
		RIG_RUN(rig, "\xf3\x6c", 1);
		assert_int_equal(device.reads, 5);
		assert_int_equal(rig->cpu->gpr[RCX], 0);
		assert_int_equal(rig_read64(rig, 0x400000) & 0xffffff, 0xd8d7d6);
	}
	WITH_RIG(rig, RIG_PAGED32) /* nor is anything written that could not be loaded */
	{
		attach(rig, &device);
		rig->cpu->gpr[RCX] = 4;
		rig->cpu->gpr[RSI] = 0x3ffffffc;
		rig_write(rig, RIG_TABLES + 255 * 4, &(uint32_t){0x00000087}, 4);
		EXPECT_FAULT(rig, "\xf3\x66\x6f", 14, 0);
		assert_int_equal(rig->cpu->cr2, 0x40000000);
		assert_int_equal(device.writes, 2);
		assert_int_equal(rig->cpu->gpr[RCX], 2);
		assert_int_equal(rig->cpu->gpr[RSI], 0x40000000);
		rig_write(rig, RIG_TABLES + 256 * 4, &(uint32_t){0x00400087}, 4);
		RIG_RUN(rig, "\xf3\x66\x6f", 1);
		assert_int_equal(device.writes, 4);
		assert_int_equal(rig->cpu->gpr[RCX], 0);
	}
	WITH_RIG(rig, RIG_PAGED32) /* an element of which only the first half can be stored is not begun */
	{
		attach(rig, &device);
		rig->cpu->gpr[RDI] = 0x3ffffffe;
		rig_write(rig, RIG_TABLES + 255 * 4, &(uint32_t){0x00000087}, 4);
		EXPECT_FAULT(rig, "\x6d", 14, 2);
		assert_int_equal(device.reads, 0);
		assert_int_equal(physmem_read(&rig->mem, 0x3ffffe, 2), 0);
		assert_int_equal(rig->cpu->gpr[RDI], 0x3ffffffe);
	}
	WITH_RIG(rig, RIG_PAGED32) /* a read-only page */
	{
		attach(rig, &device);
		rig_write(rig, RIG_TABLES + 4, &(uint32_t){0x00400085}, 4);
		rig->cpu->gpr[RSI] = rig->cpu->gpr[RDI] = 0x400000;
		EXPECT_FAULT(rig, "\x6c", 14, 3);
		assert_int_equal(device.reads, 0);
		RIG_RUN(rig, "\x6e", 1);
		assert_int_equal(device.writes, 1);
	}
	WITH_RIG(rig, RIG_PROT32) /* the ends of segments */
	{
		attach(rig, &device);
		rig->cpu->seg[SEG_ES].limit = 0xfff;
		rig->cpu->seg[SEG_DS].limit = 0x1fff;
		cpu_update_mode(rig->cpu);
		rig->cpu->gpr[RDI] = 0xffe;
		rig->cpu->gpr[RSI] = 0x1ffe;
		rig->cpu->gpr[RCX] = 3;
		EXPECT_FAULT(rig, "\xf3\x6c", 13, 0);
		assert_int_equal(device.reads, 2);
		assert_int_equal(rig->cpu->gpr[RCX], 1);
		rig->cpu->gpr[RCX] = 3;
		EXPECT_FAULT(rig, "\xf3\x6e", 13, 0);
		assert_int_equal(device.writes, 2);
		assert_int_equal(rig->cpu->gpr[RCX], 1);
	}
}

/* A single step traps after each iteration, and a long repetition lets interrupts in. */
static void string_interruptions(void **state)
{
	struct device device;

	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		attach(rig, &device);
		rig->cpu->gpr[RCX] = 3;
		rig->cpu->gpr[RDI] = RIG_DATA;
		cpu_set_eflags(rig->cpu, FLAG_TF, FLAG_TF);
		RIG_RUN(rig, "\xf3\x6c", 2);
		assert_int_equal(handler_reached(rig), 1);
		assert_int_equal(stack_at(rig, 0, 8), RIG_CODE);
		assert_int_equal(rig->cpu->gpr[RCX], 2);
		assert_int_equal(device.reads, 1);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		attach(rig, &device);
		rig->cpu->rep_limit = 4;
		rig->cpu->gpr[RCX] = 10;
		rig->cpu->gpr[RSI] = RIG_DATA;
		RIG_RUN(rig, "\xf3\x6e", 1);
		assert_int_equal(rig->cpu->rip, RIG_CODE);
		assert_int_equal(rig->cpu->gpr[RCX], 8);
		rig_run(rig, 2);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 2);
		assert_int_equal(device.writes, 10);
	}
}

/* -- permission -- */

static void permission_bitmap(void **state)
{
	static const struct {
		unsigned port;
		const char *code;
		uint16_t base;
		uint64_t bitmap; /* of ports 0-63 */
		bool allowed;
	} cases[] = {
		{0x10, "\xec\x90", 0x68, ~0ull & ~(1ull << 0x10), true},
		{0x11, "\xec\x90", 0x68, ~0ull & ~(1ull << 0x10), false},
		{0x10, "\xed\x90", 0x68, ~0ull & ~(7ull << 0x10), false},
		{0x10, "\xed\x90", 0x68, ~0ull & ~(15ull << 0x10), true},
		{0x10, "\x66\xed", 0x68, ~0ull & ~(3ull << 0x10), true},
		{0x10, "\x66\xed", 0x68, ~0ull & ~(1ull << 0x10), false},
		{0x16, "\xed\x90", 0x68, ~0ull & ~(15ull << 0x16), true}, /* across bytes of the bitmap */
		{0x10, "\xee\x90", 0x68, 0, true},
		{0x10, "\xef\x90", 0x68, 1ull << 0x13, false},
		{0x10, "\xe4\x20", 0x68, ~0ull & ~(1ull << 0x20), true}, /* immediate ports */
		{0x20, "\xe4\x10", 0x68, ~0ull & ~(1ull << 0x20), false},
		{0x10, "\xe6\x20", 0x68, ~0ull & ~(1ull << 0x20), true},
		{0x20, "\xe7\x10", 0x68, ~0ull & ~(1ull << 0x20), false},
		{0x10, "\x6c\x90", 0x68, ~0ull & ~(1ull << 0x10), true}, /* strings */
		{0x10, "\x6d\x90", 0x68, ~0ull & ~(1ull << 0x10), false},
		{0x10, "\x6e\x90", 0x68, ~0ull & ~(1ull << 0x10), true},
		{0x10, "\x6f\x90", 0x68, ~0ull & ~(1ull << 0x10), false},
		{0x10, "\xf3\x6e", 0x68, 1ull << 0x10, false},
		{0x10, "\xee\x90", 0xfc, 0, true}, /* TSS limit ffH: port 10H is in bytes feH and ffH */
		{0x10, "\xee\x90", 0xfd, 0, false},
		{0x10, "\xee\x90", 0xfe, 0, false},
		{0x10, "\xee\x90", 0xffff, 0, false},
	};
	struct device device;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned mode = RIG_PAGED32; mode <= RIG_LONG; mode += RIG_LONG - RIG_PAGED32)
			WITH_RIG(rig, mode)
			{
				attach(rig, &device);
				rig_write(rig, RIG_TSS_BASE + 0x66, &cases[i].base, 2);
				if (cases[i].base == 0x68)
					rig_write(rig, RIG_TSS_BASE + 0x68, &cases[i].bitmap, 8);
				to_ring3(rig);
				rig->cpu->gpr[RDX] = cases[i].port;
				rig->cpu->gpr[RSI] = rig->cpu->gpr[RDI] = RIG_DATA;
				rig->cpu->gpr[RCX] = 1;
				if (cases[i].allowed) {
					rig_code(rig, cases[i].code, 2);
					rig_run(rig, 1);
					assert_int_equal(handler_reached(rig), -1);
					assert_int_equal(device.reads + device.writes, 1);
				} else {
					expect_fault(rig, cases[i].code, 2, 13, 0);
					assert_int_equal(device.reads + device.writes, 0);
				}
			}
	WITH_RIG(rig, RIG_PAGED32) /* a 16-bit TSS has no bitmap */
	{
		rig_write(rig, RIG_TSS_BASE + 0x66, &(uint16_t){0x68}, 2);
		rig->cpu->seg[SEG_TR].attributes = SEGMENT_P | 3;
		rig_write(rig, RIG_TSS_BASE + 2, &(uint32_t){0x8000 | RIG_DS0 << 16}, 4); /* SP0, SS0 */
		to_ring3(rig);
		RIG_RUN(rig, "\xec", 1);
		assert_int_equal(rig->cpu->cpl, 0);
		assert_int_equal(rig->cpu->gpr[RAX], 0);
	}
}

/* IOPL: enough at CPL <= IOPL, of no use in V86 mode, where the bitmap alone decides. Real mode asks nobody. */
static void permission_iopl(void **state)
{
	static const char codes[][3] = {"\xec", "\xed", "\xee", "\xef", "\xe4\x10", "\xe7\x10", "\x6c", "\x6d", "\x6e", "\x6f"};

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		for (unsigned iopl = 0; iopl < 4; iopl++)
			WITH_RIG(rig, RIG_PAGED32)
			{
				to_ring3(rig);
				cpu_set_eflags(rig->cpu, iopl << 12, FLAG_IOPL);
				rig->cpu->gpr[RSI] = rig->cpu->gpr[RDI] = RIG_DATA;
				if (iopl == 3) {
					rig_code(rig, codes[i], strlen(codes[i]));
					rig_run(rig, 1);
					assert_int_equal(rig->cpu->rip, RIG_CODE + strlen(codes[i]));
				} else {
					expect_fault(rig, codes[i], strlen(codes[i]), 13, 0);
				}
			}
		for (unsigned allowed = 0; allowed < 2; allowed++)
			WITH_RIG(rig, RIG_PAGED32)
			{
				rig_write(rig, RIG_TSS_BASE + 0x66, &(uint16_t){0x68}, 2);
				rig_write64(rig, RIG_TSS_BASE + 0x68, allowed ? 0 : 0xf0000);
				enter_v86(rig, 3);
				rig->cpu->gpr[RDX] = 0x10;
				rig_code(rig, codes[i], strlen(codes[i]));
				rig_run(rig, 1);
				assert_int_equal(handler_reached(rig), allowed ? -1 : 13);
			}
		WITH_RIG(rig, RIG_REAL)
		{
			rig_code(rig, codes[i], strlen(codes[i]));
			rig_run(rig, 1);
			assert_int_equal(rig->cpu->rip, strlen(codes[i]));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single),
		cmocka_unit_test(strings),
		cmocka_unit_test(string_addresses),
		cmocka_unit_test(string_faults),
		cmocka_unit_test(string_interruptions),
		cmocka_unit_test(permission_bitmap),
		cmocka_unit_test(permission_iopl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
