/*
 * What the agent in the trusted VM and the host say to each other, by hypercalls: OUT of a 32-bit function number to HYPERCALL_PORT, with
 * arguments in rBX, rCX and rSI; the result comes in rAX. Addresses are the agent's own, of memory that it has touched.
 */
#ifndef XRAY86_GUEST_PROTOCOL_H
#define XRAY86_GUEST_PROTOCOL_H

#define HYPERCALL_PORT 0x7886

enum hypercall {
	HYPERCALL_READY = 1,  /* the agent has nothing to do until it gets a command: the moment for a checkpoint */
	HYPERCALL_NEXT = 2,   /* (struct message *): the next message; 0, or -1 if there is none */
	HYPERCALL_DATA = 3,   /* (buffer, size): the next bytes of a file's contents; how many */
	HYPERCALL_BEGIN = 4,  /* all other tasks are tools from now on; 0, or -1 if the host has failed */
	HYPERCALL_OUTPUT = 5, /* (1 or 2, buffer, size): output of the command */
	HYPERCALL_INPUT = 6,  /* (buffer, size): the command's input; how many bytes, 0 at the end, -1 if there are none now */
	HYPERCALL_EXIT = 7,   /* (status): as wait4() tells it. Does not return */
	HYPERCALL_FAIL = 8,   /* (enum agent_failure, error number): the host tells the user. Does not return */
};

enum agent_failure {
	AGENT_FILE = 1,    /* the file of the last MESSAGE_FILE cannot be made */
	AGENT_STRINGS = 2, /* no memory for arguments and environment */
	AGENT_PROCESS = 3, /* no process for the command, or no pipes to it */
	AGENT_EXEC = 4,    /* execve() of the command failed */
	AGENT_ORDER = 5,   /* the host's messages ended without a command, or introspection did not begin */
};

enum message_kind {
	MESSAGE_FILE = 1,      /* text: path; size bytes follow by HYPERCALL_DATA; mode */
	MESSAGE_DIRECTORY = 2, /* text: path; mode */
	MESSAGE_ARGUMENT = 3,  /* text: the next of argv */
	MESSAGE_VARIABLE = 4,  /* text: NAME=VALUE */
	MESSAGE_PID = 5,       /* size: tools' process numbers are greater */
	MESSAGE_CLOCKS = 6,    /* text: of /proc/self/timens_offsets, for the command (time_namespaces(7)) */
	MESSAGE_RUN = 7,       /* text: path of the program, working directory */
	MESSAGE_ARGUMENTS = 8, /* before them. mode: how many there are; size: their bytes, each with its 0 */
	MESSAGE_VARIABLES = 9, /* the same of the environment */
};

enum { MESSAGE_TEXT = 131072 + 4096 /* the longest string of an argv, MAX_ARG_STRLEN, and a path */ };

struct message {
	unsigned kind, mode;
	unsigned long long size;
	unsigned text_size; /* strings, each with its 0 */
	char text[MESSAGE_TEXT];
};

#endif
