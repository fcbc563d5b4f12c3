#include "model/loaded_model.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "checkpoint/lm_layout.h"
#include "graph/cell_log.h"
#include "graph/gpu_answer.h"
#include "graph/stage.h"
#include "model/device_room.h"
#include "model/device_weights.h"
#include "model/ops_timed.h"

static struct host_tensor host_tensor(const struct loaded_model *m, size_t index)
{
	const struct lm_tensor *t = &m->lm.tensors[index];
	return (struct host_tensor){lm_weights_bytes(&m->weights, index), t->dtype, (size_t)(t->shape[0] * t->shape[1])};
}

static void find_tensors(struct loaded_model *m)
{
	static const enum lm_role linear_roles[LINEARS_PER_LAYER] = {
		[LINEAR_Q] = LM_Q, [LINEAR_K] = LM_K, [LINEAR_V] = LM_V, [LINEAR_O] = LM_O,
		[LINEAR_GATE] = LM_GATE, [LINEAR_UP] = LM_UP, [LINEAR_DOWN] = LM_DOWN,
	};
	const struct lm_config *config = &m->lm.config;
	m->tensors.embed = host_tensor(m, LM_EMBED);
	m->tensors.final_norm = host_tensor(m, lm_layout_norm(config));
	m->tensors.lm_head = host_tensor(m, lm_layout_head(config));
	m->tensors.layer = mem_zeroed(config->layers, sizeof *m->tensors.layer);
	for (size_t l = 0; l < config->layers; l++) {
		struct layer_tensors *to = &m->tensors.layer[l];
		to->input_norm = host_tensor(m, lm_layout_index(l, LM_INPUT_NORM));
		to->post_norm = host_tensor(m, lm_layout_index(l, LM_POST_NORM));
		to->q_norm = host_tensor(m, lm_layout_index(l, LM_Q_NORM));
		to->k_norm = host_tensor(m, lm_layout_index(l, LM_K_NORM));
		for (size_t k = 0; k < LINEARS_PER_LAYER; k++)
			to->linear[k] = host_tensor(m, lm_layout_index(l, linear_roles[k]));
	}
}

static size_t weights_need(const void *context, size_t run_bytes)
{
	const struct loaded_model *m = context;
	(void)run_bytes;
	return device_weights_bytes(m->ops, &m->lm.config);
}

/* The hashing of the weights, in a thread of its own: neither the start of a device nor what it computes waits for it
 * (of a 4B model it takes 0.3 s on 16 cores). */
struct verification {
	pthread_t thread;
	int aside;        /* the thread was started; else it is done */
	const struct lm_weights *weights;
	char *failure;    /* NULL: they are what was extracted */
};

static void *verify(void *context)
{
	struct verification *v = context;
	if (lm_weights_verify(v->weights))
		v->failure = mem_strdup(error_text());
	return NULL;
}

static void verification_start(struct loaded_model *m)
{
	struct verification *v = mem_zeroed(1, sizeof *v);
	v->weights = &m->weights;
	v->aside = !pthread_create(&v->thread, NULL, verify, v);
	if (!v->aside)
		(void)verify(v);
	m->verification = v;
}

/* -1 after fail() when the weights are others. */
static int verification_end(struct loaded_model *m)
{
	struct verification *v = m->verification;
	int bad = 0;
	if (!v)
		return 0;
	if (v->aside)
		pthread_join(v->thread, NULL);
	if (v->failure)
		bad = fail("%s", v->failure);
	free(v->failure);
	free(v);
	m->verification = NULL;
	return bad;
}

int loaded_model_check(struct loaded_model *m)
{
	return verification_end(m) || (m->weights.lm && lm_weights_check(&m->weights)) ? -1 : 0;
}

/* From the lm of a job, a checkpoint folder and a backend. An lm that is damaged is discarded. */
static int open_with(struct loaded_model *m, const struct job *job, const struct job_input *input, const char *dir,
	const struct ops *ops)
{
	*m = (struct loaded_model){.ops = ops};
	char *path = job_input_path(job, input);
	int bad = lm_open(&m->lm, path, &input->result.content);
	free(path);
	if (bad)
		return job_input_discard(job, input);
	if (lm_weights_map(&m->weights, &m->lm, dir)) {
		lm_close(&m->lm);
		return -1;
	}
	verification_start(m);
	stage_phase("device");
	if (ops->sync()) {
		loaded_model_close(m);
		return -1;
	}
	stage_phase("load");
	for (size_t i = 0; i < m->lm.shard_count; i++)
		if (m->weights.maps[i].bytes)
			ops->pin(m->weights.maps[i].bytes, m->weights.maps[i].length);
	find_tensors(m);
	m->linear_count = linear_count(&m->lm.config);
	m->linears = mem_zeroed(m->linear_count, sizeof *m->linears);
	linear_describe(m->linears, &m->lm.config);
	size_t run_bytes = 0;
	if (!device_room(ops, &m->lm.config, weights_need, m, &run_bytes,
		"loading a layer of the model beside its embeddings"))
		m->transformer = transformer_open(ops, &m->lm.config, &m->tensors);
	if (m->transformer)
		return 0;
	loaded_model_close(m);
	return -1;
}

/* The backend the graph was made for. */
static const struct ops *backend_open(const struct job *job, const char *device)
{
	const struct ops *ops = ops_open(device);
	if (ops && job->makers.numerics && !strcmp(job->makers.numerics, ops->numerics))
		return ops_timed(ops);
	/* That ./configure asks anew. */
	char *build_dir = job_build_dir(job->path);
	if (build_dir)
		gpu_answer_forget(build_dir);
	free(build_dir);
	if (!ops)
		return fail_null("the graph was made for autoquant.device=%s: %s: run ./configure again", device, error_text());
	return fail_null("%s: made for a machine of class %s, this one is %s: run ./configure again", job->path,
		job->makers.numerics ? job->makers.numerics : "(none)", ops->numerics);
}

int loaded_model_open(struct loaded_model *m, const struct job *job)
{
	const struct job_input *input = job_input_find(job, "lm");
	const char *dir = job_unhashed_string(job, "model.path"), *device = job_unhashed_string(job, "autoquant.device");
	*m = (struct loaded_model){0};
	if (!dir || !device)
		return -1;
	if (!input)
		return fail("%s: there is no input \"lm\"", job->path);
	const struct ops *ops = backend_open(job, device);
	if (!ops)
		return -1;
	return open_with(m, job, input, dir, ops);
}

int loaded_model_serves(const struct loaded_model *m, const struct job *job)
{
	const struct job_input *input = job_input_find(job, "lm");
	if (input && digest_equal(&input->result.identity, &m->lm.object.identity))
		return 0;
	return fail("%s: another language model than that of its group", job->path);
}

int loaded_model_fits(const struct loaded_model *m, const struct calib *calib, const char *path)
{
	if (calib->linear_count != m->linear_count)
		return fail("%s: %zu linears, the model has %zu", path, calib->linear_count, m->linear_count);
	for (size_t i = 0; i < m->linear_count; i++) {
		const struct calib_linear *c = &calib->linears[i];
		const struct linear_info *info = &m->linears[i];
		if (strcmp(c->name, info->name) || c->in != info->in || c->out != info->out)
			return fail("%s: linear %zu is %s [%zu, %zu], expected %s [%zu, %zu]", path, i, c->name, c->out, c->in,
				info->name, info->out, info->in);
	}
	return 0;
}

void loaded_model_close(struct loaded_model *m)
{
	transformer_close(m->transformer);
	(void)verification_end(m);
	for (size_t i = 0; m->weights.maps && i < m->lm.shard_count; i++)
		if (m->weights.maps[i].bytes)
			m->ops->unpin(m->weights.maps[i].bytes);
	lm_weights_close(&m->weights);
	lm_close(&m->lm);
	free(m->tensors.layer);
	free(m->linears);
	*m = (struct loaded_model){0};
}
