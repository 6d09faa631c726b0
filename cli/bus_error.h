/*
 * Files that get shorter while they are mapped: a checkpoint, the image of a kernel, a delivered program. The first access behind the new
 * end raises SIGBUS, which would end the process without a word. (A snapshot is read, not mapped.)
 */
#ifndef XRAY86_CLI_BUS_ERROR_H
#define XRAY86_CLI_BUS_ERROR_H

/* From now on such an access ends the process with a message that names the file, and with EXIT_XRAY86. */
void bus_error_catch(void);

#endif
