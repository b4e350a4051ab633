/* rl-channel.c - one channel of a Richardson-Lucy run: memory, weights, the first estimate.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <math.h>
#include <string.h>

#include "rl-internal.h"

/* Where less than this part of the PSF falls on good data nothing is known: the estimate there
 * stays 0 (Bertero & Boccacci's threshold). */
#define LEAST_WEIGHT 1e-2f

void pel_rl_channel_free(rl_channel *ch)
{
    pel_conv_free(ch->conv);
    pel_free(ch->x);
    pel_free(ch->quotient);
    pel_free(ch->over_weight);
    pel_free(ch->sums);
    pel_free(ch->previous);
    pel_free(ch->predicted);
    pel_free(ch->step);
    pel_free(ch->curvature);
}

/* a = H' w, kept as 1/a, 0 where nothing is known. */
static void weigh(const rl_state *s, rl_channel *ch)
{
    size_t data = pel_size_plane(s->e.data), full = pel_size_plane(s->e.full);
    for (size_t i = 0; i < data; i++)
        ch->quotient[i] = ch->mask != NULL ? ch->mask[i] : 1.0f;
    pel_conv_adjoint(ch->conv, ch->quotient, ch->over_weight, NULL, NULL);
    for (size_t i = 0; i < full; i++)
        ch->over_weight[i] =
            ch->over_weight[i] > LEAST_WEIGHT ? 1.0f / ch->over_weight[i] : 0.0f;
}

/* Over a sky, the data less the sky, spread back: from a flat start the flux of a bright star would
 * drain from the empty sky only as 1/iterations. */
static void start_over_sky(const rl_state *s, rl_channel *ch, double mean)
{
    size_t data = pel_size_plane(s->e.data), full = pel_size_plane(s->e.full);
    float least = (float)(1e-3 * mean);
    for (size_t i = 0; i < data; i++) {
        float w = ch->mask != NULL ? ch->mask[i] : 1.0f;
        ch->quotient[i] = w > 0 ? w * (ch->data[i] - (float)ch->background) : 0.0f;
    }
    pel_conv_adjoint(ch->conv, ch->quotient, ch->x, NULL, NULL);
    for (size_t i = 0; i < full; i++)
        ch->x[i] = ch->over_weight[i] > 0 ? fmaxf(ch->x[i] * ch->over_weight[i], least) : 0.0f;
}

/* The first estimate: flat, with the flux of the data (or the caller's, continued outwards). */
static void start(const rl_state *s, rl_channel *ch, size_t c)
{
    const pel_extended *e = &s->e;
    size_t data = pel_size_plane(e->data), full = pel_size_plane(e->full);
    double sum = 0, weights = 0, least = 0;
    for (size_t i = 0; i < data; i++) {
        double w = ch->mask != NULL ? (double)ch->mask[i] : 1;
        if (w > 0) {
            sum += w * fmax((double)ch->data[i] - ch->background, 0);
            weights += w;
        }
    }
    ch->weights = weights;
    double mean = weights > 0 ? sum / weights : 0;
    least = 1e-6 * mean;
    for (size_t i = 0; i < full; i++)
        ch->x[i] = ch->over_weight[i] > 0 ? (float)mean : 0.0f;
    if (s->p->start == NULL) {
        if (ch->background > 0)
            start_over_sky(s, ch, mean);
        return;
    }
    const float *given = s->p->start + c * data;
    for (size_t z = 0; z < e->full.d; z++)
        for (size_t y = 0; y < e->full.h; y++)
            for (size_t x = 0; x < e->full.w; x++) {
                size_t i = (z * e->full.h + y) * e->full.w + x;
                size_t dx = x < e->offset[0] ? 0 : x - e->offset[0];
                size_t dy = y < e->offset[1] ? 0 : y - e->offset[1];
                size_t dz = z < e->offset[2] ? 0 : z - e->offset[2];
                dx = dx < e->data.w ? dx : e->data.w - 1;
                dy = dy < e->data.h ? dy : e->data.h - 1;
                dz = dz < e->data.d ? dz : e->data.d - 1;
                float v = given[(dz * e->data.h + dy) * e->data.w + dx] - (float)ch->background;
                /* RL can only scale: a zero would stay one. */
                if (ch->over_weight[i] > 0)
                    ch->x[i] = fmaxf(v, (float)least);
            }
}

pel_status pel_rl_channel_open(const pel_context *ctx, const rl_state *s, rl_channel *ch, size_t c)
{
    const pel_extended *e = &s->e;
    size_t data = pel_size_plane(e->data), full = pel_size_plane(e->full);
    pel_conv_spec spec = {
        .in = e->full,
        .out = e->data,
        .offset = {(ptrdiff_t)e->offset[0], (ptrdiff_t)e->offset[1], (ptrdiff_t)e->offset[2]},
        .psf = pel_problem_psf(s->p, c),
        .psf_size = e->psf,
    };
    pel_status status = pel_conv_new(ctx, &spec, &ch->conv);
    if (status != PEL_OK)
        return status;
    ch->state = s;
    ch->data = s->p->data + c * data;
    ch->mask = pel_problem_mask(s->p, c);
    ch->background = s->p->background;
    ch->sigma_map = s->p->sigma_map == NULL
                        ? NULL
                        : s->p->sigma_map + (s->p->sigma_channels > 1 ? c * data : 0);
    size_t forward = pel_conv_segments(ch->conv, false), back = pel_conv_segments(ch->conv, true);
    ch->segments = forward > back ? forward : back;
    ch->x = pel_alloc_floats(full);
    ch->quotient = pel_alloc_floats(data);
    ch->over_weight = pel_alloc_floats(full);
    ch->sums = pel_alloc(ch->segments * sizeof *ch->sums);
    bool enough = ch->x != NULL && ch->quotient != NULL && ch->over_weight != NULL &&
                  ch->sums != NULL;
    if (s->accelerate) {
        ch->previous = pel_alloc_floats(full);
        ch->predicted = pel_alloc_floats(full);
        ch->step = pel_calloc_floats(full);
        enough = enough && ch->previous != NULL && ch->predicted != NULL && ch->step != NULL;
    }
    if (s->params->tv > 0) {
        ch->curvature = pel_alloc_floats(full);
        enough = enough && ch->curvature != NULL;
    }
    if (!enough)
        return pel_error_set(ctx->error, PEL_ENOMEM, "no memory for a picture of %zux%zux%zu",
                             e->full.w, e->full.h, e->full.d);
    weigh(s, ch);
    start(s, ch, c);
    return PEL_OK;
}
