#include "ops_counting.h"

#include <string.h>

enum { HEADER = 64 };

static size_t live, most, limit;

static void *counting_alloc(size_t bytes)
{
	char *p = ops_cpu()->alloc(bytes + HEADER);
	memcpy(p, &bytes, sizeof bytes);
	live += bytes;
	most = live > most ? live : most;
	return p + HEADER;
}

static void counting_release(void *p)
{
	size_t bytes;
	memcpy(&bytes, (char *)p - HEADER, sizeof bytes);
	live -= bytes;
	ops_cpu()->release((char *)p - HEADER);
}

static size_t counting_memory_free(void)
{
	return limit > live ? limit - live : !!limit;
}

const struct ops *ops_counting(void)
{
	static struct ops table;
	table = *ops_cpu();
	table.alloc = counting_alloc;
	table.release = counting_release;
	table.memory_free = counting_memory_free;
	live = most = limit = 0;
	return &table;
}

void ops_counting_limit(size_t bytes)
{
	limit = bytes;
}

size_t ops_counting_live(void)
{
	return live;
}

size_t ops_counting_most(void)
{
	return most;
}
