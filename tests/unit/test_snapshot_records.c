/* Snapshots in records: LiME's and AVML's; what they are decompressed with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <snappy-c.h>

#include "product/unit_cache.h"
#include "tests/unit/snapshot_rig.h"
#include "util/crc32c.h"

#define KIB 1024ull
#define MIB (1ull << 20)

static enum page_lack lack_at(struct snapshot *snapshot, uint64_t paddr)
{
	enum page_lack lack;

	return snapshot_page(snapshot, paddr, &lack) ? PAGE_THERE : lack;
}

/* Each word of memory tells its address: compressible, and unlike all others. */
static void fill_memory(uint64_t paddr, uint8_t *to, size_t size)
{
	for (size_t i = 0; i < size; i += 8) {
		uint64_t word = (paddr + i) * 0x100000001;

		memcpy(to + i, &word, 8);
	}
}

static void assert_memory(struct snapshot *snapshot, uint64_t paddr, size_t size)
{
	uint8_t *read = malloc(size), *peeked = malloc(size), *expected = malloc(size);

	fill_memory(paddr, expected, size);
	assert_true(snapshot_peek(snapshot, paddr, peeked, size));
	assert_memory_equal(peeked, expected, size);
	assert_true(snapshot_read(snapshot, paddr, read, size));
	assert_memory_equal(read, expected, size);
	free(read);
	free(peeked);
	free(expected);
}

/* -- writing -- */

static uint64_t put_header(int fd, uint64_t at, const char *magic, uint32_t version, uint64_t first, uint64_t last)
{
	put(fd, at, magic, 4);
	put_u32(fd, at + 4, version);
	put_u64(fd, at + 8, first);
	put_u64(fd, at + 16, last);
	put_u64(fd, at + 24, 0);
	return at + 32;
}

static uint64_t put_chunk(int fd, uint64_t at, uint8_t type, const void *body, uint32_t size)
{
	put_u32(fd, at, type | size << 8);
	put(fd, at + 4, body, size);
	return at + 4 + size;
}

enum { COMPRESSED, PLAIN, COMPRESSED_UNCHECKED, PLAIN_UNCHECKED, PADDING = 0xfe, STREAM = 0xff };

/* A chunk with the memory at paddr. */
static uint64_t put_frame(int fd, uint64_t at, uint8_t type, uint64_t paddr, uint32_t size)
{
	uint8_t plain[65536], body[4 + 32 + 65536 + 65536 / 6];
	size_t packed_size = sizeof(body) - 4;
	bool checked = type == COMPRESSED || type == PLAIN;
	uint32_t sum;

	fill_memory(paddr, plain, size);
	sum = crc32c(plain, size);
	sum = (sum >> 15 | sum << 17) + 0xa282ead8;
	memcpy(body, &sum, 4);
	if (type == COMPRESSED || type == COMPRESSED_UNCHECKED) {
		assert_int_equal(snappy_compress((char *)plain, size, (char *)body + 4, &packed_size), SNAPPY_OK);
	} else {
		memcpy(body + 4, plain, size);
		packed_size = size;
	}
	return put_chunk(fd, at, type, checked ? body : body + 4, packed_size + (checked ? 4 : 0));
}

/* A record as AVML writes it: frames of 64 KiB. */
static uint64_t put_record(int fd, uint64_t at, uint64_t paddr, uint64_t size)
{
	uint64_t stream = put_header(fd, at, "AVML", 2, paddr, paddr + size - 1);

	at = put_chunk(fd, stream, STREAM, "sNaPpY", 6);
	for (uint64_t done = 0; done < size; done += 64 * KIB)
		at = put_frame(fd, at, COMPRESSED, paddr + done, size - done < 64 * KIB ? size - done : 64 * KIB);
	put_u64(fd, at, at - stream);
	return at + 8;
}

/* -- LiME -- */

static void lime_ranges(void **state)
{
	int fd = new_file(0);
	struct snapshot *snapshot;
	uint8_t page[PAGE_SIZE];
	uint64_t at;

	(void)state;
	at = put_header(fd, 0, "EMiL", 1, 0x1000, 0x2fff);
	fill_memory(0x1000, page, PAGE_SIZE);
	put(fd, at, page, PAGE_SIZE);
	fill_memory(0x2000, page, PAGE_SIZE);
	put(fd, at + PAGE_SIZE, page, PAGE_SIZE);
	at = put_header(fd, at + 2 * PAGE_SIZE, "EMiL", 1, 0x100000000, 0x100000fff);
	fill_memory(0x100000000, page, PAGE_SIZE);
	put(fd, at, page, PAGE_SIZE);
	snapshot = open_snapshot(fd);
	assert_string_equal(snapshot_format_name(snapshot), "LiME");
	assert_int_equal(snapshot->ram.count, 2);
	assert_memory(snapshot, 0x1000, 0x2000);
	assert_memory(snapshot, 0x100000000, PAGE_SIZE);
	assert_int_equal(lack_at(snapshot, 0), PAGE_HOLE);
	assert_int_equal(lack_at(snapshot, 0x3000), PAGE_HOLE);
	snapshot_close(snapshot);
	assert_int_equal(ftruncate(fd, at + PAGE_SIZE - 1), 0);
	assert_refused(dup(fd), "truncated");
	assert_int_equal(ftruncate(fd, at - 1), 0);
	assert_refused(dup(fd), "truncated");
	put_header(fd, at - 32, "EMiL", 2, 0x100000000, 0x100000fff);
	assert_refused(dup(fd), "damaged LiME image: no header of version 1 at byte 8224");
	put_header(fd, at - 32, "EMiL", 1, 0x100001000, 0x100000fff);
	assert_refused(dup(fd), "damaged LiME image");
	put_header(fd, at - 32, "EMiL", 1, 0, UINT64_MAX);
	assert_refused(fd, "damaged LiME image");
}

/* -- AVML -- */

/* More memory than the cache holds frames for, in ranges that continue, and a hole of a block that was all zeros. */
static void avml_records(void **state)
{
	int fd = new_file(0);
	struct snapshot *snapshot;
	uint64_t at, start, end;

	(void)state;
	at = put_record(fd, 0, 0x1000, 1 * MIB + 0x3000);
	at = put_record(fd, at, 0x104000, 4 * MIB);
	at = put_record(fd, at, 0x10000000, 0x5000);
	snapshot = open_snapshot(fd);
	assert_string_equal(snapshot_format_name(snapshot), "AVML");
	assert_int_equal(snapshot->ram.count, 2);
	assert_memory(snapshot, 0x1000, 5 * MIB + 0x3000);
	assert_memory(snapshot, 0x10000000, 0x5000);
	assert_memory(snapshot, 0x1ff8, 16);
	for (uint64_t page = 0; page < 1000; page++)
		assert_memory(snapshot, 0x1000 + page * 769 % 1283 * PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(lack_at(snapshot, 0x10005000), PAGE_HOLE);
	assert_int_equal(snapshot->lost, 0);
	assert_true(snapshot_next_data(snapshot, 0x2000, &start, &end));
	assert_int_equal(start, 0x2000);
	assert_int_equal(end, 0x504000);
	snapshot_close(snapshot);
	assert_int_equal(ftruncate(fd, at - 1), 0);
	assert_refused(fd, "damaged or truncated AVML image");
}

/* All that the framing format has, and frames of any size. */
static void avml_frames(void **state)
{
	static const struct {
		uint8_t type;
		uint32_t size;
	} frames[] = {{PLAIN, 0x1800}, {COMPRESSED_UNCHECKED, 0x800}, {COMPRESSED, 0}, {PLAIN_UNCHECKED, 0x1008}, {COMPRESSED, 0xff8}};
	int fd = new_file(0);
	struct snapshot *snapshot;
	uint64_t stream, at, paddr = 0x7000;

	(void)state;
	stream = put_header(fd, 0, "AVML", 2, paddr, paddr + 0x3fff);
	at = put_chunk(fd, stream, STREAM, "sNaPpY", 6);
	for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		at = put_frame(fd, at, frames[i].type, paddr, frames[i].size);
		at = put_chunk(fd, at, i ? PADDING : 0x80, "\0\0\0", i);
		paddr += frames[i].size;
	}
	put_u64(fd, at, at - stream);
	snapshot = open_snapshot(fd);
	assert_memory(snapshot, 0x7000, 0x4000);
	snapshot_close(snapshot);
	close(fd);
}

/* What is damaged cannot be read; all else can, and a search sees it. */
static void avml_damage(void **state)
{
	int fd = new_file(0);
	struct snapshot *snapshot;
	uint64_t first, second, third, at;
	uint8_t *all = malloc(256 * KIB);

	(void)state;
	put_header(fd, 0, "AVML", 2, 0, 256 * KIB - 1);
	first = put_chunk(fd, 32, STREAM, "sNaPpY", 6);
	second = put_frame(fd, first, COMPRESSED, 0, 64 * KIB);
	third = put_frame(fd, second, PLAIN, 64 * KIB, 64 * KIB);
	at = put_frame(fd, third, COMPRESSED, 128 * KIB, 64 * KIB); /* and nothing of the last 64 KiB */
	put_u64(fd, at, at - 32);
	put_u32(fd, second + 4 + 4 + 100, 0); /* a byte of the second frame's memory */
	snapshot = open_snapshot(fd);
	assert_memory(snapshot, 0, 64 * KIB);
	assert_memory(snapshot, 128 * KIB, 64 * KIB);
	assert_int_equal(lack_at(snapshot, 64 * KIB), PAGE_UNREADABLE);
	assert_int_equal(lack_at(snapshot, 192 * KIB), PAGE_UNREADABLE);
	assert_int_equal(snapshot->lost, 2);
	assert_false(snapshot_peek(snapshot, 0, all, 256 * KIB));
	assert_true(snapshot_scan(snapshot, 0, all, 256 * KIB));
	assert_int_equal(all[64 * KIB - 8], 0xf8);
	assert_int_equal(all[64 * KIB + 0x1000 + 9], 0);
	assert_int_equal(all[192 * KIB - 8], 0xf8);
	assert_false(snapshot_scan(snapshot, 64 * KIB, all, 64 * KIB));
	snapshot_close(snapshot);

	put_u32(fd, first, 0x04 | 6 << 8); /* a chunk that nobody knows ends the stream */
	snapshot = open_snapshot(fd);
	assert_int_equal(lack_at(snapshot, 0), PAGE_UNREADABLE);
	snapshot_close(snapshot);
	put_u64(fd, at, at - 33); /* the size leads to no header */
	assert_refused(dup(fd), "no record ends at byte");
	put_u64(fd, at, UINT64_MAX);
	assert_refused(dup(fd), "no record ends at byte");
	assert_int_equal(ftruncate(fd, 39), 0);
	assert_refused(fd, "no record ends at byte 39");
	free(all);
}

/* Chunks without data do not make us work for ever: 16, and one for each page, are looked at. */
static void avml_endless(void **state)
{
	int fd = new_file(0);
	struct snapshot *snapshot;
	uint64_t at;

	(void)state;
	at = put_header(fd, 0, "AVML", 2, 0, 0xfff);
	for (unsigned i = 0; i < 17; i++)
		at = put_chunk(fd, at, PADDING, "", 0);
	at = put_frame(fd, at, PLAIN, 0, 0x1000);
	put_u64(fd, at, at - 32);
	snapshot = open_snapshot(fd);
	assert_int_equal(lack_at(snapshot, 0), PAGE_UNREADABLE);
	snapshot_close(snapshot);
	close(fd);
}

/* A stream of n bytes cannot hold more than 22 n. */
static void avml_claims(void **state)
{
	static const uint8_t bomb[] = {0, 0, 0, 0, 0x80, 0x80, 0x04}; /* a checksum; 64 KiB, and nothing of them */
	int fd = new_file(0);
	struct snapshot *snapshot;
	uint64_t at, stream;

	(void)state;
	at = put_chunk(fd, put_header(fd, 0, "AVML", 2, 0, (1ull << 46) - 1), STREAM, "sNaPpY", 6);
	put_u64(fd, at, 10);
	assert_refused(dup(fd), "no record ends at byte 50");
	at = put_chunk(fd, put_header(fd, 0, "AVML", 2, 0, 0xffff), STREAM, "sNaPpY", 6);
	stream = at;
	at = put_chunk(fd, at, COMPRESSED, bomb, sizeof(bomb));
	for (unsigned i = 0; i < 16; i++)
		at = put_frame(fd, at, PLAIN, 0, 0x1000);
	put_u64(fd, at, at - 32);
	snapshot = open_snapshot(fd);
	assert_int_equal(lack_at(snapshot, 0), PAGE_UNREADABLE); /* the stream ends there */
	put(fd, stream, "\xfe", 1);
	snapshot_close(snapshot);
	snapshot = open_snapshot(fd);
	assert_int_equal(lack_at(snapshot, 0), PAGE_THERE);
	snapshot_close(snapshot);
	close(fd);
}

/* The last frame of a record has more than the record. What follows is the next record's. */
static void avml_overlong_frame(void **state)
{
	int fd = new_file(0);
	struct snapshot *snapshot;
	uint64_t at, stream;

	(void)state;
	stream = put_header(fd, 0, "AVML", 2, 0, 0x17ff);
	at = put_frame(fd, stream, PLAIN, 0x100000, 0x3000);
	put_u64(fd, at, at - stream);
	stream = put_header(fd, at + 8, "AVML", 2, 0x1800, 0x1fff);
	at = put_frame(fd, stream, PLAIN, 0x1800, 0x800);
	put_u64(fd, at, at - stream);
	snapshot = open_snapshot(fd);
	assert_memory(snapshot, 0x1800, 0x800);
	snapshot_close(snapshot);
	close(fd);
}

/* -- the cache of what is decompressed -- */

struct filling {
	uint64_t key;
	unsigned fills;
	bool fails;
};

static bool fill(void *opaque, uint8_t *to)
{
	struct filling *filling = opaque;

	filling->fills++;
	memcpy(to, &filling->key, sizeof(filling->key));
	return !filling->fails;
}

static void ask(struct unit_cache *cache, struct filling *filling, uint64_t key, unsigned fills)
{
	uint64_t word;
	const uint8_t *unit;

	filling->key = key;
	unit = unit_cache_get(cache, key, fill, filling);
	assert_non_null(unit);
	memcpy(&word, unit, sizeof(word));
	assert_int_equal(word, key);
	assert_int_equal(filling->fills, fills);
}

static void cache_keeps_the_latest(void **state)
{
	struct unit_cache *cache = unit_cache_create(3, 8);
	struct filling filling = {0};

	(void)state;
	ask(cache, &filling, 0, 1);
	ask(cache, &filling, 1, 2);
	ask(cache, &filling, 2, 3);
	ask(cache, &filling, 0, 3);
	ask(cache, &filling, 3, 4); /* in place of 1 */
	ask(cache, &filling, 0, 4);
	ask(cache, &filling, 2, 4);
	ask(cache, &filling, 1, 5); /* in place of 3 */
	filling.fails = true;
	assert_null(unit_cache_get(cache, 3, fill, &filling)); /* nothing is kept */
	filling.fails = false;
	ask(cache, &filling, 3, 7);
	unit_cache_destroy(cache);
	unit_cache_destroy(NULL);
}

/* RFC 3720, B.4; both ways, at every alignment and length. */
static void checksums(void **state)
{
	uint8_t bytes[64] = {0};

	(void)state;
	assert_int_equal(crc32c("123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(bytes, 32), 0x8a9136aa);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = i;
	assert_int_equal(crc32c(bytes, 32), 0x46dd794e);
	for (unsigned from = 0; from < 32; from++) {
		for (unsigned size = 0; size <= 32; size++)
			assert_int_equal(crc32c(bytes + from, size), crc32c_portable(bytes + from, size));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lime_ranges),         cmocka_unit_test(avml_records),           cmocka_unit_test(avml_frames),
		cmocka_unit_test(avml_damage),         cmocka_unit_test(avml_endless),           cmocka_unit_test(avml_claims),
		cmocka_unit_test(avml_overlong_frame), cmocka_unit_test(cache_keeps_the_latest), cmocka_unit_test(checksums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
