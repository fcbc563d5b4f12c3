#include "graph/fault.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

void fault_point(const char *point)
{
	const char *wish = getenv("QUANTGRID_FAULT");
	if (wish && !strcmp(wish, point))
		raise(SIGKILL);
}

int fault_check(const char *point, const char *cell)
{
	const char *wish = getenv("QUANTGRID_FAULT");
	size_t length = strlen(point);
	if (!wish || strncmp(wish, point, length))
		return 0;
	if (wish[length] == ':' ? strcmp(wish + length + 1, cell) : wish[length])
		return 0;
	return fail("injected fault at %s (QUANTGRID_FAULT=%s)", point, wish);
}
