/* Asking the CPU's client: client.h. */
#include "emu/client.h"

#include "emu/engine.h"

void cpu_set_client(struct cpu *cpu, const struct cpu_client *client)
{
	cpu->client = client;
}

bool client_takes(struct cpu *cpu, enum privileged what, uint64_t index, uint64_t *value)
{
	return cpu->client && cpu->client->privileged(cpu->client->opaque, cpu, what, index, value);
}

bool client_takes_write(struct cpu *cpu, enum privileged what, uint64_t index, uint64_t value)
{
	return client_takes(cpu, what, index, &value);
}

bool client_takes_fetch(struct cpu *cpu, uint64_t linear, uint64_t *ret_paddr)
{
	return cpu->client && cpu->client->fetch && cpu->cpl == 0 && cpu->client->fetch(cpu->client->opaque, cpu, linear, ret_paddr);
}

bool client_takes_exception(struct cpu *cpu)
{
	uint64_t deadline;
	bool handled;

	if (!cpu->client || cpu->delivery.active)
		return false;
	deadline = cpu_begin_callback(cpu);
	handled = cpu->client->exception(cpu->client->opaque, cpu);
	cpu_end_callback(cpu, deadline);
	return handled;
}

void client_interrupt_return(struct cpu *cpu)
{
	if (cpu->client && cpu->cpl == 0)
		cpu->client->interrupt_return(cpu->client->opaque, cpu);
}
