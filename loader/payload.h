/* The compressed kernel in a bzImage. */
#ifndef XRAY86_LOADER_PAYLOAD_H
#define XRAY86_LOADER_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* The largest that a payload may say it becomes. KERNEL_IMAGE_SIZE, which it must fit into with its data, is 1 GiB at most. */
#define PAYLOAD_MAX_SIZE (512u << 20)

/* On success *ret is to be freed. Exactly as many bytes come out as the payload's last four promise, or it is an error. */
struct error *payload_decompress(const uint8_t *data, size_t size, uint8_t **ret, size_t *ret_size);

/* -- between payload.c and the formats that no library unpacks as a whole -- */

struct payload_stream {
	const uint8_t *in;
	size_t in_size;
	uint8_t *out;
	size_t out_size; /* room */
};
/* Formats fill out and tell in *ret_size how much of it; on failure they say why in few words, never NULL. NULL: success. */
typedef const char *payload_format(const struct payload_stream *stream, size_t *ret_size);

payload_format payload_lz4, payload_lzo;

#endif
