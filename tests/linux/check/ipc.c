/* System V semaphores, shared memory and messages; POSIX message queues. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static int change(int set, unsigned short number, short by, short flags)
{
	struct sembuf operation = {.sem_num = number, .sem_op = by, .sem_flg = flags};

	return semop(set, &operation, 1);
}

/* Two processes that take turns, and undo at exit. */
static void check_semaphores(struct check *check)
{
	int set = semget(IPC_PRIVATE, 2, 0600);
	volatile int *counter = shared_memory(4096);
	bool turns = true;
	pid_t child;

	CHECK(check, set >= 0 && semctl(set, 0, SETVAL, 1) == 0 && semctl(set, 1, SETVAL, 0) == 0);
	child = fork();
	if (child == 0) {
		for (int i = 0; i < 200; i++) {
			if (change(set, 1, -1, 0) || *counter != 2 * i + 1)
				_exit(1);
			++*counter;
			change(set, 0, 1, 0);
		}
		_exit(0);
	}
	for (int i = 0; i < 200; i++) {
		turns = turns && change(set, 0, -1, 0) == 0 && *counter == 2 * i;
		++*counter;
		change(set, 1, 1, 0);
	}
	CHECK(check, turns && exited(child, 0) && *counter == 400);
	child = fork();
	if (child == 0)
		_exit(change(set, 0, -1, SEM_UNDO) == 0 && semctl(set, 0, GETVAL) == 0 ? 0 : 1);
	CHECK(check, exited(child, 0) && semctl(set, 0, GETVAL) == 1);
	CHECK(check, change(set, 1, -1, IPC_NOWAIT) < 0 && errno == EAGAIN);
	child = fork();
	if (child == 0)
		_exit(change(set, 1, -1, 0) < 0 && errno == EIDRM ? 0 : 1);
	sleep_ms(30);
	CHECK(check, semctl(set, 0, IPC_RMID) == 0 && exited(child, 0));
}

static void check_shared_memory(struct check *check)
{
	int segment = shmget(IPC_PRIVATE, 1 << 20, 0600);
	char *memory = shmat(segment, NULL, 0), *again = shmat(segment, NULL, SHM_RDONLY);
	struct shmid_ds status;
	pid_t child;

	CHECK(check, segment >= 0 && memory != (char *)-1 && again != (char *)-1);
	child = fork();
	if (child == 0) {
		pattern_fill(memory, 1 << 20, 5);
		_exit(shmdt(memory) == 0 ? 0 : 1);
	}
	CHECK(check, exited(child, 0) && pattern_holds(again, 1 << 20, 5));
	CHECK(check, shmctl(segment, IPC_STAT, &status) == 0 && status.shm_nattch == 2 && status.shm_segsz == 1 << 20);
	CHECK(check, shmctl(segment, IPC_RMID, NULL) == 0 && shmdt(memory) == 0 && pattern_holds(again, 1 << 20, 5) && shmdt(again) == 0);
	CHECK(check, shmat(segment, NULL, 0) == (void *)-1);
}

static void check_messages(struct check *check)
{
	int queue = msgget(IPC_PRIVATE, 0600);
	struct {
		long type;
		char text[100];
	} message;
	pid_t child;

	CHECK(check, queue >= 0);
	for (long type = 1; type <= 4; type++) {
		message.type = type;
		memset(message.text, '0' + (int)type, sizeof message.text);
		CHECK(check, msgsnd(queue, &message, (size_t)(20 * type), 0) == 0);
	}
	CHECK(check, msgrcv(queue, &message, 100, 3, 0) == 60 && message.text[59] == '3'); /* by type */
	CHECK(check, msgrcv(queue, &message, 100, -2, 0) == 20 && message.type == 1);
	CHECK(check, msgrcv(queue, &message, 10, 0, 0) < 0 && errno == E2BIG && msgrcv(queue, &message, 10, 0, MSG_NOERROR) == 10);
	CHECK(check, msgrcv(queue, &message, 100, 9, IPC_NOWAIT) < 0 && errno == ENOMSG);
	child = fork();
	if (child == 0)
		_exit(msgrcv(queue, &message, 100, 9, 0) == 5 && !memcmp(message.text, "hello", 5) ? 0 : 1);
	sleep_ms(20);
	message.type = 9;
	memcpy(message.text, "hello", 5);
	CHECK(check, msgsnd(queue, &message, 5, 0) == 0 && exited(child, 0));
	CHECK(check, msgctl(queue, IPC_RMID, NULL) == 0);
}

static void check_posix_queue(struct check *check)
{
	struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 64};
	struct timespec past = {.tv_sec = 1};
	mqd_t queue = mq_open("/linux-check", O_CREAT | O_RDWR, 0600, &attributes);
	unsigned priority = 0;
	char text[64] = "";

	CHECK(check, queue >= 0 && mq_unlink("/linux-check") == 0);
	CHECK(check, mq_send(queue, "low", 3, 1) == 0 && mq_send(queue, "high", 4, 7) == 0);
	CHECK(check, mq_receive(queue, text, sizeof text, &priority) == 4 && priority == 7 && !memcmp(text, "high", 4));
	CHECK(check, mq_receive(queue, text, sizeof text, &priority) == 3 && priority == 1);
	CHECK(check, mq_timedreceive(queue, text, sizeof text, &priority, &past) < 0 && errno == ETIMEDOUT);
	mq_close(queue);
}

void check_ipc(struct check *check)
{
	check_semaphores(check);
	check_shared_memory(check);
	check_messages(check);
	check_posix_queue(check);
}
