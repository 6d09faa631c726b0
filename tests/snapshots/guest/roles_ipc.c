/*
 * System V IPC: a shared memory segment, a semaphore set and a message queue, with known keys and content.
 */
#include "scenario.h"
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

enum { SEGMENT_KEY = 0x5eed0001, SEMAPHORES_KEY = 0x5eed0002, QUEUE_KEY = 0x5eed0003 };

void run_ipc(void)
{
	char *segment = shmat(check(shmget(SEGMENT_KEY, 65536, IPC_CREAT | 0640)), NULL, 0);
	check(segment == (void *)-1 ? -1 : 0);
	strcpy(segment, "in shared memory");

	int semaphores = check(semget(SEMAPHORES_KEY, 3, IPC_CREAT | 0600));
	for (int i = 0; i < 3; i++)
		check(semctl(semaphores, i, SETVAL, 10 + i));

	int queue = check(msgget(QUEUE_KEY, IPC_CREAT | 0622));
	struct {
		long type;
		char text[32];
	} message = {.text = "a message in the queue"};
	for (message.type = 1; message.type <= 2; message.type++)
		check(msgsnd(queue, &message, strlen(message.text), 0));
	ready();
	rest();
}
