/* A CPU's client (emu/client.h): exceptions, privileged effects and IRETs that it takes, interrupts that it holds back. */
#include "emu/client.h"
#include "tests/unit/system_rig.h"

#define ALL UINT64_MAX

struct log {
	struct cpu_client client;
	bool takes;
	unsigned calls, exceptions, returns;
	enum privileged what;
	uint64_t index, value;
	uint64_t answer; /* what is read gives this */
	uint64_t rip;    /* of the exception */
	uint64_t cr2;
	uint8_t vector;
	uint32_t error_code;
};

static bool on_privileged(void *opaque, struct cpu *cpu, enum privileged what, uint64_t index, uint64_t *value)
{
	struct log *log = opaque;
	bool reads = what == PRIVILEGED_MSR_READ || what == PRIVILEGED_PORT_READ || what == PRIVILEGED_TIME;

	(void)cpu;
	log->calls++;
	log->what = what;
	log->index = index;
	if (reads && log->takes)
		*value = log->answer;
	else if (!reads)
		log->value = *value;
	return log->takes;
}

/* Goes on behind the instruction, which is two bytes long. */
static bool on_exception(void *opaque, struct cpu *cpu)
{
	struct log *log = opaque;

	log->exceptions++;
	log->rip = cpu->rip;
	log->vector = cpu->exception.vector;
	log->error_code = cpu->exception.error_code;
	log->cr2 = cpu->cr2;
	if (log->takes)
		cpu->rip += 2;
	return log->takes;
}

static void on_interrupt_return(void *opaque, struct cpu *cpu)
{
	struct log *log = opaque;

	log->returns++;
	log->rip = cpu->rip;
}

static void log_init(struct log *log, struct cpu *cpu, bool takes)
{
	*log = (struct log){
		.client = {.opaque = log, .exception = on_exception, .interrupt_return = on_interrupt_return, .privileged = on_privileged},
		.takes = takes,
	};
	cpu_set_client(cpu, &log->client);
}

#define RUN(rig, code, count)                                                                                                              \
	do {                                                                                                                               \
		rig_code(rig, code, sizeof(code) - 1);                                                                                     \
		rig_run(rig, count);                                                                                                       \
	} while (0)

static void test_writes(void **state)
{
	static const struct {
		const char *code;
		unsigned size, instructions;
		enum privileged what;
		uint64_t index, value;
	} cases[] = {
		{"\x0f\x22\xd8", 3, 1, PRIVILEGED_CONTROL_WRITE, 3, 0x1234},   /* mov cr3, rax */
		{"\x0f\x22\xe0", 3, 1, PRIVILEGED_CONTROL_WRITE, 4, 0x1234},   /* mov cr4, rax */
		{"\x0f\x06", 2, 1, PRIVILEGED_CONTROL_WRITE, 0, ALL},          /* clts */
		{"\x0f\x01\xf0", 3, 1, PRIVILEGED_CONTROL_WRITE, 0, ALL},      /* lmsw ax */
		{"\x0f\x23\xf8", 3, 1, PRIVILEGED_DEBUG_WRITE, 7, 0x1234},     /* mov dr7, rax */
		{"\x0f\x30", 2, 1, PRIVILEGED_MSR_WRITE, 0x777, 0x5600001234}, /* wrmsr: no such one */
		{"\xe6\x80", 2, 1, PRIVILEGED_PORT_WRITE, 0x10080, 0x34},      /* out 80h, al */
		{"\x0f\x01\x38", 3, 1, PRIVILEGED_INVALIDATE, 0, 0x1234},      /* invlpg [rax] */
		{"\x0f\x00\xd0", 3, 1, PRIVILEGED_TABLE_LOAD, 0, 0x1234},      /* lldt ax */
		{"\x0f\x00\xd8", 3, 1, PRIVILEGED_TABLE_LOAD, 0, 0x1234},      /* ltr ax */
		{"\xf4", 1, 1, PRIVILEGED_HALT, 0, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		WITH_RIG(rig, RIG_LONG)
		{
			uint64_t cr[] = {rig->cpu->cr0, rig->cpu->cr3, rig->cpu->cr4, rig->cpu->dr[7]};
			uint64_t after[4];
			struct log log;

			log_init(&log, rig->cpu, true);
			rig->cpu->gpr[RAX] = 0x1234;
			rig->cpu->gpr[RDX] = 0x56;
			rig->cpu->gpr[RCX] = 0x777;
			rig_code(rig, cases[i].code, cases[i].size);
			rig_run(rig, cases[i].instructions);
			assert_int_equal(log.calls, 1);
			assert_int_equal(log.exceptions, 0);
			assert_int_equal(log.what, cases[i].what);
			assert_int_equal(log.index, cases[i].index);
			if (cases[i].value != ALL)
				assert_int_equal(log.value, cases[i].value);
			memcpy(after, (uint64_t[]){rig->cpu->cr0, rig->cpu->cr3, rig->cpu->cr4, rig->cpu->dr[7]}, sizeof(after));
			assert_memory_equal(cr, after, sizeof(after));
			assert_false(rig->cpu->halted);
			assert_int_equal(rig->cpu->rip, RIG_CODE + cases[i].size);
		}
	}
}

static void test_reads(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		struct log log;

		log_init(&log, rig->cpu, true);
		log.answer = 0xaabbccdd11223344;
		RUN(rig, "\x0f\x31", 1); /* rdtsc */
		assert_int_equal(log.what, PRIVILEGED_TIME);
		assert_int_equal(rig->cpu->gpr[RAX], 0x11223344);
		assert_int_equal(rig->cpu->gpr[RDX], 0xaabbccdd);
		rig->cpu->gpr[RCX] = 0x777;
		rig->cpu->gpr[RDX] = 0;
		RUN(rig, "\x0f\x32", 1); /* rdmsr */
		assert_int_equal(log.index, 0x777);
		assert_int_equal(rig->cpu->gpr[RDX], 0xaabbccdd);
		RUN(rig, "\xe4\x80", 1); /* in al, 80h */
		assert_int_equal(log.what, PRIVILEGED_PORT_READ);
		assert_int_equal(rig->cpu->gpr[RAX] & 0xff, 0x44);
		assert_int_equal(log.exceptions, 0);
	}
}

/* A client that is asked and leaves everything as it is; then none. */
static void test_declining(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		struct log log;

		log_init(&log, rig->cpu, false);
		rig->cpu->gpr[RCX] = 0x777;
		rig_code(rig, "\x0f\x32", 2);
		rig_run(rig, 1);
		assert_int_equal(log.calls, 1);
		assert_int_equal(log.exceptions, 1);
		assert_int_equal(log.vector, VECTOR_GP);
		assert_int_equal(handler_reached(rig), VECTOR_GP);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		cpu_set_client(rig->cpu, NULL);
		EXPECT_PLAIN_FAULT(rig, "\x0f\x0b", VECTOR_UD);
	}
}

static void test_exceptions(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		struct log log;

		log_init(&log, rig->cpu, true);
		rig->cpu->gpr[RAX] = 1ull << 40; /* not mapped */
		rig->cpu->gpr[RCX] = 7;
		rig_code(rig, "\xff\xc1\x89\x08\xff\xc1", 6); /* inc ecx; mov [rax], ecx; inc ecx */
		rig_run(rig, 3);                              /* the delivery counts as one */
		assert_int_equal(log.exceptions, 1);
		assert_int_equal(log.vector, VECTOR_PF);
		assert_int_equal(log.error_code, PF_W);
		assert_int_equal(log.cr2, 1ull << 40);
		assert_int_equal(log.rip, RIG_CODE + 2);
		assert_int_equal(rig->cpu->gpr[RCX], 9);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 6);
	}
}

static void test_interrupt_return(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		const uint64_t frame[] = {RIG_CODE + 0x100, RIG_CS0, 2, RIG_STACK, RIG_DS0};
		struct log log;

		log_init(&log, rig->cpu, true);
		rig_write(rig, RIG_STACK - sizeof(frame), frame, sizeof(frame));
		rig->cpu->gpr[RSP] = RIG_STACK - sizeof(frame);
		RUN(rig, "\x48\xcf", 1); /* iretq */
		assert_int_equal(log.returns, 1);
		assert_int_equal(log.rip, RIG_CODE + 0x100);
	}
	WITH_RIG(rig, RIG_LONG)
	{ /* to privilege 3: none of its business */
		const uint64_t frame[] = {RIG_CODE + 0x100, RIG_CS3, 2, STACK3, RIG_DS3};
		struct log log;

		log_init(&log, rig->cpu, true);
		rig_write(rig, RIG_STACK - sizeof(frame), frame, sizeof(frame));
		rig->cpu->gpr[RSP] = RIG_STACK - sizeof(frame);
		RUN(rig, "\x48\xcf", 1);
		assert_int_equal(rig->cpu->cpl, 3);
		assert_int_equal(log.returns, 0);
	}
}

static uint8_t vector_33(void *opaque)
{
	++*(unsigned *)opaque;
	return 33;
}

static void test_held_interrupts(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		unsigned acknowledged = 0;
		struct log log;

		log_init(&log, rig->cpu, true);
		log.client.hold_interrupts = true;
		rig->cpu->bus.opaque = &acknowledged;
		rig->cpu->bus.interrupt_acknowledge = vector_33;
		rig_code(rig, "\x90\x90\x90\x90", 4);
		cpu_set_eflags(rig->cpu, FLAG_IF, FLAG_IF);
		cpu_set_interrupt_line(rig->cpu, true);
		cpu_raise_nmi(rig->cpu);
		rig_run(rig, 2);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 2);
		assert_int_equal(acknowledged, 0);
		log.client.hold_interrupts = false;
		rig_run(rig, 1);
		assert_int_equal(handler_reached(rig), VECTOR_NMI);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes),           cmocka_unit_test(test_reads),
		cmocka_unit_test(test_declining),        cmocka_unit_test(test_exceptions),
		cmocka_unit_test(test_interrupt_return), cmocka_unit_test(test_held_interrupts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
