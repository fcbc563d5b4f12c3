/* Where a grid is computed: what autoquant.device asks for and what is here, settled when the graph is made.
 *
 * model.dtype=bf16 on a GPU is another way to compute, "cuda-bf16": activations are rounded as the model is served. On
 * a CPU both types are one computation.
 *
 * auto becomes cuda where the build has CUDA code and a GPU is there, else cpu. The class of equal results of what was
 * chosen (ops/ops.h) goes into the keys, so results of other machines are never taken for this one's. */
#ifndef QG_GRAPH_DEVICE_CHOICE_H
#define QG_GRAPH_DEVICE_CHOICE_H

#include "config/sweep.h"

struct device_choice {
	const char *device;     /* "cpu", "cuda" or "cuda-bf16": what ops_open() takes */
	char numerics[96];      /* as the ops of that device have it */
	char words[256];        /* for the summary: "cuda, NVIDIA H100 80GB HBM3" */
};

/* Starts to ask what results of this machine equal, which takes 30 ms of loading a BLAS, or a second of starting a GPU
 * unless an earlier answer counts (gpu_answer.h): before the grid is loaded. -1 after fail(). */
int device_ask(void);

/* -1 after fail(): a GPU is asked for and cannot be used, cells of the grid want different devices, or build/bin/numerics
 * (tools/numerics.c says why a program of its own) does not answer. All strings are static or inside. */
int device_choose(struct device_choice *choice, const struct grid *grid);

#endif
