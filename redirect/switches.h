/*
 * Switches in product context: the kernel's text is the trusted one's, but how its patch sites (loader/patch_sites.h) stand is the
 * product's. They are configuration, not code: which security modules are asked, whether statistics are kept, how memory is laid out; and
 * data that was laid out under one setting is misread under another.
 *
 * A page of text whose sites stand otherwise in the product is found as a copy with the product's forms when code is fetched from it in
 * product context. So a site that does not differ costs nothing, and one that does costs nothing after the first fetch. What a site has in
 * the product is believed only if it is one of the forms that the kernel itself gives it. Anything else was not written by the kernel: the
 * site stays as the trusted kernel has it, and is counted.
 */
#ifndef XRAY86_REDIRECT_SWITCHES_H
#define XRAY86_REDIRECT_SWITCHES_H

#include "loader/patch_sites.h"

enum { SWITCH_NAME = 512 /* KSYM_NAME_LEN */ };

/* What it is told of the two kernels, which stand at the same addresses. */
struct switches_config {
	void *opaque;
	bool (*read_trusted)(void *opaque, uint64_t address, void *to, size_t size); /* all or nothing */
	bool (*read_product)(void *opaque, uint64_t address, void *to, size_t size);
	bool (*is_function)(void *opaque, uint64_t address); /* of the kernel, at its first instruction */
	/* The symbol that an address is in; ret_exact: at its beginning. NULL: none. */
	const char *(*name)(void *opaque, uint64_t address, char to[SWITCH_NAME]);
	/* A page of code for the machine: its physical address, 0: there is no room. */
	uint64_t (*add_page)(void *opaque, const uint8_t *bytes);
	unsigned word;       /* bytes of a pointer */
	uint64_t start, end; /* of the image */
};

struct switches {
	struct switches_config config;
	struct patch_sites sites;
	struct switch_page {
		uint8_t *bytes; /* of the copy; NULL: there is none, the trusted page will do */
		uint64_t paddr; /* of the copy */
		uint64_t asked; /* the age in which this was found out */
	} * page;               /* by number, from the image's start on */
	uint64_t age;
	struct switch_counts {
		uint64_t followed; /* sites that were found to stand otherwise, and do so here */
		uint64_t kept;     /* and do not, by a rule */
		uint64_t illegal;  /* and do not, since the kernel cannot have made them so */
		uint64_t first;    /* the address of the first of those */
	} count;                   /* sites in pages that were looked at several times count each time */
};

/* Takes over `sites`, sorted, also in case of error. */
struct error *switches_init(struct switches *switches, const struct switches_config *config, struct patch_sites *sites);
/* A zeroed one is allowed. */
void switches_deinit(struct switches *switches);

/* Where code at this address of the image is to be fetched from, in product context. False: where the trusted kernel has it. */
bool switches_find(struct switches *switches, uint64_t address, uint64_t *ret_paddr);
/* Code of either kernel's image has changed: what is known of pages is void. */
void switches_forget(struct switches *switches);

#endif
