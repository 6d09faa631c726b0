/* Kdump-compressed dumps: written here in every form that the formats' definitions allow, whole and flattened, and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <endian.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "product/dump_file.h"
#include "tests/unit/snapshot_rig.h"

enum { PLAIN = 0, ZLIB = 1, LZO = 2, SNAPPY = 4, ZSTD = 32 };
enum { X86_64, I386 };
enum { DESCRIPTOR_SIZE = 24 };

/* Where members are in the headers of the two word sizes, by the tests' own account of the structures. */
static const struct layout {
	unsigned status, block_size, sub_blocks, bitmap_blocks, pages, notes_at, notes_size, split, pages_64;
	const char *machine;
} layouts[] = {
	[X86_64] = {424, 428, 432, 436, 440, 4096 + 48, 4096 + 56, 4096 + 12, 4096 + 96, "x86_64"},
	[I386] = {412, 416, 420, 424, 428, 4096 + 32, 4096 + 40, 4096 + 8, 4096 + 72, "i686"},
};

/* Memory from 1 MiB on, whose every third page a filter left out; far above, some more. */
enum { FIRST = 256, PAGES = 700, UPPER = 0x140000, UPPER_PAGES = 3, MAX_PFN = UPPER + 100000 };

static bool exists(uint64_t pfn)
{
	return (pfn >= FIRST && pfn < FIRST + PAGES) || (pfn >= UPPER && pfn < UPPER + UPPER_PAGES);
}

static bool is_dumped(uint64_t pfn)
{
	return exists(pfn) && pfn % 3;
}

/* Some pages are zeros, all others tell their numbers. */
static void make_page(uint64_t pfn, uint8_t page[PAGE_SIZE])
{
	memset(page, 0, PAGE_SIZE);
	for (size_t i = 0; pfn % 10 && i < PAGE_SIZE; i += 8) {
		uint64_t word = pfn << 12 | i;

		memcpy(page + i, &word, 8);
	}
}

static size_t pack(int method, const uint8_t page[PAGE_SIZE], uint8_t *to, size_t room)
{
	static uint8_t work[LZO1X_1_MEM_COMPRESS];
	uLongf zlib_size = room;
	lzo_uint lzo_size;
	size_t snappy_size = room;

	switch (method) {
	case ZLIB:
		assert_int_equal(compress(to, &zlib_size, page, PAGE_SIZE), Z_OK);
		return zlib_size;
	case LZO:
		assert_int_equal(lzo1x_1_compress(page, PAGE_SIZE, to, &lzo_size, work), LZO_E_OK);
		return lzo_size;
	case SNAPPY:
		assert_int_equal(snappy_compress((const char *)page, PAGE_SIZE, (char *)to, &snappy_size), SNAPPY_OK);
		return snappy_size;
	case ZSTD:
		return ZSTD_compress(to, room, page, PAGE_SIZE, 1);
	default:
		memcpy(to, page, PAGE_SIZE);
		return PAGE_SIZE;
	}
}

struct dump {
	int fd;
	uint64_t bitmaps, descriptors, end;
};

static void put_headers(int fd, int machine, unsigned bitmap_blocks)
{
	const struct layout *layout = &layouts[machine];

	put(fd, 0, "KDUMP   ", 8);
	put_u32(fd, 8, 6);
	put(fd, 12 + 4 * 65, layout->machine, strlen(layout->machine));
	put_u32(fd, layout->block_size, 4096);
	put_u32(fd, layout->sub_blocks, 1);
	put_u32(fd, layout->bitmap_blocks, bitmap_blocks);
	put_u32(fd, layout->pages, MAX_PFN);
	put_u64(fd, layout->pages_64, MAX_PFN);
}

static void put_bitmap(int fd, uint64_t at, bool (*is_set)(uint64_t pfn))
{
	for (uint64_t pfn = 0; pfn < MAX_PFN; pfn += 8) {
		uint8_t byte = 0;

		for (unsigned bit = 0; bit < 8; bit++)
			byte |= is_set(pfn + bit) << bit;
		if (byte)
			put(fd, at + pfn / 8, &byte, 1);
	}
}

static void put_descriptor(int fd, uint64_t at, uint64_t offset, uint32_t size, uint32_t flags)
{
	put_u64(fd, at, offset);
	put_u32(fd, at + 8, size);
	put_u32(fd, at + 12, flags);
	put_u64(fd, at + 16, 0);
}

/* The descriptors, and the data behind them; pages of zeros share theirs. */
static uint64_t put_pages(int fd, int method, uint64_t descriptors)
{
	uint8_t page[PAGE_SIZE], packed[2 * PAGE_SIZE];
	uint64_t data = descriptors, at = descriptors, zeros = 0;

	for (uint64_t pfn = 0; pfn < MAX_PFN; pfn++)
		data += is_dumped(pfn) ? DESCRIPTOR_SIZE : 0;
	for (uint64_t pfn = 0; pfn < MAX_PFN; pfn++) {
		size_t size;

		if (!is_dumped(pfn))
			continue;
		make_page(pfn, page);
		size = pack(method, page, packed, sizeof(packed));
		put_descriptor(fd, at, pfn % 10 || !zeros ? data : zeros, size, method);
		at += DESCRIPTOR_SIZE;
		if (!(pfn % 10) && zeros)
			continue;
		if (!(pfn % 10))
			zeros = data;
		put(fd, data, packed, size);
		data += size;
	}
	return data;
}

static struct dump new_dump(int machine, int method)
{
	const unsigned blocks = (MAX_PFN + 32767) / 32768;
	struct dump dump = {new_file(0), 2 * 4096, (2 + 2ull * blocks) * 4096, 0};

	put_headers(dump.fd, machine, 2 * blocks);
	put_bitmap(dump.fd, dump.bitmaps, exists);
	put_bitmap(dump.fd, dump.bitmaps + blocks * 4096ull, is_dumped);
	dump.end = put_pages(dump.fd, method, dump.descriptors);
	return dump;
}

/* -- flattened files -- */

static uint64_t put_record(int fd, uint64_t position, uint64_t at, const void *data, uint64_t size)
{
	const uint64_t header[2] = {htobe64(at), htobe64(size)};

	put(fd, position, header, sizeof(header));
	if (data)
		put(fd, position + 16, data, size);
	return position + 16 + (data ? size : 0);
}

static uint64_t put_end(int fd, uint64_t position)
{
	return put_record(fd, position, UINT64_MAX, NULL, UINT64_MAX);
}

/* From the last piece of 5000 bytes to the first, but for the header: so it is sorted when it is read. Zeros are left out. */
static int flatten(const struct dump *dump, uint64_t *ret_end)
{
	static const uint8_t none[5000];
	int fd = new_file(0);
	uint64_t position = 4096, pieces = (dump->end + 4999) / 5000;
	uint8_t piece[5000];

	put(fd, 0, "makedumpfile", 12);
	for (uint64_t i = 0; i < pieces; i++) {
		uint64_t at = (i ? pieces - i : 0) * 5000;
		ssize_t got = pread(dump->fd, piece, sizeof(piece), at);

		assert_true(got > 0);
		if (memcmp(piece, none, got) != 0)
			position = put_record(fd, position, at, piece, got);
	}
	*ret_end = put_end(fd, position);
	return fd;
}

/* -- what is read -- */

static enum page_lack lack_at(struct snapshot *snapshot, uint64_t pfn)
{
	enum page_lack lack;

	return snapshot_page(snapshot, pfn * PAGE_SIZE, &lack) ? PAGE_THERE : lack;
}

static void assert_pages(struct snapshot *snapshot, uint64_t from, uint64_t to)
{
	uint8_t expected[PAGE_SIZE], peeked[PAGE_SIZE];

	for (uint64_t pfn = from; pfn < to; pfn++) {
		enum page_lack lack;
		const uint8_t *page = snapshot_page(snapshot, pfn * PAGE_SIZE, &lack);

		if (!is_dumped(pfn)) {
			assert_null(page);
			assert_int_equal(lack, exists(pfn) ? PAGE_LEFT_OUT : PAGE_HOLE);
			continue;
		}
		make_page(pfn, expected);
		assert_non_null(page);
		assert_memory_equal(page, expected, PAGE_SIZE);
		assert_true(snapshot_peek(snapshot, pfn * PAGE_SIZE, peeked, PAGE_SIZE));
		assert_memory_equal(peeked, expected, PAGE_SIZE);
	}
}

static void assert_whole(int fd, int machine)
{
	struct snapshot *snapshot = open_snapshot(fd);
	uint64_t start, end;

	assert_string_equal(snapshot_format_name(snapshot), "kdump-compressed");
	assert_int_equal(snapshot->machine, machine == X86_64 ? SNAPSHOT_MACHINE_X86_64 : SNAPSHOT_MACHINE_I386);
	assert_int_equal(snapshot->ram.count, 2);
	assert_int_equal(snapshot->memory_size, (PAGES + UPPER_PAGES) * (uint64_t)PAGE_SIZE);
	assert_pages(snapshot, FIRST - 2, FIRST + PAGES + 2);
	assert_pages(snapshot, UPPER - 2, UPPER + UPPER_PAGES + 2);
	assert_int_equal(snapshot->lost, 0);
	assert_true(snapshot_next_data(snapshot, 258ull * PAGE_SIZE + 8, &start, &end)); /* 258 is a third page */
	assert_int_equal(start, 259 * PAGE_SIZE);
	assert_int_equal(end, 261 * PAGE_SIZE);
	assert_true(snapshot_next_data(snapshot, (FIRST + PAGES) * (uint64_t)PAGE_SIZE, &start, &end));
	assert_int_equal(start, (UPPER + (UPPER % 3 == 0)) * (uint64_t)PAGE_SIZE);
	snapshot_close(snapshot);
}

static void test_forms(void **state)
{
	static const int methods[] = {PLAIN, ZLIB, LZO, SNAPPY, ZSTD};

	(void)state;
	for (int machine = X86_64; machine <= I386; machine++) {
		for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
			struct dump dump = new_dump(machine, methods[i]);
			uint64_t end;
			int flat = flatten(&dump, &end);

			assert_whole(dump.fd, machine);
			assert_whole(flat, machine);
			close(dump.fd);
			close(flat);
		}
	}
}

/* One bitmap tells of both, as in dumps of old. */
static void test_one_bitmap(void **state)
{
	const unsigned blocks = (MAX_PFN + 32767) / 32768;
	int fd = new_file(0);
	struct snapshot *snapshot;

	(void)state;
	put_headers(fd, X86_64, blocks);
	put_bitmap(fd, 2 * 4096, is_dumped);
	put_pages(fd, ZLIB, (2 + blocks) * 4096ull);
	snapshot = open_snapshot(fd);
	assert_int_equal(lack_at(snapshot, FIRST), PAGE_THERE);
	assert_int_equal(lack_at(snapshot, FIRST + 2), PAGE_HOLE);
	snapshot_close(snapshot);
	close(fd);
}

static void test_notes(void **state)
{
	const uint32_t note[] = {5, 336, 1};
	struct dump dump = new_dump(X86_64, ZLIB);
	struct snapshot *snapshot;

	(void)state;
	put(dump.fd, 5000, note, sizeof(note));
	put(dump.fd, 5012, "CORE\0\0\0", 8);
	put_u64(dump.fd, 5020 + 112 + 16 * 8, 0x1234);
	put_u64(dump.fd, layouts[X86_64].notes_at, 5000);
	put_u64(dump.fd, layouts[X86_64].notes_size, 20 + 336);
	snapshot = open_snapshot(dump.fd);
	assert_int_equal(snapshot->cpus, 1);
	assert_int_equal(snapshot->cpu[0].rip, 0x1234);
	snapshot_close(snapshot);
	put_u64(dump.fd, layouts[X86_64].notes_size, 17 << 20);
	assert_refused(dup(dump.fd), "damaged: notes of 17825792 bytes");
	put_u64(dump.fd, layouts[X86_64].notes_size, 100);
	put_u64(dump.fd, layouts[X86_64].notes_at, dump.end);
	assert_refused(dump.fd, "truncated: its notes are not there");
}

/* Whatever is written again counts as the later record has it. */
static void test_rewritten(void **state)
{
	struct dump dump = new_dump(X86_64, PLAIN);
	uint64_t end, data = dump.end - PAGE_SIZE; /* of the last page */
	uint8_t page[PAGE_SIZE] = {0}, read[PAGE_SIZE];
	int fd = flatten(&dump, &end);
	struct snapshot *snapshot;
	uint64_t last = UPPER + UPPER_PAGES - 1 - !is_dumped(UPPER + UPPER_PAGES - 1);

	(void)state;
	end = put_record(fd, end - 16, data + 100, "first", 5);
	end = put_record(fd, end, data + 102, "second", 6);
	put_end(fd, end);
	snapshot = open_snapshot(fd);
	make_page(last, page);
	memcpy(page + 100, "fisecond", 8);
	assert_true(snapshot_peek(snapshot, last * PAGE_SIZE, read, PAGE_SIZE));
	assert_memory_equal(read, page, PAGE_SIZE);
	snapshot_close(snapshot);
	for (unsigned i = 0; i < 5000; i++)
		end = put_record(fd, end, data + 100, "again", 5);
	put_end(fd, end);
	assert_refused(dup(fd), "damaged: records of a flattened dump overlap");
	close(fd);
	close(dump.fd);
}

/* -- damage -- */

/* Cut anywhere, it is refused. */
static void test_truncated(void **state)
{
	struct dump dump = new_dump(X86_64, ZLIB);
	const uint64_t ends[] = {
		dump.end - 1, dump.descriptors + 100, dump.descriptors, dump.descriptors - 1, dump.bitmaps + 1, 8191, 4096, 500, 8};
	uint64_t end;
	int flat = flatten(&dump, &end);

	(void)state;
	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		assert_int_equal(ftruncate(dump.fd, ends[i]), 0);
		assert_refused(dup(dump.fd), "truncated: ");
	}
	for (unsigned i = 0; i < 40; i++) {
		end -= i < 20 ? 1 : end / 20;
		assert_int_equal(ftruncate(flat, end), 0);
		assert_refused(dup(flat), "truncated: ");
	}
	close(flat);
	close(dump.fd);
}

/* Data that are not a page, or not there, cannot be read; all others can. */
static void test_damaged_pages(void **state)
{
	static const struct {
		uint64_t offset;
		uint32_t size, flags;
	} lies[] = {{0, 4096, ZLIB},           {0, 4095, PLAIN},          {0, 4097, PLAIN},      {0, 4096, 64},  {1ull << 45, 4096, PLAIN},
		    {UINT64_MAX, 4096, PLAIN}, {1ull << 40, 4096, PLAIN}, {0, UINT32_MAX, ZSTD}, {0, 0, SNAPPY}, {0, 100, LZO},
		    {0, 4096, ZLIB | LZO}};
	enum { LIES = sizeof(lies) / sizeof(lies[0]) };
	struct dump dump = new_dump(X86_64, ZLIB);
	struct snapshot *snapshot;
	uint64_t pfn = FIRST;

	(void)state;
	for (unsigned i = 0; i < LIES; i++)
		put_descriptor(dump.fd, dump.descriptors + i * DESCRIPTOR_SIZE, lies[i].offset, lies[i].size, lies[i].flags);
	snapshot = open_snapshot(dump.fd);
	for (unsigned i = 0; i < LIES; pfn++) {
		if (is_dumped(pfn)) {
			assert_int_equal(lack_at(snapshot, pfn), PAGE_UNREADABLE);
			i++;
		}
	}
	assert_int_equal(snapshot->lost, LIES);
	assert_pages(snapshot, pfn, FIRST + PAGES);
	snapshot_close(snapshot);
	close(dump.fd);
}

static void refuse_changed(uint64_t at, uint32_t value, const char *words)
{
	struct dump dump = new_dump(X86_64, ZLIB);

	put_u32(dump.fd, at, value);
	assert_refused(dump.fd, words);
}

static void test_lying_headers(void **state)
{
	const struct layout *layout = &layouts[X86_64];

	(void)state;
	refuse_changed(8, 7, "of version 7: xray86 knows those up to 6");
	refuse_changed(8, 0, "of version 0");
	refuse_changed(layout->block_size, 8192, "no x86");
	refuse_changed(layout->sub_blocks, 0, "no x86");
	refuse_changed(layout->bitmap_blocks, 1, "damaged: bitmaps of 1 blocks");
	refuse_changed(layout->bitmap_blocks, 1u << 31, "truncated: the dump has");
	refuse_changed(layout->pages_64, 0, "damaged: bitmaps of");
	refuse_changed(layout->pages_64 + 4, 1, "damaged: bitmaps of");
	refuse_changed(layout->pages_64 + 4, 1u << 31, "damaged: bitmaps of");
	refuse_changed(layout->split, 1, "makedumpfile --reassemble");
	refuse_changed(layout->status, 1 | 8, "an incomplete dump");
}

/* Memory in ever so many pieces. */
static bool every_other(uint64_t pfn)
{
	return pfn % 2;
}

static void test_pieces(void **state)
{
	struct dump dump = new_dump(X86_64, ZLIB);

	(void)state;
	put_bitmap(dump.fd, dump.bitmaps, every_other);
	assert_refused(dump.fd, "in more than 65536 pieces");
}

static void refuse_record(uint64_t at, uint64_t size, const char *words)
{
	int fd = new_file(0);
	uint64_t position;

	put(fd, 0, "makedumpfile", 12);
	position = put_record(fd, 4096, 0, "KDUMP   ", 8);
	position = put_record(fd, position, at, NULL, size);
	put_end(fd, position);
	assert_refused(fd, words);
}

static void test_lying_records(void **state)
{
	int fd = new_file(0);
	uint64_t position;

	(void)state;
	refuse_record(UINT64_MAX, 5, "damaged: no record of a flattened dump at byte 4120");
	refuse_record(1ull << 63, 0, "damaged: no record");
	refuse_record(0, 1ull << 63, "damaged: no record");
	refuse_record(0, 1ull << 40, "truncated: the file has");
	put(fd, 0, "makedumpfile", 12);
	position = put_record(fd, 4096, 0, "KDUMP   ", 8);
	for (unsigned i = 0; i < 10000; i++)
		position = put_record(fd, position, 100 * i + 100, "1", 1);
	put_end(fd, position);
	assert_refused(fd, "of too many records");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),         cmocka_unit_test(test_one_bitmap), cmocka_unit_test(test_notes),
		cmocka_unit_test(test_rewritten),     cmocka_unit_test(test_truncated),  cmocka_unit_test(test_damaged_pages),
		cmocka_unit_test(test_lying_headers), cmocka_unit_test(test_pieces),     cmocka_unit_test(test_lying_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
