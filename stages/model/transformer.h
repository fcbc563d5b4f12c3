/* The Qwen3 language model, forward and backward, over a table of operations (ops/ops.h). Text only.
 *
 * Work is a list of batches. A batch is a few whole sequences packed without padding; it is the unit of every product,
 * so that a result depends on its batch alone and not on what else the process computes. A backend whose rows do not
 * depend on the rows beside them may ask for larger products (ops->pack_tokens): neighbouring batches then go through
 * the model as one, and have the bits that they have alone. The passes go layer by layer,
 * weights of one layer loaded at a time, all batches through it (in parallel where the backend has threads), and hand
 * each linear to a visitor together with what the batches feed it:
 *
 *     transformer_forward   the visitor sees x of every linear: calibration
 *     transformer_backward  the visitor sees x, y and dL/dy of every linear: scoring. lm_head comes first, then the
 *                           layers last to first; only the input of each layer is kept on the way up, the rest is
 *                           recomputed and has the bits of the first time
 *
 * Within a layer linears come in index order, in both passes. What a layer shows to visitors is kept for a run of
 * batches. Going forward that is all batches, because a static quantizer wants the largest input of all of them before
 * it can be judged; on the way back as many as fit into a bound (transformer_limit_run()), and at least one. The
 * captions of a sweep are one run; long texts are several, and then each linear of the layer is visited once a run.
 *
 * The loss of a batch is the mean cross-entropy over its targets; the first token of a sequence is no target. Sequences
 * do not see each other. A batch without any target (every sequence one token long) has loss 0 and zero gradients.
 */
#ifndef QG_MODEL_TRANSFORMER_H
#define QG_MODEL_TRANSFORMER_H

#include <stddef.h>
#include <stdint.h>

#include "checkpoint/lm_config.h"
#include "ops/ops.h"

enum linear_kind { LINEAR_Q, LINEAR_K, LINEAR_V, LINEAR_O, LINEAR_GATE, LINEAR_UP, LINEAR_DOWN, LINEAR_LM_HEAD };

enum { LINEARS_PER_LAYER = 7, LINEAR_NAME_MAX = 80 };

/* One searchable linear. Index = 7 * layer + kind, lm_head last: 7 * layers. */
struct linear_info {
	char name[LINEAR_NAME_MAX]; /* module name: model.language_model.layers.0.self_attn.q_proj */
	enum linear_kind kind;
	size_t layer;               /* unused for lm_head */
	size_t in, out;
	size_t input;               /* index of the first linear that reads the same input (q for k, v; gate for up) */
	size_t group;               /* search group: q/k/v, o, gate/up, down, lm_head in module order */
};

/* Fills info[0 .. linear_count(config)). Groups are numbered 4 * layer + {0: qkv, 1: o, 2: gate/up, 3: down}, lm_head
 * 4 * layers. The module name of a group is its first member's. */
size_t linear_count(const struct lm_config *config);
size_t linear_group_count(const struct lm_config *config);
void linear_describe(struct linear_info *info, const struct lm_config *config);

/* A weight of the checkpoint in mapped memory, any alignment, borrowed for the life of the transformer. */
struct host_tensor {
	const void *bytes;
	enum dtype dtype;
	size_t count;
};

/* Every tensor of the model: canonical weights of one layer, and the rest. */
struct layer_tensors {
	struct host_tensor input_norm, post_norm, q_norm, k_norm;
	struct host_tensor linear[LINEARS_PER_LAYER]; /* by enum linear_kind */
};

struct model_tensors {
	struct host_tensor embed, final_norm;
	struct host_tensor lm_head;        /* tied: the same bytes as embed */
	struct layer_tensors *layer;       /* [layers] */
};

struct batch {
	const int32_t *ids;     /* [tokens], each below vocab_size */
	const int32_t *start;   /* [sequences + 1] */
	size_t sequences;
	size_t tokens;          /* start[sequences] */
};

/* Targets of a batch: tokens minus sequences. */
size_t batch_targets(const struct batch *batch);

struct transformer;

/* ops, config and tensors are borrowed until transformer_close(). */
struct transformer *transformer_open(const struct ops *ops, const struct lm_config *config,
	const struct model_tensors *tensors);
void transformer_close(struct transformer *model);

/* Bounds the device memory of a run of batches on the way back, in bytes; 1 makes every batch a run of its own. Results
 * do not depend on it. The default is 2 GiB for a layer, 1 GiB for logits and their gradient; bytes replaces both. */
void transformer_limit_run(struct transformer *model, size_t bytes);

#define TRANSFORMER_LAYER_RUN ((size_t)2 << 30)
#define TRANSFORMER_HEAD_RUN ((size_t)1 << 30)

/* The device memory that a pass takes at most besides the model's weights and the visitor's, in bytes, known before it
 * starts. run_bytes is transformer_limit_run()'s, 0 the default. With N tokens in all, T those of the largest pack
 * (ops->pack_tokens) or batch:
 *
 *     forward     8 N H for the stream, 4 N (2 H + nh hd + I) for the inputs of a layer's linears, and T of scratch
 *     backward    4 N (layers + 2) H for the stream at every layer; a run, or more where one pack does not fit:
 *                 8 T V for logits and their gradient, 4 T (7 H + 6 nh hd + 8 nk hd + 6 I) or so for a layer
 */
size_t transformer_pass_bytes(const struct ops *ops, const struct lm_config *config, const struct batch *batches,
	size_t count, int backward, size_t run_bytes);

/* As transformer_open() was given it. */
const struct lm_config *transformer_config(const struct transformer *model);

/* One linear with what the batches first .. first+count-1 feed it. Device buffers, borrowed during the visit; arrays
 * are indexed by batch - first. */
struct linear_site {
	const struct linear_info *linear;
	size_t index;           /* of the linear */
	const dev_weight *W;    /* [out, in] */
	size_t first, count;    /* batches of this visit */
	const size_t *pack;     /* [packs + 1] batches pack[p] .. pack[p+1]-1 lie one behind the other in x, in y and in dy:
	                         * the rows of one matrix. One batch a pack unless ops->pack_tokens says more */
	size_t packs;
	const size_t *rows;     /* [count] tokens */
	dev_f32 *const *x;      /* [count] [rows, in] */
	dev_f32 *const *y;      /* [count] [rows, out]; NULL in a forward pass */
	dev_f32 *const *dy;     /* [count] [rows, out]; gradient of the batch's loss; NULL in a forward pass */
};

/* Called by the thread that called the pass: going forward once a linear with all batches, on the way back once or (to
 * bound memory) several times a linear with disjoint runs of batches in rising order. It may use ops->for_each. Returns
 * 0, or -1 after fail(), which ends the pass. */
typedef int linear_visitor(void *context, const struct linear_site *site);

/* Visits every linear in index order with its weight alone (count 0, no batches): for what depends on weights only. */
int transformer_weights(struct transformer *model, linear_visitor *visit, void *context);

/* Runs the batches up to the input of lm_head and visits every linear, layers first to last, then lm_head. */
int transformer_forward(struct transformer *model, const struct batch *batches, size_t count, linear_visitor *visit,
	void *context);

/* Runs the batches up and down and visits every linear. loss[count] (may be NULL) gets the mean cross-entropy of each
 * batch. */
int transformer_backward(struct transformer *model, const struct batch *batches, size_t count, double *loss,
	linear_visitor *visit, void *context);

/* Logits of one batch at its rows, [tokens, vocab_size] fp32 in host memory: for tests and checks. */
int transformer_logits(struct transformer *model, const struct batch *batch, float *logits);

#endif
