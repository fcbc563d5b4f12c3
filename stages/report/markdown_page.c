#include "report/markdown_page.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/memory.h"
#include "report/config_value.h"
#include "report/words.h"

/* Between these a whole is said to be the sum of its parts. */
static const double adds_up_low = 0.8, adds_up_high = 1.25;

/* --- tables Key | Value --- */

void markdown_keys(const struct markdown_page *p)
{
	strbuf_adds(p->to, "|Key|Value|\n|:---|:---|\n");
}

void markdown_row(const struct markdown_page *p, const char *key, const char *value, const char *remark)
{
	strbuf_addf(p->to, "|%s|`", key);
	words_cell(p->to, value);
	strbuf_addc(p->to, '`');
	if (remark)
		strbuf_addf(p->to, " %s", remark);
	strbuf_adds(p->to, "|\n");
}

void markdown_row_f(const struct markdown_page *p, const char *key, const char *remark, const char *format, ...)
{
	char value[128];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(value, sizeof value, format, arguments);
	va_end(arguments);
	markdown_row(p, key, value, remark);
}

void markdown_row_config(const struct markdown_page *p, const char *key, const char *path, const char *remark)
{
	const cJSON *value = config_value(p->cell->config, path);
	struct strbuf text;
	if (!value)
		return;
	strbuf_init(&text);
	if (cJSON_IsString(value))
		strbuf_adds(&text, value->valuestring);
	else
		json_canonical(&text, value);
	markdown_row(p, key, text.s, remark);
	strbuf_release(&text);
}

void markdown_row_score(const struct markdown_page *p, const char *key, const char *remark, double value)
{
	char text[64];
	snprintf(text, sizeof text, "%.6e", value);
	markdown_row(p, key, p->table->scored ? text : "-", p->table->scored ? remark : "nothing was scored");
}

/* --- groups --- */

size_t markdown_groups(const struct markdown_page *p)
{
	return p->table->count - p->table->vision_count;
}

void markdown_name(const struct markdown_page *p, size_t group)
{
	strbuf_addc(p->to, '`');
	words_cell(p->to, words_short_layer(p->table->groups[group].name));
	strbuf_addc(p->to, '`');
}

void markdown_names(const struct markdown_page *p, const size_t *groups, size_t count, size_t max)
{
	/* "and 1 more" is no shorter than the name */
	size_t shown = count <= max + 1 ? count : max, items = shown + (shown < count);
	for (size_t i = 0; i < shown; i++) {
		strbuf_adds(p->to, words_between(i, items));
		markdown_name(p, groups[i]);
	}
	if (shown < count)
		strbuf_addf(p->to, " and %zu more", count - shown);
}

void markdown_choice(const struct markdown_page *p, size_t choice)
{
	if (choice == SEARCH_NONE) {
		strbuf_adds(p->to, "16 bits");
		return;
	}
	strbuf_addc(p->to, '`');
	words_cell(p->to, p->cell->formats[choice].name);
	strbuf_addc(p->to, '`');
}

size_t markdown_chosen(const struct markdown_page *p, size_t choice)
{
	size_t count = 0;
	for (size_t g = 0; g < p->table->count; g++)
		count += p->table->groups[g].searched && p->table->groups[g].choice == choice;
	return count;
}

static size_t find_kind(struct markdown_kinds *k, const struct group_table *t, size_t group)
{
	const char *name = words_layer_kind(t->groups[group].name);
	for (size_t i = 0; i < k->count; i++)
		if (!strcmp(k->kinds[i].name, name))
			return i;
	k->kinds[k->count] = (struct markdown_kind){.name = name, .first = group, .worst = group};
	return k->count++;
}

void markdown_kinds_make(struct markdown_kinds *k, const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	k->kinds = mem_array(t->count, sizeof *k->kinds);
	k->of = mem_zeroed(t->count, sizeof *k->of);
	k->count = 0;
	for (size_t g = t->vision_count; g < t->count; g++) {
		struct markdown_kind *kind = &k->kinds[k->of[g] = find_kind(k, t, g)];
		kind->groups++;
		kind->sum += t->groups[g].score;
		if (t->groups[g].score > t->groups[kind->worst].score)
			kind->worst = g;
	}
}

void markdown_kinds_release(struct markdown_kinds *k)
{
	free(k->kinds);
	free(k->of);
}

void markdown_kind_name(const struct markdown_page *p, const struct markdown_kind *kind)
{
	for (size_t i = 0; i < p->table->groups[kind->first].member_count; i++)
		strbuf_addf(p->to, "%s`%s`", i ? " + " : "",
			words_layer_kind(group_table_member(p->table, p->cell, kind->first, i)));
}

/* --- certainty --- */

int markdown_sure(const struct markdown_page *p)
{
	return p->table->scored && p->table->score_sequences >= BOOTSTRAP_UNITS_MIN;
}

size_t markdown_tiers(const struct markdown_page *p, size_t *group, size_t *last)
{
	size_t n = markdown_groups(p), tiers = 0, high = 0;
	size_t *low = mem_array(n + 1, sizeof *low); /* low[r]: smallest bound of the ranks after r */
	for (size_t g = p->table->vision_count; g < p->table->count; g++)
		group[p->table->groups[g].certainty.rank - 1] = g;
	low[n] = n + 1;
	for (size_t r = n; r-- > 0;) {
		size_t bound = p->table->groups[group[r]].certainty.low;
		low[r] = bound < low[r + 1] ? bound : low[r + 1];
	}
	for (size_t r = 1; r <= n; r++) {
		size_t bound = p->table->groups[group[r - 1]].certainty.high;
		high = bound > high ? bound : high;
		if (high <= r && low[r] > r)
			last[tiers++] = r;
	}
	free(low);
	return tiers;
}

void markdown_interval(struct strbuf *to, struct interval i)
{
	if (isfinite(i.high))
		strbuf_addf(to, "%.3g to %.3g", i.low, i.high);
	else if (i.low > 0)
		strbuf_addf(to, "%.3g or more", i.low);
	else
		strbuf_adds(to, "unknown");
}

void markdown_ranks(struct strbuf *to, size_t first, size_t last)
{
	if (first == last)
		strbuf_addf(to, "rank %zu", first);
	else
		strbuf_addf(to, "ranks %zu %s %zu", first, last == first + 1 ? "and" : "to", last);
}

/* --- sums --- */

enum markdown_sum markdown_sum(double ratio)
{
	if (ratio > adds_up_high)
		return MARKDOWN_AMPLIFY;
	return ratio < adds_up_low ? MARKDOWN_CANCEL : MARKDOWN_ADDS_UP;
}

int markdown_joint(const struct markdown_page *p, size_t format)
{
	const struct scores *s = p->cell->formats[format].scores;
	return s->weight_only && s->activation_only;
}
