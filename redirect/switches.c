/* Patch sites as the product has them: switches.h. */
#include "redirect/switches.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "mmu/physmem.h"

enum { LONG = PATCH_LONG, SHORT = PATCH_SHORT, CONDITIONAL = 6, SITE = 8, INT3 = 0xcc };

/* -- which are not followed -- */

enum subject { KEY, FUNCTION };

/* A pattern (fnmatch) for the name of the site's key, or of the function that it is in. Every row is a switch that is not the product's to
 * turn. */
static const struct rule {
	enum subject subject;
	const char *pattern;
	const char *why;
} rules[] = {
	{KEY, "bypass_usercopy_checks", "hardened_usercopy=off is our parameter: the checks would not know our stack"},
	{KEY, "validate_usercopy_range", "likewise, from 6.16 on"},
	{FUNCTION, "__check_object_size", "likewise, in kernels that do not name data"},
	{KEY, "__tracepoint_*", "tracing: what hangs on it is generated code, and it changes no answer"},
	{KEY, "__SCK__tp_func_*", "likewise"},
	{FUNCTION, "__SCT__tp_func_*", "likewise"},
	{KEY, "cgroup_bpf_enabled_key", "leads to BPF programs only, which are not run"},
	{KEY, "bpf_dispatcher_*", "likewise"},
	{KEY, "__SCK__bpf_dispatcher_*", "likewise"},
	{FUNCTION, "__SCT__bpf_dispatcher_*", "likewise"},
	{KEY, "*_use_avx*", "chooses instructions by the product's CPU"},
	{KEY, "*_use_simd", "likewise"},
	{KEY, "*_use_ssse3", "likewise"},
	{KEY, "*_use_bmi2*", "likewise"},
	{KEY, "have_*", "likewise"},
	{KEY, "__SCK__sha*_blocks*", "likewise"},
	{FUNCTION, "__SCT__sha*_blocks*", "likewise"},
	{KEY, "switch_to_cond_*", "for the product's CPU: barriers that an emulator does not need"},
	{KEY, "switch_mm_*_ibpb", "likewise"},
	{KEY, "__SCK__pv_sched_clock", "reads the hypervisor's clock; product context has the snapshot's time"},
	{FUNCTION, "__SCT__pv_sched_clock", "likewise"},
	{KEY, "__SCK__pv_steal_clock", "likewise"},
	{FUNCTION, "__SCT__pv_steal_clock", "likewise"},
};

static bool name_matches(const struct switches *switches, uint64_t address, const char *pattern)
{
	char name[SWITCH_NAME];
	const char *found = address ? switches->config.name(switches->config.opaque, address, name) : NULL;

	return found && fnmatch(pattern, found, 0) == 0;
}

static bool is_followed(const struct switches *switches, const struct patch_site *site)
{
	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (name_matches(switches, rules[i].subject == KEY ? site->key : site->address, rules[i].pattern))
			return false;
	}
	return true;
}

/* -- forms -- */

/* XOR EAX, EAX in the place of a call whose function returns 0, padded by prefixes. */
static const uint8_t xor_forms[][LONG] = {
	{0x2e, 0x2e, 0x2e, 0x31, 0xc0},
	{0x66, 0x66, 0x48, 0x31, 0xc0},
	{0x66, 0x66, 0x66, 0x31, 0xc0},
};

static bool is_xor(const uint8_t *code)
{
	for (unsigned i = 0; i < sizeof(xor_forms) / sizeof(xor_forms[0]); i++) {
		if (memcmp(code, xor_forms[i], LONG) == 0)
			return true;
	}
	return false;
}

static bool leads_to_function(const struct switches *switches, uint64_t address, const uint8_t *code, unsigned size)
{
	return switches->config.is_function(switches->config.opaque, patch_branch_target(switches->config.word, address, code, size));
}

/* The size of a static call, or its trampoline, in one of its forms. A return thunk is a function, too. */
static unsigned static_call_size(const struct switches *switches, const struct patch_site *site, const uint8_t *code)
{
	if (code[0] == 0x0f && (code[1] & 0xf0) == 0x80)
		return leads_to_function(switches, site->address, code, CONDITIONAL) ? CONDITIONAL : 0;
	if (code[0] == 0xe8 || code[0] == 0xe9)
		return leads_to_function(switches, site->address, code, LONG) ? LONG : 0;
	if (code[0] == 0xc3 || is_xor(code) || patch_no_op_size(code) == LONG)
		return LONG;
	return 0;
}

static unsigned legal_size(const struct switches *switches, const struct patch_site *site, const uint8_t *code)
{
	switch ((enum patch_kind)site->kind) {
	case PATCH_JUMP_LABEL:
		return patch_jump_label_size(site, switches->config.word, code);
	case PATCH_STATIC_CALL:
	case PATCH_TRAMPOLINE:
		return static_call_size(switches, site, code);
	case PATCH_CONSTANT:
		return site->size;
	}
	return 0;
}

/* -- a site in no form: it was caught while it was patched (INT3, then bytes of before or after), or somebody else wrote there -- */

static void put_branch(const struct patch_site *site, uint8_t opcode, uint64_t target, unsigned size, uint8_t *code)
{
	int32_t displacement = (int32_t)(target - site->address - size);

	code[0] = opcode;
	if (size == SHORT)
		code[1] = (uint8_t)displacement;
	else
		memcpy(code + 1, &displacement, 4);
}

/* The form that the key's data ask for. False: they do not tell. */
static bool ask_key(const struct switches *switches, const struct patch_site *site, unsigned size, uint8_t *code)
{
	uint64_t value = 0;
	unsigned width = site->kind == PATCH_JUMP_LABEL ? 4 : switches->config.word;

	if (!site->key || !switches->config.read_product(switches->config.opaque, site->key, &value, width))
		return false;
	if (site->kind == PATCH_JUMP_LABEL) {
		if ((value != 0) == site->branch)
			patch_put_no_op(size, code);
		else
			put_branch(site, size == SHORT ? 0xeb : 0xe9, site->target, size, code);
		return true;
	}
	if (size != LONG)
		return false;
	if (value)
		put_branch(site, site->tail ? 0xe9 : 0xe8, value, size, code);
	else if (site->tail)
		code[0] = 0xc3;
	else
		patch_put_no_op(size, code);
	return legal_size(switches, site, code) == size;
}

/* -- pages -- */

static void note_illegal(struct switches *switches, const struct patch_site *site)
{
	if (!switches->count.illegal++)
		switches->count.first = site->address;
}

/* The bytes that the site is to have in product context, if they are not the trusted kernel's; returns how many, 0: those will do. */
static unsigned decide(struct switches *switches, const struct patch_site *site, uint8_t *code)
{
	const struct switches_config *config = &switches->config;
	uint8_t trusted[SITE] = {0};
	unsigned size;

	/* In code that was freed after boot, other things stand than the forms of a site. */
	if (!config->read_trusted(config->opaque, site->address, trusted, SITE) || !(size = legal_size(switches, site, trusted)) ||
	    !config->read_product(config->opaque, site->address, code, SITE) || memcmp(code, trusted, size) == 0)
		return 0;
	if (!is_followed(switches, site)) {
		switches->count.kept++;
		return 0;
	}
	if (site->kind != PATCH_CONSTANT && legal_size(switches, site, code) != size) {
		bool caught = code[0] == INT3, told = ask_key(switches, site, size, code);

		if (!caught || !told)
			note_illegal(switches, site);
		if (!told || memcmp(code, trusted, size) == 0)
			return 0;
	}
	switches->count.followed++;
	return size;
}

/* Puts the part of a site's bytes that lies in the page there. */
static void put_in_page(uint8_t *bytes, uint64_t page, uint64_t address, const uint8_t *code, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		if (address + i - page < PAGE_SIZE)
			bytes[address + i - page] = code[i];
	}
}

/* Fills in `bytes` with the page as the product has it. False: the trusted one will do. */
static bool make_page(struct switches *switches, uint64_t page, uint8_t *bytes)
{
	bool differs = false;

	for (size_t i = patch_sites_from(&switches->sites, page); i < switches->sites.count; i++) {
		const struct patch_site *site = &switches->sites.site[i];
		uint8_t code[SITE];
		unsigned size;

		if (site->address >= page + PAGE_SIZE)
			break;
		size = decide(switches, site, code);
		if (!size || site->address + size <= page)
			continue;
		if (!differs && !switches->config.read_trusted(switches->config.opaque, page, bytes, PAGE_SIZE))
			return false;
		differs = true;
		put_in_page(bytes, page, site->address, code, size);
	}
	return differs;
}

/* A page of the machine with these bytes. */
static void keep_page(struct switches *switches, struct switch_page *place, const uint8_t *bytes)
{
	if (place->bytes && memcmp(place->bytes, bytes, PAGE_SIZE) == 0)
		return;
	free(place->bytes);
	place->bytes = malloc(PAGE_SIZE);
	place->paddr = place->bytes ? switches->config.add_page(switches->config.opaque, bytes) : 0;
	if (place->paddr) {
		memcpy(place->bytes, bytes, PAGE_SIZE);
		return;
	}
	free(place->bytes);
	place->bytes = NULL;
}

bool switches_find(struct switches *switches, uint64_t address, uint64_t *ret_paddr)
{
	uint64_t page = address & PAGE_MASK;
	struct switch_page *place;
	uint8_t bytes[PAGE_SIZE];

	if (!switches->page || address < switches->config.start || address >= switches->config.end)
		return false;
	place = &switches->page[(page - (switches->config.start & PAGE_MASK)) >> PAGE_SHIFT];
	if (place->asked != switches->age) {
		place->asked = switches->age;
		if (make_page(switches, page, bytes)) {
			keep_page(switches, place, bytes);
		} else {
			free(place->bytes);
			place->bytes = NULL;
		}
	}
	*ret_paddr = place->paddr | (address & ~PAGE_MASK);
	return place->bytes;
}

void switches_forget(struct switches *switches)
{
	switches->age++;
}

static size_t page_count(const struct switches *switches)
{
	return (switches->config.end - (switches->config.start & PAGE_MASK) + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

struct error *switches_init(struct switches *switches, const struct switches_config *config, struct patch_sites *sites)
{
	*switches = (struct switches){.config = *config, .sites = *sites, .age = 1};
	*sites = (struct patch_sites){0};
	switches->page = calloc(page_count(switches), sizeof(*switches->page));
	return switches->page ? NULL : error_create("following the product's switches: out of memory");
}

void switches_deinit(struct switches *switches)
{
	for (size_t i = 0; switches->page && i < page_count(switches); i++)
		free(switches->page[i].bytes);
	free(switches->page);
	patch_sites_deinit(&switches->sites);
	*switches = (struct switches){0};
}
