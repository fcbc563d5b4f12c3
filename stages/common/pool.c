#include "common/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"

size_t pool_threads(void)
{
	const char *wish = getenv("QUANTGRID_THREADS");
	long threads = wish ? strtol(wish, NULL, 10) : 0;
	cpu_set_t set;
	if (threads < 1)
		threads = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
	return (size_t)(threads > POOL_THREADS_MAX ? POOL_THREADS_MAX : threads);
}

struct pool {
	pool_work *work;
	void *context;
	struct warn_listener listener;  /* of the caller */
	size_t count;
	atomic_size_t next;
	atomic_int failed;
	pthread_mutex_t lock;   /* guards the two below */
	size_t failed_index;
	char *message;
};

struct worker {
	struct pool *pool;
	size_t number;
	pthread_t thread;
};

static void note_failure(struct pool *p, size_t index)
{
	pthread_mutex_lock(&p->lock);
	if (!p->message || index < p->failed_index) {
		free(p->message);
		p->message = mem_strdup(error_text());
		p->failed_index = index;
	}
	pthread_mutex_unlock(&p->lock);
	atomic_store(&p->failed, 1);
}

static void *worker_run(void *argument)
{
	struct worker *w = argument;
	struct pool *p = w->pool;
	warn_listen(p->listener);
	while (!atomic_load(&p->failed)) {
		size_t index = atomic_fetch_add(&p->next, 1);
		if (index >= p->count)
			break;
		if (p->work(p->context, index, w->number))
			note_failure(p, index);
	}
	return NULL;
}

int pool_run(size_t count, pool_work *work, void *context)
{
	struct pool p = {.work = work, .context = context, .listener = warn_listening(), .count = count,
		.lock = PTHREAD_MUTEX_INITIALIZER};
	struct worker workers[POOL_THREADS_MAX];
	size_t threads = pool_threads(), started = 1;
	if (threads > count)
		threads = count;
	workers[0] = (struct worker){&p, 0, 0};
	/* A thread that cannot be started is no error: the others do its share. */
	for (; started < threads; started++) {
		workers[started] = (struct worker){&p, started, 0};
		if (pthread_create(&workers[started].thread, NULL, worker_run, &workers[started]))
			break;
	}
	worker_run(&workers[0]);
	for (size_t i = 1; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	if (!p.message)
		return 0;
	fail("%s", p.message);
	free(p.message);
	return -1;
}
