/* wiener-rule.c - the strength of a Wiener filter from the data.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Likelihood of y under x ~ N(0, sigma^2/(strength P)) (N. Galatsanos & A. Katsaggelos, "Methods for
 * choosing the regularization parameter and estimating the noise variance in image restoration and
 * their relation", IEEE TIP 1, 1992), generalised cross-validation (G. Golub, M. Heath & G. Wahba,
 * Technometrics 21, 1979), discrepancy (V. Morozov 1966). */
#include "config.h"

#include <math.h>

#include "wiener-internal.h"

#define SAMPLES 200000 /* of the spectrum that a rule looks at: whole rows, evenly spread */
#define NOTHING 1e-5f  /* |K|^2 of what does not come through */
#define ENOUGH 0.1     /* of the spectrum, or it tells nothing: between the lobes of a straight path there is leakage */
#define LOW_LOG10 -9.0 /* strengths tried: 1e-9 to 1e3 */
#define HIGH_LOG10 3.0

static size_t row_step(const wiener *w)
{
    return w->grid.complexes / SAMPLES + 1;
}

/* Sums of a rule over a band of the spectrum at w->strength: [0] of the residual's power, [1] of
 * the residual's share of degrees of freedom, [2] of -2 log likelihood. */
static void rule_sums(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t columns = w->grid.size.w / 2 + 1;
    double variance = w->variance * (double)w->grid.count, s = (double)w->strength;
    (void)worker;
    for (size_t r = index * WIENER_BAND; r < wiener_band_end(w, index); r++) {
        w->sums[0][r] = w->sums[1][r] = w->sums[2][r] = 0;
        if (r % row_step(w) != 0)
            continue;
        float d = wiener_row_laplace(w, r);
        double residual = 0, freedom = 0, likelihood = 0;
        for (size_t k = 0; k < columns; k++) {
            size_t i = r * columns + k;
            double twice = wiener_twice(w, k);
            double y = (double)w->work[i][0] * (double)w->work[i][0] +
                       (double)w->work[i][1] * (double)w->work[i][1];
            double power = (double)w->transfer[i][0] * (double)w->transfer[i][0] +
                           (double)w->transfer[i][1] * (double)w->transfer[i][1];
            double prior = s * (double)wiener_prior_power(w, k, d);
            double share = prior / (power + prior + 1e-30);
            residual += twice * y * share * share;
            freedom += twice * share;
            if (prior > 0) /* the mean of the picture has no prior */
                likelihood += twice * (y * share / variance - log(share));
        }
        w->sums[0][r] = residual;
        w->sums[1][r] = freedom;
        w->sums[2][r] = likelihood;
    }
}

/* Sums of what the PSF cannot have let through: [0] of the power there, [1] how many; [2] how many were looked at. */
static void beyond_sums(void *arg, size_t index, size_t worker)
{
    const wiener *w = arg;
    size_t columns = w->grid.size.w / 2 + 1;
    (void)worker;
    for (size_t r = index * WIENER_BAND; r < wiener_band_end(w, index); r++) {
        w->sums[0][r] = w->sums[1][r] = w->sums[2][r] = 0;
        for (size_t k = 0; k < columns && r % row_step(w) == 0; k++) {
            size_t i = r * columns + k;
            w->sums[2][r] += wiener_twice(w, k);
            if (wiener_power(w->transfer[i]) < NOTHING) {
                w->sums[0][r] += wiener_twice(w, k) * ((double)w->work[i][0] * (double)w->work[i][0] +
                                                       (double)w->work[i][1] * (double)w->work[i][1]);
                w->sums[1][r] += wiener_twice(w, k);
            }
        }
    }
}

/* The variance that the rule counts with.  The data as they are continued beyond their border are no blurred picture: where
 * the PSF lets nothing through there is more than the noise, which a rule that knows the noise alone takes for signal:
 * four crops of 160x160 of set14 (pel-blur -k gauss:1.5 --border valid | pel-noise 1e-4 --seed 1 | pel-wiener | pel-score)
 * came out at 6.4 dB, and do at 31.6; with noise of 2e-3 and more nothing changes by 0.05. */
static double effective_variance(wiener *w)
{
    double variance = w->p->sigma * w->p->sigma, power = 0, count = 0, all = 0;
    wiener_in_bands(w, beyond_sums);
    for (size_t r = 0; r < wiener_rows(w); r++) {
        power += w->sums[0][r];
        count += w->sums[1][r];
        all += w->sums[2][r];
    }
    return count > ENOUGH * all ? fmax(variance, power / count / (double)w->grid.count) : variance;
}

/* What the rule minimises, at 10^x. */
static double rule_value(wiener *w, pel_strength_rule rule, double x)
{
    w->strength = (float)pow(10, x);
    wiener_in_bands(w, rule_sums);
    double total[3] = {0, 0, 0}, n = (double)w->grid.count;
    double part = (double)((wiener_rows(w) + row_step(w) - 1) / row_step(w)) / (double)wiener_rows(w);
    for (int k = 0; k < 3; k++)
        for (size_t r = 0; r < wiener_rows(w); r++)
            total[k] += w->sums[k][r];
    double residual = total[0] / n / n / part, freedom = total[1] / n / part;
    switch (rule) {
    case PEL_RULE_GCV:
        return residual / (freedom * freedom);
    case PEL_RULE_DISCREPANCY:
        return fabs(log(residual / w->variance));
    case PEL_RULE_LIKELIHOOD:
    case PEL_RULE_ERROR: /* asks nothing of the data */
        break;
    }
    return total[2];
}

/* log10 of the strength that the rule likes best: a coarse scan, then golden-section search around
 * the best; the curves may have a local minimum but are smooth.  The spectrum must hold Y. */
static double search(wiener *w, pel_strength_rule rule, double from, double to)
{
    double best = from, least = HUGE_VAL, step = (to - from) / 24;
    for (int i = 0; i <= 24; i++) {
        double v = rule_value(w, rule, from + i * step);
        if (v < least) {
            least = v;
            best = from + i * step;
        }
    }
    double a = best - step, b = best + step;
    const double golden = 0.6180339887498949;
    for (int i = 0; i < 8; i++) {
        double p = b - golden * (b - a), q = a + golden * (b - a);
        if (rule_value(w, rule, p) < rule_value(w, rule, q))
            b = q;
        else
            a = p;
    }
    return (a + b) / 2;
}

/* A field of stars has a flat spectrum, which no smooth prior explains: there likelihood would have
 * next to no prior at all.  Cross-validation sees the noise that this lets through, so that it bounds
 * likelihood from below; on photographs the bound is not reached. */
void wiener_choose_strength(wiener *w, bool first)
{
    double at = log10((double)w->strength);
    w->variance = effective_variance(w);
    double from = first ? LOW_LOG10 : at - 0.6, to = first ? HIGH_LOG10 : at + 0.6;
    double best = search(w, w->params->rule, from, to);
    if (w->params->rule == PEL_RULE_LIKELIHOOD)
        best = fmax(best, search(w, PEL_RULE_GCV, from, to));
    w->strength = (float)pow(10, best);
}

/* Were the start's errors white, of standard deviation e, the strength would be (sigma / e)^2.  They are not: good estimates
 * are wrong in fine detail more than in what the PSF leaves, and the PSF is somewhat wrong too.  With e = 1/50 of the range
 * and 0.1 more, Levin et al.'s 16 pictures gain 0.2 to 0.6 dB behind a solver and the model refine; 6 photographs 0.03 to 0.2
 * where sharp (all of 8 cases: 2 solvers, exact and disturbed PSFs, noise of 0.5 to 2.5/255), -0.1 to 0.2 where made soft:
 * pel-read PHOTOS | pel-crop --random 200 --seed 77 | pel-blur -k shake:size=7..31 --random --border valid --psf-error E
 * --seed 78 | pel-noise N --seed 79 | pel-tv -s N | pel-cnn -m refine | pel-wiener --around | pel-score --border 8. */
double wiener_error_strength(double sigma, double range)
{
    double ratio = 50 * sigma / range;
    return 0.1 + ratio * ratio;
}
