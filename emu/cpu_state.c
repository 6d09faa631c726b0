/* Saving and restoring the architectural state of a CPU: engine.h. */
#include <stdlib.h>
#include <string.h>

#include "emu/engine.h"
#include "emu/exception.h"
#include "emu/x87.h"

struct cpu_state {
	struct cpu_registers registers;
	struct cpu_segments segments;
	struct cpu_floating floating;
	struct cpu_tags tags;
	struct cpu_system system;
};

static void get_state(const struct cpu *cpu, struct cpu_state *ret)
{
	ret->registers = cpu->registers;
	ret->segments = cpu->segments;
	ret->floating = cpu->floating;
	ret->tags = cpu->tags;
	ret->system = cpu->system;
}

static void set_state(struct cpu *cpu, const struct cpu_state *state)
{
	cpu->registers = state->registers;
	cpu->segments = state->segments;
	cpu->floating = state->floating;
	cpu->tags = state->tags;
	cpu->system = state->system;
}

/* -- around what is undone -- */

struct cpu_state *cpu_state_save(const struct cpu *cpu)
{
	struct cpu_state *state = malloc(sizeof(*state));

	if (state)
		get_state(cpu, state);
	return state;
}

void cpu_state_destroy(struct cpu_state *state)
{
	free(state);
}

/* Whether what the TLBs hold in the one state holds in the other: translations and data breakpoints. */
static bool same_translations(const struct cpu_system *a, const struct cpu_system *b)
{
	return a->cr0 == b->cr0 && a->cr3 == b->cr3 && a->cr4 == b->cr4 && a->efer == b->efer &&
	       !memcmp(a->pdpte, b->pdpte, sizeof(a->pdpte)) && !memcmp(a->dr, b->dr, sizeof(a->dr));
}

void cpu_state_restore(struct cpu *cpu, const struct cpu_state *state)
{
	bool same = same_translations(&cpu->system, &state->system);
	bool nmi_pending = cpu->nmi_pending; /* an input, which is as the devices have it */
	uint32_t eflags = cpu->eflags;

	x87_host_forget(cpu); /* the state restored may have fewer exception flags */
	set_state(cpu, state);
	cpu->nmi_pending = nmi_pending;
	cpu->eflags = eflags;
	cpu_set_eflags(cpu, state->segments.eflags, ~(uint32_t)FLAGS_ARITHMETIC); /* follows up on AC */
	if (!same)
		cpu_update_paging(cpu); /* flushes */
	cpu_update_mode(cpu);
}

/* -- as bytes -- */

size_t cpu_packed_size(void)
{
	return sizeof(struct cpu_state);
}

void cpu_pack(const struct cpu *cpu, uint8_t *to)
{
	struct cpu_state state;

	memset(&state, 0, sizeof(state)); /* the paddings, which go into files */
	get_state(cpu, &state);
	memcpy(to, &state, sizeof(state));
}

void cpu_unpack(struct cpu *cpu, const uint8_t *from)
{
	struct cpu_state state;

	memcpy(&state, from, sizeof(state));
	set_state(cpu, &state);
	x87_host_forget(cpu);
	cpu_update_paging(cpu);
	cpu_update_mode(cpu);
}

/* Whether a byte that a file put into a bool is one of its two values; the others must not be read as a bool. */
static bool is_flag(const bool *flag)
{
	return *(const unsigned char *)flag <= 1;
}

static bool tags_are_sound(const tag_t *tags, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (tags[i] & ~(TAG_STACK | TAG_PRODUCT))
			return false;
	}
	return true;
}

static bool flags_are_sound(const struct cpu_system *system)
{
	const bool *const flag[] = {
		&system->nmi_pending,    &system->nmi_blocked, &system->interrupt_shadow, &system->debug_shadow,
		&system->step_inhibited, &system->halted,      &system->delivery.active,  &system->delivery.has_error_code,
	};

	for (size_t i = 0; i < sizeof(flag) / sizeof(flag[0]); i++) {
		if (!is_flag(flag[i]))
			return false;
	}
	return true;
}

bool cpu_packed_is_sound(const uint8_t *from)
{
	struct cpu_state state;

	memcpy(&state, from, sizeof(state));
	return flags_are_sound(&state.system) && !state.registers.zero && state.registers.bias == CPU_BIAS &&
	       state.registers.flags.kind <= FLAGS_RESULT && state.segments.cpl <= 3 && state.floating.fpu.top < 8 &&
	       state.system.delivery.source <= EVENT_INT1 && tags_are_sound(state.tags.gpr_tag, sizeof(state.tags.gpr_tag)) &&
	       tags_are_sound(state.tags.xmm_tag, sizeof(state.tags.xmm_tag)) &&
	       tags_are_sound(state.tags.fpu_tag, sizeof(state.tags.fpu_tag));
}
