/*
 * LiME's own format (format=lime): for each range of memory a header, and the memory behind it. The facts are LiME's, of its src/lime.h and
 * doc/: version 1 is the only one.
 */
#include "product/snapshot_lime.h"

#include <inttypes.h>
#include <string.h>

static const char magic[] = "EMiL";

bool lime_header_is_valid(const struct lime_header *header, const char *wanted, uint32_t version)
{
	return memcmp(header->magic, wanted, sizeof(header->magic)) == 0 && header->version == version && header->first <= header->last &&
	       header->last != UINT64_MAX;
}

bool lime_head_is(const uint8_t *head, size_t size, const char *wanted)
{
	return size >= sizeof(struct lime_header) && memcmp(head, wanted, sizeof(((struct lime_header *)0)->magic)) == 0;
}

static bool probe(const uint8_t *head, size_t size)
{
	return lime_head_is(head, size, magic);
}

static struct error *open_lime(struct snapshot *snapshot)
{
	struct error *err = NULL;
	unsigned records = 0;

	for (uint64_t at = 0, size; !err && at < snapshot->file_size; at += size) {
		struct lime_header header;

		err = snapshot_read_file(snapshot, at, &header, sizeof(header), "a record's header");
		if (err)
			return err;
		if (!lime_header_is_valid(&header, magic, 1) || ++records > LIME_MAX_RECORDS)
			return error_create("a damaged LiME image: no header of version 1 at byte %" PRIu64 ": make the snapshot again",
					    at);
		at += sizeof(header);
		size = header.last - header.first + 1;
		err = snapshot_add(snapshot, header.first, size, at);
	}
	return err;
}

const struct snapshot_format snapshot_lime = {.name = "LiME", .probe = probe, .open = open_lime};
