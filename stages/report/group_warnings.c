#include "report/group_warnings.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/memory.h"
#include "report/words.h"

/* From where on a score is worth a warning that it hangs on one token. */
static const double largest_share = 0.5;

static void warning(struct group_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void warning(struct group_table *t, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	MEM_GROW(t->warnings, t->warning_count, t->warning_capacity);
	t->warnings[t->warning_count++] = mem_strdup(text);
}

static void warn_about_text(struct group_table *t, const struct report_text *text)
{
	if (text->sequences < text->asked)
		warning(t, "The captions file has %zu caption%s, fewer than the %zu asked for: it is used whole.",
			text->sequences, words_s(text->sequences), text->asked);
	if (text->truncated)
		warning(t, "%zu of %zu caption%s %s cut at dataset.calib_seq_len tokens.", text->truncated, text->sequences,
			words_s(text->sequences), text->truncated == 1 ? "was" : "were");
	if (!t->scored)
		warning(t, "Nothing could be scored: the captions have no token to predict. All scores are 0 and say nothing, "
			"nor does the result of the search.");
}

static void warn_about_captions(struct group_table *t)
{
	const struct report_group *worst = &t->groups[t->descending[0]];
	if (!t->scored || worst->vision)
		return;
	if (t->score_sequences < BOOTSTRAP_UNITS_MIN)
		warning(t, "%zu scored caption%s %s too few to say how sure a score is.", t->score_sequences,
			words_s(t->score_sequences), t->score_sequences == 1 ? "is" : "are");
	if (worst->formats[worst->worst].positions.largest > largest_share)
		warning(t, "%.0f %% of the score of %s comes from a single token of %zu: other captions may well give another "
			"score.",
			100 * worst->formats[worst->worst].positions.largest, words_short_layer(worst->name), t->score_tokens);
}

static void warn_about_mix(struct group_table *t)
{
	if (t->over_budget)
		warning(t, "The mix that the search chose stores %.4f bits a weight, more than the budget of %.4f: the search "
			"counts a layer by the smaller of its weight and activation bits, but its weights are stored in more. "
			"autoquant.cost=cost_bits counts what is stored.", t->stored_bits, t->target_bits);
	if (!t->search.proven)
		warning(t, "The search ran out of its bound on memory: its result fits the budget, a better one may exist.");
	if (t->check.present && t->check.predicted > 0 && t->check.divergence > 0 &&
		!(t->check.ratio > GROUP_TABLE_RATIO_LOW && t->check.ratio < GROUP_TABLE_RATIO_HIGH))
		warning(t, "Run for real, the mix moves the predictions %.2g times as far as the scores of its layers add up "
			"to: trust the order of the layers more than the sums.", t->check.ratio);
}

void group_warnings_collect(struct group_table *t, const struct report_cell *cell)
{
	warn_about_text(t, &cell->text);
	warn_about_captions(t);
	warn_about_mix(t);
}
