/* golden MANIFEST...: compares the scores in manifests with tests/golden/demo_small.json, group by group.
 *
 * For every manifest (of the demo model on small) finds the golden scores of its weight and activation code, adds up
 * the members of each group, and checks the relative deviation: 1e-5 without activation quantizers (3e-5 where a GPU
 * computed: its products are made to 16 bits, measured 1.1e-5), 1e-2 with, and there a median of 1e-4. Cells of the
 * method kl_div are compared with its golden divergences; a GPU multiplies changes to 8 bits: 1e-2, a median of 2e-3
 * (measured 6.8e-3 and 4e-4). Prints worst and median per
 * class and "N passed, N failed", one a manifest and one for the medians.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"

enum { FILE_MAX = 64 << 20 };

struct deviations {
	double *all;
	size_t count;
};

/* list is "scores" or "kl_div", values the member of its entries that holds them. */
static const cJSON *find_scores(const cJSON *golden, const char *list, const char *values, const char *weight,
	const char *activation)
{
	const cJSON *entry;
	cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(golden, list)) {
		if (!strcmp(cJSON_GetObjectItemCaseSensitive(entry, "weight")->valuestring, weight) &&
			!strcmp(cJSON_GetObjectItemCaseSensitive(entry, "activation")->valuestring, activation))
			return cJSON_GetObjectItemCaseSensitive(entry, values);
	}
	return NULL;
}

/* Gradient scores are given a linear, divergences a group, under the name of its first member. */
static double golden_group(const cJSON *scores, const cJSON *members, int kl)
{
	const cJSON *member;
	double sum = 0;
	cJSON_ArrayForEach(member, members) {
		const cJSON *score = cJSON_GetObjectItemCaseSensitive(scores, member->valuestring);
		if (!kl || member == members->child)
			sum += score ? score->valuedouble : NAN;
	}
	return sum;
}

static void compare(const cJSON *manifest, const cJSON *scores, int kl, double limit, struct deviations *d)
{
	const cJSON *group;
	size_t compared = 0;
	cJSON_ArrayForEach(group, cJSON_GetObjectItemCaseSensitive(manifest, "layer_sensitivity")) {
		double found = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(group, "scores"), 0)->valuedouble;
		if (!strncmp(group->string, "model.visual.", 13))
			continue;
		double expected = golden_group(scores, cJSON_GetObjectItemCaseSensitive(group, "members"), kl);
		double deviation = fabs(found - expected) / expected;
		CHECK(deviation <= limit, "%s: %.9g, expected %.9g", group->string, found, expected);
		d->all[d->count++] = deviation;
		compared++;
	}
	CHECK(compared == 17, "%zu groups, the demo model has 17", compared);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static const char *const *paths;
static size_t path_at;
static const cJSON *golden;
static struct deviations classes[2]; /* without and with activation quantizers */
static int coarse; /* some are divergences of a GPU */

static void test_manifest(void)
{
	cJSON *manifest = json_read(paths[path_at], FILE_MAX);
	CHECK(manifest, "%s", error_text());
	if (!manifest)
		return;
	const cJSON *quantization = cJSON_GetObjectItemCaseSensitive(manifest, "quantization");
	const char *weight = json_string(quantization, "weight", paths[path_at]);
	const char *activation = json_string(quantization, "activation", paths[path_at]);
	const char *method = json_string(cJSON_GetObjectItemCaseSensitive(manifest, "scheme"), "auto_quantize_method",
		paths[path_at]);
	int kl = method && !strcmp(method, "kl_div");
	const char *numerics = json_string(cJSON_GetObjectItemCaseSensitive(manifest, "scoring"), "numerics",
		paths[path_at]);
	const int gpu = numerics && !strncmp(numerics, "cuda-", 5);
	const double weight_only = gpu && kl ? 1e-2 : gpu ? 3e-5 : 1e-5;
	coarse |= gpu && kl;
	const cJSON *scores = weight && activation ? find_scores(golden, kl ? "kl_div" : "scores",
		kl ? "kl_sum" : "per_linear", weight, activation) : NULL;
	CHECK(scores, "%s: no golden scores of %s/%s", paths[path_at], weight ? weight : "?",
		activation ? activation : "?");
	if (scores)
		compare(manifest, scores, kl, strcmp(activation, "-") ? 1e-2 : weight_only,
			&classes[!!strcmp(activation, "-")]);
	cJSON_Delete(manifest);
}

static void test_medians(void)
{
	static const char *const names[2] = {"weight-only", "with activation quantizers"};
	static const double limits[2] = {1e-5, 1e-4};
	for (int c = 0; c < 2; c++) {
		struct deviations *d = &classes[c];
		if (!d->count)
			continue;
		qsort(d->all, d->count, sizeof *d->all, by_size);
		printf("%s: %zu groups, worst %.1e, median %.1e\n", names[c], d->count, d->all[d->count - 1],
			d->all[d->count / 2]);
		CHECK(d->all[d->count / 2] <= (coarse ? 2e-3 : limits[c]), "median %.2e", d->all[d->count / 2]);
	}
}

int main(int argc, char **argv)
{
	cJSON *root = json_read("tests/golden/demo_small.json", FILE_MAX);
	if (!root)
		return error_report(1);
	golden = root;
	paths = (const char *const *)argv + 1;
	for (int c = 0; c < 2; c++)
		classes[c].all = mem_array((size_t)argc * 64, sizeof(double));
	for (path_at = 0; path_at + 1 < (size_t)argc; path_at++)
		TEST(test_manifest);
	TEST(test_medians);
	cJSON_Delete(root);
	free(classes[0].all);
	free(classes[1].all);
	return check_done();
}
