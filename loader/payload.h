/* The compressed kernel in a bzImage. */
#ifndef XRAY86_LOADER_PAYLOAD_H
#define XRAY86_LOADER_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* The largest size that a payload may claim. It must fit into KERNEL_IMAGE_SIZE, at most 1 GiB, together with its data. */
#define PAYLOAD_MAX_SIZE (512u << 20)

/* The caller frees *ret. It is an error if the output has another size than the payload's last four bytes promise. */
struct error *payload_decompress(const uint8_t *data, size_t size, uint8_t **ret, size_t *ret_size);

/* -- between payload.c and the formats that no library unpacks as a whole -- */

struct payload_stream {
	const uint8_t *in;
	size_t in_size;
	uint8_t *out;
	size_t out_size; /* room */
};
/* A format fills `out` and sets *ret_size to how much it has written. Returns NULL on success, or the reason in few words. */
typedef const char *payload_format(const struct payload_stream *stream, size_t *ret_size);

payload_format payload_lz4, payload_lzo;

#endif
