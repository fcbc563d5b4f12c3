/* The bootstrap over captions: how sure a sum of contributions is, and a ranking of such sums.
 *
 * A search group's score is the sum of what each of S captions (here: units) contributes. Had other captions of the
 * same kind been drawn, it would be another. A resample draws S of the S units with replacement; how the sums vary from
 * resample to resample stands for how they would vary from one set of captions to another. All groups see the same
 * draws, as all see the same captions: a caption that is hard for every group moves no rank.
 *
 *     struct resamples r;
 *     struct interval i;
 *     resamples_init(&r, units, BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED);
 *     bootstrap_interval(&r, contributions, 0.95, &i);
 *     resamples_release(&r);
 *
 * What this is sure of is the sampling of captions, not that captions stand for the text a model will meet. Units must
 * be independent: a caption that is there twice counts as two.
 *
 * Same seed, same bits, on every machine: the generator is ours, sums have a fixed order, and nothing but + - * / and
 * square roots is computed. Contributions are finite and >= 0, and so is their sum.
 *
 * Which interval, and why
 *
 * Contributions are skewed: few captions make most of a sum. Tried on 5000 data sets of 16 and of 128 units, with 1000
 * resamples: in how many percent does a 95 % interval cover the true mean? (The noise of a figure is 0.4.)
 *
 *                         lognormal, by sigma                        exponential   10 % of these   30 % zeros, else
 *                         1             1.5           2                            times 20        lognormal 1
 *     units               16     128    16     128    16     128     16     128    16     128      16     128
 *     Student's t         86.0   91.8   74.8   86.3   61.5   75.6    91.6   93.9   65.0   88.1     84.9   91.8
 *     percentile          84.3   91.9   74.1   87.9   61.4   77.9    89.6   94.0   64.6   89.5     83.3   92.2
 *     BCa                 86.2   92.5   79.0   90.0   68.8   82.7    90.4   94.1   67.8   92.6     85.8   92.6
 *     studentized         92.0   93.6   87.8   92.1   81.3   87.3    94.7   94.8   72.7   95.4     91.5   94.1
 *      of square roots    91.8   93.6   87.6   92.3   81.7   87.3    94.3   94.7   72.9   95.8     91.0   94.0
 *      of logarithms      91.8   93.7   87.4   92.4   81.3   87.4    94.0   94.7   73.1   96.1     90.3   93.9
 *
 * Only the studentized bootstrap, which counts how far a resample's mean is off in standard errors of that resample,
 * comes near 95. With the mean m, its standard error e = sd / sqrt(units), and the same of a resample, m' and e',
 *
 *     t = (sqrt(m') - sqrt(m)) / (e' / (2 sqrt(m')))
 *     low  = units * (sqrt(m) - t_high * e / (2 sqrt(m)))^2
 *     high = units * (sqrt(m) - t_low * e / (2 sqrt(m)))^2
 *
 * where t_low and t_high are the bounds of t over the resamples, at the level.
 *
 * The scale it is done on matters little for the coverage, and much for the bounds. As multiples of the estimate, for
 * 16 units of lognormal contributions:
 *
 *                         sigma 1.5                                          sigma 2
 *                         low is 0   median high   9 of 10 high   largest    low is 0   median high   9 of 10 high
 *     plain               1.5 %      2.9           below 8.7      182        9.3 %      4.9           below 21
 *     of square roots     never      3.1           below 12.5     583        never      5.5           below 38
 *     of logarithms       never      3.4           below 35       1e8        never      7.1           below 334
 *
 * The plain scale gives low bounds that say nothing (at sigma 1.5 the truth is below them in 0.4 % of the cases, where
 * 2.5 % were asked for), logarithms give such high ones. Square roots keep the low bound positive and the high one in
 * sight; nor do they need log() and exp(), whose last bits differ between C libraries.
 *
 * What no interval mends: 16 units of a heavy tail often hold none of the units that make the mean what it is. The
 * truth is then above the interval: in 7, 11 and 18 % of the cases for lognormal sigma 1, 1.5 and 2, in 26 % where one
 * unit in ten is twenty times the others; with 128 units in 4, 7, 12 and 3 %. Below it is the truth in at most 3 %.
 */
#ifndef QG_STATS_BOOTSTRAP_H
#define QG_STATS_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

enum {
	BOOTSTRAP_RESAMPLES = 1000,         /* a bound at 95 % is then the 25th from the end */
	BOOTSTRAP_UNITS_MIN = 8,            /* of an interval */
	BOOTSTRAP_UNITS_MAX = 1 << 20,
	BOOTSTRAP_RESAMPLES_MAX = 1 << 16,
};

#define BOOTSTRAP_SEED UINT64_C(20240229)

struct resamples {
	size_t units, count;
	uint32_t *index;        /* [count][units] the units a resample draws */
};

/* units 0 to BOOTSTRAP_UNITS_MAX, count 1 to BOOTSTRAP_RESAMPLES_MAX. Takes 4 * units * count bytes: 0.5 MB for 128
 * units and 1000 resamples, 400 MB for 100 000 units. Draws come from SplitMix64, one after the other. */
void resamples_init(struct resamples *r, size_t units, size_t count, uint64_t seed);
void resamples_release(struct resamples *r);

struct interval {
	double low, high;       /* low <= the sum <= high */
};

/* The confidence interval of the sum of value[units]; level is between 0 and 1. (1 - level) / 2 of the resamples lie
 * beyond each bound, or as few as can: of 1000 resamples 25 at 95 %, the outermost one from 99.9 % on. Then:
 *
 *     fewer than BOOTSTRAP_UNITS_MIN units     [0, infinity]: nothing can be said
 *     all values equal, to 0 or otherwise      [sum, sum]
 *     all but one, two or three equal          high is infinite at 95 % (low is 0 when the equal ones are the larger):
 *                                              too many resamples draw the equal ones only and see no spread at all;
 *                                              of 8 units it takes all but two
 *
 * Never NaN. An infinite high is an answer, and needs a word of its own where it is shown. */
void bootstrap_interval(const struct resamples *r, const double *value, double level, struct interval *i);

/* The same for many sums: i[count] from value[count][units], bit for bit. A few at once take a third of the time. */
void bootstrap_intervals(const struct resamples *r, const double *value, size_t count, double level,
	struct interval *i);

struct rank_range {
	size_t rank;            /* 1 = the largest sum, ties by index */
	size_t low, high;       /* low <= rank <= high; the range of its ranks over the resamples, at the level */
	double above_next;      /* share of resamples in which its sum exceeds that of the group at the next rank, ties
	                         * count half: 0.5 is a toss-up, 1 certain; 1 for the last, which has none behind it */
};

/* Fills ranks[groups] from value[groups][units]. Groups whose sums are equal in a resample have all their ranks there:
 * the first counts for low, the last for high, so that groups that cannot be told apart share a range.
 *
 * The range is one of percentiles, of each rank on its own, and too narrow where it is wide: of 40 groups of lognormal
 * contributions (sigma 1 and 1.5, half their variance from the caption) it holds the true rank in
 *
 *     step from group to group     2 %          10 %         30 %
 *     16 units                     87, 80 %     96, 92 %     99, 97 %
 *     128 units                    95, 90 %     99, 98 %     100, 100 %
 *
 * Takes 8 * groups * (units + count) bytes; 145 groups of 128 units take 15 ms with 1000 resamples on one core. */
void bootstrap_ranks(const struct resamples *r, const double *value, size_t groups, double level,
	struct rank_range *ranks);

/* Share of resamples in which the sum of a[units] is below that of b[units]; ties count half. */
double bootstrap_less(const struct resamples *r, const double *a, const double *b);

#endif
