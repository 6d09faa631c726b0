/* Locks and waits of a frozen machine: loops that are ended (redirect/spin.h), locks of PREEMPT_RT (redirect/rt_locks.h). */
#include "tests/unit/worlds_rig.h"

#include "redirect/rt_locks.h"
#include "redirect/spin.h"

enum { LAPS = 1000 /* instructions before the loop is looked at */, RT_OWNER = 0x18, RT_READERS = 0x28, CURRENT = 0x28 };

#define LOOP (BODY + 0x100) /* nobody has marked it */

/* The body runs in product context and makes calls that are counted. */
struct loop {
	struct scene *scene;
	struct machine *machine;
	struct cpu *machine_cpu;
	struct worlds *worlds;
	struct symbols image;
	struct losses losses;
	struct calls calls;
	struct code code;
};

static void start(struct loop *loop, struct scene *scene, const void *code, size_t size)
{
	const struct machine_config config = {.memory = 1 << 20};

	*loop = (struct loop){.scene = scene, .image = {.base = KERNEL, .end = KERNEL + (1 << 20)}};
	assert_null(machine_create(&config, &loop->machine));
	loop->machine_cpu = loop->machine->cpu;
	loop->worlds = make_worlds(scene, loop->machine, scene->context.way);
	loop->worlds->trusted.symbols = &loop->image;
	loop->calls = (struct calls){.worlds = loop->worlds, .losses = &loop->losses};
	loop->code = (struct code){.worlds = loop->worlds, .calls = &loop->calls};
	put_code(scene, LOOP, code, size);
	come_to_body(scene, 0);
	assert_true(context_enter(&loop->worlds->context, 0));
	scene->rig.cpu->rip = LOOP;
}
#define START(loop, scene, code) start(loop, scene, code, sizeof(code) - 1)

static void end(struct loop *loop)
{
	context_abort(&loop->worlds->context, EIO_RESULT);
	close_worlds(loop->scene, loop->worlds);
	loop->machine->cpu = loop->machine_cpu;
	machine_destroy(loop->machine);
}

static uint64_t word_at(struct loop *loop, uint64_t linear, unsigned size)
{
	uint64_t word;

	assert_true(product_memory_read_word(&loop->worlds->memory, linear, size, &word));
	return word;
}

static void put_word(struct loop *loop, uint64_t linear, unsigned size, uint64_t value)
{
	assert_true(product_memory_write_word(&loop->worlds->memory, linear, size, value));
}

/* Goes round for a while; then the loop is looked at. */
static void look_at(struct loop *loop, bool spins, bool ended)
{
	uint64_t until = cpu_instructions(loop->scene->rig.cpu) + LAPS;
	bool found;

	assert_int_equal(machine_run(loop->machine, until), MACHINE_STOP_LIMIT);
	assert_int_equal(spin_end(&loop->code, &found), ended);
	assert_int_equal(found, spins);
	assert_int_equal(loop->calls.stats.spins, ended);
	assert_int_equal(loop->losses.count[LOSS_LOCK_PASSED], ended);
}

/* -- loops -- */

#define PAUSE "\xf3\x90"

static void test_seqcount(void **state)
{
	struct loop loop;

	START(&loop, *state, "\x8b\x47\x08" PAUSE "\xa8\x01\x75\xf7\xc3"); /* 1: mov eax, [rdi + 8]; pause; test al, 1; jne 1b; ret */
	put_word(&loop, DATA + 8, 4, 7);
	look_at(&loop, true, true);
	assert_int_equal(word_at(&loop, DATA + 8, 4), 8);
	end(&loop);
}

static void test_bit_lock(void **state)
{
	struct loop loop;

	START(&loop, *state, "\x48\x8b\x47\x08" PAUSE "\xa8\x01\x75\xf6\xc3"); /* 1: mov rax, [rdi + 8]; pause; test al, 1; jne 1b; ret */
	put_word(&loop, DATA + 8, 8, OBJECT | 1);
	look_at(&loop, true, true);
	assert_int_equal(word_at(&loop, DATA + 8, 8), OBJECT);
	end(&loop);
}

/* Nothing tells that the loop waits for this word. */
static void test_other_wait(void **state)
{
	struct loop loop;

	START(&loop, *state, "\x48\x8b\x47\x08" PAUSE "\xa8\x01\x75\xf6\xc3");
	put_word(&loop, DATA + 8, 8, 1);
	look_at(&loop, true, false);
	assert_int_equal(word_at(&loop, DATA + 8, 8), 1);
	end(&loop);
}

static void test_no_circle(void **state)
{
	struct loop loop;

	START(&loop, *state, "\x8b\x47\x08\x90\x90\xa8\x01\x75\xf7\xc3"); /* NOPs in place of PAUSE: such a loop may be for anything */
	put_word(&loop, DATA + 8, 4, 7);
	look_at(&loop, false, false);
	end(&loop);
	START(&loop, *state, "\x8b\x47\x08" PAUSE "\xff\xc1\xa8\x01\x75\xf5\xc3"); /* inc ecx: it counts */
	put_word(&loop, DATA + 8, 4, 7);
	look_at(&loop, false, false);
	end(&loop);
	START(&loop, *state, "\x51\xff\x04\x24\x8b\x47\x08" PAUSE "\xa8\x01\x75\xf4\xc3"); /* push rcx; 1: inc dword [rsp]: on the stack */
	put_word(&loop, DATA + 8, 4, 7);
	look_at(&loop, false, false);
	end(&loop);
}

/* The loop takes a lock each time round: words that this looks at are none of the loop's. */
static void test_loop_with_calls(void **state)
{
	static const char body[] = "\x8b\x47\x08\xe8\xf8\x1e\0\0" PAUSE "\xa8\x01\x75\xf2\xc3"; /* as above, with a call of FUNCTION */
	uint8_t function[80] = {0x8b, 0x4f, 0x18};                                              /* mov ecx, [rdi + 18h]; NOPs; ret */
	struct loop loop;

	memset(function + 3, 0x90, sizeof(function) - 4);
	function[sizeof(function) - 1] = 0xc3;
	for (unsigned i = 0; i < 2; i++) {
		start(&loop, *state, body, sizeof(body) - 1);
		put_code(*state, FUNCTION, function, sizeof(function));
		put_word(&loop, DATA + 8, 4, 7);
		put_word(&loop, DATA + 0x18, 4, 9);
		loop.worlds->trusted.layout.rt_owner = i ? RT_OWNER : 0;
		look_at(&loop, i, i); /* without PREEMPT_RT no such loop takes so many instructions */
		assert_int_equal(word_at(&loop, DATA + 8, 4), i ? 8 : 7);
		assert_int_equal(word_at(&loop, DATA + 0x18, 4), 9);
		end(&loop);
	}
}

/* -- locks of PREEMPT_RT -- */

static void test_take_over(void **state)
{
	struct loop loop;

	START(&loop, *state, "\xc3");
	loop.worlds->trusted.layout.current = CURRENT;
	put_word(&loop, DATA + RT_OWNER, 8, OBJECT | 1);
	assert_false(rt_lock_take_over(loop.worlds)); /* where the owner is, is not known */
	assert_int_equal(word_at(&loop, DATA + RT_OWNER, 8), OBJECT | 1);
	loop.worlds->trusted.layout.rt_owner = RT_OWNER;
	assert_true(rt_lock_take_over(loop.worlds));
	assert_int_equal(word_at(&loop, DATA + RT_OWNER, 8), word_at(&loop, PRODUCT_PERCPU + CURRENT, 8));
	end(&loop);
}

static void test_write_lock(void **state)
{
	static const struct {
		uint32_t readers;
		bool taken;
	} cases[] = {
		{0x80000000, false}, /* free */
		{0x80000001, true},  /* a reader has it */
		{0x00000002, true},  /* two have, and a writer waits */
		{0x40000000, true},  /* a writer has it */
		{0x40000001, true},  /* and a reader waits */
		{0x00000000, true},  /* a writer is about to have it */
		{0x12345678, false}, /* no counts */
		{0xc0000001, false},
	};
	struct loop loop;

	START(&loop, *state, "\xc3");
	put_word(&loop, DATA + RT_READERS, 4, 0x80000001);
	assert_false(rt_write_lock_free(loop.worlds)); /* where the count is, is not known */
	loop.worlds->trusted.layout.rt_readers = RT_READERS;
	loop.worlds->trusted.layout.has_rt_readers = true;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_word(&loop, DATA + RT_READERS, 4, cases[i].readers);
		assert_int_equal(rt_write_lock_free(loop.worlds), cases[i].taken);
		assert_int_equal(word_at(&loop, DATA + RT_READERS, 4), cases[i].taken ? 0x80000000 : cases[i].readers);
	}
	end(&loop);
}

int main(void)
{
	static struct variant variants[] = {{REDIRECT_CONTEXT, true}, {REDIRECT_TAGS, true}};
#define CASE(name, i) cmocka_unit_test_prestate_setup_teardown(name, setup, teardown, &variants[i])
#define BOTH(name) CASE(name, 0), CASE(name, 1)
	const struct CMUnitTest tests[] = {
		BOTH(test_seqcount),        BOTH(test_bit_lock),  BOTH(test_other_wait), BOTH(test_no_circle),
		BOTH(test_loop_with_calls), BOTH(test_take_over), BOTH(test_write_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
