/* One layer in fp64 for one batch, whole or in part, as it is or with quantized linears. Private to kl.c and
 * recipe_check.c.
 *
 * A layer has four steps, one a search group, each from an input that all before it have made:
 *
 *     step          reads                         makes
 *     REPLAY_QKV    x, the residual stream        attention = attention(q, k, v of norm(x))
 *     REPLAY_O      attention, x                  x += o(attention)
 *     REPLAY_MLP    x                             act = silu(gate) up of norm(x)
 *     REPLAY_DOWN   act, x                        x += down(act)
 *
 * Group g of a layer is the step of that number: a change of it alone begins there with what the unchanged model had,
 * and everything before is reused. What follows is the layer as it is.
 *
 * Every product has the rows of its batch, whoever computes it: then a stream that a change left as it was has the bits
 * of the unchanged model, and its divergence is exactly 0. Stacking the streams of several groups into one product
 * would lose this, and make it 5 % faster (OpenBLAS dgemm on the demo model: 59 GFLOP/s with 115 rows, 63 with 450).
 */
#ifndef QG_MODEL_REPLAY_H
#define QG_MODEL_REPLAY_H

#include "model/carve.h"
#include "model/layer.h"
#include "ops/ops_f64.h"
#include "quant/quantizer.h"

enum replay_step { REPLAY_QKV, REPLAY_O, REPLAY_MLP, REPLAY_DOWN, REPLAY_STEPS };

/* Buffers of one batch; the letters of layer.h. [tokens, width] */
struct replay_frame {
	dev_f64 *norm;       /* H */
	dev_f64 *q;          /* nh hd */
	dev_f64 *k, *v;      /* nk hd */
	dev_f64 *attention;  /* nh hd */
	dev_f64 *gate, *act; /* I; act is up first */
	dev_f64 *quantized;  /* the widest input of a linear */
	dev_f32 *narrow, *narrow_quantized; /* of the same width */
};

/* Takes the frame's memory for so many tokens. */
void replay_frame_place(struct replay_frame *frame, const struct lm_config *config, size_t tokens, struct carve *carve);

/* A layer, and the batch that goes through it. */
struct replay {
	const struct ops *ops;
	const struct lm_config *config;
	const struct layer_weights *norms; /* of which only the norms are read */
	dev_f64 *const *W;                 /* [LINEARS_PER_LAYER] */
	const dev_i32 *position;           /* [tokens] */
	struct packing packing;
	size_t tokens;
};

/* What the linears of the steps compute with in place of their own; all by kind, [LINEARS_PER_LAYER]. */
struct replay_change {
	dev_f64 *const *W;                 /* quantized, or a linear's own */
	const struct quantizer_pair *pair; /* of which only the activation quantizer is read */
	const float *amax;                 /* largest inputs; NULL unless an activation quantizer is static */
};

/* Runs the steps first .. end-1 on the frame and x[tokens, H], all with the change (may be NULL). The inputs of step
 * first are in x and, for REPLAY_O and REPLAY_DOWN, frame->attention or frame->act, which are not written. */
void replay_run(const struct replay *replay, const struct replay_frame *frame, dev_f64 *x, enum replay_step first,
	enum replay_step end, const struct replay_change *change);

/* x^ = Q(x rounded to fp32), [rows, cols], in frame->quantized; x itself when activations are not quantized. */
const dev_f64 *replay_quantize(const struct ops *ops, const struct replay_frame *frame, const dev_f64 *x, size_t rows,
	size_t cols, struct quantizer quantizer, float amax);

/* Rows of a batch of so many tokens that go through lm_head at a time: as few equal parts as have 2^23 logits (or one
 * row) at most. A constant, since products of another shape have other bits. */
size_t replay_head_rows(const struct lm_config *config, size_t tokens);

#endif
