/* The LDT and IRET's frames: native_segments.h. */
#include "tests/differential/native_segments.h"

#include <asm/ldt.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "emu/cpu.h"

enum { LDT_READ = 0, LDT_WRITE = 0x11 };

static bool install(unsigned entry)
{
	const struct segment_row *row = &segment_rows[entry];
	struct user_desc description = {
		.entry_number = entry,
		.base_addr = row->base,
		.limit = row->limit,
		.seg_32bit = row->wide,
		.contents = row->contents,
		.read_exec_only = row->protected,
		.limit_in_pages = row->in_pages,
		.seg_not_present = row->absent,
		.useable = 1,
	};

	return syscall(SYS_modify_ldt, LDT_WRITE, &description, sizeof(description)) == 0;
}

/* Whether the processor has the descriptor: LAR sees it. */
static bool is_effective(unsigned entry)
{
	uint32_t rights = 0, selector = segment_selector(entry);
	bool found;

	__asm__ volatile("lar %2, %0" : "+r"(rights), "=@ccz"(found) : "r"(selector));
	return found;
}

bool native_install_ldt(uint64_t ret[SEGMENT_ROWS])
{
	memset(ret, 0, SEGMENT_ROWS * sizeof(*ret));
	for (unsigned i = 0; i < SEGMENT_ROWS; i++) {
		if (segment_rows[i].name && (!install(i) || !is_effective(i)))
			return false;
	}
	return syscall(SYS_modify_ldt, LDT_READ, ret, SEGMENT_ROWS * sizeof(*ret)) > 0;
}

static const uint16_t upper_halves[IRET_PAGES] = IRET_UPPER_HALVES;

static void *frame_page(unsigned n)
{
	return (void *)(IRET_BASE + (uint64_t)upper_halves[n] * 0x10000);
}

bool native_map_frames(void)
{
	for (unsigned i = 0; i < IRET_PAGES; i++) {
		void *at = frame_page(i);

		if (mmap(at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0) != at)
			return false;
	}
	return true;
}

void *native_frame(const struct test_case *test, void *frame, size_t size)
{
	if (!segment_stack16(test))
		return frame;
	for (unsigned i = 0; i < IRET_PAGES; i++) {
		if (upper_halves[i] == (test->before.gpr[RSP] >> 16 & 0xffff))
			return memcpy(frame_page(i), frame, size);
	}
	return frame;
}
