/* materialize-lm: lm + checkpoint folder -> the language model as a folder of its own. See rules/materialize-lm.yaml.
 *
 *     materialize-lm JOB
 *     materialize-lm --help
 *
 * Like reports the folder is published: it has no object in the cache. One that is up to date is left alone.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/memory.h"
#include "formats/lm.h"
#include "graph/cell_log.h"
#include "graph/job.h"
#include "graph/progress_note.h"
#include "graph/stage.h"
#include "model/lm_folder.h"

static const char stage_name[] = "materialize-lm";

static void on_signal(int number)
{
	(void)number;
	lm_folder_interrupt();
	progress_note_interrupt();
	_exit(143);
}

/* As stage_signals(), but what is half written lies beside the published folder. */
static void handle_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	stage_signals();
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static int open_lm(struct lm *lm, const struct job *job)
{
	const struct job_input *input = job_input_find(job, "lm");
	if (!input || !input->job)
		return fail("%s: there is no input \"lm\"", job->path);
	char *path = job_input_path(job, input);
	int bad = lm_open(lm, path, &input->result.content);
	free(path);
	return bad ? job_input_discard(job, input) : 0;
}

static int write_folder(const struct job *job, const struct lm *lm)
{
	const char *dir = job_param_string(job, "output_layout.language_model_dir");
	const char *checkpoint = job_unhashed_string(job, "model.path");
	const struct job_input *input = job_input_find(job, "companions");
	int changed;
	if (!dir || !checkpoint)
		return -1;
	if (!input)
		return fail("%s: there is no input \"companions\"", job->path);
	struct lm_companion *companions = mem_zeroed(input->file_count, sizeof *companions);
	for (size_t i = 0; i < input->file_count; i++)
		companions[i] = (struct lm_companion){input->files[i].name, input->files[i].path, input->files[i].digest};
	int bad = lm_folder_write(dir, lm, checkpoint, companions, input->file_count, &changed);
	free(companions);
	if (!bad && changed)
		stage_trace(stage_name, job->cell);
	return bad;
}

/* Two processes that write one folder would tread on each other's parts. */
static int run(struct job *job)
{
	struct lm lm;
	/* Held until the process ends: gc waits, or is refused. */
	if (job_check_program(job, stage_name) || cache_prepare(job->cache) || cache_use(job->cache) < 0 ||
		job_resolve(job) <= 0 || open_lm(&lm, job))
		return -1;
	char *build_dir = job_build_dir(job->path);
	int locks = cache_locks_open(job->cache);
	progress_note_begin(build_dir, stage_name, job->cell, 1);
	int bad = locks < 0 || cache_lock(locks, &job->action) || write_folder(job, &lm);
	progress_note_end();
	cache_locks_close(locks);
	free(build_dir);
	lm_close(&lm);
	return bad ? -1 : 0;
}

static int usage(int status)
{
	fputs("usage: materialize-lm JOB\n\n"
		"Writes the language model of a checkpoint into a folder of its own, which other tools load as a plain Qwen3\n"
		"model: config.json, model.safetensors, tokenizer files. JOB is build/jobs/materialize-lm.jsonl:KEY, which\n"
		"./configure extract.materialize=true writes.\n", status ? stderr : stdout);
	return status;
}

int main(int argc, char **argv)
{
	struct job job;
	program_name_set(stage_name);
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(0);
	if (argc != 2 || argv[1][0] == '-')
		return usage(2);
	handle_signals();
	if (job_open(&job, argv[1]))
		return error_report(1);
	warn_listen(cell_log_listener(&job));
	int bad = run(&job);
	if (bad)
		cell_log_failed(&job);
	else
		cell_log_succeeded(&job);
	warn_listen((struct warn_listener){NULL, NULL});
	job_close(&job);
	return bad ? error_report(1) : 0;
}
