/* Where a stage's seconds go, by kind of operation: a table of operations that waits for each and books its time.
 *
 *     loading     weights and other data to the device and back
 *     forward     embedding, norms, rotation, attention, SwiGLU, sums, loss; their gradients are backward
 *     products    all matrix products, forward, backward and of differences
 *     quantize    quantizers, maxima, and what they are off by
 *     errors      what the changes of outputs add up to
 *     changes     of norms, attention and SwiGLU in a changed model, and how far they move predictions
 *
 * What is not among them stays in the phase that the program named (graph/stage.h). Waiting makes a GPU slower, as
 * nothing is prepared while it computes: for shares, not for totals. On the CPU only what the program's first thread
 * does is booked.
 */
#ifndef QG_MODEL_OPS_TIMED_H
#define QG_MODEL_OPS_TIMED_H

#include "ops/ops.h"

/* The same operations, timed, when $QUANTGRID_TIMES_OPS is set; else ops itself. Static; one table a process. */
const struct ops *ops_timed(const struct ops *ops);

#endif
