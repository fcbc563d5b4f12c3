#include "graph/device_choice.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "common/pool.h"
#include "ops/cuda_device.h"
#include "ops/cpu_numerics.h"

extern char **environ;

static const char device_key[] = "autoquant.device", dtype_key[] = "model.dtype";

/* One process computes many cells, on one device. */
static int check_same(const struct grid *grid, const char *key)
{
	const char *first = node_string(grid->cells[0].config, key);
	for (size_t i = 1; i < grid->cell_count; i++)
		if (strcmp(node_string(grid->cells[i].config, key), first))
			return origin_fail(&node_at(grid->cells[i].config, key)->at,
				"%s must be the same for all cells of a grid", key);
	return 0;
}

static void choose_cuda(struct device_choice *choice, const struct cuda_device *gpu, int bf16)
{
	choice->device = bf16 ? "cuda-bf16" : "cuda";
	snprintf(choice->numerics, sizeof choice->numerics, "%s", bf16 ? gpu->numerics_bf16 : gpu->numerics);
	snprintf(choice->words, sizeof choice->words, "cuda, %s%s", gpu->name, bf16 ? ", activations in bf16" : "");
}

/* build/bin/numerics, and what it prints: of this process, once. */
static const char program[] = "build/bin/numerics";
static struct { int asked, answer; pid_t pid; } numerics;

int device_ask(void)
{
	posix_spawn_file_actions_t actions;
	char *const arguments[] = {(char *)(uintptr_t)program, NULL};
	int ends[2];
	if (numerics.asked)
		return 0;
	if (pipe2(ends, O_CLOEXEC))
		return fail("%s: no pipe: %s", program, strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	int error = posix_spawn(&numerics.pid, program, &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (error) {
		close(ends[0]);
		return fail("%s: cannot start: %s", program, strerror(error));
	}
	numerics.answer = ends[0];
	numerics.asked = 1;
	return 0;
}

/* Its line. */
static int read_numerics(char *line, size_t size)
{
	int status = -1, bad = 0;
	size_t length = 0;
	ssize_t n = 1;
	while (!bad && n && length < size - 1) {
		n = read(numerics.answer, line + length, size - 1 - length);
		if (n < 0 && errno != EINTR)
			bad = fail("%s: cannot read what it says: %s", program, strerror(errno));
		length += n > 0 ? (size_t)n : 0;
	}
	close(numerics.answer);
	numerics.asked = 0;
	while (waitpid(numerics.pid, &status, 0) < 0 && errno == EINTR)
		;
	line[length] = '\0';
	if (bad || status || !length || line[length - 1] != '\n')
		return bad ? bad : fail("%s: did not say what the results of this CPU equal", program);
	line[length - 1] = '\0';
	return 0;
}

/* why (may be "") says why it is not a GPU. */
static int choose_cpu(struct device_choice *choice, const char *why)
{
	choice->device = "cpu";
	snprintf(choice->words, sizeof choice->words, "cpu, %zu threads%s%s", pool_threads(), *why ? "; " : "", why);
	return device_ask() || read_numerics(choice->numerics, sizeof choice->numerics) ? -1 : 0;
}

int device_choose(struct device_choice *choice, const struct grid *grid)
{
	const struct node *first = grid->cells[0].config;
	const char *asked = node_string(first, device_key);
	if (check_same(grid, device_key))
		return -1;
	const struct cuda_device *gpu = strcmp(asked, "cpu") ? cuda_device_find() : NULL;
	if (gpu && check_same(grid, dtype_key))
		return -1;
	if (gpu)
		choose_cuda(choice, gpu, !strcmp(node_string(first, dtype_key), "bf16"));
	else if (!strcmp(asked, "cuda"))
		return origin_fail(&node_at(first, device_key)->at, "%s=cuda: %s; use auto or cpu", device_key, error_text());
	else
		return choose_cpu(choice, strcmp(asked, "cpu") ? error_text() : "");
	return 0;
}
