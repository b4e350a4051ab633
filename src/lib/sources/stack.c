/* stack.c - one PSF for all sources.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Each source is taken as flux * PSF(x - offset).  In turn: fluxes and offsets by least squares (one
 * Gauss-Newton step), and the PSF by the mean of what is left of the sources, moved back and clipped
 * where one differs from the rest (J. Anderson & I. King, PASP 112, 2000, 1360). */
#include "config.h"

#include <math.h>
#include <string.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>

#include <pellucid/stats.h>

#include "sources-internal.h"

#define ROUNDS 10
#define JUDGED 3       /* the round after which sources unlike the others are dropped, and again later */
#define CORE 1.5       /* radius that is fitted and compared, in units of the FWHM */
#define CLIP 3.0
#define TRUST 0.01     /* the most precise that a source is taken to be, over the PSF's maximum: beyond it
                          the brightest would decide alone */
#define UNLIKE 0.05    /* least deviation, over the PSF's RMS, that counts as unlike */
#define MOST_MOVE 1.5  /* in samples, or 0.4 FWHM: the maximum of a skew PSF is not its centre */

typedef struct {
    const pel_context *ctx;
    const source_box *box;
    double noise;
    source *sources;
    size_t count;
    float *data;             /* count boxes, less the sky around each */
    unsigned char *bad;      /* of them */
    float *rest;             /* count boxes: (data - model) / flux, moved back */
    float *psf, *error;      /* a box each; `error` is the standard error of the PSF */
    float *moved, *slope, *scratch; /* a box each */
} stack;

/* ---- One source's flux and offset */

/* The 1-D central difference of s->moved along an axis. */
static float slope_at(const stack *s, size_t i, int axis)
{
    const source_box *box = s->box;
    size_t stride = axis == 0 ? 1 : axis == 1 ? box->side[0] : box->side[0] * box->side[1];
    size_t at = i / stride % box->side[axis];
    if (at == 0 || at + 1 == box->side[axis])
        return 0;
    return (s->moved[i + stride] - s->moved[i - stride]) / 2;
}

/* The step (flux, -flux * move by axis) that fits what data - flux * moved leave in the core.  False
 * where the normal equations have no solution. */
static bool solve_step(const stack *s, size_t n, double step[4])
{
    size_t axes = s->box->side[2] > 1 ? 3 : 2, size = 1 + axes;
    double a[16] = {0}, b[4] = {0}, flux = s->sources[n].flux;
    const float *data = s->data + n * s->box->count;
    const unsigned char *bad = s->bad + n * s->box->count;
    for (size_t i = 0; i < s->box->count; i++) {
        if (bad[i] || source_box_radius(s->box, i) > CORE)
            continue;
        double row[4] = {(double)s->moved[i], 0, 0, 0};
        for (size_t k = 0; k < axes; k++)
            row[1 + k] = (double)slope_at(s, i, (int)k);
        double left = (double)data[i] - flux * (double)s->moved[i];
        for (size_t j = 0; j < size; j++) {
            b[j] += row[j] * left;
            for (size_t k = 0; k < size; k++)
                a[j * size + k] += row[j] * row[k];
        }
    }
    gsl_matrix_view matrix = gsl_matrix_view_array(a, size, size);
    gsl_vector_view right = gsl_vector_view_array(b, size);
    gsl_vector_view solution = gsl_vector_view_array(step, size);
    if (gsl_linalg_cholesky_decomp1(&matrix.matrix) != GSL_SUCCESS)
        return false;
    gsl_linalg_cholesky_solve(&matrix.matrix, &right.vector, &solution.vector);
    return true;
}

static void place(stack *s, size_t n)
{
    source *t = &s->sources[n];
    double step[4] = {0, 0, 0, 0};
    source_box_move(s->box, s->psf, t->offset, s->moved, s->scratch);
    if (!solve_step(s, n, step)) {
        t->out = true;
        return;
    }
    double flux = t->flux + step[0];
    for (int a = 0; a < 3; a++) {
        /* Small steps: the slope holds for parts of a sample. */
        double move = flux > 0 && a < (s->box->side[2] > 1 ? 3 : 2) ? -step[1 + a] / flux : 0;
        t->offset[a] += fmin(fmax(move, -0.5), 0.5);
        if (fabs(t->offset[a]) > fmax(MOST_MOVE, 0.4 * s->box->fwhm[a]))
            t->out = true;
    }
    t->flux = flux;
    if (!(flux > 0) || !isfinite(flux))
        t->out = true;
}

static void find_rest(stack *s, size_t n)
{
    const source *t = &s->sources[n];
    const size_t count = s->box->count;
    const float *data = s->data + n * count;
    const unsigned char *bad = s->bad + n * count;
    const double back[3] = {-t->offset[0], -t->offset[1], -t->offset[2]};
    source_box_move(s->box, s->psf, t->offset, s->moved, s->scratch);
    for (size_t i = 0; i < count; i++)
        s->moved[i] = bad[i] ? 0 : (float)(((double)data[i] - t->flux * (double)s->moved[i]) / t->flux);
    source_box_move(s->box, s->moved, back, s->rest + n * count, s->scratch);
}

/* ---- The PSF */

static double weight_of(const stack *s, const source *t, double peak)
{
    double noise = s->noise / t->flux, floor = TRUST * peak;
    return 1 / (noise * noise + floor * floor);
}

/* The weighted mean of sample i over the sources begin, begin + every, ..., twice without those more
 * than CLIP standard deviations away; its standard error, from the scatter. */
static double clipped_mean(const stack *s, size_t i, size_t begin, size_t every, double *error)
{
    double mean = 0, spread = HUGE_VAL, used = 0;
    for (int round = 0; round < 3; round++) {
        double sum = 0, squares = 0, weights = 0, n = 0;
        for (size_t k = begin; k < s->count; k += every) {
            double v = (double)s->rest[k * s->box->count + i], w = s->sources[k].weight;
            if (s->sources[k].out || (isfinite(spread) && fabs(v - mean) > CLIP * spread))
                continue;
            sum += w * v;
            squares += w * v * v;
            weights += w;
            n++;
        }
        if (!(weights > 0))
            break;
        mean = sum / weights;
        spread = sqrt(fmax(squares / weights - mean * mean, 0));
        used = n;
        if (n < 5) /* too few to tell which one is wrong */
            break;
    }
    *error = used > 1 ? spread / sqrt(used - 1) : 0;
    return mean;
}

static double greatest(const float *v, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, (double)v[i]);
    return most;
}

/* Its centre of mass, weighed by a Gaussian of the FWHM, goes to the centre; its sum becomes 1. */
static void centre(stack *s)
{
    const source_box *box = s->box;
    for (int round = 0; round < 3; round++) {
        double sum = 0, moment[3] = {0, 0, 0}, offset[3];
        for (size_t i = 0; i < box->count; i++) {
            double r = source_box_radius(box, i), v = exp(-2 * r * r) * (double)s->psf[i];
            size_t rest = i;
            sum += v;
            for (int a = 0; a < 3; a++) {
                moment[a] += v * ((double)(rest % box->side[a]) - (double)box->reach[a]);
                rest /= box->side[a];
            }
        }
        for (int a = 0; a < 3; a++) /* times 2: the weight halves the moment of a Gaussian */
            offset[a] = fmin(fmax(-2 * moment[a] / sum, -0.5), 0.5);
        if (!(sum > 0))
            return;
        memcpy(s->moved, s->psf, box->count * sizeof *s->moved);
        source_box_move(box, s->moved, offset, s->psf, s->scratch);
        for (size_t n = 0; n < s->count; n++)
            for (int a = 0; a < 3; a++)
                s->sources[n].offset[a] -= offset[a];
    }
}

static void normalise(float *v, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)v[i];
    for (size_t i = 0; i < count && sum > 0; i++)
        v[i] = (float)((double)v[i] / sum);
}

static void improve(stack *s)
{
    double peak = greatest(s->psf, s->box->count), error;
    for (size_t n = 0; n < s->count; n++)
        if (!s->sources[n].out)
            s->sources[n].weight = weight_of(s, &s->sources[n], peak);
    for (size_t i = 0; i < s->box->count; i++) {
        s->psf[i] += (float)clipped_mean(s, i, 0, 1, &error);
        s->error[i] = (float)error;
    }
    centre(s);
    normalise(s->psf, s->box->count);
}

/* ---- Which sources are unlike the others */

/* RMS of a source's rest in the core over that of the PSF, less what noise explains. */
static double deviation(const stack *s, size_t n)
{
    double rest = 0, psf = 0, count = 0, noise = s->noise / s->sources[n].flux;
    for (size_t i = 0; i < s->box->count; i++)
        if (source_box_radius(s->box, i) <= CORE) {
            double r = (double)s->rest[n * s->box->count + i];
            rest += r * r;
            psf += (double)s->psf[i] * (double)s->psf[i];
            count++;
        }
    return sqrt(fmax(rest - count * noise * noise, 0) / psf);
}

static pel_status drop_unlike(stack *s)
{
    float *all = pel_alloc_floats(2 * s->count), *good = all + s->count;
    if (all == NULL)
        return pel_error_set(s->ctx->error, PEL_ENOMEM, "out of memory");
    size_t used = 0;
    double middle = 0, spread = 0;
    for (size_t n = 0; n < s->count; n++)
        if (!s->sources[n].out)
            good[used++] = all[n] = (float)deviation(s, n);
    pel_status status = pel_stats_quantile(s->ctx, good, used, 0.5, &middle);
    for (size_t k = 0; k < used; k++)
        good[k] = fabsf(good[k] - (float)middle);
    if (status == PEL_OK)
        status = pel_stats_quantile(s->ctx, good, used, 0.5, &spread);
    double limit = fmax(UNLIKE, middle + 4 * SOURCES_MAD_TO_SIGMA * spread);
    for (size_t n = 0; n < s->count && used > 2 && status == PEL_OK; n++)
        if (!s->sources[n].out)
            s->sources[n].out = (double)all[n] > limit;
    pel_free(all);
    return status;
}

/* ---- The end */

/* Correlation, over the core, of the PSFs that every other source gives. */
static double agree(const stack *s, size_t used)
{
    double ab = 0, aa = 0, bb = 0, error;
    for (size_t i = 0; i < s->box->count; i++) {
        if (source_box_radius(s->box, i) > CORE)
            continue;
        double p = (double)s->psf[i], a, b;
        if (used > 1) {
            a = p + clipped_mean(s, i, 0, 2, &error);
            b = p + clipped_mean(s, i, 1, 2, &error);
            ab += a * b;
            aa += a * a;
            bb += b * b;
        } else { /* the energy of noise is known, not where it is */
            double noise = s->noise / s->sources[0].flux;
            ab += fmax(p * p - noise * noise, 0);
            aa += p * p;
            bb += p * p;
        }
    }
    return aa > 0 && bb > 0 ? fmax(ab / sqrt(aa * bb), 0) : 0;
}

/* Zeroes all from where rings of half a FWHM no longer stand out of their error, and what is negative. */
static void cut_noise(stack *s)
{
    const size_t count = s->box->count;
    double end = HUGE_VAL;
    for (int ring = 2; end == HUGE_VAL; ring++) {
        double sum = 0, squares = 0, n = 0;
        for (size_t i = 0; i < count; i++)
            if ((int)(2 * source_box_radius(s->box, i)) == ring) {
                sum += (double)s->psf[i];
                squares += (double)s->error[i] * (double)s->error[i];
                n++;
            }
        if (!(n > 0))
            break;
        if (!(sum > 2 * sqrt(squares)))
            end = 0.5 * ring;
    }
    for (size_t i = 0; i < count; i++)
        if (!(s->psf[i] > 0) || source_box_radius(s->box, i) >= end)
            s->psf[i] = 0;
    normalise(s->psf, count);
}

/* ---- Boxes from the picture */

/* The median of what lies around a box: its radius to 1.4 times that. */
static pel_status local_sky(const stack *s, const float *detail, pel_size size, const source *t,
                            float *values, double *sky)
{
    const size_t extent[3] = {size.w, size.h, size.d};
    size_t from[3], to[3], count = 0;
    for (int a = 0; a < 3; a++) {
        size_t reach = (size_t)ceil(1.4 * (double)s->box->reach[a]);
        from[a] = t->at[a] > reach ? t->at[a] - reach : 0;
        to[a] = t->at[a] + reach < extent[a] ? t->at[a] + reach : extent[a] - 1;
    }
    for (size_t z = from[2]; z <= to[2]; z++)
        for (size_t y = from[1]; y <= to[1]; y++)
            for (size_t x = from[0]; x <= to[0]; x++) {
                const size_t at[3] = {x, y, z};
                double r = 0;
                for (int a = 0; a < 3; a++)
                    if (s->box->reach[a] > 0)
                        r += pow(((double)at[a] - (double)t->at[a]) / (double)s->box->reach[a], 2);
                if (r > 1 && r <= 1.96)
                    values[count++] = detail[(z * size.h + y) * size.w + x];
            }
    sources_level level;
    pel_status status = sources_level_of(s->ctx, values, count, &level);
    *sky = level.level;
    return status;
}

static pel_status load(stack *s, const float *detail, const float *mask, pel_size size)
{
    const source_box *box = s->box;
    size_t room = 1;
    for (int a = 0; a < 3; a++)
        room *= 2 * (size_t)ceil(1.4 * (double)box->reach[a]) + 1;
    float *values = pel_alloc_floats(room);
    if (values == NULL)
        return pel_error_set(s->ctx->error, PEL_ENOMEM, "out of memory");
    pel_status status = PEL_OK;
    for (size_t n = 0; n < s->count && status == PEL_OK; n++) {
        source *t = &s->sources[n];
        double sky;
        status = local_sky(s, detail, size, t, values, &sky);
        for (size_t i = 0; i < box->count && status == PEL_OK; i++) {
            size_t x = t->at[0] + i % box->side[0] - (size_t)box->reach[0];
            size_t y = t->at[1] + i / box->side[0] % box->side[1] - (size_t)box->reach[1];
            size_t z = t->at[2] + i / box->side[0] / box->side[1] - (size_t)box->reach[2];
            size_t k = (z * size.h + y) * size.w + x;
            s->data[n * box->count + i] = detail[k] - (float)sky;
            s->bad[n * box->count + i] = mask != NULL && !(mask[k] > 0);
        }
        t->flux = (t->peak - sky) / greatest(s->psf, box->count);
        t->out = !(t->flux > 0);
    }
    pel_free(values);
    return status;
}

static void start_gaussian(stack *s)
{
    for (size_t i = 0; i < s->box->count; i++) {
        double r = source_box_radius(s->box, i);
        s->psf[i] = (float)exp(-4 * M_LN2 * r * r);
    }
    normalise(s->psf, s->box->count);
}

static pel_status work(stack *s, double *agreement)
{
    pel_status status = PEL_OK;
    for (int round = 0; round < ROUNDS && status == PEL_OK; round++) {
        for (size_t n = 0; n < s->count; n++) {
            if (!s->sources[n].out)
                place(s, n);
            if (!s->sources[n].out)
                find_rest(s, n);
        }
        if (round == JUDGED || round == 2 * JUDGED)
            status = drop_unlike(s);
        improve(s);
    }
    /* What is left against the PSF as it is now, for agreement. */
    size_t used = 0;
    for (size_t n = 0; n < s->count; n++)
        if (!s->sources[n].out) {
            find_rest(s, n);
            /* Those in use come first, in their order: every other one is a half then. */
            memmove(s->rest + used * s->box->count, s->rest + n * s->box->count,
                    s->box->count * sizeof *s->rest);
            source t = s->sources[used];
            s->sources[used++] = s->sources[n];
            s->sources[n] = used - 1 == n ? s->sources[n] : t;
        }
    s->count = used;
    *agreement = used > 0 ? agree(s, used) : 0;
    cut_noise(s);
    return status;
}

pel_status sources_stack(const pel_context *ctx, const float *detail, const float *mask, pel_size size,
                         double noise, const source_box *box, source *sources, size_t count,
                         float *psf, double *agreement)
{
    size_t n = box->count;
    stack s = {.ctx = ctx, .box = box, .noise = noise, .sources = sources, .count = count};
    float *boxes = pel_alloc_floats(5 * n);
    s.data = pel_alloc_floats(count * n);
    s.rest = pel_alloc_floats(count * n);
    s.bad = pel_alloc(count * n);
    pel_status status = PEL_OK;
    if (boxes == NULL || s.data == NULL || s.rest == NULL || s.bad == NULL)
        status = pel_error_set(ctx->error, PEL_ENOMEM, "no memory for %zu sources", count);
    else {
        s.psf = psf;
        s.error = boxes;
        s.moved = boxes + n;
        s.scratch = boxes + 2 * n;
        start_gaussian(&s);
        status = load(&s, detail, mask, size);
    }
    if (status == PEL_OK) {
        gsl_error_handler_t *handler = gsl_set_error_handler_off();
        status = work(&s, agreement);
        gsl_set_error_handler(handler);
    }
    pel_free(s.bad);
    pel_free(s.rest);
    pel_free(s.data);
    pel_free(boxes);
    return status;
}
