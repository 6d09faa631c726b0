/* The product's own code in product context: where it is fetched, and that it follows what calls write (redirect/code.h). */
#include "tests/unit/worlds_rig.h"

#include "redirect/code.h"

#define CODE (DATA + 0x100)

struct place {
	struct machine machine;
	struct worlds *worlds;
	struct losses losses;
	struct calls calls;
	struct code_pages pages;
	struct code code;
};

static struct place *make_place(struct scene *scene)
{
	struct place *place = calloc(1, sizeof(*place));

	physmem_init(&place->machine.mem);
	place->worlds = make_worlds(scene, &place->machine, scene->context.way);
	kernel_init(&place->worlds->another, &no_symbols, scene->rig.cpu, &place->worlds->memory, 8);
	place->worlds->product = &place->worlds->another;
	place->calls = (struct calls){.worlds = place->worlds, .losses = &place->losses};
	place->pages.machine = &place->machine;
	place->code = (struct code){.worlds = place->worlds, .calls = &place->calls, .code_pages = &place->pages, .choice = CODE_PRODUCT};
	return place;
}

static void free_place(struct scene *scene, struct place *place)
{
	place->worlds->context.phase = CONTEXT_TRUSTED;
	code_deinit(&place->code);
	close_worlds(scene, place->worlds);
	physmem_deinit(&place->machine.mem);
	free(place);
}

/* Where the code is; *ret_word: what is there. */
static uint64_t fetch(struct place *place, uint64_t linear, uint64_t *ret_word)
{
	uint64_t paddr;

	place->worlds->context.phase = CONTEXT_PRODUCT;
	assert_true(code_fetch(&place->code, linear, &paddr));
	place->worlds->context.phase = CONTEXT_TRUSTED;
	assert_int_equal(paddr & ~PAGE_MASK, linear & ~PAGE_MASK);
	assert_true(physmem_copy_out(&place->machine.mem, paddr, ret_word, sizeof(*ret_word)));
	return paddr;
}

static void test_fetch(void **state)
{
	struct scene *scene = *state;
	struct place *place = make_place(scene);
	uint64_t word, paddr = fetch(place, CODE, &word), back;

	assert_int_equal(word, snapshot_at(scene, CODE));
	assert_int_equal(fetch(place, CODE + 8, &word), paddr + 8);
	assert_int_equal(word, snapshot_at(scene, CODE + 8));
	back = fetch(place, abi_of(8)->back, &word); /* where the product has nothing */
	assert_int_equal(word, 0xcccccccccccccccc);
	assert_int_equal(fetch(place, abi_of(8)->back + 8, &word), back + 8);
	assert_false(code_fetch(&place->code, CODE, &paddr)); /* in the trusted world the CPU finds its code itself */
	assert_true(code_is_own(&place->code, CODE));
	free_place(scene, place);
}

static void test_follow(void **state)
{
	struct scene *scene = *state;
	struct place *place = make_place(scene);
	uint64_t word, first = fetch(place, CODE, &word), second = fetch(place, CODE + PAGE_SIZE, &word), now = 0x1234567890;

	code_note_write(&place->code, (PRODUCT_DATA + 2) * PAGE_SIZE); /* of no code */
	assert_false(place->code.written);
	code_note_write(&place->code, PRODUCT_DATA * PAGE_SIZE);
	assert_true(place->code.written);
	product_memory_begin(&place->worlds->memory);
	assert_true(product_memory_write(&place->worlds->memory, CODE, &now, sizeof(now)));
	assert_int_equal(fetch(place, CODE, &word), first); /* between calls alone */
	code_follow(&place->code);
	assert_false(place->code.written);
	assert_int_not_equal(fetch(place, CODE, &word), first);
	assert_int_equal(word, now);
	assert_int_equal(fetch(place, CODE + PAGE_SIZE, &word), second);

	product_memory_rollback(&place->worlds->memory); /* a call that was given up */
	place->code.written = true;
	code_follow(&place->code);
	fetch(place, CODE, &word);
	assert_int_equal(word, snapshot_at(scene, CODE));
	free_place(scene, place);
}

int main(void)
{
	static struct variant variant = {REDIRECT_CONTEXT, true};
	const struct CMUnitTest tests[] = {
		{"fetch", test_fetch, setup, teardown, &variant},
		{"follow", test_follow, setup, teardown, &variant},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
