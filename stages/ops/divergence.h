/* Softmax and KL divergence of logits in fp64 (ops_f64.h says what each computes). */
#ifndef QG_OPS_DIVERGENCE_H
#define QG_OPS_DIVERGENCE_H

#include "ops/ops_f64.h"

void cpu_softmax_f64(dev_f64 *p, const dev_f64 *z, size_t T, size_t V);
void cpu_divergence(dev_f64 *kl, const dev_f64 *p, const dev_f64 *z, const dev_f64 *changed, size_t T, size_t V);

void cuda_softmax_f64(dev_f64 *p, const dev_f64 *z, size_t T, size_t V);
void cuda_divergence(dev_f64 *kl, const dev_f64 *p, const dev_f64 *z, const dev_f64 *changed, size_t T, size_t V);

#endif
