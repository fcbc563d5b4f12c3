#include "common/progress.h"

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
