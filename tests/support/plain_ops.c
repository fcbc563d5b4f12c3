#include "plain_ops.h"

#include <complex.h>
#include <math.h>
#include <stdlib.h>

#include "common/memory.h"

void plain_linear(double *y, const double *x, const double *W, size_t T, size_t in, size_t out)
{
	for (size_t t = 0; t < T; t++)
		for (size_t o = 0; o < out; o++) {
			double sum = 0;
			for (size_t i = 0; i < in; i++)
				sum += x[t * in + i] * W[o * in + i];
			y[t * out + o] = sum;
		}
}

void plain_rmsnorm(double *y, const double *x, const double *w, double eps, size_t rows, size_t n)
{
	for (size_t r = 0; r < rows; r++) {
		double sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += x[r * n + i] * x[r * n + i];
		for (size_t i = 0; i < n; i++)
			y[r * n + i] = w[i] * x[r * n + i] / sqrt(sum / (double)n + eps);
	}
}

void plain_rope(double *x, const int32_t *position, double theta, size_t T, size_t heads, size_t hd)
{
	for (size_t t = 0; t < T; t++)
		for (size_t h = 0; h < heads; h++)
			for (size_t i = 0; i < hd / 2; i++) {
				double *pair = x + (t * heads + h) * hd + i;
				double complex z = pair[0] + pair[hd / 2] * I;
				z *= cexp(I * position[t] * pow(theta, -2.0 * (double)i / (double)hd));
				pair[0] = creal(z);
				pair[hd / 2] = cimag(z);
			}
}

/* One query head at one row, against keys 0 .. last of its sequence. */
static void attend(double *o, double *lse, double *p, const double *q, const double *k, const double *v, size_t last,
	size_t step, size_t hd)
{
	double top = -INFINITY, sum = 0;
	for (size_t j = 0; j <= last; j++) {
		p[j] = 0;
		for (size_t c = 0; c < hd; c++)
			p[j] += q[c] * k[j * step + c] / sqrt((double)hd);
		top = fmax(top, p[j]);
	}
	for (size_t j = 0; j <= last; j++)
		sum += exp(p[j] - top);
	for (size_t c = 0; c < hd; c++)
		o[c] = 0;
	for (size_t j = 0; j <= last; j++)
		for (size_t c = 0; c < hd; c++)
			o[c] += exp(p[j] - top) / sum * v[j * step + c];
	if (lse)
		*lse = top + log(sum);
}

void plain_attention(double *o, double *lse, const double *q, const double *k, const double *v, const int32_t *start,
	size_t sequences, size_t nh, size_t nk, size_t hd)
{
	double *p = mem_array((size_t)start[sequences], sizeof *p);
	for (size_t s = 0; s < sequences; s++)
		for (size_t t = (size_t)start[s]; t < (size_t)start[s + 1]; t++)
			for (size_t h = 0; h < nh; h++) {
				size_t at = (t * nh + h) * hd, keys = ((size_t)start[s] * nk + h * nk / nh) * hd;
				attend(o + at, lse ? lse + t * nh + h : NULL, p, q + at, k + keys, v + keys, t - (size_t)start[s],
					nk * hd, hd);
			}
	free(p);
}

void plain_swiglu(double *a, const double *g, const double *u, size_t n)
{
	for (size_t i = 0; i < n; i++)
		a[i] = g[i] / (1 + exp(-g[i])) * u[i];
}

double plain_cross_entropy(const double *logits, const int32_t *label, size_t T, size_t V)
{
	double loss = 0;
	for (size_t t = 0; t < T; t++) {
		const double *z = logits + t * V;
		double top = z[0], sum = 0;
		if (label[t] < 0)
			continue;
		for (size_t i = 0; i < V; i++)
			top = fmax(top, z[i]);
		for (size_t i = 0; i < V; i++)
			sum += exp(z[i] - top);
		loss += top + log(sum) - z[label[t]];
	}
	return loss;
}
