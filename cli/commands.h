/* The commands of the command line, each `xray86 NAME ...`. */
#ifndef XRAY86_CLI_COMMANDS_H
#define XRAY86_CLI_COMMANDS_H

#include "include/xray86.h"
#include "util/error.h"

/* Exit statuses of xray86 itself. All others are the guest's. */
enum {
	EXIT_LIMIT = 124, /* --max-instructions, as timeout(1) */
	EXIT_XRAY86 = 125,
	EXIT_CANNOT_RUN = 126, /* this and the next as env(1) */
	EXIT_NOT_FOUND = 127,
	EXIT_SIGNAL = 128, /* + number */
};

/* argv[0] is the command's name. On success *ret_status is the exit status. */
struct error *cache_command(int argc, char **argv, int *ret_status);
struct error *boot_command(int argc, char **argv, int *ret_status);
struct error *info_command(int argc, char **argv, int *ret_status);
struct error *kernel_command(int argc, char **argv, int *ret_status);
struct error *run_command(int argc, char **argv, int *ret_status);
struct error *symbols_command(int argc, char **argv, int *ret_status);

#endif
