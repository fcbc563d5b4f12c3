#include "generator/strict_tools.h"

#include <stdlib.h>

#include "common/error.h"
#include "common/memory.h"

char *strict_tools_path(const struct rule *rule)
{
	return mem_printf("build/bin/%s", rule->stage);
}

int strict_tools_take(struct rules *rules, struct leaf_memo *memo)
{
	int bad = 0;
	for (size_t i = 0; i < rules->count && !bad; i++) {
		struct digest digest;
		char *path = strict_tools_path(&rules->rules[i]);
		bad = leaf_digest(memo, path, &digest);
		if (bad)
			fail_context("--strict-tools: the program of %s; ./configure builds it", rules->rules[i].path);
		else
			rules->rules[i].tool = mem_strdup(digest.hex);
		free(path);
	}
	return bad;
}
