/*
 * Reads files of the product's kernel (/proc, /sys) as its PID 1, by the kernel's own functions. It leaves no trace in the product: what
 * the kernel writes meanwhile is taken back.
 */
#ifndef XRAY86_REDIRECT_PRODUCT_FILES_H
#define XRAY86_REDIRECT_PRODUCT_FILES_H

#include "redirect/host_task.h"

enum { PRODUCT_FILES_TEXT = 4096 /* bytes that are read at most */ };

struct product_files {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct host_task *host;

	/* -- its state -- */
	struct host_task before;
	uint64_t buffer; /* in the product */
};

/* Between calls, when there is a host task. The error says what the snapshot lacks; product_files_end() follows in any case. */
struct error *product_files_begin(struct product_files *files);
/* Reads what one read() at the beginning gives, and puts a 0 behind it. Returns how many bytes, or a negative errno. */
int64_t product_files_read(struct product_files *files, const char *path, char to[PRODUCT_FILES_TEXT]);
/* Until the end, the file has this text. Returns false if it cannot be written. */
bool product_files_write(struct product_files *files, const char *path, const char *text);
void product_files_end(struct product_files *files);

#endif
