/* Physical memory: regions, holes, devices, ROM, bulk copies, and the announcement of writes to code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "mmu/physmem.h"

/* -- a device that logs, and a hook that logs -- */

struct log {
	unsigned reads, writes;
	uint64_t offset, value;
	unsigned size;
	/* hook */
	unsigned calls;
	uint64_t paddr, bytes;
	uint8_t seen; /* the byte at paddr when the hook ran */
	struct physmem *mem;
};

static uint64_t log_read(void *opaque, uint64_t offset, unsigned size)
{
	struct log *log = opaque;

	log->reads++;
	log->offset = offset;
	log->size = size;
	return 0x1122334455667788;
}

static void log_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
	struct log *log = opaque;

	log->writes++;
	log->offset = offset;
	log->value = value;
	log->size = size;
}

static const struct mmio_ops log_ops = {log_read, log_write};

static void log_code(void *opaque, uint64_t paddr, uint64_t size)
{
	struct log *log = opaque;

	log->calls++;
	log->paddr = paddr;
	log->bytes = size;
	physmem_copy_out(log->mem, paddr, &log->seen, 1);
}

/* RAM 0-1 MiB and 1 MiB-2 MiB (adjacent), a device at 4 MiB, ROM at 4 GiB - 64 KiB. */
struct fixture {
	struct physmem mem;
	struct log log;
};

static void setup(struct fixture *f)
{
	static const uint8_t rom[] = {0xea, 0x5b, 0xe0, 0x00, 0xf0};

	memset(f, 0, sizeof(*f));
	f->log.mem = &f->mem;
	physmem_init(&f->mem);
	assert_null(physmem_add_mmio(&f->mem, 0x400000, 0x2000, &log_ops, &f->log));
	assert_null(physmem_add_ram(&f->mem, 0, 0x100000));
	assert_null(physmem_add_rom(&f->mem, 0xffff0000, rom, sizeof(rom)));
	assert_null(physmem_add_ram(&f->mem, 0x100000, 0x100000));
	f->mem.code_written = log_code;
	f->mem.code_opaque = &f->log;
}

static void test_find(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(f.mem.count, 4);
	for (size_t i = 1; i < f.mem.count; i++)
		assert_true(f.mem.region[i - 1].start < f.mem.region[i].start);
	assert_int_equal(physmem_find(&f.mem, 0)->start, 0);
	assert_int_equal(physmem_find(&f.mem, 0xfffff)->start, 0);
	assert_int_equal(physmem_find(&f.mem, 0x100000)->start, 0x100000);
	assert_null(physmem_find(&f.mem, 0x200000));
	assert_null(physmem_find(&f.mem, 0x3fffff));
	assert_int_equal(physmem_find(&f.mem, 0x401fff)->kind, PHYSMEM_MMIO);
	assert_null(physmem_find(&f.mem, 0x402000));
	assert_int_equal(physmem_find(&f.mem, 0xffff0fff)->kind, PHYSMEM_ROM);
	assert_null(physmem_find(&f.mem, 0xffff1000));
	assert_null(physmem_find(&f.mem, UINT64_MAX));
	physmem_deinit(&f.mem);
	assert_null(physmem_find(&f.mem, 0));
}

static void test_bad_regions(void **state)
{
	static const struct {
		uint64_t start, size;
	} bad[] = {
		{0, 0x1000},          {0xff000, 0x1000}, {0x1ff000, 0x2000}, {0x3ff000, 0x2000},  {0x300000, 0x1000000},
		{0x500800, 0x1000},   {0x500000, 0x800}, {0x500000, 0},      {~0xfffull, 0x2000}, {0xfffff000, 0xfffffffffffff000},
		{0xffff0000, 0x1000},
	};
	struct fixture f;

	(void)state;
	setup(&f);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct error *err = physmem_add_ram(&f.mem, bad[i].start, bad[i].size);

		assert_non_null(err);
		error_destroy(err);
		assert_int_equal(f.mem.count, 4);
	}
	assert_null(physmem_add_ram(&f.mem, 0x200000, 0x200000)); /* fills the gap exactly */
	assert_null(physmem_add_ram(&f.mem, ~0xfffull, 0x1000));  /* the last page of all */
	assert_non_null(physmem_host(&f.mem, UINT64_MAX, true, false));
	physmem_deinit(&f.mem);
}

static void test_remove(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	physmem_remove(&f.mem, 0x401000); /* no region starts there */
	assert_int_equal(f.mem.count, 4);
	physmem_remove(&f.mem, 0x400000);
	assert_null(physmem_find(&f.mem, 0x400000));
	assert_int_equal(physmem_find(&f.mem, 0xffff0000)->kind, PHYSMEM_ROM);
	assert_null(physmem_add_mmio(&f.mem, 0x800000, 0x1000, &log_ops, &f.log));
	assert_int_equal(physmem_read(&f.mem, 0x800004, 2), 0x7788);
	assert_int_equal(f.log.offset, 4);
	physmem_deinit(&f.mem);
}

static void test_read_write(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(physmem_read(&f.mem, 0x1234, 8), 0);
	physmem_write(&f.mem, 0x1235, 0x8877665544332211, 8);
	assert_int_equal(physmem_read(&f.mem, 0x1235, 8), 0x8877665544332211);
	assert_int_equal(physmem_read(&f.mem, 0x1236, 4), 0x55443322);
	physmem_write(&f.mem, 0x1236, 0xffffffffffff0000, 2);
	assert_int_equal(physmem_read(&f.mem, 0x1235, 8), 0x8877665544000011);

	assert_int_equal(physmem_read(&f.mem, 0x300000, 1), 0xff);
	assert_int_equal(physmem_read(&f.mem, 0x300000, 4), 0xffffffff);
	assert_int_equal(physmem_read(&f.mem, 0x300000, 8), UINT64_MAX);
	physmem_write(&f.mem, 0x300000, 1, 8);

	assert_int_equal(physmem_read(&f.mem, 0xffff0000, 4), 0x00e05bea);
	assert_int_equal(physmem_read(&f.mem, 0xffff0004, 8), 0xf0);
	physmem_write(&f.mem, 0xffff0000, 0, 4);
	assert_int_equal(physmem_read(&f.mem, 0xffff0000, 4), 0x00e05bea);
	physmem_deinit(&f.mem);
}

static void test_mmio(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	for (unsigned size = 1; size <= 8; size *= 2) {
		uint64_t mask = UINT64_MAX >> (64 - 8 * size);

		assert_int_equal(physmem_read(&f.mem, 0x401008, size), 0x1122334455667788 & mask);
		assert_int_equal(f.log.offset, 0x1008);
		assert_int_equal(f.log.size, size);
		physmem_write(&f.mem, 0x400003, 0xfedcba9876543210, size);
		assert_int_equal(f.log.offset, 3);
		assert_int_equal(f.log.size, size);
		assert_int_equal(f.log.value, 0xfedcba9876543210 & mask);
	}
	assert_int_equal(f.log.reads, 4);
	assert_int_equal(f.log.writes, 4);
	physmem_deinit(&f.mem);
}

static void test_host(void **state)
{
	struct fixture f;
	uint8_t *host;

	(void)state;
	setup(&f);
	host = physmem_host(&f.mem, 0x100010, true, false);
	assert_non_null(host);
	*host = 0x5a;
	assert_int_equal(physmem_read(&f.mem, 0x100010, 1), 0x5a);
	assert_ptr_equal(physmem_host(&f.mem, 0x100010, false, false), host);

	*physmem_code_bitmap(&f.mem, 0x100fff) = 1;
	assert_null(physmem_host(&f.mem, 0x100010, true, false));
	assert_ptr_equal(physmem_host(&f.mem, 0x100010, true, true), host);
	assert_ptr_equal(physmem_host(&f.mem, 0x100010, false, false), host);
	assert_non_null(physmem_host(&f.mem, 0x101010, true, false));

	assert_null(physmem_host(&f.mem, 0x300000, false, true));
	assert_null(physmem_host(&f.mem, 0x400000, false, true));
	assert_non_null(physmem_host(&f.mem, 0xffff0000, false, false));
	assert_null(physmem_host(&f.mem, 0xffff0000, true, true));
	assert_null(physmem_code_bitmap(&f.mem, 0xffff0000));
	assert_null(physmem_code_bitmap(&f.mem, 0x400000));
	assert_null(physmem_code_bitmap(&f.mem, 0x300000));
	physmem_deinit(&f.mem);
}

static void test_granules(void **state)
{
	(void)state;
	assert_int_equal(physmem_granules(0, 1), 1);
	assert_int_equal(physmem_granules(127, 1), 1);
	assert_int_equal(physmem_granules(127, 2), 3);
	assert_int_equal(physmem_granules(128, 128), 2);
	assert_int_equal(physmem_granules(4095, 1), 0x80000000);
	assert_int_equal(physmem_granules(0, 4096), 0xffffffff);
	assert_int_equal(physmem_granules(0x300, 0x200), 0x3c0);
}

static void test_hook(void **state)
{
	struct fixture f;
	uint8_t data[0x2000];

	(void)state;
	setup(&f);
	memset(data, 0xcc, sizeof(data));
	physmem_write(&f.mem, 0x2080, 0x11, 1);
	*physmem_code_bitmap(&f.mem, 0x2000) = physmem_granules(0x80, 0x80);

	physmem_write(&f.mem, 0x207f, 0xee, 1);
	physmem_write(&f.mem, 0x2100, 0xee, 8);
	physmem_write(&f.mem, 0x3080, 0xee, 8);
	assert_int_equal(f.log.calls, 0);
	physmem_write(&f.mem, 0x207f, 0x2233, 2); /* reaches into the granule */
	assert_int_equal(f.log.calls, 1);
	assert_int_equal(f.log.paddr, 0x207f);
	assert_int_equal(f.log.bytes, 2);
	physmem_write(&f.mem, 0x2080, 0x33, 1);
	assert_int_equal(f.log.calls, 2);
	assert_int_equal(f.log.seen, 0x22); /* before memory changed */

	assert_true(physmem_copy_in(&f.mem, 0x1f00, data, 0x180)); /* ends just before */
	assert_int_equal(f.log.calls, 2);
	assert_true(physmem_copy_in(&f.mem, 0x1f00, data, 0x181));
	assert_int_equal(f.log.calls, 3);
	assert_int_equal(f.log.paddr, 0x2000);
	assert_int_equal(f.log.bytes, 0x81);

	f.mem.code_written = NULL;
	physmem_write(&f.mem, 0x2080, 0x44, 1);
	assert_int_equal(physmem_read(&f.mem, 0x2080, 1), 0x44);
	physmem_deinit(&f.mem);
}

static void test_copies(void **state)
{
	struct fixture f;
	uint8_t out[0x3000], in[0x3000];

	(void)state;
	setup(&f);
	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = i * 7 + (i >> 8);
	assert_true(physmem_copy_in(&f.mem, 0xfe801, in, sizeof(in))); /* over the seam of two regions */
	assert_true(physmem_copy_out(&f.mem, 0xfe801, out, sizeof(out)));
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(physmem_read(&f.mem, 0x100000, 1), in[0x17ff]);

	memset(out, 0x77, sizeof(out));
	assert_false(physmem_copy_out(&f.mem, 0x1ff000, out, 0x1001));
	assert_int_equal(out[0], 0x77);
	assert_false(physmem_copy_in(&f.mem, 0x1ff000, in, 0x1001));
	assert_int_equal(physmem_read(&f.mem, 0x1ff000, 8), 0);
	assert_false(physmem_copy_out(&f.mem, 0x400000, out, 1));
	assert_false(physmem_copy_out(&f.mem, ~0ull, out, 2));
	assert_true(physmem_copy_out(&f.mem, 0x300000, out, 0)); /* nothing is everywhere */

	assert_true(physmem_copy_in(&f.mem, 0xffff0ff0, in, 16)); /* ROM may be filled */
	assert_int_equal(physmem_read(&f.mem, 0xffff0ff1, 1), in[1]);
	physmem_deinit(&f.mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),       cmocka_unit_test(test_bad_regions), cmocka_unit_test(test_remove),
		cmocka_unit_test(test_read_write), cmocka_unit_test(test_mmio),        cmocka_unit_test(test_host),
		cmocka_unit_test(test_granules),   cmocka_unit_test(test_hook),        cmocka_unit_test(test_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
