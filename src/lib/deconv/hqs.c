/* hqs.c - plug-and-play deconvolution: half-quadratic splitting, a denoiser as the prior.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * K. Zhang, Y. Li, W. Zuo, L. Zhang, L. Van Gool & R. Timofte, "Plug-and-play image restoration with deep denoiser
 * prior" (IEEE TPAMI 44, 2022), algorithm 1: for k = 1 to n, with z of a start,
 *
 *     x = argmin sum m (y - Kx)^2 + rho |x - z|^2,   rho = lambda sigma^2 / sigma_k^2     (eq. 6a)
 *     z = the denoiser's result for x and noise sigma_k                                   (eq. 6b)
 *
 * where sigma_k falls by equal factors.  On a periodic picture that is observed as a whole, m = 1, the data step is a
 * division in the Fourier domain (eq. 26).  Else m is 0 around the data and in their holes; x - z is then Wiener's
 * estimate from y - Kz with strength rho and the prior P = 1, by the same conjugate gradients.  From x = z a few steps do:
 * directions in which they are slow are those of which the data say little, and there z is the better estimate. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "tv-internal.h"
#include "wiener-internal.h"

#define MOST_STEPS 8 /* of conjugate gradients, a data step */
#define TOLERANCE 1e-3 /* as wiener.c */
/* Noise of the data that is less than this part of the range counts as this much.  The data step would trust the data so much
 * that its few steps do not get there, and the denoiser has seen no such noise: on four pictures, four PSFs and noise of 1e-4
 * and 1e-5, estimates were up to 20 dB worse than the blurred pictures; with this they are as good as with noise of 1e-3.
 * Where the data step is a division it gets there, and less noise makes better pictures. */
#define LEAST_NOISE 1e-3
#define START_SHARE 0.2
#define WAYS 4 /* in which a picture is shown to the denoiser */

static const pel_wiener_params wiener_auto = {PEL_WIENER_LAPLACE, (double)NAN, PEL_RULE_LIKELIHOOD, false, 0};

typedef struct {
    const pel_context *ctx;
    const pel_problem *p;
    const pel_hqs_params *params;
    double noise;          /* of the data, or what it counts as */
    wiener w;              /* the data step of one channel at a time */
    bool closed;           /* it is a division */
    size_t weights;        /* channels of `weight` */
    float *z;              /* the estimate on the grid, all channels */
    float *observed, *weight;
    pel_complex *transfer; /* channels as the PSF */
    pel_complex *data;     /* closed: K* Y, all channels */
} hqs;

/* A piece of work in one channel. */
typedef struct {
    const hqs *h;
    size_t channel;
} piece;

static void in_bands(const hqs *h, size_t channel, pel_job job)
{
    piece p = {h, channel};
    pel_pool_run(h->ctx->pool, (wiener_rows(&h->w) + WIENER_BAND - 1) / WIENER_BAND, job, &p);
}

/* ---- The data step ------------------------------------------------------------------------------ */

/* data = K* work */
static void correlate_band(void *arg, size_t index, size_t worker)
{
    const piece *p = arg;
    const wiener *w = &p->h->w;
    size_t columns = w->grid.size.w / 2 + 1;
    pel_complex *to = p->h->data + p->channel * w->grid.complexes;
    (void)worker;
    for (size_t i = index * WIENER_BAND * columns; i < wiener_band_end(w, index) * columns; i++) {
        float kr = w->transfer[i][0], ki = w->transfer[i][1], yr = w->work[i][0], yi = w->work[i][1];
        to[i][0] = kr * yr + ki * yi;
        to[i][1] = kr * yi - ki * yr;
    }
}

/* work = (K* Y + rho Z) / (|K|^2 + rho) / n, from work = Z. */
static void divide_band(void *arg, size_t index, size_t worker)
{
    const piece *p = arg;
    const wiener *w = &p->h->w;
    size_t columns = w->grid.size.w / 2 + 1;
    const pel_complex *data = (const pel_complex *)(p->h->data + p->channel * w->grid.complexes);
    const float rho = w->strength, scale = 1.0f / (float)w->grid.count;
    (void)worker;
    for (size_t i = index * WIENER_BAND * columns; i < wiener_band_end(w, index) * columns; i++) {
        float over = scale / wiener_filter(w, i, 0, 0);
        w->work[i][0] = (data[i][0] + rho * w->work[i][0]) * over;
        w->work[i][1] = (data[i][1] + rho * w->work[i][1]) * over;
    }
}

/* z += x / n, of which image holds the n-fold. */
static void add_band(void *arg, size_t index, size_t worker)
{
    const piece *p = arg;
    const wiener *w = &p->h->w;
    size_t width = w->grid.size.w;
    float *z = p->h->z + p->channel * w->grid.count;
    const float scale = 1.0f / (float)w->grid.count;
    (void)worker;
    for (size_t i = index * WIENER_BAND * width; i < wiener_band_end(w, index) * width; i++)
        z[i] += scale * w->image[i];
}

static void select_channel(hqs *h, size_t c)
{
    wiener *w = &h->w;
    w->transfer = h->transfer + (h->p->psf_size.c > 1 ? c * w->grid.complexes : 0);
    if (h->closed)
        return;
    w->observed = h->observed + c * w->grid.count;
    w->weight = h->weight + (h->weights > 1 ? c * w->grid.count : 0);
}

/* z becomes x. */
static pel_status data_step(hqs *h, size_t c)
{
    wiener *w = &h->w;
    float *z = h->z + c * w->grid.count;
    select_channel(h, c);
    pel_fft_forward(w->grid.fft, z, w->work);
    if (h->closed) {
        in_bands(h, c, divide_band);
        pel_fft_backward(w->grid.fft, w->work, z);
        return PEL_OK;
    }
    wiener_blur(w);
    memset(w->x, 0, w->grid.complexes * sizeof *w->x);
    pel_status status = wiener_minimise(w, MOST_STEPS, TOLERANCE, 0, 0);
    if (status != PEL_OK)
        return status;
    pel_fft_backward(w->grid.fft, w->x, w->image);
    in_bands(h, c, add_band);
    return PEL_OK;
}

/* ---- Start and end ------------------------------------------------------------------------------ */

/* Progress of a part of the work. */
static bool tick_start(void *arg, double fraction)
{
    return pel_context_tick(arg, START_SHARE * fraction);
}

static pel_status take_start(hqs *h, const pel_context *ctx)
{
    const pel_problem *p = h->p;
    const pel_grid *grid = &h->w.grid;
    if (!h->params->periodic)
        return wiener_put_start(ctx, p, grid, h->z);
    for (size_t c = 0; c < p->size.c; c++)
        pel_grid_put(grid, p->start + c * pel_size_plane(p->size), h->z + c * grid->count);
    return PEL_OK;
}

static pel_status load_start(hqs *h)
{
    const pel_tv_params tv_auto = {PEL_PRIOR_TV, (double)NAN, -1, h->params->range};
    const pel_problem *p = h->p;
    const pel_grid *grid = &h->w.grid;
    pel_context ctx = *h->ctx;
    pel_wiener_report wiener_report;
    pel_tv_report tv_report;
    pel_status status = PEL_OK;
    ctx.tick = tick_start;
    ctx.tick_arg = (void *)(uintptr_t)h->ctx;
    if (p->start != NULL)
        return take_start(h, &ctx);
    if (h->params->start == PEL_HQS_FROM_TV)
        return tv_solve(&ctx, p, &tv_auto, grid, pel_grid_take_all, h->z, &tv_report);
    if (h->params->start == PEL_HQS_FROM_WIENER)
        return wiener_solve(&ctx, p, &wiener_auto, grid, NULL, pel_grid_take_all, h->z, &wiener_report);
    for (size_t c = 0; c < p->size.c && status == PEL_OK; c++)
        status = pel_problem_extend(h->ctx, p, c, grid, h->z + c * grid->count);
    return status;
}

/* Is every sample of the grid as good as the others? */
static bool is_observed(const pel_problem *p, const pel_hqs_params *params)
{
    bool all = params->periodic && p->sigma_map == NULL;
    size_t count = p->mask != NULL ? pel_size_plane(p->size) * p->mask_channels : 0;
    for (size_t i = 0; i < count && all; i++)
        all = p->mask[i] == 1;
    return all;
}

static pel_status allocate(hqs *h)
{
    const pel_problem *p = h->p;
    const pel_grid *g = &h->w.grid;
    bool maps = p->sigma_map != NULL && p->sigma_channels > 1;
    h->weights = maps || (p->mask != NULL && p->mask_channels > 1) ? p->size.c : 1;
    h->z = pel_alloc_floats(g->count * p->size.c);
    h->transfer = pel_alloc(g->complexes * p->psf_size.c * sizeof *h->transfer);
    bool enough = h->z && h->transfer;
    if (h->closed) {
        h->data = pel_alloc(g->complexes * p->size.c * sizeof *h->data);
        h->w.work = pel_alloc(g->complexes * sizeof *h->w.work);
        enough = enough && h->data && h->w.work;
    } else {
        h->observed = pel_alloc_floats(g->count * p->size.c);
        h->weight = pel_alloc_floats(g->count * h->weights);
        enough = enough && h->observed && h->weight;
        if (enough)
            return wiener_open(&h->w);
    }
    return enough ? PEL_OK : wiener_no_memory(&h->w);
}

static pel_status load_data(hqs *h)
{
    const pel_problem *p = h->p;
    wiener *w = &h->w;
    pel_status status = PEL_OK;
    for (size_t c = 0; c < p->psf_size.c && status == PEL_OK; c++)
        status = pel_fft_psf(h->ctx, w->grid.fft, pel_problem_psf(p, c), w->grid.e.psf,
                             h->transfer + c * w->grid.complexes);
    for (size_t c = 0; c < p->size.c && status == PEL_OK; c++) {
        float *to = h->closed ? h->z : h->observed + c * w->grid.count;
        status = pel_problem_extend(h->ctx, p, c, &w->grid, to);
        if (status == PEL_OK && h->closed) {
            select_channel(h, c);
            pel_fft_forward(w->grid.fft, to, w->work);
            in_bands(h, c, correlate_band);
        }
    }
    for (size_t c = 0; !h->closed && c < h->weights; c++)
        (void)pel_problem_weigh(p, c, &w->grid, true, h->weight + c * w->grid.count);
    return status;
}

static pel_status open_hqs(hqs *h)
{
    const pel_problem *p = h->p;
    static const pel_wiener_params identity = {PEL_WIENER_TIKHONOV, 0, PEL_RULE_GCV, false, 0};
    h->w = (wiener){.ctx = h->ctx, .p = p, .params = &identity};
    h->closed = is_observed(p, h->params);
    pel_status status = h->params->periodic
                            ? pel_grid_open_periodic(h->ctx, p->size, p->psf_size, &h->w.grid)
                            : pel_grid_open_multiple(h->ctx, p->size, p->psf_size, h->params->multiple, &h->w.grid);
    return status == PEL_OK ? allocate(h) : status;
}

static void close_hqs(hqs *h)
{
    pel_grid_close(&h->w.grid);
    wiener_close(&h->w);
    pel_free(h->z);
    pel_free(h->transfer);
    pel_free(h->data);
    pel_free(h->observed);
    pel_free(h->weight);
}

/* ---- The loop ----------------------------------------------------------------------------------- */

static pel_status check(const pel_context *ctx, const pel_problem *p, const pel_hqs_params *params)
{
    pel_status status = pel_problem_check(ctx, p);
    if (status != PEL_OK)
        return status;
    if (params->iterations < 1 || !(params->lambda > 0) || !(params->last > 0) || !isfinite(params->sigma_first))
        return pel_error_set(ctx->error, PEL_EINVAL, "iterations, lambda and levels of noise must be above 0");
    return PEL_OK;
}

/* Mirrors the estimate along x (1), y (2) or both (3).  Networks are not symmetric: where each iteration shows them the
 * picture another way round, their faults do not add up (the paper's periodical self-ensemble, without its turns, which
 * would swap the sides). */
static void mirror(const hqs *h, int how)
{
    const pel_size n = h->w.grid.size;
    for (size_t r = 0; (how & 1) != 0 && r < n.h * n.d * h->p->size.c; r++) {
        float *row = h->z + r * n.w;
        for (size_t x = 0; x < n.w / 2; x++) {
            float v = row[x];
            row[x] = row[n.w - 1 - x];
            row[n.w - 1 - x] = v;
        }
    }
    for (size_t z = 0; (how & 2) != 0 && z < n.d * h->p->size.c; z++)
        for (size_t y = 0; y < n.h / 2; y++) {
            float *a = h->z + (z * n.h + y) * n.w, *b = h->z + (z * n.h + n.h - 1 - y) * n.w;
            for (size_t x = 0; x < n.w; x++) {
                float v = a[x];
                a[x] = b[x];
                b[x] = v;
            }
        }
}

static pel_status iterate(hqs *h, const pel_hqs_report *levels)
{
    const pel_hqs_params *params = h->params;
    pel_size size = h->w.grid.size;
    size.c = h->p->size.c;
    pel_status status = PEL_OK;
    for (long k = 0; k < params->iterations && status == PEL_OK; k++) {
        double part = (double)(k + 1) / (double)params->iterations;
        double fall = params->iterations > 1 ? (double)k / (double)(params->iterations - 1) : 1;
        double level = levels->sigma_first * pow(levels->sigma_last / levels->sigma_first, fall);
        double ratio = h->noise / level;
        h->w.strength = (float)(params->lambda * ratio * ratio);
        for (size_t c = 0; c < size.c && status == PEL_OK; c++)
            status = data_step(h, c);
        mirror(h, (int)(k % WAYS));
        if (status == PEL_OK)
            status = params->denoise(params->denoise_arg, h->ctx, size, level, h->z);
        mirror(h, (int)(k % WAYS));
        if (status == PEL_OK && !pel_context_tick(h->ctx, START_SHARE + (1 - START_SHARE) * part))
            status = pel_error_set(h->ctx->error, PEL_ECLOSED, "stopped");
    }
    return status;
}

pel_status pel_hqs(const pel_context *ctx, const pel_problem *problem, const pel_hqs_params *params,
                   float *estimate, pel_hqs_report *report)
{
    pel_status status = check(ctx, problem, params);
    if (status != PEL_OK)
        return status;
    const double least = is_observed(problem, params) ? 0 : LEAST_NOISE * (params->range > 0 ? params->range : 1);
    const double noise = fmax(problem->sigma, least);
    if (!(noise > 0))
        return pel_error_set(ctx->error, PEL_EINVAL, "without noise there is no schedule for the denoiser: sigma must be "
                                                     "above 0");
    report->sigma_last = params->last * noise;
    report->sigma_first = fmax(params->sigma_first, report->sigma_last);
    pel_problem noisy = *problem; /* for the start; weights that come from a map of the noise stay as they are */
    if (noisy.sigma_map == NULL)
        noisy.sigma = noise;
    hqs h;
    memset(&h, 0, sizeof h);
    h.ctx = ctx;
    h.p = &noisy;
    h.noise = noise;
    h.params = params;
    status = open_hqs(&h);
    if (status == PEL_OK)
        status = load_data(&h);
    if (status == PEL_OK)
        status = load_start(&h);
    if (status == PEL_OK)
        status = iterate(&h, report);
    for (size_t c = 0; c < problem->size.c && status == PEL_OK; c++)
        pel_grid_cut(&h.w.grid, h.z + c * h.w.grid.count, estimate + c * pel_size_plane(problem->size));
    close_hqs(&h);
    return status;
}
