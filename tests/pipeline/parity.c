/* parity CPU_FOLDER GPU_FOLDER MANIFEST...: compares the manifests of one sweep computed twice, on the CPU and on a GPU.
 * MANIFEST is a path below both folders.
 *
 * Scores of groups and losses agree within the tolerances of golden.c: 3e-5 without activation quantizers, 1e-2 with
 * (an activation on a rounding tie falls to the other side), kl_div 1e-2, losses 1e-5. No two groups change places in
 * the ranking unless the CPU's scores of the two are within 1 % of each other. What the recipe that was run for real did
 * to the loss agrees within 1e-2 where both chose the same recipe. Prints the worst of each and "N passed, N failed",
 * one a manifest.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"

enum { FILE_MAX = 64 << 20, GROUPS_MAX = 4096 };

static const char *folders[2];
static const char *path;

static struct {
	double weight_only, joint, divergence, loss, check;
	size_t swaps, recipes; /* of near ties; cells whose recipes differ */
} worst;

static const cJSON *member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static double number(const cJSON *object, const char *name)
{
	const cJSON *item = member(object, name);
	return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

static void note(double *to, double deviation)
{
	*to = deviation > *to ? deviation : *to;
}

/* Scores of the searched groups, in the order of the manifest. */
static size_t scores_of(const cJSON *manifest, const char **names, double *scores)
{
	const cJSON *group;
	size_t count = 0;
	cJSON_ArrayForEach(group, member(manifest, "layer_sensitivity")) {
		if (!strncmp(group->string, "model.visual.", 13) || count == GROUPS_MAX)
			continue;
		names[count] = group->string;
		scores[count++] = cJSON_GetArrayItem(member(group, "scores"), 0)->valuedouble;
	}
	return count;
}

/* Groups that the GPU puts the other way round must be as good as equal. */
static void compare_ranks(const char **names, const double *cpu, const double *gpu, size_t count)
{
	for (size_t a = 0; a < count; a++)
		for (size_t b = 0; b < count; b++)
			if (cpu[a] < cpu[b] && gpu[a] > gpu[b]) {
				CHECK(cpu[b] - cpu[a] <= 0.01 * cpu[b], "%s and %s change places: %.9g and %.9g became %.9g and %.9g",
					names[a], names[b], cpu[a], cpu[b], gpu[a], gpu[b]);
				worst.swaps++;
			}
}

static void compare_scores(const cJSON *const manifests[2], double limit, double *noted)
{
	static const char *names[2][GROUPS_MAX];
	static double scores[2][GROUPS_MAX];
	const size_t count = scores_of(manifests[0], names[0], scores[0]);
	CHECK(count > 0 && scores_of(manifests[1], names[1], scores[1]) == count, "%zu groups on the CPU", count);
	for (size_t g = 0; g < count; g++) {
		const double deviation = fabs(scores[1][g] - scores[0][g]) / scores[0][g];
		CHECK(!strcmp(names[0][g], names[1][g]) && deviation <= limit, "%s: %.9g on the CPU, %.9g on the GPU",
			names[0][g], scores[0][g], scores[1][g]);
		note(noted, deviation);
	}
	compare_ranks(names[0], scores[0], scores[1], count);
}

static int same_recipe(const cJSON *const manifests[2])
{
	const cJSON *layer;
	cJSON_ArrayForEach(layer, member(manifests[0], "layers")) {
		const cJSON *other = member(member(manifests[1], "layers"), layer->string);
		if (strcmp(member(layer, "recipe")->valuestring, member(other, "recipe")->valuestring))
			return 0;
	}
	return 1;
}

static void compare_checks(const cJSON *const manifests[2])
{
	static const char key[] = "kl_per_token";
	const cJSON *cpu = member(member(manifests[0], "autoquant_state"), "checked");
	const cJSON *gpu = member(member(manifests[1], "autoquant_state"), "checked");
	CHECK(cJSON_IsObject(cpu) && cJSON_IsObject(gpu), "no recipe was run for real");
	if (!same_recipe(manifests)) {
		worst.recipes++;
		return;
	}
	const double expected = number(cpu, key), deviation = fabs(number(gpu, key) - expected);
	CHECK(deviation <= 1e-2 * expected, "%s of the recipe: %.9g on the CPU, %.9g on the GPU", key, expected,
		number(gpu, key));
	if (expected > 0)
		note(&worst.check, deviation / expected);
}

static void compare(const cJSON *const manifests[2])
{
	const cJSON *scoring[2] = {member(manifests[0], "scoring"), member(manifests[1], "scoring")};
	const int kl = !strcmp(member(scoring[0], "method")->valuestring, "kl_div");
	const int joint = strcmp(member(member(manifests[0], "quantization"), "activation")->valuestring, "-") != 0;
	const double loss = number(scoring[0], "loss"), deviation = fabs(number(scoring[1], "loss") - loss) / loss;
	CHECK(!strncmp(member(scoring[0], "numerics")->valuestring, "cpu-", 4) &&
		!strncmp(member(scoring[1], "numerics")->valuestring, "cuda-", 5), "one is not of a CPU, one of a GPU");
	CHECK(deviation <= 1e-5, "loss %.9g on the CPU, %.9g on the GPU", loss, number(scoring[1], "loss"));
	note(&worst.loss, deviation);
	compare_scores(manifests, kl || joint ? 1e-2 : 3e-5,
		kl ? &worst.divergence : joint ? &worst.joint : &worst.weight_only);
	compare_checks(manifests);
}

static void test_manifest(void)
{
	const cJSON *manifests[2];
	for (int i = 0; i < 2; i++) {
		char *whole = mem_printf("%s/%s", folders[i], path);
		manifests[i] = json_read(whole, FILE_MAX);
		CHECK(manifests[i], "%s", error_text());
		free(whole);
	}
	if (manifests[0] && manifests[1])
		compare(manifests);
	for (int i = 0; i < 2; i++)
		cJSON_Delete((cJSON *)(uintptr_t)manifests[i]);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: parity CPU_FOLDER GPU_FOLDER MANIFEST...\n");
		return 2;
	}
	folders[0] = argv[1];
	folders[1] = argv[2];
	for (int i = 3; i < argc; i++) {
		path = argv[i];
		TEST(test_manifest);
	}
	printf("worst: weight-only %.1e, with activation quantizers %.1e, kl_div %.1e, loss %.1e, KL of recipes %.1e\n",
		worst.weight_only, worst.joint, worst.divergence, worst.loss, worst.check);
	printf("near ties that changed places: %zu; cells whose recipes differ: %zu\n", worst.swaps, worst.recipes);
	return check_done();
}
