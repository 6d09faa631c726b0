/* BPF programs: bpf.h. */
#include "redirect/bpf.h"

#include <string.h>

/* Functions of the kernel's image with an indirect call that can only be one of a program. */
static const struct caller {
	const char *name;
	uint32_t answer;
	const char *why;
} callers[] = {
	{"__cgroup_bpf_run_filter_getsockopt", 1, "lets the value through that the kernel has found"},
	{"__cgroup_bpf_run_filter_getsockopt_kern", 1, "likewise"},
	{"sk_filter_trim_cap", UINT32_MAX, "the filter of a socket that gets a message: takes all of it"},
	{"bpf_prog_run_save_cb", UINT32_MAX, "likewise, where the compiler has made a function of this part"},
	{"__bpf_prog_run_save_cb", UINT32_MAX, "likewise"},
	{"packet_rcv", UINT32_MAX, "the filter of a packet socket, which sees what is sent: likewise"},
	{"tpacket_rcv", UINT32_MAX, "likewise"},
	{"run_filter", UINT32_MAX, "likewise"},
	{"bpf_prog_run_clear_cb", UINT32_MAX, "likewise"},
};

/* Whether the symbol is the function, a copy of it, or a part (NAME.constprop.0, NAME.part.0). */
static bool is_of(const char *symbol, const char *function)
{
	size_t length = strlen(function);

	return strncmp(symbol, function, length) == 0 && (!symbol[length] || symbol[length] == '.');
}

static const struct caller *find_caller(struct worlds *worlds)
{
	unsigned word = worlds->context.abi->word;
	uint64_t address = 0;
	struct symbol symbol;

	if (worlds_read_stack(worlds, worlds->cpu->gpr[RSP], &address, word) != word || !kernel_in_image(worlds->product, address) ||
	    !symbols_nearest(worlds->product->symbols, address, &symbol))
		return NULL;
	for (size_t i = 0; i < sizeof(callers) / sizeof(callers[0]); i++) {
		if (is_of(symbol.name, callers[i].name))
			return &callers[i];
	}
	return NULL;
}

bool bpf_answer(struct worlds *worlds, uint32_t *ret_answer)
{
	const struct caller *caller = find_caller(worlds);

	if (caller)
		*ret_answer = caller->answer;
	return caller;
}
