/* conv-whole.c - convolution by one transform of everything: large kernels and volumes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <string.h>

#include <pellucid/fft.h>

#include "conv-internal.h"

typedef struct {
    size_t grid[3];
    pel_fft *fft;
    float *samples;
    pel_complex *spectrum, *transfer; /* transfer: of the kernel at samples 0 .. n-1, scaled */
} whole;

#define ROWS 16        /* rows or spectrum pieces a piece of work */
#define PIECE 8192

/* The full result has samples q = 0 .. in+n-2, of which q = i + shift are wanted.  On a grid of N
 * samples q and q+N fall together: N is large enough that no wanted q meets another. */
static size_t grid_size(const conv_map *m, size_t n, int i)
{
    ptrdiff_t full = (ptrdiff_t)(m->in[i] + n) - 1;
    ptrdiff_t first = m->shift[i], last = first + (ptrdiff_t)m->out[i] - 1;
    first = first < 0 ? 0 : first;
    last = last > full - 1 ? full - 1 : last;
    ptrdiff_t size = (ptrdiff_t)m->in[i];
    size = full - first > size ? full - first : size;
    size = last + 1 > size ? last + 1 : size;
    size = (ptrdiff_t)n > size ? (ptrdiff_t)n : size;
    return (size_t)size;
}

static void whole_close(pel_conv *conv)
{
    whole *w = conv->state;
    if (w == NULL)
        return;
    pel_fft_free(w->fft);
    pel_free(w->samples);
    pel_free(w->spectrum);
    pel_free(w->transfer);
    pel_free(w);
}

static pel_status make_transfer(const pel_conv *conv, whole *w)
{
    size_t count = w->grid[0] * w->grid[1] * w->grid[2];
    float scale = (float)(1.0 / (double)count);
    memset(w->samples, 0, count * sizeof *w->samples);
    for (size_t z = 0; z < conv->n[2]; z++)
        for (size_t y = 0; y < conv->n[1]; y++)
            for (size_t x = 0; x < conv->n[0]; x++)
                w->samples[(z * w->grid[1] + y) * w->grid[0] + x] =
                    scale * conv->kernel[(z * conv->n[1] + y) * conv->n[0] + x];
    pel_fft_forward(w->fft, w->samples, w->transfer);
    return PEL_OK;
}

static pel_status whole_open(const pel_context *ctx, pel_conv *conv)
{
    whole *w = pel_alloc(sizeof *w);
    if (w == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "out of memory");
    memset(w, 0, sizeof *w);
    conv->state = w;
    for (int i = 0; i < 3; i++) {
        size_t a = grid_size(&conv->forward, conv->n[i], i);
        size_t b = grid_size(&conv->backward, conv->n[i], i);
        w->grid[i] = pel_fft_good_size(a > b ? a : b);
    }
    size_t count = w->grid[0] * w->grid[1] * w->grid[2];
    size_t complexes = (w->grid[0] / 2 + 1) * w->grid[1] * w->grid[2];
    w->samples = pel_alloc_floats(count);
    w->spectrum = pel_alloc(complexes * sizeof *w->spectrum);
    w->transfer = pel_alloc(complexes * sizeof *w->transfer);
    if (w->samples == NULL || w->spectrum == NULL || w->transfer == NULL)
        return pel_error_set(ctx->error, PEL_ENOMEM, "no memory for a transform of %zux%zux%zu",
                             w->grid[0], w->grid[1], w->grid[2]);
    pel_status status = pel_fft_new(ctx, w->grid[0], w->grid[1], w->grid[2], &w->fft);
    return status == PEL_OK ? make_transfer(conv, w) : status;
}

typedef struct {
    const conv_call *call;
    const whole *w;
} work;

static void load_rows(void *arg, size_t index, size_t worker)
{
    const work *k = arg;
    const whole *w = k->w;
    const conv_map *m = k->call->map;
    (void)worker;
    size_t rows = w->grid[1] * w->grid[2], end = (index + 1) * ROWS;
    for (size_t r = index * ROWS; r < (end < rows ? end : rows); r++) {
        size_t y = r % w->grid[1], z = r / w->grid[1], inside = 0;
        float *to = w->samples + r * w->grid[0];
        if (y < m->in[1] && z < m->in[2]) {
            inside = m->in[0];
            memcpy(to, k->call->from + (z * m->in[1] + y) * m->in[0], inside * sizeof *to);
        }
        memset(to + inside, 0, (w->grid[0] - inside) * sizeof *to);
    }
}

static void multiply(void *arg, size_t index, size_t worker)
{
    const work *k = arg;
    (void)worker;
    size_t count = pel_fft_count(k->w->fft), end = (index + 1) * PIECE;
    pel_complex *s = k->w->spectrum;
    const pel_complex *t = (const pel_complex *)k->w->transfer;
    /* The turned kernel at 0 .. n-1 is the conjugate, moved by n-1: the move is in store_rows. */
    float sign = k->call->adjoint ? -1.0f : 1.0f;
    for (size_t i = index * PIECE; i < (end < count ? end : count); i++) {
        float re = t[i][0], im = sign * t[i][1], a = s[i][0], b = s[i][1];
        s[i][0] = a * re - b * im;
        s[i][1] = a * im + b * re;
    }
}

/* Position of wanted sample i on the grid along one axis, or -1 when nothing reaches it. */
static ptrdiff_t place(const work *k, size_t i, int axis)
{
    const conv_map *m = k->call->map;
    ptrdiff_t n = (ptrdiff_t)k->call->conv->n[axis], grid = (ptrdiff_t)k->w->grid[axis];
    ptrdiff_t q = (ptrdiff_t)i + m->shift[axis];
    if (q < 0 || q > (ptrdiff_t)m->in[axis] + n - 2)
        return -1;
    if (k->call->adjoint)
        q -= n - 1;
    q %= grid;
    return q < 0 ? q + grid : q;
}

static void store_rows(void *arg, size_t index, size_t worker)
{
    const work *k = arg;
    const whole *w = k->w;
    const conv_map *m = k->call->map;
    static const float zeros[512];
    (void)worker;
    size_t rows = m->out[1] * m->out[2], end = (index + 1) * ROWS;
    for (size_t r = index * ROWS; r < (end < rows ? end : rows); r++) {
        size_t y = r % m->out[1], z = r / m->out[1];
        ptrdiff_t gy = place(k, y, 1), gz = place(k, z, 2);
        for (size_t x = 0; x < m->out[0];) {
            ptrdiff_t gx = gy < 0 || gz < 0 ? -1 : place(k, x, 0);
            size_t run = 1;
            if (gx < 0) {
                while (x + run < m->out[0] && run < 512 &&
                       (gy < 0 || gz < 0 || place(k, x + run, 0) < 0))
                    run++;
                conv_finish_row(k->call, index, x, y, z, run, zeros);
            } else {
                size_t reach = m->in[0] + k->call->conv->n[0] - 1 -
                               (size_t)((ptrdiff_t)x + m->shift[0]);
                run = w->grid[0] - (size_t)gx;
                run = run < reach ? run : reach;
                run = run < m->out[0] - x ? run : m->out[0] - x;
                conv_finish_row(k->call, index, x, y, z, run,
                                w->samples + ((size_t)gz * w->grid[1] + (size_t)gy) * w->grid[0] +
                                    (size_t)gx);
            }
            x += run;
        }
    }
}

static void whole_run(const conv_call *call)
{
    const whole *w = call->conv->state;
    work k = {call, w};
    pel_pool *pool = call->conv->pool;
    pel_pool_run(pool, (w->grid[1] * w->grid[2] + ROWS - 1) / ROWS, load_rows, &k);
    pel_fft_forward(w->fft, w->samples, w->spectrum);
    pel_pool_run(pool, (pel_fft_count(w->fft) + PIECE - 1) / PIECE, multiply, &k);
    pel_fft_backward(w->fft, w->spectrum, w->samples);
    pel_pool_run(pool, (call->map->out[1] * call->map->out[2] + ROWS - 1) / ROWS, store_rows, &k);
}

static size_t whole_segments(const pel_conv *conv, const conv_map *map)
{
    (void)conv;
    return (map->out[1] * map->out[2] + ROWS - 1) / ROWS;
}

const conv_ops pel_conv_whole = {whole_open, whole_close, whole_run, whole_segments};
