/* One layer of the transformer for one batch, forward and backward, and the buffers it works in. Private to
 * transformer.c and changes*.c.
 *
 * The buffers have names, slots, and one table says how wide each is (layer.c). A set of slots is a bit mask; the
 * caller decides which of them outlive the layer (a visitor reads them) and which are scratch, places both sets in
 * memory of its own, and hands the frame of pointers to the passes.
 */
#ifndef QG_MODEL_LAYER_H
#define QG_MODEL_LAYER_H

#include "model/transformer.h"

/* [tokens, width]; X = the layer's input, letters as in ops.h, I the MLP's width. */
enum slot {
	/* forward */
	SLOT_N1,        /* H      rmsnorm(X): input of q, k, v */
	SLOT_Q,         /* nh hd  */
	SLOT_K,         /* nk hd  */
	SLOT_V,         /* nk hd  */
	SLOT_Q_TURNED,  /* nh hd  after norm and rotation */
	SLOT_K_TURNED,  /* nk hd  */
	SLOT_LSE,       /* nh     log-sum-exp of the scores */
	SLOT_ATTENTION, /* nh hd  input of o */
	SLOT_O,         /* H      */
	SLOT_MIDDLE,    /* H      X + o: the residual between the halves */
	SLOT_N2,        /* H      rmsnorm(MIDDLE): input of gate, up */
	SLOT_GATE,      /* I      */
	SLOT_UP,        /* I      */
	SLOT_ACT,       /* I      silu(gate) up: input of down */
	SLOT_DOWN,      /* H      */
	/* backward: the gradient of ... */
	SLOT_D_DOWN,    /* H      the layer's output, which is that of down; never placed, the caller points it */
	SLOT_D_ACT,     /* I      */
	SLOT_D_GATE,    /* I      */
	SLOT_D_UP,      /* I      */
	SLOT_D_NORM,    /* H      N2, then N1; at lm_head that of F */
	SLOT_D_O,       /* H      MIDDLE, which is that of o */
	SLOT_D_ATTENTION, /* nh hd */
	SLOT_D_Q_TURNED, /* nh hd */
	SLOT_D_K_TURNED, /* nk hd */
	SLOT_D_Q,       /* nh hd  */
	SLOT_D_K,       /* nk hd  */
	SLOT_D_V,       /* nk hd  */
	/* lm_head */
	SLOT_F,         /* H      final norm: its input */
	SLOT_LOGITS,    /* V      */
	SLOT_D_LOGITS,  /* V      */
	SLOT_NONE
};

#define SLOT_BIT(slot) (1u << (slot))

extern const unsigned layer_forward_slots;   /* all that layer_forward() needs */
extern const unsigned layer_backward_slots;  /* all that layer_forward() and layer_backward() need */

/* Where the input, output and output gradient of a linear are; by enum linear_kind. */
struct linear_slots {
	enum slot x, y, dy;
};

extern const struct linear_slots linear_slots[LINEARS_PER_LAYER + 1];

/* The slots of the linears' inputs in a layer, and of inputs, outputs and gradients. */
unsigned layer_input_slots(void);
unsigned layer_visible_slots(void);

struct frame {
	dev_f32 *at[SLOT_NONE];
};

/* Floats that the set takes for so many tokens. */
size_t frame_floats(const struct lm_config *config, unsigned set, size_t tokens);

/* Points the slots of the set into base, which has frame_floats() floats. */
void frame_place(struct frame *frame, const struct lm_config *config, unsigned set, size_t tokens, dev_f32 *base);

/* The same slots from a row on. */
struct frame frame_from(const struct frame *frame, const struct lm_config *config, unsigned set, size_t row);

struct layer_weights {
	dev_weight *input_norm, *post_norm, *q_norm, *k_norm;
	dev_weight *linear[LINEARS_PER_LAYER];
};

/* A layer, and the batch that goes through it. */
struct layer {
	const struct ops *ops;
	const struct lm_config *config;
	const struct layer_weights *weights;
	const dev_i32 *position;     /* [tokens] within the sequence */
	struct packing packing;
	size_t tokens;
};

/* x_out[T,H] = the layer of x_in; x_out may be NULL when only the slots are wanted. */
void layer_forward(const struct layer *layer, const struct frame *frame, dev_f32 *x_out, const dev_f32 *x_in);

/* After layer_forward() on the same frame: the gradients of all slots from that at SLOT_D_DOWN. dx_in[T,H] gets that of
 * x_in, unless NULL. */
void layer_backward(const struct layer *layer, const struct frame *frame, dev_f32 *dx_in, const dev_f32 *x_in);

#endif
