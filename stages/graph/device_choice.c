#include "graph/device_choice.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "common/pool.h"
#include "graph/gpu_answer.h"

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

static const char build_dir[] = "build", program[] = "build/bin/numerics";

/* A question to that program, and where its answer comes from: of this process, once. */
struct question {
	const char *about;
	int asked, answer;
	pid_t pid;
};
static struct question cpu = {.about = "cpu"}, gpu = {.about = "gpu"};
static struct gpu_answer found;
static int found_before;    /* found is of an earlier ./configure, and counts */

static int ask(struct question *q)
{
	posix_spawn_file_actions_t actions;
	char *const arguments[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)q->about, NULL};
	int ends[2];
	if (q->asked)
		return 0;
	if (pipe2(ends, O_CLOEXEC))
		return fail("%s: no pipe: %s", program, strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	int error = posix_spawn(&q->pid, program, &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (error) {
		close(ends[0]);
		return fail("%s: cannot start: %s", program, strerror(error));
	}
	q->answer = ends[0];
	q->asked = 1;
	return 0;
}

static int reap(struct question *q)
{
	int status = -1;
	close(q->answer);
	q->asked = 0;
	while (waitpid(q->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Nobody wants to know any more. */
static void drop(struct question *q)
{
	if (!q->asked)
		return;
	kill(q->pid, SIGTERM);
	reap(q);
}

/* All that it says. */
static int read_answer(struct question *q, char *text, size_t size)
{
	size_t length = 0;
	ssize_t n = 1;
	int bad = ask(q);
	if (bad)
		return bad;
	while (!bad && n && length < size - 1) {
		n = read(q->answer, text + length, size - 1 - length);
		if (n < 0 && errno != EINTR)
			bad = fail("%s: cannot read what it says: %s", program, strerror(errno));
		length += n > 0 ? (size_t)n : 0;
	}
	text[length] = '\0';
	if (reap(q) || !length || text[length - 1] != '\n')
		return bad ? bad : fail("%s %s: did not say what results of this machine equal", program, q->about);
	return bad;
}

int device_ask(void)
{
	found_before = gpu_answer_kept(&found, build_dir);
	return found_before ? 0 : ask(&cpu) || ask(&gpu) ? -1 : 0;
}

/* 1 when there is a GPU, 0 after fail() when there is none, -1 after fail(). */
static int find_gpu(void)
{
	char text[4096];
	if (found_before)
		return 1;
	if (read_answer(&gpu, text, sizeof text))
		return -1;
	int there = gpu_answer_parse(&found, text);
	if (there < 0)
		return fail_context("%s gpu", program);
	return there && gpu_answer_keep(&found, build_dir) ? -1 : there;
}

static void choose_cuda(struct device_choice *choice, int bf16)
{
	drop(&cpu);
	choice->device = bf16 ? "cuda-bf16" : "cuda";
	snprintf(choice->numerics, sizeof choice->numerics, "%s", bf16 ? found.numerics_bf16 : found.numerics);
	snprintf(choice->words, sizeof choice->words, "cuda, %s%s", found.name, bf16 ? ", activations in bf16" : "");
}

/* why (may be "") says why it is not a GPU. */
static int choose_cpu(struct device_choice *choice, const char *why)
{
	drop(&gpu);
	choice->device = "cpu";
	snprintf(choice->words, sizeof choice->words, "cpu, %zu threads%s%s", pool_threads(), *why ? "; " : "", why);
	if (read_answer(&cpu, choice->numerics, sizeof choice->numerics))
		return -1;
	choice->numerics[strcspn(choice->numerics, "\n")] = '\0';
	return 0;
}

int device_choose(struct device_choice *choice, const struct grid *grid)
{
	const struct node *first = grid->cells[0].config;
	const char *asked = node_string(first, device_key);
	if (check_same(grid, device_key))
		return -1;
	if (!strcmp(asked, "cpu"))
		return choose_cpu(choice, "");
	const int there = find_gpu();
	if (there < 0 || (there && check_same(grid, dtype_key)))
		return -1;
	if (there)
		choose_cuda(choice, !strcmp(node_string(first, dtype_key), "bf16"));
	else if (!strcmp(asked, "cuda"))
		return origin_fail(&node_at(first, device_key)->at, "%s=cuda: %s; use auto or cpu", device_key, error_text());
	else
		return choose_cpu(choice, error_text());
	return 0;
}
