/* mmap() of files of the product: mappings.h. */
#include "redirect/mappings.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "emu/peek.h"
#include "util/align.h"
#include "util/array.h"

enum {
	PIECE = 65536, /* bytes that are read at once */
	POSITION_AT = PIECE,
	BUFFER = PIECE + PAGE_SIZE,
	VM_NORESERVE_FLAG = 0x00200000, /* include/linux/mm.h: pages are accounted for when they are there */
};
static const uint64_t most = 256 << 20; /* bytes of one mapping: all are read */

/* What the tool asks for, and what is made of it. */
struct mapping {
	uint64_t address, length, offset, prot, flags;
	uint64_t file;   /* the product's */
	uint64_t size;   /* the file's */
	uint64_t copy;   /* trusted struct file */
	uint64_t buffer; /* in the trusted kernel */
	size_t first_gap;
};

static bool trusted_call(struct mappings *mappings, enum kernel_function function, const uint64_t *argument, unsigned arguments,
			 uint64_t *ret)
{
	return worlds_call(mappings->worlds, WORLD_TRUSTED, function, argument, arguments, ret);
}

static bool product_call(struct mappings *mappings, enum kernel_function function, const uint64_t *argument, unsigned arguments,
			 uint64_t *ret)
{
	return worlds_call(mappings->worlds, WORLD_PRODUCT, function, argument, arguments, ret);
}

/* -- the product's file -- */

/* Files that have no end, as sockets and most devices, are not to be read for a mapping. */
static bool find_size(struct mappings *mappings, struct mapping *mapping)
{
	static const unsigned whence[] = {SEEK_CUR, SEEK_END, SEEK_SET};
	uint64_t result[3] = {0};

	for (unsigned i = 0; i < 3; i++) {
		struct abi_arguments seek = {.abi = mappings->worlds->context.abi};

		abi_add(&seek, mapping->file);
		abi_add_64(&seek, i == 2 ? result[0] : 0);
		abi_add(&seek, whence[i]);
		if (!product_call(mappings, FUNCTION_vfs_llseek, seek.word, seek.count, &result[i]) ||
		    kernel_is_error(mappings->worlds->product, result[i]))
			return false;
	}
	mapping->size = result[1];
	return mapping->size > 0;
}

static bool make_buffer(struct mappings *mappings)
{
	return mappings->buffer ||
	       (product_call(mappings, FUNCTION_vmalloc, (uint64_t[]){BUFFER}, 1, &mappings->buffer) && mappings->buffer);
}

/*
 * Reads bytes of the product's file into its buffer. Returns how many, or a negative errno. EIO: they are not in memory, and other bytes of
 * the file may be. Other errors end it: the file may belong to a damaged snapshot, of which each read takes all the time that it may.
 */
static int64_t read_bytes(struct mappings *mappings, uint64_t file, uint64_t at, size_t size)
{
	struct worlds *worlds = mappings->worlds;
	uint64_t position = mappings->buffer + POSITION_AT, unfinished = worlds->context.unfinished, done;
	struct calls *calls = mappings->calls;
	bool came_back;

	if (!product_memory_write(&worlds->memory, position, &at, sizeof(at)))
		return -EIO;
	calls->abort = (struct call_abort){0};
	calls->tries = true; /* nobody may need these bytes */
	came_back = product_call(mappings, FUNCTION_kernel_read, (uint64_t[]){file, mappings->buffer, size, position}, 4, &done);
	calls->tries = false;
	if (calls->abort.cause == LOSS_NOT_IN_MEMORY)
		worlds->context.unfinished = unfinished;
	if (!came_back)
		return calls->abort.cause == LOSS_NOT_IN_MEMORY ? -EIO : -EFAULT;
	if (abi_signed(worlds->context.abi, done) <= (int64_t)size)
		return abi_signed(worlds->context.abi, done);
	call_record_loss(calls, LOSS_DAMAGED);
	return -EFAULT;
}

/* -- the copy -- */

static bool is_zero(const uint8_t *bytes, size_t size)
{
	while (size && !*bytes) {
		bytes++;
		size--;
	}
	return !size;
}

/* Takes bytes from the product's buffer to the copy. */
static bool copy_bytes(struct mappings *mappings, const struct mapping *mapping, uint64_t at, size_t size)
{
	struct worlds *worlds = mappings->worlds;
	uint64_t position = mapping->buffer + POSITION_AT, written;
	uint8_t bytes[PIECE];

	if (!product_memory_read(&worlds->memory, mappings->buffer, bytes, size))
		return false;
	if (is_zero(bytes, size)) /* as the copy is where nothing is written */
		return true;
	return cpu_poke(worlds->cpu, mapping->buffer, bytes, size) && cpu_poke(worlds->cpu, position, &at, sizeof(at)) &&
	       trusted_call(mappings, FUNCTION_kernel_write, (uint64_t[]){mapping->copy, mapping->buffer, size, position}, 4, &written) &&
	       written == size;
}

/* The page at that position of the file cannot be read. */
static bool add_gap(struct mappings *mappings, const struct mapping *mapping, uint64_t at)
{
	uint64_t start = align_down(at, PAGE_SIZE) - mapping->offset; /* until the address is known */
	struct mapping_gap *last = mappings->gaps > mapping->first_gap ? &mappings->gap[mappings->gaps - 1] : NULL;

	if (last && last->end >= start) {
		last->end = start + PAGE_SIZE;
		return true;
	}
	if (!array_reserve(&mappings->gap, mappings->gaps, &mappings->room, sizeof(*mappings->gap)))
		return false;
	mappings->gap[mappings->gaps++] = (struct mapping_gap){start, start + PAGE_SIZE};
	return true;
}

/* Copies the file from `at` to `end`. A piece that cannot be read is read page by page. Returns 0 or a negative errno. */
static int64_t copy_range(struct mappings *mappings, const struct mapping *mapping, uint64_t at, uint64_t end)
{
	size_t piece = PIECE;

	while (at < end) {
		uint64_t in_piece = piece - at % piece, n = in_piece < end - at ? in_piece : end - at;
		int64_t done = read_bytes(mappings, mapping->file, at, n);

		if (done == -EIO && piece == PIECE) {
			piece = PAGE_SIZE;
			continue;
		}
		if (done <= 0 && done != -EIO)
			return done;
		if (done > 0 ? !copy_bytes(mappings, mapping, at, done) : !add_gap(mappings, mapping, at))
			return -ENOMEM;
		at += done > 0 ? (uint64_t)done : n;
		if (at % PIECE == 0)
			piece = PIECE;
	}
	return 0;
}

/* Whether the trusted VM has memory for the bytes, and as much besides. */
static bool has_room(struct mappings *mappings, uint64_t size)
{
	uint64_t pages;

	return size <= most && trusted_call(mappings, FUNCTION_si_mem_available, NULL, 0, &pages) &&
	       abi_signed(mappings->worlds->context.abi, pages) >= (int64_t)(2 * size / PAGE_SIZE);
}

static bool make_file(struct mappings *mappings, uint64_t size, uint64_t *ret)
{
	static const char name[] = "mapped";
	uint64_t place = context_scratch(&mappings->worlds->context, sizeof(name));
	struct abi_arguments setup = {.abi = mappings->worlds->context.abi};

	abi_add(&setup, place);
	abi_add_64(&setup, size);
	abi_add(&setup, VM_NORESERVE_FLAG);
	return cpu_poke(mappings->worlds->cpu, place, name, sizeof(name)) &&
	       trusted_call(mappings, FUNCTION_shmem_kernel_file_setup, setup.word, setup.count, ret) && *ret &&
	       !kernel_is_error(&mappings->worlds->trusted, *ret);
}

static void put_file(struct mappings *mappings, uint64_t file)
{
	uint64_t ignored;

	trusted_call(mappings, FUNCTION_fput, &file, 1, &ignored);
}

/* Returns 0 or a negative errno. */
static int64_t make_copy(struct mappings *mappings, struct mapping *mapping)
{
	uint64_t end = align_up(mapping->offset + mapping->length, PAGE_SIZE), ignored;
	int64_t error = -ENOMEM;

	if (end > mapping->size)
		end = mapping->size;
	if (!has_room(mappings, end > mapping->offset ? end - mapping->offset : 0) || !make_buffer(mappings) ||
	    !make_file(mappings, mapping->size, &mapping->copy))
		return error;
	if (trusted_call(mappings, FUNCTION_vmalloc, (uint64_t[]){BUFFER}, 1, &mapping->buffer) && mapping->buffer) {
		error = copy_range(mappings, mapping, mapping->offset, end);
		trusted_call(mappings, FUNCTION_vfree, &mapping->buffer, 1, &ignored);
	}
	if (error)
		put_file(mappings, mapping->copy);
	return error;
}

/* -- the mapping -- */

static int64_t map(struct mappings *mappings, uint64_t file, uint64_t address, uint64_t length, const struct mapping *how, uint64_t flags,
		   uint64_t offset)
{
	uint64_t result;

	if (!trusted_call(mappings, FUNCTION_vm_mmap, (uint64_t[]){file, address, length, how->prot, flags, offset}, 6, &result))
		return -ENOMEM;
	return kernel_is_error(&mappings->worlds->trusted, result) ? abi_signed(mappings->worlds->context.abi, result) : (int64_t)result;
}

/* Maps a file without a page where nothing could be read. */
static int64_t map_gaps(struct mappings *mappings, const struct mapping *mapping, int64_t address)
{
	int64_t result = address;
	uint64_t empty;

	if (mappings->gaps == mapping->first_gap)
		return result;
	if (!make_file(mappings, 0, &empty))
		return -ENOMEM;
	for (size_t i = mapping->first_gap; i < mappings->gaps && result >= 0; i++) {
		struct mapping_gap *gap = &mappings->gap[i];

		gap->start += address;
		gap->end += address;
		if (map(mappings, empty, gap->start, gap->end - gap->start, mapping, MAP_SHARED | MAP_FIXED, 0) < 0)
			result = -ENOMEM;
	}
	put_file(mappings, empty);
	return result;
}

static int64_t map_copy(struct mappings *mappings, const struct mapping *mapping)
{
	int64_t address = map(mappings, mapping->copy, mapping->address, mapping->length, mapping, mapping->flags, mapping->offset);

	put_file(mappings, mapping->copy); /* the mapping holds it */
	if (address < 0) {
		mappings->gaps = mapping->first_gap;
		return address;
	}
	return map_gaps(mappings, mapping, address);
}

/* What the call asks for; false: nothing that is done here. */
static bool read_call(const struct call *call, struct mapping *ret)
{
	bool writes = call->argument[2] & PROT_WRITE, is_private = (call->argument[3] & MAP_TYPE) == MAP_PRIVATE;
	uint64_t unit = call->abi == POLICY_I386 ? PAGE_SIZE : 1; /* mmap2() counts pages */

	*ret = (struct mapping){
		.address = call->argument[0],
		.length = call->argument[1],
		.prot = call->argument[2],
		.flags = call->argument[3],
		.offset = call->argument[5] * unit,
	};
	return !(call->argument[3] & MAP_ANONYMOUS) && !(call->argument[2] & PROT_EXEC) && (is_private || !writes) && ret->length &&
	       ret->offset % PAGE_SIZE == 0 && ret->length <= INT64_MAX / 2 && ret->offset <= INT64_MAX / 2;
}

/* Makes the copy, of a file that can be mapped. */
static bool copy_file(struct mappings *mappings, struct mapping *mapping)
{
	int64_t error = find_size(mappings, mapping) ? make_copy(mappings, mapping) : -ENODEV;

	if (error)
		mappings->gaps = mapping->first_gap;
	if (error == -ENOMEM)
		call_record_loss(mappings->calls, LOSS_LIMIT);
	return !error;
}

/* What calls->now asks for, and the product's descriptor; false: nothing that is done here. */
static bool read_request(struct mappings *mappings, struct mapping *ret, struct descriptor *ret_descriptor)
{
	const struct call *call = &mappings->calls->now;

	return read_call(call, ret) && (mappings->worlds->context.abi->word == 8 || ret->offset <= UINT32_MAX) &&
	       placeholder_find(mappings->placeholders, 0, call->argument[4], ret_descriptor);
}

bool mapping_concerns(struct mappings *mappings)
{
	struct mapping mapping;
	struct descriptor descriptor;

	return read_request(mappings, &mapping, &descriptor);
}

enum verdict mapping_judge(struct mappings *mappings, int64_t *ret_result)
{
	struct mapping mapping;
	struct descriptor descriptor;
	uint64_t ignored;
	bool copied;

	if (!read_request(mappings, &mapping, &descriptor))
		return VERDICT_TRUSTED;
	host_task_prepare(mappings->host);
	if (!product_call(mappings, FUNCTION_fget, (uint64_t[]){descriptor.number}, 1, &mapping.file) || !mapping.file)
		return VERDICT_TRUSTED;
	mapping.first_gap = mappings->gaps;
	copied = copy_file(mappings, &mapping);
	product_call(mappings, FUNCTION_fput, &mapping.file, 1, &ignored);
	host_task_finish_work(mappings->host);
	call_record_gaps(mappings->calls); /* no call on the product may follow */
	if (!copied)
		return VERDICT_TRUSTED;
	*ret_result = map_copy(mappings, &mapping);
	return VERDICT_REFUSED;
}

/* -- gaps -- */

static bool is_gap(const struct mappings *mappings, uint64_t address)
{
	for (size_t i = 0; i < mappings->gaps; i++) {
		if (address >= mappings->gap[i].start && address < mappings->gap[i].end)
			return true;
	}
	return false;
}

/* A tool has looked there itself. */
static enum mark_action on_signal(void *opaque, struct cpu *cpu)
{
	struct mappings *mappings = opaque;
	const struct context *context = &mappings->worlds->context;

	if ((uint32_t)abi_argument(context->abi, cpu, 0) == SIGBUS && context->phase == CONTEXT_TRUSTED &&
	    is_gap(mappings, abi_argument(context->abi, cpu, 2))) {
		mappings->calls->now.lost = 0; /* it is no part of the last call */
		call_record_loss(mappings->calls, LOSS_NOT_IN_MEMORY);
	}
	return MARK_CONTINUE;
}

/* A call has, in either world, and fails (EFAULT): nothing else is to be repaired at such an address. */
static enum mark_action on_fixup(void *opaque, struct cpu *cpu)
{
	struct mappings *mappings = opaque;
	const struct context *context = &mappings->worlds->context;

	if (context->phase != CONTEXT_PRODUCT && !context->nested && is_gap(mappings, cpu->cr2))
		call_record_loss(mappings->calls, LOSS_NOT_IN_MEMORY);
	return MARK_CONTINUE;
}

struct error *mapping_mark(struct mappings *mappings)
{
	struct error *err = worlds_mark(mappings->worlds, WORLD_TRUSTED, "force_sig_fault", on_signal, mappings);

	return err ? err : worlds_mark(mappings->worlds, WORLD_TRUSTED, "fixup_exception", on_fixup, mappings);
}

void mapping_deinit(struct mappings *mappings)
{
	free(mappings->gap);
}
