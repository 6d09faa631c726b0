/* Messages of isolated sessions: message.h. */
#include "session/message.h"

#include <stdlib.h>
#include <string.h>

#define NO_TEXT UINT64_MAX

struct header {
	uint32_t type, size;
};

/* -- putting -- */

static bool reserve(struct message *message, size_t size)
{
	size_t capacity = message->capacity ? message->capacity : 4096;
	uint8_t *bytes;

	if (message->bad || size > MESSAGE_MAX - message->size)
		return false;
	while (capacity < message->size + size)
		capacity *= 2;
	if (capacity == message->capacity)
		return true;
	bytes = realloc(message->bytes, capacity);
	if (!bytes)
		return false;
	message->bytes = bytes;
	message->capacity = capacity;
	return true;
}

static void put(struct message *message, const void *bytes, size_t size)
{
	if (!reserve(message, size)) {
		message->bad = true;
		return;
	}
	if (size)
		memcpy(message->bytes + message->size, bytes, size);
	message->size += size;
}

void message_begin(struct message *message, enum message_type type)
{
	message->type = type;
	message->size = message->at = 0;
	message->bad = false;
}

void message_put_number(struct message *message, uint64_t value)
{
	put(message, &value, sizeof(value));
}

void message_put_bytes(struct message *message, const void *bytes, size_t size)
{
	message_put_number(message, size);
	put(message, bytes, size);
}

void message_put_text(struct message *message, const char *text)
{
	if (text)
		message_put_bytes(message, text, strlen(text) + 1);
	else
		message_put_number(message, NO_TEXT);
}

void message_put_list(struct message *message, const char *const *list)
{
	uint64_t count = 0;

	if (!list) {
		message_put_number(message, NO_TEXT);
		return;
	}
	while (list[count])
		count++;
	if (count > MESSAGE_WORDS)
		message->bad = true;
	message_put_number(message, count);
	for (uint64_t i = 0; i < count; i++)
		message_put_text(message, list[i]);
}

/* -- taking -- */

/* NULL: they are not there. */
static const uint8_t *take(struct message *message, uint64_t size)
{
	if (message->bad || size > message->size - message->at) {
		message->bad = true;
		return NULL;
	}
	message->at += size;
	return message->bytes + message->at - size;
}

uint64_t message_take_number(struct message *message)
{
	uint64_t value = 0;
	const uint8_t *bytes = take(message, sizeof(value));

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return value;
}

const uint8_t *message_take_bytes(struct message *message, size_t limit, size_t *ret_size)
{
	uint64_t size = message_take_number(message);
	const uint8_t *bytes;

	if (size > limit)
		message->bad = true;
	bytes = take(message, size);
	*ret_size = bytes ? size : 0;
	return bytes;
}

const char *message_take_text(struct message *message)
{
	uint64_t size = message_take_number(message);
	const uint8_t *text;

	if (message->bad || size == NO_TEXT)
		return NULL;
	text = take(message, size);
	if (!text || !size || memchr(text, '\0', size) != text + size - 1) {
		message->bad = true;
		return NULL;
	}
	return (const char *)text;
}

const char **message_take_list(struct message *message)
{
	uint64_t count = message_take_number(message);
	const char **list;

	if (message->bad || count == NO_TEXT)
		return NULL;
	list = count <= MESSAGE_WORDS ? calloc(count + 1, sizeof(*list)) : NULL;
	for (uint64_t i = 0; list && !message->bad && i < count; i++) {
		list[i] = message_take_text(message);
		message->bad |= !list[i];
	}
	if (!list || message->bad) {
		message->bad = true;
		free(list);
		return NULL;
	}
	return list;
}

bool message_is_good(const struct message *message)
{
	return !message->bad && message->at == message->size;
}

void message_deinit(struct message *message)
{
	free(message->bytes);
	*message = (struct message){0};
}

/* -- sending, receiving -- */

static bool write_all(const struct channel *channel, const void *from, size_t size)
{
	const uint8_t *at = from;

	while (size) {
		ssize_t written = channel->write(channel->opaque, at, size);

		if (written <= 0)
			return false;
		at += written;
		size -= written;
	}
	return true;
}

static bool read_all(const struct channel *channel, void *to, size_t size)
{
	uint8_t *at = to;

	while (size) {
		ssize_t got = channel->read(channel->opaque, at, size);

		if (got <= 0 || (size_t)got > size)
			return false;
		at += got;
		size -= got;
	}
	return true;
}

bool channel_send(const struct channel *channel, struct message *message)
{
	const struct header header = {message->type, message->size};

	return !message->bad && write_all(channel, &header, sizeof(header)) && write_all(channel, message->bytes, message->size);
}

/* Memory comes with the bytes that have arrived, whatever size the header names. */
bool channel_receive(const struct channel *channel, struct message *ret)
{
	struct header header;

	if (!read_all(channel, &header, sizeof(header)) || header.size > MESSAGE_MAX)
		return false;
	message_begin(ret, header.type);
	while (ret->size < header.size) {
		size_t left = header.size - ret->size, size = left < MESSAGE_DATA ? left : MESSAGE_DATA;

		if (!reserve(ret, size) || !read_all(channel, ret->bytes + ret->size, size))
			return false;
		ret->size += size;
	}
	return true;
}
