#include "model/module_pattern.h"

#include <fnmatch.h>
#include <string.h>

#include "checkpoint/lm_layout.h"
#include "common/error.h"

/* Longer ones are matched, but get no suggestion. */
enum { PATTERN_MAX = 4 * LINEAR_NAME_MAX };

static const char *short_name(const char *name)
{
	size_t length = strlen(LM_PREFIX);
	return strncmp(name, LM_PREFIX, length) ? name : name + length;
}

static int matches(const char *pattern, const char *name)
{
	return !fnmatch(pattern, name, 0) || !fnmatch(pattern, short_name(name), 0);
}

int module_patterns_match(const char *const *patterns, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (matches(patterns[i], name))
			return 1;
	return 0;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Fewest letters to insert, delete or replace in the pattern so that it matches, where * takes any text for nothing and
 * ? any letter: "*.mlp.dwn_proj" is one letter from "layers.0.mlp.down_proj". Brackets count as letters. */
static size_t distance(const char *pattern, const char *name)
{
	size_t row[LINEAR_NAME_MAX + 1], length = strlen(name);
	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (; *pattern; pattern++) {
		size_t corner = row[0]; /* the row above, one to the left */
		row[0] += *pattern != '*';
		for (size_t j = 1; j <= length; j++) {
			size_t above = row[j];
			if (*pattern == '*')
				row[j] = least(above, row[j - 1]);
			else
				row[j] = least(least(above, row[j - 1]) + 1, corner + (*pattern != '?' && *pattern != name[j - 1]));
			corner = above;
		}
	}
	return row[length];
}

/* The first of the nearest. Its last part by itself counts, too: people type "down_proj". */
static const char *nearest(const char *pattern, const struct linear_info *linears, size_t linear_count)
{
	const char *best = "";
	size_t best_distance = (size_t)-1;
	for (size_t i = 0; i < linear_count; i++) {
		const char *whole = linears[i].name, *brief = short_name(whole), *dot = strrchr(brief, '.');
		const char *const forms[3] = {brief, whole, dot ? dot + 1 : brief};
		for (int k = 0; k < 3; k++) {
			size_t d = distance(pattern, forms[k]);
			if (d >= best_distance)
				continue;
			best_distance = d;
			best = k == 1 ? whole : brief;
		}
	}
	return best;
}

static int check(const char *key, const char *pattern, const struct linear_info *linears, size_t linear_count)
{
	for (size_t i = 0; i < linear_count; i++)
		if (matches(pattern, linears[i].name))
			return 0;
	if (strlen(pattern) > PATTERN_MAX)
		return fail("%s: \"%.80s...\" matches no module", key, pattern);
	return fail("%s: \"%s\" matches no module; the nearest is \"%s\"", key, pattern,
		nearest(pattern, linears, linear_count));
}

int module_patterns_check(const char *key, const char *const *patterns, size_t count, const struct linear_info *linears,
	size_t linear_count)
{
	for (size_t i = 0; i < count; i++)
		if (check(key, patterns[i], linears, linear_count))
			return -1;
	return 0;
}
