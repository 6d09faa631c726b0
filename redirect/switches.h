/*
 * Switches in product context: the text is the trusted kernel's, but its patch sites (loader/patch_sites.h) stand as in the product. They
 * are configuration: which security modules are asked, whether statistics are kept, how memory is laid out. Data that were laid out under
 * one setting would be misread under another.
 *
 * If sites of a page of text stand otherwise in the product, a fetch in product context gets a copy of the page with the product's forms.
 * So a site that is the same costs nothing, and one that differs costs nothing after the first fetch. The form of a site in the product
 * counts only if it is one that the kernel itself gives it. Anything else was not written by the kernel, and is counted: then the key's
 * data say how the site is to stand. If they do not, it stays as in the trusted kernel.
 */
#ifndef XRAY86_REDIRECT_SWITCHES_H
#define XRAY86_REDIRECT_SWITCHES_H

#include "loader/patch_sites.h"

enum { SWITCH_NAME = 512 /* KSYM_NAME_LEN */ };

/* What it knows of the two kernels, which are at the same addresses. */
struct switches_config {
	void *opaque;
	bool (*read_trusted)(void *opaque, uint64_t address, void *to, size_t size); /* all or nothing */
	bool (*read_product)(void *opaque, uint64_t address, void *to, size_t size);
	bool (*is_function)(void *opaque, uint64_t address); /* of the kernel, at its first instruction */
	/* The symbol that an address is in; ret_exact: at its beginning. NULL: none. */
	const char *(*name)(void *opaque, uint64_t address, char to[SWITCH_NAME]);
	/* Makes a page of code for the machine, and returns its physical address; 0: there is no room. */
	uint64_t (*add_page)(void *opaque, const uint8_t *bytes);
	unsigned word;       /* bytes of a pointer */
	uint64_t start, end; /* of the image */
};

struct switches {
	struct switches_config config;
	struct patch_sites sites;
	struct switch_page {
		uint8_t *bytes; /* of the copy; NULL: the trusted page will do */
		uint64_t paddr; /* of the copy */
		uint64_t asked; /* the age in which this was found out */
	} * page;               /* by number, from the image's start on */
	uint64_t age;
	struct switch_counts {
		uint64_t followed; /* sites that stand otherwise in the product, and so here */
		uint64_t kept;     /* sites that a rule keeps as in the trusted kernel */
		uint64_t illegal;  /* sites that are kept because the kernel cannot have made them so */
		uint64_t first;    /* the address of the first illegal one */
	} count;                   /* a site counts each time that its page is looked at */
};

/* Takes over `sites`, which are sorted, even after an error. */
struct error *switches_init(struct switches *switches, const struct switches_config *config, struct patch_sites *sites);
/* A zeroed one is allowed. */
void switches_deinit(struct switches *switches);

/* Where product context fetches the code at this address of the image. Returns false if the trusted kernel's own place will do. */
bool switches_find(struct switches *switches, uint64_t address, uint64_t *ret_paddr);
/* Forgets what is known of pages, since code of either kernel's image has changed. */
void switches_forget(struct switches *switches);

#endif
