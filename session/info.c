/* What is known of a snapshot: info.h. */
#include "session/info.h"

#include <inttypes.h>
#include <jansson.h>

#include "util/json_text.h"

/* -- words -- */

const char *info_architecture(const struct product *product)
{
	return product->x86_64 ? "x86_64" : "i386";
}

const char *info_paging(enum paging_mode mode)
{
	static const char *const names[] = {
		[PAGING_OFF] = "off",        [PAGING_32BIT] = "32-bit",   [PAGING_PAE] = "PAE",
		[PAGING_4LEVEL] = "4-level", [PAGING_5LEVEL] = "5-level",
	};

	return names[mode];
}

uint64_t info_kaslr_offset(const struct target *target)
{
	return target->product.vbase - target->landmarks.link_base;
}

/* -- JSON -- */

/* Integers of JSON are doubles to many readers: addresses go as text. */
static json_t *json_hex(uint64_t value)
{
	return json_sprintf("%#" PRIx64, value);
}

static json_t *json_memory(const struct snapshot *snapshot)
{
	json_t *list = json_array();

	for (size_t i = 0; i < snapshot->ram.count; i++) {
		json_array_append_new(list, json_pack("{s:o, s:I}", "start", json_hex(snapshot->ram.extent[i].paddr), "size",
						      (json_int_t)snapshot->ram.extent[i].size));
	}
	return list;
}

static json_t *json_per_cpu_bases(const struct product *product)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < product->cpus; i++)
		json_array_append_new(list, json_hex(product->per_cpu_base[i]));
	return list;
}

static json_t *json_kernel(const struct target *target)
{
	const struct product *product = &target->product;

	if (!target->found)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o*, s:o*, s:o*, s:o}", "banner", product->banner.text, "release",
			 product->banner.release, "version", product->banner.version, "architecture", info_architecture(product), "paging",
			 info_paging(product->paging.mode), "page_table_root", json_hex(product->paging.root), "virtual_base",
			 product->based ? json_hex(product->vbase) : json_null(), "physical_base",
			 product->based ? json_hex(product->pbase) : json_null(), "kaslr_offset",
			 target->kernel_path ? json_hex(info_kaslr_offset(target)) : json_null(), "image",
			 target->kernel_path ? json_text(target->kernel_path) : json_null());
}

char *info_json(const struct target *target)
{
	const struct product *product = &target->product;
	bool complete = target->found && product->cpus;
	json_t *json = json_pack("{s:s, s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "format", snapshot_format_name(target->snapshot), "memory",
				 json_memory(target->snapshot), "cpus_with_registers", (json_int_t)target->snapshot->cpus, "kernel",
				 json_kernel(target), "cpus", complete && product->online ? json_integer(product->online) : json_null(),
				 "cpus_possible", complete && product->all_cpus ? json_integer(product->cpus) : json_null(), "per_cpu_base",
				 complete ? json_per_cpu_bases(product) : json_null(), "uptime_seconds",
				 complete && product->timed ? json_real(product->uptime_ms / 1000.0) : json_null());
	char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(12) | JSON_ENSURE_ASCII) : NULL;

	json_decref(json);
	return text;
}
