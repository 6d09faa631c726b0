/*
 * Kdump-compressed dumps: makedumpfile's, QEMU's dump-guest-memory -z, virsh dump --format kdump-zlib; whole or flattened. The facts are
 * those of makedumpfile 1.7 (diskdump_mod.h, IMPLEMENTATION) and crash.
 *
 * Behind the headers are two bitmaps of page frames: of what is memory, whose runs are the extents, and of what is in the dump. A page that
 * a filter left out is in the first alone. For each set bit of the second there is, in the same order, a descriptor of where the page's
 * data are. Pages of zeros have the same data. Positions are physical addresses.
 *
 * What is kept: counts of the bitmap's blocks (8 bytes for 128 MiB of memory), and the last pages and descriptors that were looked at.
 */
#include <inttypes.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "product/kdump_header.h"
#include "product/page_bitmap.h"
#include "product/snapshot_format.h"

/* Of the runs of memory; firmware gives a machine some dozens. */
enum { MAX_RUNS = 1 << 16, MAX_NOTES = 16 << 20 };

/* struct page_desc. */
struct descriptor {
	uint64_t offset; /* of the page's data in the dump */
	uint32_t size, flags;
	uint64_t page_flags;
};

enum { DESCRIPTORS_AT_ONCE = 128, CACHED_DESCRIPTORS = 16, CACHED_PAGES = 64 };

struct kdump {
	struct dump_file dump;
	struct kdump_header header;
	struct page_bitmap dumped;
	struct unit_cache *descriptors; /* by number / DESCRIPTORS_AT_ONCE */
	struct unit_cache *pages;       /* by key_of() */
};

static bool probe(const uint8_t *head, size_t size)
{
	const size_t first = FLATTENED_HEADER_SIZE + FLATTENED_RECORD_SIZE;

	if (dump_file_is_flattened(head, size))
		return size > first && kdump_header_is_one(head + first, size - first);
	return kdump_header_is_one(head, size);
}

/* -- compression: each returns how many bytes it wrote, 0 if the data are damaged -- */

static size_t unpack_plain(const uint8_t *data, size_t size, uint8_t *to)
{
	if (size == KDUMP_BLOCK_SIZE)
		memcpy(to, data, size);
	return size;
}

static size_t unpack_zlib(const uint8_t *data, size_t size, uint8_t *to)
{
	uLongf got = KDUMP_BLOCK_SIZE;

	return uncompress(to, &got, data, size) == Z_OK ? got : 0;
}

static size_t unpack_lzo(const uint8_t *data, size_t size, uint8_t *to)
{
	lzo_uint got = KDUMP_BLOCK_SIZE;

	return lzo1x_decompress_safe(data, size, to, &got, NULL) == LZO_E_OK ? got : 0;
}

static size_t unpack_snappy(const uint8_t *data, size_t size, uint8_t *to)
{
	size_t got = KDUMP_BLOCK_SIZE;

	return snappy_uncompress((const char *)data, size, (char *)to, &got) == SNAPPY_OK ? got : 0;
}

static size_t unpack_zstd(const uint8_t *data, size_t size, uint8_t *to)
{
	size_t got = ZSTD_decompress(to, KDUMP_BLOCK_SIZE, data, size);

	return ZSTD_isError(got) ? 0 : got;
}

/* By the descriptor's flags (DUMP_DH_COMPRESSED_*). A page that compression does not make smaller is stored plain. */
static const struct method {
	uint32_t flags;
	size_t (*unpack)(const uint8_t *data, size_t size, uint8_t *to);
} methods[] = {
	{0, unpack_plain}, {1, unpack_zlib}, {2, unpack_lzo}, {4, unpack_snappy}, {32, unpack_zstd},
};
enum { METHODS = sizeof(methods) / sizeof(methods[0]) };

static bool unpack(const struct descriptor *descriptor, const uint8_t *data, uint8_t *to)
{
	for (unsigned i = 0; i < METHODS; i++) {
		if (methods[i].flags == descriptor->flags)
			return methods[i].unpack(data, descriptor->size, to) == KDUMP_BLOCK_SIZE;
	}
	return false;
}

/* -- pages -- */

struct wanted {
	const struct kdump *kdump;
	uint64_t number;                     /* of a group of descriptors */
	const struct descriptor *descriptor; /* of a page */
};

static bool fill_descriptors(void *opaque, uint8_t *to)
{
	const struct wanted *wanted = opaque;
	uint64_t first = wanted->number * DESCRIPTORS_AT_ONCE, left = page_bitmap_count(&wanted->kdump->dumped) - first;
	size_t count = left < DESCRIPTORS_AT_ONCE ? left : DESCRIPTORS_AT_ONCE;

	return dump_file_read(&wanted->kdump->dump, wanted->kdump->header.pages_at + first * sizeof(struct descriptor), to,
			      count * sizeof(struct descriptor));
}

/* The number must be below the count of pages in the dump. */
static bool get_descriptor(const struct kdump *kdump, uint64_t number, struct descriptor *ret)
{
	struct wanted wanted = {kdump, number / DESCRIPTORS_AT_ONCE, NULL};
	const uint8_t *group = unit_cache_get(kdump->descriptors, wanted.number, fill_descriptors, &wanted);

	if (group)
		memcpy(ret, group + number % DESCRIPTORS_AT_ONCE * sizeof(*ret), sizeof(*ret));
	return group;
}

static bool fill_page(void *opaque, uint8_t *to)
{
	const struct wanted *wanted = opaque;
	uint8_t data[KDUMP_BLOCK_SIZE];

	return dump_file_read(&wanted->kdump->dump, wanted->descriptor->offset, data, wanted->descriptor->size) &&
	       unpack(wanted->descriptor, data, to);
}

/* Pages of the same data are the same page. Returns false if there can be no such data. */
static bool key_of(const struct descriptor *descriptor, uint64_t *ret)
{
	enum { SIZE_BITS = 13, FLAGS_BITS = 6, OFFSET_BITS = 64 - SIZE_BITS - FLAGS_BITS };

	*ret = descriptor->offset << (SIZE_BITS + FLAGS_BITS) | (uint64_t)descriptor->size << FLAGS_BITS | descriptor->flags;
	return descriptor->offset >> OFFSET_BITS == 0 && descriptor->size <= KDUMP_BLOCK_SIZE && descriptor->flags >> FLAGS_BITS == 0;
}

static enum page_lack get_page(const struct kdump *kdump, uint64_t pfn, const uint8_t **ret)
{
	struct descriptor descriptor;
	struct wanted wanted = {kdump, 0, &descriptor};
	uint64_t number, key;
	enum page_lack lack = page_bitmap_look(&kdump->dumped, pfn, &number);

	if (lack != PAGE_THERE)
		return lack;
	if (!get_descriptor(kdump, number, &descriptor) || !key_of(&descriptor, &key))
		return PAGE_UNREADABLE;
	*ret = unit_cache_get(kdump->pages, key, fill_page, &wanted);
	return *ret ? PAGE_THERE : PAGE_UNREADABLE;
}

static enum page_lack read_kdump(const struct snapshot *snapshot, uint64_t position, void *to, size_t size)
{
	uint8_t *out = to;

	while (size) {
		size_t into = position % KDUMP_BLOCK_SIZE, part = KDUMP_BLOCK_SIZE - into < size ? KDUMP_BLOCK_SIZE - into : size;
		const uint8_t *page;
		enum page_lack lack = get_page(snapshot->private, position / KDUMP_BLOCK_SIZE, &page);

		if (lack != PAGE_THERE)
			return lack;
		memcpy(out, page + into, part);
		out += part;
		position += part;
		size -= part;
	}
	return PAGE_THERE;
}

static bool next_data(const struct snapshot *snapshot, uint64_t from, uint64_t to, uint64_t *ret_start, uint64_t *ret_end)
{
	const struct kdump *kdump = snapshot->private;

	if (!page_bitmap_next(&kdump->dumped, from / KDUMP_BLOCK_SIZE, (to + KDUMP_BLOCK_SIZE - 1) / KDUMP_BLOCK_SIZE, ret_start, ret_end))
		return false;
	*ret_start *= KDUMP_BLOCK_SIZE;
	*ret_end *= KDUMP_BLOCK_SIZE;
	if (*ret_start < from)
		*ret_start = from;
	if (*ret_end > to)
		*ret_end = to;
	return true;
}

/* -- opening -- */

static struct error *add_memory(struct snapshot *snapshot, const struct kdump *kdump)
{
	struct page_bitmap exists;
	struct error *err = page_bitmap_open(&kdump->dump, kdump->header.exists_at, kdump->header.pages, &exists);
	uint64_t start, end = 0;

	for (unsigned runs = 0; !err && page_bitmap_next(&exists, end, exists.pages, &start, &end); runs++) {
		if (runs == MAX_RUNS)
			err = error_create("damaged: its memory is in more than %d pieces: make the snapshot again", MAX_RUNS);
		else
			err = snapshot_add(snapshot, start * KDUMP_BLOCK_SIZE, (end - start) * KDUMP_BLOCK_SIZE, start * KDUMP_BLOCK_SIZE);
	}
	page_bitmap_close(&exists);
	return err;
}

static struct error *take_notes(struct snapshot *snapshot, const struct kdump *kdump)
{
	uint64_t size = kdump->header.notes_size;
	struct error *err;
	uint8_t *notes;

	if (!size)
		return NULL;
	if (size > MAX_NOTES)
		return error_create("damaged: notes of %" PRIu64 " bytes: make the snapshot again", size);
	notes = malloc(size);
	if (!notes)
		return error_create("out of memory");
	err = dump_file_read(&kdump->dump, kdump->header.notes_at, notes, size)
		      ? snapshot_parse_notes(snapshot, notes, size)
		      : error_create("truncated: its notes are not there: make the snapshot again");
	free(notes);
	return err;
}

/* Of a file that was cut off, the last pages are missing: those that have data of their own. */
static struct error *check_end(const struct kdump *kdump)
{
	uint64_t count = page_bitmap_count(&kdump->dumped), looked = 0, end;
	struct descriptor descriptor;

	if (__builtin_mul_overflow(count, sizeof(descriptor), &end) || __builtin_add_overflow(end, kdump->header.pages_at, &end) ||
	    end > kdump->dump.size)
		return error_create("truncated: the dump has %" PRIu64 " bytes, its descriptors of %" PRIu64
				    " pages end behind that: make the snapshot again",
				    kdump->dump.size, count);
	for (; looked < count && looked < DESCRIPTORS_AT_ONCE; looked++) {
		if (!get_descriptor(kdump, count - 1 - looked, &descriptor))
			return error_create("its descriptors of pages cannot be read");
		if (descriptor.offset > kdump->dump.size || descriptor.size > kdump->dump.size - descriptor.offset)
			return error_create("truncated: the dump has %" PRIu64 " bytes, a page would be the %" PRIu32 " from byte %" PRIu64
					    " on: make the snapshot again",
					    kdump->dump.size, descriptor.size, descriptor.offset);
	}
	return NULL;
}

static enum snapshot_machine machine_of(const char *name)
{
	if (strcmp(name, "x86_64") == 0)
		return SNAPSHOT_MACHINE_X86_64;
	return name[0] == 'i' && strcmp(name + 2, "86") == 0 ? SNAPSHOT_MACHINE_I386 : SNAPSHOT_MACHINE_UNKNOWN;
}

static struct error *check_header(const struct kdump_header *header)
{
	if (header->split)
		return error_create("one of several files of a split dump: makedumpfile --reassemble FILE... NEW makes them one");
	if (header->incomplete)
		return error_create("an incomplete dump, whose writer ran out of space: make the snapshot again");
	return NULL;
}

static struct error *open_dump(struct snapshot *snapshot, struct kdump *kdump)
{
	struct error *err = kdump_header_read(&kdump->dump, &kdump->header);

	if (!err)
		err = check_header(&kdump->header);
	if (!err)
		err = page_bitmap_open(&kdump->dump, kdump->header.dumped_at, kdump->header.pages, &kdump->dumped);
	if (!err)
		err = check_end(kdump);
	if (!err)
		err = add_memory(snapshot, kdump);
	if (err)
		return err;
	snapshot->machine = machine_of(kdump->header.machine);
	return take_notes(snapshot, kdump);
}

static struct error *open_kdump(struct snapshot *snapshot)
{
	struct kdump *kdump = snapshot->private = calloc(1, sizeof(*kdump));
	uint8_t head[KDUMP_BLOCK_SIZE];
	struct error *err;

	if (!kdump)
		return error_create("out of memory");
	kdump->descriptors = unit_cache_create(CACHED_DESCRIPTORS, DESCRIPTORS_AT_ONCE * sizeof(struct descriptor));
	kdump->pages = unit_cache_create(CACHED_PAGES, KDUMP_BLOCK_SIZE);
	if (!kdump->descriptors || !kdump->pages)
		return error_create("out of memory");
	err = snapshot_read_file(snapshot, 0, head, sizeof(head), "the header");
	if (!err)
		err = dump_file_open(snapshot->fd, snapshot->file_size, dump_file_is_flattened(head, sizeof(head)), &kdump->dump);
	return err ? err : open_dump(snapshot, kdump);
}

static void close_kdump(struct snapshot *snapshot)
{
	struct kdump *kdump = snapshot->private;

	if (!kdump)
		return;
	page_bitmap_close(&kdump->dumped);
	unit_cache_destroy(kdump->descriptors);
	unit_cache_destroy(kdump->pages);
	dump_file_close(&kdump->dump);
	free(kdump);
}

const struct snapshot_format snapshot_kdump = {
	.name = "kdump-compressed",
	.probe = probe,
	.open = open_kdump,
	.read = read_kdump,
	.next_data = next_data,
	.close = close_kdump,
};
