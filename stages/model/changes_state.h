/* The state of a run of changes.h, and the memory it has. Private to changes*.c. */
#ifndef QG_MODEL_CHANGES_STATE_H
#define QG_MODEL_CHANGES_STATE_H

#include "model/carve.h"
#include "model/changes_plan.h"
#include "model/device_weights.h"
#include "model/packs.h"

/* A mix on a batch. */
struct stream {
	const struct mix *mix;
	size_t batch;            /* of the selection */
	size_t row, rows;        /* of the run: its tokens */
	size_t base;             /* the first row of its batch in the unquantized model */
};

/* Streams that go up together: some batches with all mixes that want them, or one batch with some mixes. */
struct run {
	size_t batch, batches;   /* of the selection */
	size_t mix, mixes;
	size_t tokens;           /* of the batches: rows of the unquantized model */
	size_t rows;             /* of the streams */
};

/* Neighbouring rows of the run, and the streams first .. end-1 they belong to (of the first and the last maybe not
 * all). All of them are fresh, which is: nothing below has changed, and there is no d; or none is. */
struct range {
	size_t first, end;
	size_t row, rows;
	int fresh;
};

/* The changes at a stack, [rows, width]. */
struct change_frame {
	dev_f32 *norm;           /* H */
	dev_f32 *q;              /* nh hd */
	dev_f32 *k, *v;          /* nk hd */
	dev_f32 *attention;      /* nh hd */
	dev_f32 *gate, *act;     /* I; act is up first */
	dev_f32 *quantized;      /* x^ and x^ - x of the inputs at hand: the widest input of a linear */
	dev_f32 *difference;
	dev_f32 *logits;         /* V; as many rows as head_rows */
};

struct changes {
	const struct ops *ops;
	const struct lm_config *config;
	struct changes_plan plan;
	struct device_weights weights;
	size_t limit_bytes;
	size_t stack_rows;       /* most rows of a stack */
	size_t head_rows, chunk_rows; /* most rows of a stack at lm_head, and of the unquantized model there */

	/* Memory of all runs. */
	size_t forms;            /* most quantized weights of a linear; lm_head left out */
	dev_weight **dW;         /* [forms][LINEARS_PER_LAYER] W^ - W of the layer; those that some layer has are placed */
	unsigned char *wanted;   /* likewise: by a stream of the run, at this layer */
	dev_weight *head_dW;     /* [V,H] of a form of lm_head; NULL when there is none */
	dev_f32 *p;              /* [chunk_rows,V] probabilities of the unquantized model */
	dev_f64 *no_scale;       /* [head_rows] 0 */
	struct change_frame *frames; /* [workers] */
	void *run_memory;

	/* The run at hand; [tokens, width] of the unquantized model, [rows] of the streams. */
	struct run run;
	struct stream *streams;  /* [stream_count] in the order of their mixes: those that have started come first */
	size_t stream_count, stream_room;
	struct packs packs;      /* of the run's batches */
	struct frame base;       /* of the layer at hand */
	dev_f32 *x[2];           /* H  in front of even and of odd layers */
	dev_i32 *ids, *position, *label;
	dev_f64 *before;         /* losses */
	dev_f32 *d;              /* H  changes of the residual streams */
	dev_i32 *row_base, *row_position, *row_label;
	dev_f64 *kl, *loss;

	/* What the pieces at hand work on. */
	struct range *ranges;    /* [range_count] stacks, at lm_head also parts of the unquantized model */
	size_t range_count, range_room;
	size_t layer;
	size_t chunk, chunk_tokens; /* rows of the unquantized model at lm_head */
	size_t head_form;        /* of lm_head: 0 its own, else 1 + index */
};

static inline size_t changes_tokens(const struct changes *c, size_t batch)
{
	return c->plan.selection.batches[batch].tokens;
}

/* The first row of a pack in the unquantized model. */
static inline size_t changes_pack_row(const struct changes *c, size_t pack)
{
	return (size_t)(c->packs.pack[pack].ids - c->packs.pack[0].ids);
}

/* ---- changes.c ---- */

/* Adds rows to the ranges: to the last of them where they stand behind it, it then has at most so many, and the backend
 * puts rows together; else as a range of their own. */
void changes_range_add(struct changes *c, const struct range *more, size_t most);

/* ---- changes_memory.c ---- */

/* Sets the sizes, and takes the memory of everything but a run. */
void changes_size(struct changes *c);
void changes_place_shared(struct changes *c, struct carve *carve);

/* The run that begins with a mix on a batch: as many as fit into limit_bytes, at least one stream. */
struct run changes_run_at(const struct changes *c, size_t batch, size_t mix);

/* The next run's batch and mix; 0: there is none. */
int changes_run_next(const struct changes *c, const struct run *run, size_t *batch, size_t *mix);

/* Takes the memory of the run at hand. */
void changes_place_run(struct changes *c, struct carve *carve);

/* Bytes of the largest run. */
size_t changes_run_most(struct changes *c);

/* ---- changes_step.c ---- */

/* The streams of a range through a step of the layer at hand, or through lm_head into frame->logits; row is the first
 * row of the range in the frame. */
void changes_step(const struct changes *c, const struct change_frame *frame, const struct range *range, size_t row,
	size_t step);
void changes_head(const struct changes *c, const struct change_frame *frame, const struct range *range);

/* ---- changes_lm_head.c ---- */

/* The losses of the run's batches, and what became of all its streams. */
int changes_run_head(struct changes *c);

#endif
