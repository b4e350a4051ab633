/* latent-dark.c - the latent picture with few gradients and few samples in its dark channel.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 *     min_x |Kx - y|^2 + lambda |min over patches of x|_0 + mu |Dx|_0
 *
 * J. Pan, D. Sun, H. Pfister & M.-H. Yang, "Blind image deblurring using dark channel prior" (CVPR
 * 2016), algorithm 1: the darkest sample of each patch is driven to 0 where it is small (eq. 8), the
 * gradients as in latent-l0.c (eq. 9). */
#include "config.h"

#include <string.h>

#include "blind-internal.h"

#define REACH 17           /* patches of 35 x 35 (section 5) */
#define GAMMA_MOST 8.0     /* where the weight of the dark channel ends */

/* Index of the least of v over [i - REACH, i + REACH], along lines of `count` samples `stride` apart.
 * `at` names where the values come from, so that two passes find the darkest sample of a square. */
static void darkest(const float *v, const size_t *at, size_t *to, size_t count, size_t stride)
{
    for (size_t i = 0; i < count; i++) {
        size_t from = i > REACH ? i - REACH : 0, end = i + REACH + 1 < count ? i + REACH + 1 : count;
        /* The last window's darkest sample, if it is still inside, spares the search. */
        if (i > 0 && from > 0 && end < count) {
            size_t last = to[(i - 1) * stride], gone = at[(from - 1) * stride];
            if (last != gone) {
                size_t come = at[(end - 1) * stride];
                to[i * stride] = v[come] < v[last] ? come : last;
                continue;
            }
        }
        size_t least = at[from * stride];
        for (size_t k = from + 1; k < end; k++)
            least = v[at[k * stride]] < v[least] ? at[k * stride] : least;
        to[i * stride] = least;
    }
}

typedef struct {
    blind_scale *s;
    size_t *self, *rows, *squares;
} dark_task;

static void along_rows(void *arg, size_t index, size_t worker)
{
    const dark_task *t = arg;
    size_t w = t->s->grid.size.w, from, to;
    (void)worker;
    blind_band(t->s, index, &from, &to);
    for (size_t y = from; y < to; y++)
        darkest(t->s->latent, t->self + y * w, t->rows + y * w, w, 1);
}

/* s->work = the latent picture, with those darkest samples of patches 0 that are below `least`. */
static void darken(dark_task *t, float least)
{
    blind_scale *s = t->s;
    size_t w = s->grid.size.w, h = s->grid.size.h;
    blind_run(s, t, along_rows);
    for (size_t x = 0; x < w; x++)
        darkest(s->latent, t->rows + x, t->squares + x, h, w);
    memcpy(s->work, s->latent, s->grid.count * sizeof *s->work);
    for (size_t i = 0; i < s->grid.count; i++) {
        size_t at = t->squares[i];
        if (s->latent[at] * s->latent[at] < least)
            s->work[at] = 0;
    }
}

pel_status blind_latent_dark(blind_scale *s)
{
    size_t n = s->grid.count;
    dark_task t = {s, pel_alloc(3 * n * sizeof *t.self), NULL, NULL};
    if (t.self == NULL)
        return pel_error_set(s->ctx->error, PEL_ENOMEM, "out of memory");
    t.rows = t.self + n;
    t.squares = t.rows + n;
    for (size_t i = 0; i < n; i++)
        t.self[i] = i;
    memcpy(s->latent, s->observed, n * sizeof *s->latent);
    for (double gamma = 2 * s->lambda; gamma < GAMMA_MOST; gamma *= 2) {
        darken(&t, (float)(s->lambda / gamma));
        pel_fft_forward(s->grid.fft, s->work, s->b);
        for (double beta = 2 * s->mu; beta < BLIND_BETA_MOST; beta *= 2) {
            blind_gradients(s, (float)(s->mu / beta));
            blind_divide(s, beta, gamma);
        }
    }
    blind_gradients(s, 0);
    pel_free(t.self);
    return PEL_OK;
}
