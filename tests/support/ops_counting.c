#include "ops_counting.h"

#include <string.h>

enum { HEADER = 64 };

static size_t live, most;

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

const struct ops *ops_counting(void)
{
	static struct ops table;
	table = *ops_cpu();
	table.alloc = counting_alloc;
	table.release = counting_release;
	live = most = 0;
	return &table;
}

size_t ops_counting_live(void)
{
	return live;
}

size_t ops_counting_most(void)
{
	return most;
}
