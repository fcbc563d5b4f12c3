/* What may be chosen at what cost: costs against numbers worked out by hand, patterns, budgets that are met or not to
 * the bit, and the choice among several formats against enumeration. */
#include "model/search_space.h"

#include <stdint.h>
#include <stdlib.h>

#include "../check.h"
#include "checkpoint/lm_config.h"
#include "common/error.h"
#include "common/memory.h"

enum { LINEARS_MAX = 15, GROUPS_MAX = 9, FORMATS_MAX = 6 };

/* Linears of q [24, 40], k and v [8, 40], o [40, 24], gate and up [56, 40], down [40, 56], lm_head [99, 40]; groups of
 * qkv 1600, o 960, gate/up 4480, down 2240, lm_head 3960 weights. */
static const double qkv = 1600, o = 960, gate_up = 4480, down = 2240, head = 3960, layer = 9280;

struct model {
	struct linear_info linears[LINEARS_MAX];
	size_t count, groups;
};

static void model_init(struct model *m, size_t layers)
{
	const struct lm_config config = {.model_type = "qwen3", .vocab_size = 99, .hidden_size = 40,
		.intermediate_size = 56,
		.layers = layers, .heads = 3, .kv_heads = 1, .head_dim = 8, .max_position_embeddings = 64, .rms_norm_eps = 1e-6,
		.rope_theta = 1e6};
	m->count = linear_count(&config);
	m->groups = linear_group_count(&config);
	if (m->count > LINEARS_MAX)
		exit(1);
	linear_describe(m->linears, &config);
}

static struct quantizer_pair pair_of(const char *weight, const char *activation)
{
	struct quantizer_pair pair;
	if (quantizer_weight_parse(weight, &pair.weight) || quantizer_activation_parse(activation, &pair.activation))
		exit(error_report(1));
	return pair;
}

static struct search_options options_of(double bits)
{
	return (struct search_options){.effective_bits = bits, .allow_none = 1};
}

static struct search_space space_of(const struct model *m, double vision, const struct quantizer_pair *formats,
	size_t format_count, const struct search_options *options)
{
	struct search_space s;
	if (search_space_make(&s, m->linears, m->count, vision, formats, format_count, options))
		exit(error_report(1));
	return s;
}

/* A fixed sequence (SplitMix64): the same problems on every machine. */
static uint64_t random_state;

static uint64_t random_next(void)
{
	uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static size_t random_below(size_t n)
{
	return (size_t)(random_next() % n);
}

/* --- costs --- */

/* Stored bits of the first five groups of one layer: weights times bits, and scales of 16 bits, of FP4 blocks 8. */
static const struct {
	const char *weight, *activation;
	double bits;
	double scales[5];
} costs[] = {
	{"F8t", "-", 8, {0, 0, 0, 0, 0}},
	{"F8t", "i4t", 4, {0, 0, 0, 0, 0}},
	{"I8t", "f8k", 8, {0, 0, 0, 0, 0}},
	{"-", "i8k", 8, {0, 0, 0, 0, 0}},
	{"-", "-", 16, {0, 0, 0, 0, 0}},
	/* one a row: 40, 40, 112, 40, 99 rows; one a column: 3 x 40, 24, 2 x 40, 56, 40 columns */
	{"I8r", "-", 8, {16 * 40, 16 * 40, 16 * 112, 16 * 40, 16 * 99}},
	{"I4r", "i8t", 4, {16 * 40, 16 * 40, 16 * 112, 16 * 40, 16 * 99}},
	{"F8c", "-", 8, {16 * 120, 16 * 24, 16 * 80, 16 * 56, 16 * 40}},
	/* blocks of 16 in 40 columns: 3, the last short; in 24: 2; in 56: 4 */
	{"I4g16", "-", 4, {16 * 40 * 3, 16 * 40 * 2, 16 * 112 * 3, 16 * 40 * 4, 16 * 99 * 3}},
	{"N16", "f8t", 4, {8 * 40 * 3, 8 * 40 * 2, 8 * 112 * 3, 8 * 40 * 4, 8 * 99 * 3}},
	{"N64", "-", 4, {8 * 40, 8 * 40, 8 * 112, 8 * 40, 8 * 99}},
	/* more than 16 bits in all */
	{"I8g1", "-", 8, {16 * 1600, 16 * 960, 16 * 4480, 16 * 2240, 16 * 3960}},
};

static void test_costs(void)
{
	static const double numel[5] = {1600, 960, 4480, 2240, 3960};
	struct model m;
	model_init(&m, 1);
	for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
		struct quantizer_pair pair = pair_of(costs[i].weight, costs[i].activation);
		struct search_options options = options_of(8);
		struct search_space s = space_of(&m, 0, &pair, 1, &options);
		double element = quantizer_search_bits((struct quantizer_pair){pair.weight, {0}});
		CHECK(s.count == 5 && s.numel == layer + head && s.idle_numel == 0 && s.target_bits == 8,
			"%zu groups, %g weights", s.count, s.numel);
		for (size_t g = 0; g < s.count; g++) {
			const struct search_space_group *group = &s.groups[g];
			CHECK(group->searched && group->numel == numel[g], "group %zu: %g weights", g, group->numel);
			CHECK(group->search_cost[0] == costs[i].bits * numel[g], "%s/%s, group %zu: %g", costs[i].weight,
				costs[i].activation, g, group->search_cost[0]);
			CHECK(group->stored_cost[0] == element * numel[g] + costs[i].scales[g], "%s/%s, group %zu: %.17g stored",
				costs[i].weight, costs[i].activation, g, group->stored_cost[0]);
			CHECK(search_space_cost(&s, g) == group->search_cost, "not by search_bits");
		}
		search_space_release(&s);
	}
}

static void check_order(const struct search_space *s, const char *rule, const size_t *expected)
{
	for (size_t i = 0; i < s->format_count; i++)
		CHECK(s->order[i] == expected[i], "%s: place %zu has format %zu, expected %zu", rule, i, s->order[i],
			expected[i]);
}

static void test_order(void)
{
	struct model m;
	struct search_options options = options_of(8);
	const struct quantizer_pair formats[] = {pair_of("I8r", "-"), pair_of("F8t", "i4t"), pair_of("I4g16", "-"),
		pair_of("F8t", "-"), pair_of("N16", "-")};
	model_init(&m, 2);
	struct search_space s = space_of(&m, 0, formats, 5, &options);
	check_order(&s, "search_bits", (const size_t[]){1, 2, 4, 0, 3});
	search_space_release(&s);
	options.stored = 1;
	s = space_of(&m, 0, formats, 5, &options);
	check_order(&s, "cost_bits", (const size_t[]){4, 2, 1, 3, 0});
	CHECK(search_space_cost(&s, 1) == s.groups[1].stored_cost, "not by cost_bits");
	search_space_release(&s);
}

/* --- patterns --- */

static const struct {
	const char *include, *exclude; /* NULL: none */
	const char *searched;          /* groups of two layers: qkv o gate/up down, twice, lm_head; or the error */
} patterns[] = {
	{NULL, NULL, "111111111"},
	{"*", NULL, "111111111"},
	{"lm_head", NULL, "000000001"},
	{NULL, "lm_head", "111111110"},
	{"layers.1.*", NULL, "000011110"},
	{"model.language_model.layers.1.*", NULL, "000011110"},
	{"model.*", NULL, "111111110"},
	{"*.v_proj", NULL, "100010000"},
	{NULL, "*.v_proj", "011101111"},
	{"layers.*", "*.mlp.*", "110011000"},
	{"layers.0.self_attn.k_proj", "*.q_proj", "autoquant.include and autoquant.exclude leave nothing to search"},
	{"layers.[0-9].mlp.?p_proj", NULL, "001000100"},
	{NULL, "*", "autoquant.include and autoquant.exclude leave nothing to search"},
	{"layers.2.*", NULL, "autoquant.include: \"layers.2.*\" matches no module; the nearest is "
		"\"layers.0.self_attn.q_proj\""},
	{NULL, "*.mlp.dwn_proj", "autoquant.exclude: \"*.mlp.dwn_proj\" matches no module; the nearest is "
		"\"layers.0.mlp.down_proj\""},
	{"ml_head", NULL, "autoquant.include: \"ml_head\" matches no module; the nearest is \"lm_head\""},
	{"model.language_model.layers.1.mlp.downproj", NULL, "autoquant.include: "
		"\"model.language_model.layers.1.mlp.downproj\" matches no module; the nearest is "
		"\"model.language_model.layers.1.mlp.down_proj\""},
	{"down_proj", NULL, "autoquant.include: \"down_proj\" matches no module; the nearest is "
		"\"layers.0.mlp.down_proj\""},
	{"", NULL, "autoquant.include: \"\" matches no module; the nearest is \"layers.0.self_attn.q_proj\""},
};

static void test_patterns(void)
{
	struct model m;
	struct quantizer_pair pair = pair_of("F8t", "-");
	model_init(&m, 2);
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		struct search_space s;
		struct search_options options = options_of(8);
		char found[GROUPS_MAX + 1] = "";
		options.include = &patterns[i].include;
		options.include_count = patterns[i].include != NULL;
		options.exclude = &patterns[i].exclude;
		options.exclude_count = patterns[i].exclude != NULL;
		if (search_space_make(&s, m.linears, m.count, 0, &pair, 1, &options)) {
			CHECK_STRING(error_text(), patterns[i].searched);
			CHECK(!s.groups && !s.formats && !s.order, "case %zu: something is held", i);
			continue;
		}
		for (size_t g = 0; g < s.count && g < GROUPS_MAX; g++)
			found[g] = s.groups[g].searched ? '1' : '0';
		CHECK_STRING(found, patterns[i].searched);
		search_space_release(&s);
	}
}

static void test_several_patterns(void)
{
	static const char *const include[] = {"layers.0.*", "lm_head"}, *const exclude[] = {"*.o_proj", "*.gate_proj"};
	struct model m;
	struct quantizer_pair pair = pair_of("F8t", "-");
	struct search_options options = options_of(4);
	model_init(&m, 2);
	options.include = include, options.include_count = 2;
	options.exclude = exclude, options.exclude_count = 2;
	struct search_space s = space_of(&m, 500, &pair, 1, &options);
	double all = 2 * layer + head + 500, searched = qkv + down + head;
	CHECK(s.numel == all && s.idle_numel == all - searched && s.idle_numel == 500 + layer + o + gate_up,
		"%g weights, %g idle", s.numel, s.idle_numel);
	CHECK(s.target_bits == search_adjusted_bits(all, all - searched, 4), "target %.17g", s.target_bits);
	CHECK_CLOSE(s.budget, 4 * searched + 0.001 * all, 1e-12);
	search_space_release(&s);
	char long_pattern[2000];
	const char *const one = long_pattern;
	memset(long_pattern, 'x', sizeof long_pattern);
	long_pattern[sizeof long_pattern - 1] = '\0';
	options.include = &one, options.include_count = 1;
	CHECK(search_space_make(&s, m.linears, m.count, 0, &pair, 1, &options) == -1, "a long pattern was accepted");
	CHECK(strstr(error_text(), "...\" matches no module"), "%s", error_text());
}

/* --- budgets --- */

static void test_bad_options(void)
{
	static const struct { double bits; size_t formats; const char *message; } cases[] = {
		{0, 1, "autoquant.effective_bits is 0, expected a number above 0"},
		{NAN, 1, "autoquant.effective_bits is nan, expected a number above 0"},
		{INFINITY, 1, "autoquant.effective_bits is inf, expected a number above 0"},
		{8, 0, "0 formats to choose from, expected 1 to 1023"},
		{8, SEARCH_CHOICES_MAX, "1024 formats to choose from, expected 1 to 1023"},
	};
	struct model m;
	struct search_space s;
	struct quantizer_pair *formats = mem_zeroed(SEARCH_CHOICES_MAX, sizeof *formats);
	model_init(&m, 1);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct search_options options = options_of(cases[i].bits);
		CHECK(search_space_make(&s, m.linears, m.count, 0, formats, cases[i].formats, &options) == -1, "case %zu", i);
		CHECK_STRING(error_text(), cases[i].message);
	}
	free(formats);
}

static int met(const struct model *m, double vision, struct quantizer_pair pair, struct search_options options)
{
	size_t choice[GROUPS_MAX];
	double score[GROUPS_MAX];
	struct search_result result;
	struct search_space s = space_of(m, vision, &pair, 1, &options);
	for (size_t g = 0; g < s.count; g++)
		score[g] = 1;
	enum search_status status = search_space_solve(&s, score, choice, &result);
	int bad = search_space_check(&s);
	CHECK(status == (bad ? SEARCH_INFEASIBLE : SEARCH_OK), "status %d, check %d", (int)status, bad);
	CHECK(result.least_cost == s.least_cost, "least cost %.17g and %.17g", result.least_cost, s.least_cost);
	CHECK(bad || result.cost <= s.budget, "cost %.17g, budget %.17g", result.cost, s.budget);
	search_space_release(&s);
	return !bad;
}

/* The bits of a format itself, by either rule and as a quotient of doubles, are always enough for it. */
static void test_own_bits(void)
{
	static const char *const exclude[] = {"layers.1.*", "*.o_proj"};
	static const double vision[] = {0, 7, 1408, 412614656};
	struct model m;
	model_init(&m, 2);
	for (size_t i = 0; i < sizeof costs / sizeof *costs; i++)
		for (int stored = 0; stored < 2; stored++)
			for (size_t v = 0; v < sizeof vision / sizeof *vision; v++)
				for (size_t excluded = 0; excluded <= 2; excluded++) {
					struct quantizer_pair pair = pair_of(costs[i].weight, costs[i].activation);
					struct search_options options = {.effective_bits = 8, .stored = stored, .exclude = exclude,
						.exclude_count = excluded};
					struct search_space s = space_of(&m, vision[v], &pair, 1, &options);
					options.effective_bits = s.least_cost / (s.numel - s.idle_numel);
					search_space_release(&s);
					if (options.effective_bits <= 16)
						CHECK(met(&m, vision[v], pair, options), "%s/%s, vision %g, %zu excluded: %s", costs[i].weight,
							costs[i].activation, vision[v], excluded, error_text());
				}
}

/* What the message says can be typed is met; a thousandth less is not, nor what the peer adds to its target. */
static void test_least_bits(void)
{
	static const double vision[] = {0, 500, 1408};
	struct model m;
	model_init(&m, 2);
	for (size_t i = 0; i < sizeof costs / sizeof *costs; i++)
		for (int stored = 0; stored < 2; stored++)
			for (size_t v = 0; v < sizeof vision / sizeof *vision; v++) {
				struct quantizer_pair pair = pair_of(costs[i].weight, costs[i].activation);
				struct search_options options = {.effective_bits = 0.5, .stored = stored};
				double typed;
				CHECK(!met(&m, vision[v], pair, options), "half a bit was enough");
				const char *at = strstr(error_text(), "the smallest possible is ");
				if (!at) {
					CHECK(strstr(error_text(),
						"nor can any other: by autoquant.cost=cost_bits the formats have more") &&
						!strcmp(costs[i].weight, "I8g1") && stored, "%s", error_text());
					continue;
				}
				typed = options.effective_bits = atof(at + strlen("the smallest possible is "));
				CHECK(met(&m, vision[v], pair, options), "%s stored %d: %g is too little", costs[i].weight, stored,
					typed);
				struct search_space s = space_of(&m, vision[v], &pair, 1, &options);
				options.effective_bits -= 0.001 + (s.idle_numel > 0 ? 0.001 * s.numel / (s.numel - s.idle_numel) : 0);
				search_space_release(&s);
				CHECK(!met(&m, vision[v], pair, options), "%s stored %d: less than %g is enough", costs[i].weight, stored,
					typed);
			}
}

static void test_messages(void)
{
	struct model m;
	struct quantizer_pair formats[] = {pair_of("F8t", "-"), pair_of("I4g16", "-")};
	struct search_options options = {.effective_bits = 3.5};
	model_init(&m, 1);
	struct search_space s = space_of(&m, 0, formats, 2, &options);
	CHECK(search_space_check(&s) == -1 && s.least_bits == 4, "%g", s.least_bits);
	CHECK_STRING(error_text(),
		"autoquant.effective_bits=3.5 cannot be met: the smallest possible is 4 bits a weight of "
		"the searched layers, by autoquant.cost=search_bits");
	search_space_release(&s);
	options.stored = 1;
	s = space_of(&m, 0, formats, 2, &options);
	/* 4 bits and (1920 + 1280 + 5376 + 2560 + 4752) scale bits for 13240 weights: 5.20000 */
	CHECK(search_space_check(&s) == -1, "was met");
	CHECK_CLOSE(s.least_bits, 4 + 15888.0 / 13240, 1e-12);
	CHECK_STRING(error_text(),
		"autoquant.effective_bits=3.5 cannot be met: the smallest possible is 5.2 bits a weight of "
		"the searched layers, by autoquant.cost=cost_bits");
	search_space_release(&s);
}

/* Without NONE all groups are quantized, whatever the budget; with it a large budget quantizes nothing that harms. */
static void test_none(void)
{
	static const double score[] = {1, 2, 0, 4, 5};
	struct model m;
	struct quantizer_pair pair = pair_of("F8t", "-");
	struct search_options options = options_of(16);
	struct search_result result;
	size_t choice[5];
	model_init(&m, 1);
	for (int allow = 0; allow < 2; allow++) {
		options.allow_none = allow;
		struct search_space s = space_of(&m, 100, &pair, 1, &options);
		CHECK(search_space_solve(&s, score, choice, &result) == SEARCH_OK, "%s", error_text());
		for (size_t g = 0; g < 5; g++) /* the group of score 0 is as good and cheaper in the format */
			CHECK(choice[g] == (allow && g != 2 ? SEARCH_NONE : 0), "allow %d, group %zu: choice %zu", allow, g,
				choice[g]);
		CHECK(result.score == (allow ? 0 : 12) && result.cost == (allow ? 16 * (layer + head) - 8 * gate_up :
			8 * (layer + head)), "allow %d: %g, %g", allow, result.score, result.cost);
		search_space_release(&s);
	}
	/* Where formats take more than 16 bits, NONE is what fits. */
	pair = pair_of("I8g1", "-");
	options.stored = 1;
	struct search_space s = space_of(&m, 100, &pair, 1, &options);
	CHECK(search_space_solve(&s, score, choice, &result) == SEARCH_OK && result.cost == 16 * (layer + head), "%g",
		result.cost);
	search_space_release(&s);
}

static void test_infeasible(void)
{
	static const double score[] = {1, 0, 2, 0, 3, 0, 4, 0, 5, 0};
	struct model m;
	const struct quantizer_pair formats[] = {pair_of("I4g16", "-"), pair_of("F8t", "-")};
	struct search_options options = options_of(2);
	struct search_result result;
	size_t choice[5];
	model_init(&m, 1);
	struct search_space s = space_of(&m, 0, formats, 2, &options);
	CHECK(search_space_solve(&s, score, choice, &result) == SEARCH_INFEASIBLE, "2 bits were enough");
	CHECK(strstr(error_text(), "autoquant.effective_bits=2 cannot be met"), "%s", error_text());
	for (size_t g = 0; g < 5; g++)
		CHECK(choice[g] == 0, "group %zu: choice %zu", g, choice[g]);
	CHECK(result.score == 15 && result.cost == 4 * (layer + head), "%g, %g", result.score, result.cost);
	search_space_release(&s);
}

/* --- choices --- */

static const char *const weights[] = {"F8t", "F8t", "I8r", "I4g16", "N16", "I4r", "F8c", "-"};
static const char *const activations[] = {"-", "i4t", "-", "-", "f8t", "-", "-", "f8k"};

/* Formats, many of equal cost, whole scores with ties and zeros, vision, excluded groups; 1 to 3 formats. */
struct instance {
	struct quantizer_pair formats[FORMATS_MAX];
	struct search_options options;
	double score[GROUPS_MAX * FORMATS_MAX];
	double vision;
};

static void instance_random(struct instance *in, const struct model *m, size_t format_count)
{
	static const char *const excluded[] = {"lm_head", "*.k_proj"};
	size_t values = random_below(2) ? 4 : 1000;
	for (size_t f = 0; f < format_count; f++) {
		size_t i = random_below(sizeof weights / sizeof *weights);
		in->formats[f] = pair_of(weights[i], activations[i]);
	}
	for (size_t i = 0; i < m->groups * format_count; i++)
		in->score[i] = (double)random_below(values);
	in->options = options_of(3 + 0.25 * (double)random_below(50));
	in->options.stored = random_below(2) == 0;
	in->options.allow_none = random_below(4) != 0;
	in->options.exclude = excluded;
	in->options.exclude_count = random_below(3);
	in->vision = random_below(2) ? (double)random_below(9000) : 0;
}

/* Cost and score of choices as the header says them; choice is a place in order, or format_count for NONE. */
static void evaluate(const struct search_space *s, const double *score, const size_t *choice, double *total,
	double *cost) {
	*total = *cost = 0;
	for (size_t g = 0; g < s->count; g++) {
		if (!s->groups[g].searched)
			continue;
		if (choice[g] == s->format_count) {
			*cost += 16 * s->groups[g].numel;
			continue;
		}
		*cost += (s->options.stored ? s->groups[g].stored_cost : s->groups[g].search_cost)[s->order[choice[g]]];
		*total += score[g * s->format_count + s->order[choice[g]]];
	}
}

/* In lexicographic order; the first of the best stays. Whether any fits. */
static int brute_force(const struct search_space *s, const double *score, size_t *best, double *best_score,
	double *best_cost)
{
	size_t choice[GROUPS_MAX] = {0}, choices = s->format_count + (s->options.allow_none != 0), g;
	int found = 0;
	do {
		double total, cost;
		evaluate(s, score, choice, &total, &cost);
		/* Costs are whole and budgets are not: a thousandth of a bit is rounding. */
		if (cost <= s->target_bits * s->numel - 16 * s->idle_numel + 1e-3 &&
			(!found || total < *best_score || (total == *best_score && cost < *best_cost))) {
			memcpy(best, choice, sizeof choice);
			*best_score = total;
			*best_cost = cost;
			found = 1;
		}
		for (g = s->count; g > 0; g--) {
			if (!s->groups[g - 1].searched)
				continue;
			if (++choice[g - 1] < choices)
				break;
			choice[g - 1] = 0;
		}
	} while (g > 0);
	return found;
}

static void test_brute_force(void)
{
	struct model m;
	int feasible = 0;
	model_init(&m, 1);
	for (int seed = 0; seed < 600; seed++) {
		struct instance in;
		struct search_result result;
		size_t found[GROUPS_MAX] = {0}, expected[GROUPS_MAX] = {0};
		double score = 0, cost = 0;
		random_state = (uint64_t)seed;
		size_t format_count = 1 + random_below(3);
		instance_random(&in, &m, format_count);
		struct search_space s = space_of(&m, in.vision, in.formats, format_count, &in.options);
		int fits = brute_force(&s, in.score, expected, &score, &cost);
		enum search_status status = search_space_solve(&s, in.score, found, &result);
		CHECK(status == (fits ? SEARCH_OK : SEARCH_INFEASIBLE), "seed %d: status %d: %s", seed, (int)status,
			error_text());
		CHECK((search_space_check(&s) == 0) == fits, "seed %d: %s", seed, error_text());
		feasible += fits;
		if (fits) {
			CHECK(result.proven && result.score == score && result.cost == cost, "seed %d: %g at %g, expected %g at %g",
				seed, result.score, result.cost, score, cost);
			for (size_t g = 0; g < s.count; g++) {
				int quantized = s.groups[g].searched && expected[g] < format_count;
				CHECK(found[g] == (quantized ? s.order[expected[g]] : SEARCH_NONE), "seed %d: group %zu has choice %zu",
					seed, g, found[g]);
			}
		}
		search_space_release(&s);
	}
	CHECK(feasible > 200 && feasible < 600, "%d of 600 fit", feasible);
}

/* One format by search_bits: as a search over all groups with vision among them as one that has no choice. */
static void test_as_before(void)
{
	struct model m;
	model_init(&m, 2);
	for (int seed = 0; seed < 300; seed++) {
		double numbers[GROUPS_MAX + 1][4], vision;
		struct search_group groups[GROUPS_MAX + 1];
		struct search_result result, before;
		struct instance in;
		size_t choice[GROUPS_MAX], old[GROUPS_MAX + 1];
		random_state = (uint64_t)seed;
		instance_random(&in, &m, 1);
		in.options.stored = 0, in.options.allow_none = 1, in.options.exclude_count = 0;
		vision = in.vision;
		struct search_space s = space_of(&m, vision, in.formats, 1, &in.options);
		double bits = quantizer_search_bits(in.formats[0]);
		for (size_t g = 0; g <= m.groups; g++) {
			double numel = g ? s.groups[g - 1].numel : vision;
			numbers[g][0] = g ? in.score[g - 1] : 0, numbers[g][1] = 0;
			numbers[g][2] = bits * numel, numbers[g][3] = 16 * numel;
			groups[g] = (struct search_group){g ? 2 : 1, numbers[g] + !g, numbers[g] + 2 + !g};
		}
		struct search_problem problem = {.groups = groups, .count = m.groups + 1, .budget = s.numel * s.target_bits};
		enum search_status status = search_solve(&problem, old, &before);
		CHECK(search_space_solve(&s, in.score, choice, &result) == status, "seed %d: status %d", seed, (int)status);
		CHECK(result.score == before.score && result.cost + 16 * vision == before.cost,
			"seed %d: %g at %g, was %g at %g",
			seed, result.score, result.cost + 16 * vision, before.score, before.cost);
		for (size_t g = 0; g < m.groups; g++)
			CHECK(choice[g] == (old[g + 1] ? SEARCH_NONE : 0), "seed %d: group %zu", seed, g);
		search_space_release(&s);
	}
}

static void test_frontier(void)
{
	struct model m;
	struct instance in;
	struct search_frontier f;
	model_init(&m, 2);
	for (int seed = 0; seed < 20; seed++) {
		random_state = (uint64_t)seed;
		instance_random(&in, &m, 3);
		in.options.effective_bits = 1; /* the budget is not read */
		struct search_space s = space_of(&m, in.vision, in.formats, 3, &in.options);
		if (search_space_frontier(&s, in.score, 0, &f))
			exit(error_report(1));
		CHECK(f.complete && f.points[0].cost == s.least_cost, "seed %d: from %g, least %g", seed, f.points[0].cost,
			s.least_cost);
		for (size_t i = 0; i < f.count; i += 7) {
			struct search_result result;
			size_t choice[GROUPS_MAX];
			s.budget = f.points[i].cost;
			CHECK(search_space_solve(&s, in.score, choice, &result) == SEARCH_OK && result.cost == f.points[i].cost &&
				result.score == f.points[i].score, "seed %d, point %zu: %g at %g", seed, i, result.score, result.cost);
		}
		search_frontier_release(&f);
		search_space_release(&s);
	}
}

int main(void)
{
	TEST(test_costs);
	TEST(test_order);
	TEST(test_patterns);
	TEST(test_several_patterns);
	TEST(test_bad_options);
	TEST(test_own_bits);
	TEST(test_least_bits);
	TEST(test_messages);
	TEST(test_none);
	TEST(test_infeasible);
	TEST(test_brute_force);
	TEST(test_as_before);
	TEST(test_frontier);
	return check_done();
}
