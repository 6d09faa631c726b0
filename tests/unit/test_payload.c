/* Payloads: every compression that kernels use, and what becomes of damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel_rig.h"
#include "loader/payload.h"

static const struct {
	const char *name;
	struct bytes (*pack)(const uint8_t *data, size_t size);
} formats[] = {
	{"gzip", pack_gzip}, {"xz", pack_xz},   {"lzma", pack_lzma}, {"bzip2", pack_bzip2},
	{"LZ4", pack_lz4},   {"lzo", pack_lzo}, {"zstd", pack_zstd},
};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]), SMALL = 300000 };

/* Code-like and random data by turns, so that some blocks shrink and some do not. */
static struct bytes make_data(size_t size)
{
	struct bytes data = bytes_alloc(size);
	uint32_t random = 1;

	for (size_t i = 0; i < size; i++) {
		random = random * 1664525 + 1013904223;
		data.data[i] = i >> 18 & 1 ? random >> 24 : i % 5 ? i >> 9 : 0xe8;
	}
	return data;
}

static void check_round_trip(unsigned format, size_t size)
{
	struct bytes data = make_data(size), payload = formats[format].pack(data.data, data.size);
	uint8_t *unpacked;
	size_t unpacked_size;

	assert_ok(payload_decompress(payload.data, payload.size, &unpacked, &unpacked_size));
	assert_int_equal(unpacked_size, data.size);
	assert_memory_equal(unpacked, data.data, data.size);
	free(unpacked);
	free(payload.data);
	free(data.data);
}

static void every_compression(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FORMATS; i++) {
		check_round_trip(i, SMALL);
		check_round_trip(i, 9 << 20); /* more than one block of LZ4 */
	}
}

/* A cut-off payload's last bytes are not its size; put back, the data are still short. */
static void cut_off(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FORMATS; i++) {
		struct bytes data = make_data(SMALL), payload = formats[i].pack(data.data, data.size);

		for (size_t size = 0; size < payload.size; size += 1 + payload.size / 13) {
			uint8_t *copy = malloc(size + 4), *unpacked;
			size_t unpacked_size;

			memcpy(copy, payload.data, size);
			put32(copy + size, SMALL);
			assert_error(payload_decompress(copy, size + 4, &unpacked, &unpacked_size), size < 9 ? "" : formats[i].name);
			free(copy);
		}
		free(payload.data);
		free(data.data);
	}
}

static void wrong_size(void **state)
{
	static const uint32_t sizes[] = {SMALL - 1, SMALL + 1, 1, 0, PAYLOAD_MAX_SIZE + 1, UINT32_MAX};

	(void)state;
	for (unsigned i = 0; i < FORMATS; i++) {
		struct bytes data = make_data(SMALL), payload = formats[i].pack(data.data, data.size);

		for (unsigned j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
			uint8_t *unpacked;
			size_t unpacked_size;

			put32(payload.data + payload.size - 4, sizes[j]);
			assert_error(payload_decompress(payload.data, payload.size, &unpacked, &unpacked_size), formats[i].name);
		}
		free(payload.data);
		free(data.data);
	}
}

/* Formats with checksums must notice any change; the others may not crash. */
static void changed_bytes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FORMATS; i++) {
		struct bytes data = make_data(SMALL), payload = formats[i].pack(data.data, data.size);

		for (size_t at = 0; at + 4 < payload.size; at += 1 + payload.size / 29) {
			struct error *err;
			uint8_t *unpacked = NULL;
			size_t unpacked_size;

			payload.data[at] ^= 0x55;
			err = payload_decompress(payload.data, payload.size, &unpacked, &unpacked_size);
			if (!err)
				free(unpacked);
			error_destroy(err);
			payload.data[at] ^= 0x55;
		}
		free(payload.data);
		free(data.data);
	}
}

static void lzo_checksum(void **state)
{
	struct bytes data = make_data(SMALL), payload = pack_lzo(data.data, data.size);
	uint8_t *unpacked;
	size_t size;

	(void)state;
	payload.data[41 + 8] ^= 1; /* the first block's checksum */
	assert_error(payload_decompress(payload.data, payload.size, &unpacked, &size), "damaged");
	free(payload.data);
	free(data.data);
}

static void unknown_compression(void **state)
{
	uint8_t *unpacked;
	size_t size;

	(void)state;
	assert_error(payload_decompress((const uint8_t *)"ABCDEFGHIJKLMNOP", 16, &unpacked, &size), "41 42 43 44");
	assert_error(payload_decompress((const uint8_t *)"", 0, &unpacked, &size), "not known");
	assert_error(payload_decompress((const uint8_t *)"\x1f\x8b", 2, &unpacked, &size), "cut off");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_compression), cmocka_unit_test(cut_off),      cmocka_unit_test(wrong_size),
		cmocka_unit_test(changed_bytes),     cmocka_unit_test(lzo_checksum), cmocka_unit_test(unknown_compression),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
