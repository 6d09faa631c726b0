/*
 * Finding kallsyms' tables in a kernel's bytes. See kallsyms.h for what they are and in which order they stand.
 *
 * The anchor is token_table: letters that occur in symbols stand in it as themselves, so it has "0", "1" ... "9" in a row, which nothing
 * else has in the way that token_index, right behind it, then confirms for all 256 tokens. From there everything is where the order of
 * tables puts it, up to alignment; what has to be searched for is markers (a 0, then steps of what 256 names take), and before it the
 * place where names begin, which is right if the names walked from there agree with each marker and end where markers begin. Addresses are
 * accepted if they are sorted, start at their base and lie within the image, and one of them is _stext.
 *
 * Everything is checked before it is believed, and the work that bytes made for the purpose can cause is limited.
 */
#include <inttypes.h>
#include <string.h>

#include "loader/kallsyms.h"
#include "loader/kallsyms_tables.h"
#include "util/align.h"

enum {
	MAX_SYMBOLS = 1 << 22,
	MAX_MARKED_BYTES = KALLSYMS_MARKED * (KSYM_NAME_LEN + 2), /* 256 names */
	MIN_MARKED_BYTES = KALLSYMS_MARKED * 2,
	MIN_MARKERS = 2,              /* a kernel of less than 257 symbols is none */
	MAX_WORK = 1 << 25,           /* steps of search; kernels take up to half a million */
	ANCHOR_WORK = 4096,           /* what looking at an anchor counts for */
	MAX_TOKEN_TABLE = UINT16_MAX, /* token_index is 16 bits wide */
	KERNEL_IMAGE_SIZE = 1 << 30,  /* the most that an image can take on x86 */
};

/* Labels are aligned to the size of a pointer, or to 4. */
static const unsigned alignments[] = {4, 8};
enum { ALIGNMENTS = 2 };

/* Places are offsets in the piece. */
struct finder {
	const struct view *view;
	const struct view_piece *piece;
	uint32_t work_left;
	size_t tokens, tokens_end; /* token_table */
	size_t token_index;
	size_t num_syms, names, names_end, markers; /* num_syms: where the number stands */
	size_t seqs;                                /* 0: not there */
	unsigned count, marker_size;
};

static uint32_t get32(const struct finder *finder, size_t at)
{
	return kallsyms_u32(finder->piece->data + at);
}

/* Are there `size` bytes at `at`? */
static bool has(const struct finder *finder, size_t at, size_t size)
{
	return at <= finder->piece->size && size <= finder->piece->size - at;
}

/* false: that was too much. */
static bool work(struct finder *finder, uint32_t steps)
{
	finder->work_left -= steps < finder->work_left ? steps : finder->work_left;
	return finder->work_left;
}

/* -- token_table and token_index -- */

/* Moves over `count` strings; 0 if there are not so many. */
static size_t skip_strings(const struct finder *finder, size_t at, unsigned count)
{
	size_t limit = at + MAX_TOKEN_TABLE < finder->piece->size ? at + MAX_TOKEN_TABLE : finder->piece->size;

	while (count--) {
		const uint8_t *end = at < limit ? memchr(finder->piece->data + at, '\0', limit - at) : NULL;

		if (!end)
			return 0;
		at = end - finder->piece->data + 1;
	}
	return at;
}

/* Does the index say where each of the strings begins? */
static bool check_token_index(const struct finder *finder)
{
	size_t start, at = finder->tokens;

	for (unsigned i = 0; i < KALLSYMS_TOKENS; i++) {
		if (at != finder->tokens + kallsyms_u16(finder->piece->data + finder->token_index + i * sizeof(uint16_t)))
			return false;
		start = at;
		at = skip_strings(finder, at, 1);
		if (!at || at - start > KSYM_NAME_LEN)
			return false;
	}
	return at == finder->tokens_end;
}

/* The tables around the digits at `digits`. */
static bool find_token_index(struct finder *finder, size_t digits)
{
	finder->tokens_end = skip_strings(finder, digits, KALLSYMS_TOKENS - '0');
	for (unsigned i = 0; finder->tokens_end && i < ALIGNMENTS; i++) {
		size_t before;

		finder->token_index = align_up(finder->tokens_end, alignments[i]);
		if (!has(finder, finder->token_index, KALLSYMS_TOKENS * sizeof(uint16_t)))
			return false;
		before = kallsyms_u16(finder->piece->data + finder->token_index + '0' * sizeof(uint16_t));
		finder->tokens = digits - before;
		if (before <= digits && check_token_index(finder))
			return true;
	}
	return false;
}

/* -- names and markers -- */

static uint64_t get_marker(const struct finder *finder, size_t at)
{
	return kallsyms_pointer(finder->piece->data + at, finder->marker_size);
}

/* Is `at` where the marker of symbol `index` says that its name begins? */
static bool check_marker(const struct finder *finder, unsigned index, size_t at)
{
	return get_marker(finder, finder->markers + (size_t)index / KALLSYMS_MARKED * finder->marker_size) == at;
}

/* Walks the names against the markers, of which there are enough for finder->count. */
static bool check_names(struct finder *finder)
{
	const uint8_t *names = finder->piece->data + finder->names;
	size_t at = 0, size = finder->markers - finder->names;

	for (unsigned i = 0; i < finder->count; i++) {
		size_t length;

		if (i % KALLSYMS_MARKED == 0 && !(check_marker(finder, i, at) && work(finder, KALLSYMS_MARKED)))
			return false;
		if (!kallsyms_name_length(names, size, &at, &length) || !length || length > KSYM_NAME_LEN)
			return false;
		at += length;
	}
	finder->names_end = finder->names + at;
	return finder->markers - finder->names_end < alignments[ALIGNMENTS - 1];
}

static unsigned markers_of(unsigned count)
{
	return (count + KALLSYMS_MARKED - 1) / KALLSYMS_MARKED;
}

/* Do markers, and perhaps seqs_of_names, reach to token_table? */
static bool check_gap(struct finder *finder)
{
	size_t end = finder->markers + (size_t)markers_of(finder->count) * finder->marker_size;

	for (unsigned i = 0; i < ALIGNMENTS; i++) {
		size_t seqs = align_up(end, alignments[i]);

		finder->seqs = 0;
		if (seqs == finder->tokens)
			return true;
		finder->seqs = seqs;
		if (align_up(seqs + (size_t)finder->count * KALLSYMS_SEQ_SIZE, alignments[i]) == finder->tokens)
			return true;
	}
	return false;
}

/* Is `names` where names begin, the number of symbols, which takes `marked` markers, standing before it? */
static bool try_names(struct finder *finder, size_t names, unsigned marked)
{
	for (unsigned i = 0; i < ALIGNMENTS; i++) {
		if (names < alignments[i])
			continue;
		finder->names = names;
		finder->num_syms = names - alignments[i];
		finder->count = get32(finder, finder->num_syms);
		if (finder->count > MAX_SYMBOLS || markers_of(finder->count) != marked)
			continue;
		if (check_names(finder) && check_gap(finder))
			return true;
	}
	return false;
}

/* Names that end before finder->markers, if there are `marked` of these: the last at most 256 names have any length that they may have. */
static bool find_names(struct finder *finder, unsigned marked)
{
	size_t last = get_marker(finder, finder->markers + (size_t)(marked - 1) * finder->marker_size);
	size_t end = finder->markers, first;

	if (end < last + sizeof(uint32_t))
		return false;
	end = (end - last) & ~(sizeof(uint32_t) - 1);
	first = end > MAX_MARKED_BYTES ? end - MAX_MARKED_BYTES : sizeof(uint32_t);
	for (size_t at = end; at >= first && work(finder, 1); at -= sizeof(uint32_t)) {
		if (try_names(finder, at, marked))
			return true;
	}
	return false;
}

/* How many markers there could be from `at` on, before token_table. */
static unsigned count_markers(const struct finder *finder, size_t at)
{
	unsigned count = 1, size = finder->marker_size;
	uint64_t last = 0;

	if (at + size > finder->tokens || get_marker(finder, at))
		return 0;
	for (at += size; at + size <= finder->tokens; at += size, count++) {
		uint64_t marker = get_marker(finder, at);

		if (marker - last < MIN_MARKED_BYTES || marker - last > MAX_MARKED_BYTES)
			break;
		last = marker;
	}
	return count;
}

/* Backwards from token_table, as far as the tables between of the most symbols would take. */
static bool find_markers(struct finder *finder, unsigned marker_size)
{
	size_t most = (size_t)MAX_SYMBOLS * KALLSYMS_SEQ_SIZE + (size_t)MAX_SYMBOLS / KALLSYMS_MARKED * marker_size;
	size_t at = finder->tokens & ~(size_t)3, first = at > most ? at - most : 0;

	finder->marker_size = marker_size;
	while (at >= first + sizeof(uint32_t) && work(finder, 1)) {
		unsigned count;

		at -= sizeof(uint32_t);
		count = count_markers(finder, at);
		if (count < MIN_MARKERS)
			continue;
		finder->markers = at;
		/* What follows the markers may look like one more. */
		if (find_names(finder, count) || (count > MIN_MARKERS && find_names(finder, count - 1)))
			return true;
	}
	return false;
}

static bool find_names_by_markers(struct finder *finder)
{
	unsigned pointer = finder->view->pointer_size;

	return find_markers(finder, sizeof(uint32_t)) || (pointer > sizeof(uint32_t) && find_markers(finder, pointer));
}

/* -- addresses -- */

/* Where addresses are: behind the other tables, or before them. The base, if it is one of the kinds with a base, follows them. */
struct arrangement {
	enum kallsyms_addressing addressing;
	bool behind, based;
};

static const struct arrangement arrangements[] = {
	{KALLSYMS_RELATIVE, true, true},   {KALLSYMS_RELATIVE_PERCPU, true, true}, {KALLSYMS_PREL32, true, false},
	{KALLSYMS_ABSOLUTE, true, false},  {KALLSYMS_RELATIVE, false, true},       {KALLSYMS_RELATIVE_PERCPU, false, true},
	{KALLSYMS_ABSOLUTE, false, false},
};

/* Do the addresses start where the scheme makes them start? */
static bool check_first(const struct kallsyms *table, const struct view *view)
{
	unsigned absolute = 0;

	switch (table->addressing) {
	case KALLSYMS_RELATIVE:
		return view_contains(view, table->base) && kallsyms_address(table, 0) == table->base;
	case KALLSYMS_RELATIVE_PERCPU:
		while (absolute < table->count && !(kallsyms_u32(table->addresses + absolute * sizeof(uint32_t)) >> 31))
			absolute++;
		return view_contains(view, table->base) && absolute < table->count && kallsyms_address(table, absolute) == table->base;
	case KALLSYMS_ABSOLUTE:
	case KALLSYMS_PREL32:
		break;
	}
	return true;
}

/*
 * Absolute symbols are below the image. A few may be behind it: from 6.19 to 7.1 kallsyms has symbols of .modinfo, which was linked to the
 * image's end and then taken away.
 */
static bool check_address(const struct kallsyms *table, const struct view *view, uint64_t address)
{
	if (address < view->base)
		return table->addressing == KALLSYMS_RELATIVE_PERCPU || table->addressing == KALLSYMS_ABSOLUTE;
	return address - view->base <= KERNEL_IMAGE_SIZE;
}

static bool check_addresses(const struct kallsyms *table, const struct view *view)
{
	struct kallsyms_cursor cursor = {0};
	struct symbol stext;
	uint64_t last = 0;

	if (!check_first(table, view))
		return false;
	for (unsigned i = 0; i < table->count; i++) {
		uint64_t address = kallsyms_address(table, i);

		if (address < last || !check_address(table, view, address))
			return false;
		last = address;
	}
	return kallsyms_next_named(table, &cursor, "_stext", &stext) && view_contains(view, stext.address);
}

static struct kallsyms found_so_far(const struct finder *finder)
{
	const uint8_t *data = finder->piece->data;
	struct kallsyms found = {
		.count = finder->count,
		.pointer_size = finder->view->pointer_size,
		.floor = finder->view->base,
		.names = data + finder->names,
		.names_size = finder->names_end - finder->names,
		.markers = data + finder->markers,
		.marker_size = finder->marker_size,
		.token_table = data + finder->tokens,
		.token_table_size = finder->tokens_end - finder->tokens,
		.token_index = data + finder->token_index,
		.seqs = finder->seqs ? data + finder->seqs : NULL,
	};

	kallsyms_read_tokens(&found);
	return found;
}

/* Are there addresses like that, with labels so aligned? *ret_end: the end of addresses and base. */
static bool try_addresses(const struct finder *finder, const struct arrangement *arrangement, unsigned alignment, struct kallsyms *ret,
			  size_t *ret_end)
{
	unsigned pointer = finder->view->pointer_size;
	size_t size = (size_t)finder->count * kallsyms_address_size(arrangement->addressing, pointer);
	size_t base_at = align_up(size, alignment); /* from the start of addresses */
	size_t whole = arrangement->based ? base_at + align_up(pointer, alignment) : base_at;
	size_t at = align_up(finder->token_index + KALLSYMS_TOKENS * sizeof(uint16_t), alignment);

	if (!arrangement->behind) {
		if (finder->num_syms < whole)
			return false;
		at = finder->num_syms - whole;
	}
	if (!has(finder, at, whole))
		return false;
	*ret = found_so_far(finder);
	ret->addressing = arrangement->addressing;
	ret->addresses = finder->piece->data + at;
	if (arrangement->based)
		ret->base = kallsyms_pointer(ret->addresses + base_at, pointer);
	else if (arrangement->addressing == KALLSYMS_PREL32)
		ret->base = finder->piece->vaddr + at;
	*ret_end = at + whole;
	return check_addresses(ret, finder->view);
}

/* seqs_of_names are the numbers of all symbols: each in range, and the sum as it must be. */
static bool check_seqs(const struct finder *finder, size_t at)
{
	uint64_t sum = 0;

	if (!has(finder, at, (size_t)finder->count * KALLSYMS_SEQ_SIZE))
		return false;
	for (unsigned i = 0; i < finder->count; i++) {
		const uint8_t *seq = finder->piece->data + at + (size_t)i * KALLSYMS_SEQ_SIZE;
		unsigned index = seq[0] << 16 | seq[1] << 8 | seq[2];

		if (index >= finder->count)
			return false;
		sum += index;
	}
	return sum == (uint64_t)finder->count * (finder->count - 1) / 2;
}

static bool find_addresses(const struct finder *finder, struct kallsyms *ret)
{
	for (size_t i = 0; i < sizeof(arrangements) / sizeof(arrangements[0]); i++) {
		for (unsigned j = 0; j < ALIGNMENTS; j++) {
			size_t end;

			if (!try_addresses(finder, &arrangements[i], alignments[j], ret, &end))
				continue;
			if (arrangements[i].behind && check_seqs(finder, end))
				ret->seqs = finder->piece->data + end;
			else if (!finder->seqs || !check_seqs(finder, finder->seqs))
				ret->seqs = NULL;
			return true;
		}
	}
	return false;
}

/* -- the whole -- */

/* How far a search in a piece got, for the message if it is in vain. */
enum progress { NO_TOKENS, NO_NAMES, NO_ADDRESSES, FOUND };

static enum progress find_in_piece(struct finder *finder, struct kallsyms *ret)
{
	static const char digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009"; /* its own end is the last one's */
	enum progress best = NO_TOKENS;
	const uint8_t *data = finder->piece->data, *end = data + finder->piece->size, *at = data;

	while (work(finder, ANCHOR_WORK) && (at = memmem(at, end - at, digits, sizeof(digits)))) {
		enum progress progress = NO_TOKENS;

		if (find_token_index(finder, at - data)) {
			progress = !find_names_by_markers(finder) ? NO_NAMES : find_addresses(finder, ret) ? FOUND : NO_ADDRESSES;
			if (progress == FOUND)
				return FOUND;
		}
		if (progress > best)
			best = progress;
		at++;
	}
	return best;
}

static const char *const reasons[] = {
	[NO_TOKENS] = "no symbol table (kallsyms) in it: was it built without CONFIG_KALLSYMS?",
	[NO_NAMES] = "its symbol table (kallsyms) has a token table, but no names that go with it: damaged, or of a kind that is not known",
	[NO_ADDRESSES] =
		"its symbol table (kallsyms) has names, but no addresses that go with them: damaged, or of a kind that is not known",
};

struct error *kallsyms_find(const struct view *view, struct kallsyms *ret)
{
	struct finder finder = {.view = view, .work_left = MAX_WORK};
	enum progress best = NO_TOKENS;

	for (unsigned i = 0; i < view->pieces && best != FOUND; i++) {
		enum progress progress;

		finder.piece = &view->piece[i];
		progress = find_in_piece(&finder, ret);
		if (progress > best)
			best = progress;
	}
	return best == FOUND ? NULL : error_create("%s", reasons[best]);
}
