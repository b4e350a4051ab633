/* kernel.c - the kernel step: least squares on the gradients that the latent picture is sure of.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 *     min_k  sum_d weight (k * g_d - data_d)^2 + ridge (sum g^2) |k|^2
 *
 * over kernels of side x side, by conjugate gradients as in S. Cho & S. Lee, "Fast motion deblurring"
 * (ToG 28, 2009), section 4; only what was observed is fitted, so that borders and bad samples do no
 * harm.  Stopped early, which regularises too. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "blind-internal.h"

/* Chosen on 32 pictures (16 of Levin's, 16 synthetic ones) by the mean loss in dB against the true
 * kernel: 10 steps lose 0.2 less than 20, 0.4 less than 6; a ridge of 0.03 or 0.3 loses 0.2 more. */
#define KEPT 100.0     /* gradients a direction and sample along the kernel's side */
#define STEPS 10
#define RIDGE 0.1
#define LEAST_PART 0.05 /* of the maximum (Cho & Lee's 1/20) */
#define LEAST_MASS 0.03 /* Wen's 0.1 cuts off faint tails: 0.4 dB */

/* ---- Selection: directions and counts as in Cho & Lee's section 4, "prediction" */

#define DIRECTIONS 4
#define BINS 1024

/* Which quarter of the half circle, without an angle. */
static int direction_of(float gx, float gy)
{
    if (gy < 0 || (gy == 0 && gx < 0)) {
        gx = -gx;
        gy = -gy;
    }
    return gx > 0 ? (gy <= gx ? 0 : 1) : (gy >= -gx ? 2 : 3);
}

void blind_select(blind_scale *s, double keep)
{
    size_t histogram[DIRECTIONS][BINS] = {{0}}, n = s->grid.count;
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, s->gx[i] * s->gx[i] + s->gy[i] * s->gy[i]);
    if (!(most > 0))
        return;
    most = sqrtf(most);
    for (size_t i = 0; i < n; i++) {
        float norm = sqrtf(s->gx[i] * s->gx[i] + s->gy[i] * s->gy[i]);
        size_t bin = (size_t)(norm / most * (BINS - 1));
        histogram[direction_of(s->gx[i], s->gy[i])][bin]++;
    }
    size_t lowest = BINS;
    for (int d = 0; d < DIRECTIONS; d++) {
        size_t bin = BINS, sum = 0;
        while (bin > 0 && (double)sum < keep)
            sum += histogram[d][--bin];
        lowest = bin < lowest ? bin : lowest;
    }
    float least = (float)lowest / (BINS - 1) * most;
    for (size_t i = 0; i < n; i++)
        if (s->gx[i] * s->gx[i] + s->gy[i] * s->gy[i] < least * least)
            s->gx[i] = s->gy[i] = 0;
}

/* ---- The linear system */

void blind_kernel_put(blind_scale *s, const float *kernel)
{
    const size_t w = s->grid.size.w, h = s->grid.size.h, n = s->side, r = n / 2;
    memset(s->work, 0, s->grid.count * sizeof *s->work);
    for (size_t y = 0; y < n; y++)
        for (size_t x = 0; x < n; x++)
            s->work[(y + h - r) % h * w + (x + w - r) % w] = kernel[y * n + x];
}

void blind_kernel_take(const blind_scale *s, float *kernel)
{
    const size_t w = s->grid.size.w, h = s->grid.size.h, n = s->side, r = n / 2;
    const float scale = 1.0f / (float)s->grid.count;
    for (size_t y = 0; y < n; y++)
        for (size_t x = 0; x < n; x++)
            kernel[y * n + x] = scale * s->work[(y + h - r) % h * w + (x + w - r) % w];
}

static void multiply_band(void *arg, size_t index, size_t worker)
{
    const blind_product *p = arg;
    size_t w = p->s->grid.size.w / 2 + 1, from, to;
    const float sign = p->conjugate ? -1 : 1;
    (void)worker;
    blind_band(p->s, index, &from, &to);
    for (size_t i = from * w; i < to * w; i++) {
        float re = p->a[i][0] * p->b[i][0] - sign * p->a[i][1] * p->b[i][1];
        float im = p->a[i][0] * p->b[i][1] + sign * p->a[i][1] * p->b[i][0];
        p->to[i][0] = (p->add ? p->to[i][0] : 0) + re;
        p->to[i][1] = (p->add ? p->to[i][1] : 0) + im;
    }
}

void blind_multiply(blind_product product)
{
    blind_run(product.s, &product, multiply_band);
}

/* work *= weight, and the 1/n of the transform back. */
static void weigh(void *arg, size_t index, size_t worker)
{
    const blind_task *t = arg;
    blind_scale *s = t->s;
    const float scale = 1.0f / (float)s->grid.count;
    size_t w = s->grid.size.w, from, to;
    (void)worker;
    blind_band(s, index, &from, &to);
    for (size_t i = from * w; i < to * w; i++)
        s->work[i] *= scale * s->weight[i];
}

typedef struct {
    blind_scale *s;
    pel_complex *gx, *gy; /* spectra of the believed gradients */
    double ridge;
    size_t count;
    float *x, *r, *p, *q;
} linear_system;

/* q = (sum_d G_d' weight G_d + ridge) p */
static void apply(const linear_system *y)
{
    blind_scale *s = y->s;
    blind_kernel_put(s, y->p);
    pel_fft_forward(s->grid.fft, s->work, s->a);
    for (int axis = 0; axis < 2; axis++) {
        const pel_complex *g = axis == 0 ? y->gx : y->gy;
        blind_multiply((blind_product){s, s->b, g, s->a, false, false});
        pel_fft_backward(s->grid.fft, s->b, s->work);
        blind_in_bands(s, 0, weigh);
        pel_fft_forward(s->grid.fft, s->work, s->b);
        blind_multiply((blind_product){s, s->transfer, g, s->b, true, axis > 0});
    }
    pel_fft_backward(s->grid.fft, s->transfer, s->work);
    blind_kernel_take(s, y->q);
    for (size_t i = 0; i < y->count; i++)
        y->q[i] += (float)y->ridge * y->p[i];
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void conjugate_gradients(linear_system *y)
{
    size_t n = y->count;
    memset(y->x, 0, n * sizeof *y->x);
    memcpy(y->p, y->r, n * sizeof *y->p);
    double square = dot(y->r, y->r, n), least = 1e-10 * square;
    for (int step = 0; step < STEPS && square > least; step++) {
        apply(y);
        double alpha = square / dot(y->p, y->q, n);
        for (size_t i = 0; i < n; i++) {
            y->x[i] += (float)alpha * y->p[i];
            y->r[i] -= (float)alpha * y->q[i];
        }
        double next = dot(y->r, y->r, n), beta = next / square;
        square = next;
        for (size_t i = 0; i < n; i++)
            y->p[i] = y->r[i] + (float)beta * y->p[i];
    }
}

/* s->transfer is scratch here: the kernel changes anyway. */
pel_status blind_kernel_step(blind_scale *s)
{
    size_t n = s->side * s->side;
    blind_select(s, KEPT * (double)s->side);
    float *memory = pel_alloc_floats(4 * n);
    if (memory == NULL)
        return pel_error_set(s->ctx->error, PEL_ENOMEM, "out of memory");
    linear_system y = {s, s->c, s->d, 0, n, memory, memory + n, memory + 2 * n, memory + 3 * n};
    pel_fft_forward(s->grid.fft, s->gx, y.gx);
    pel_fft_forward(s->grid.fft, s->gy, y.gy);
    y.ridge = RIDGE * (dot(s->gx, s->gx, s->grid.count) + dot(s->gy, s->gy, s->grid.count));
    blind_multiply((blind_product){s, s->b, y.gx, s->data_gx, true, false});
    blind_multiply((blind_product){s, s->b, y.gy, s->data_gy, true, true});
    pel_fft_backward(s->grid.fft, s->b, s->work);
    blind_kernel_take(s, y.r);
    conjugate_gradients(&y);
    memcpy(s->kernel, y.x, n * sizeof *s->kernel);
    pel_free(memory);
    return blind_kernel_clean(s->ctx, s->kernel, s->side, LEAST_PART, LEAST_MASS);
}
