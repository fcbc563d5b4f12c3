#include "config/range.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 100000, DECIMALS_MAX = 15 };

/* The sum of two such stays inside 64 bits. */
#define SCALED_MAX ((int64_t)1 << 62)

/* A decimal number: digits / 10^decimals. */
struct decimal {
	int64_t digits;
	int decimals;
};

static int is_number(const struct node *n)
{
	return n->kind == NODE_INT || (n->kind == NODE_FLOAT && isfinite(n->number));
}

/* Decimals that the shortest text of a number needs; more than DECIMALS_MAX when too many. */
static int decimals_of(const struct node *n)
{
	if (n->kind == NODE_INT)
		return 0;
	for (int d = 0; d <= DECIMALS_MAX; d++) {
		char text[400];
		snprintf(text, sizeof text, "%.*f", d, n->number);
		if (strtod(text, NULL) == n->number)
			return d;
	}
	return DECIMALS_MAX + 1;
}

static int64_t power_of_ten(int n)
{
	int64_t p = 1;
	while (n-- > 0)
		p *= 10;
	return p;
}

/* The number times 10^decimals; 0 when that fits in 62 bits. */
static int scale(const struct node *n, int decimals, int64_t *scaled)
{
	if (n->kind == NODE_INT)
		return __builtin_mul_overflow(n->integer, power_of_ten(decimals), scaled) || *scaled >= SCALED_MAX ||
			*scaled <= -SCALED_MAX;
	double product = n->number * (double)power_of_ten(decimals);
	if (!(fabs(product) < 0x1p53))
		return -1;
	*scaled = llround(product);
	return 0;
}

static struct node *value_of(int64_t scaled, int decimals, int is_float, const struct origin *at)
{
	struct node *n = node_new(is_float ? NODE_FLOAT : NODE_INT, at);
	if (is_float) {
		/* Through text: the division would round where the decimal number has a nearer neighbour. */
		char text[64];
		snprintf(text, sizeof text, "%llde-%d", (long long)scaled, decimals);
		n->number = strtod(text, NULL);
	} else {
		n->integer = scaled;
	}
	return n;
}

struct node *range_list(const struct origin *at, const struct node *start, const struct node *stop,
	const struct node *step)
{
	const struct node *arguments[] = {start, stop, step};
	int64_t scaled[] = {0, 0, 1};
	int decimals = 0, is_float = 0;
	for (int i = 0; i < 3; i++) {
		if (!arguments[i])
			continue;
		if (!is_number(arguments[i])) {
			origin_fail(at, "range(): start, stop and step must be numbers");
			return NULL;
		}
		int d = decimals_of(arguments[i]);
		decimals = d > decimals ? d : decimals;
		is_float |= arguments[i]->kind == NODE_FLOAT;
	}
	int bad = decimals > DECIMALS_MAX;
	scaled[2] = bad ? 1 : power_of_ten(decimals);
	for (int i = 0; i < 3 && !bad; i++)
		bad = arguments[i] && scale(arguments[i], decimals, &scaled[i]);
	if (bad || scaled[2] == 0) {
		origin_fail(at, bad ? "range(): numbers this large or with more than %d decimals are not supported"
			: "range(): the step is 0", DECIMALS_MAX);
		return NULL;
	}
	struct node *list = node_new(NODE_LIST, at);
	for (int64_t v = scaled[0]; scaled[2] > 0 ? v < scaled[1] : v > scaled[1]; v += scaled[2]) {
		if (list->count == VALUES_MAX)
			break;
		node_append(list, value_of(v, decimals, is_float, at));
	}
	if (list->count && list->count < VALUES_MAX)
		return list;
	origin_fail(at, list->count ? "range(): more than %d values" : "range(): no value between start and stop", VALUES_MAX);
	node_free(list);
	return NULL;
}
