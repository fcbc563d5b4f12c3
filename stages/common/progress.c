#include "common/progress.h"

enum { MIB = 1 << 20 };

static progress_listener *listening;

void progress_listen(progress_listener *listener)
{
	listening = listener;
}

void progress_step(const char *what, size_t done, size_t total)
{
	if (listening)
		listening(what, done, total);
}

void progress_bytes(uint64_t done, uint64_t total)
{
	progress_step("MiB", (size_t)(done / MIB), (size_t)(total / MIB));
}
