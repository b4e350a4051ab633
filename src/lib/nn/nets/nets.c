/* nets.c - the table of architectures, and the plain chains of convolutions.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "net.h"

/* ---- Chains */

/* C. Dong et al., Image super-resolution using deep convolutional networks, PAMI 38 (2016) 295: 9-5-5. */
static void srcnn(net *n)
{
    val x = net_input(n, "image", n->o.channels, "image");
    n->failed = n->o.depth != 3;
    x = net_act(n, net_conv(n, x, n->o.width, (layer){.kernel = 9}), "Relu");
    x = net_act(n, net_conv(n, x, n->o.width / 2, (layer){.kernel = 5}), "Relu");
    net_output(n, net_conv(n, x, n->o.channels, (layer){.kernel = 5}), "output");
}

/* `depth` convolutions of 3 x 3, the last one's result added to (or subtracted from) the image. */
static void chain(net *n, const int64_t *dilations, const char *operator, bool norm)
{
    val image = net_input(n, "image", n->o.channels, "image"), x = image;
    for (int64_t i = 0; i + 1 < n->o.depth; i++) {
        layer l = {.kernel = 3, .dilation = dilations != NULL ? dilations[i] : 1};
        l.no_bias = norm && i > 0;
        x = net_conv(n, x, n->o.width, l);
        if (norm && i > 0)
            x = net_norm(n, x, "BatchNormalization");
        x = net_act(n, x, "Relu");
    }
    net_output(n, net_pair(n, operator, image, net_conv3_last(n, x, n->o.channels)), "output");
}

/* J. Kim et al., Accurate image super-resolution using very deep convolutional networks, CVPR 2016. */
static void vdsr(net *n) { chain(n, NULL, "Add", false); }

/* K. Zhang et al., Beyond a Gaussian denoiser, TIP 26 (2017) 3142: it finds the noise. */
static void dncnn(net *n) { chain(n, NULL, "Sub", n->o.batch_norm); }

/* K. Zhang et al., Learning deep CNN denoiser prior for image restoration, CVPR 2017. */
static void ircnn(net *n)
{
    static const int64_t dilations[] = {1, 2, 3, 4, 3, 2, 1};
    n->failed = n->o.depth != 7;
    if (!n->failed)
        chain(n, dilations, "Sub", false);
}

/* ---- The table: name, summary, width, depth, channels, what depth counts; most width and depth, multiple */

static const net_row table[] = {
    {{"srcnn", "9-5-5, three layers (Dong et al. 2016)", 64, 3, 1, "layers (3)"}, 1024, 3, 1, srcnn},
    {{"vdsr", "twenty layers and the image (Kim et al. 2016)", 64, 20, 1, "layers"}, 1024, 200, 1, vdsr},
    {{"dncnn", "seventeen layers that find the noise (Zhang et al. 2017)", 64, 17, 1, "layers"}, 1024, 200, 1, dncnn},
    {{"ircnn", "seven dilated layers that find the noise (Zhang et al. 2017)", 64, 7, 1, "layers (7)"}, 1024, 7, 1,
     ircnn},
    {{"ffdnet", "half resolution, with the noise level (Zhang et al. 2018)", 64, 15, 1, "layers"}, 1024, 200, 2,
     net_ffdnet},
    {{"unet", "encoder and decoder with skips (Ronneberger et al. 2015)", 32, 4, 3, "levels"}, 256, 6, 0, net_unet},
    {{"resnet", "DeblurGAN's generator (Kupyn et al. 2018)", 64, 9, 3, "residual blocks"}, 512, 64, 4, net_resnet},
    {{"vgg", "encoder and decoder without skips, as VGG (Simonyan & Zisserman 2015)", 64, 3, 3, "levels"}, 256, 5, 0,
     net_vgg},
    {{"multiscale", "three scales, coarse to fine (Nah et al. 2017)", 64, 19, 3, "residual blocks a scale"}, 512, 64, 4,
     net_multiscale},
    {{"dbpn", "back-projection, up and down (Haris et al. 2018)", 32, 3, 3, "pairs of units"}, 256, 16, 2, net_dbpn},
    {{"nafnet", "no activations: gates and attention (Chen et al. 2022)", 32, 4, 3, "levels"}, 256, 5, 0, net_nafnet},
    {{"drunet", "residual U-Net without biases, with the noise level (Zhang et al. 2022)", 64, 4, 1, "levels"}, 256,
     PEL_NET_MOST_LEVELS, 0, net_drunet},
    {{"tnrd", "trainable nonlinear reaction diffusion (Chen & Pock 2017)", 24, 5, 1, "stages"}, 48, 16, 1, net_tnrd},
    {{"dbn", "five frames of a video, stacked (Su et al. 2017)", 64, 3, 3, "levels (3)"}, 256, 3, 8, net_dbn},
    {{"strn", "a video's frames with a recurrent state (Kim et al. 2017)", 32, 4, 3, "residual blocks"}, 256, 32, 2,
     net_strn},
    {{"exemplar", "a picture and a sharp one of the same scene", 32, 3, 3, "levels"}, 256, 5, 0, net_exemplar},
};

const pel_net_info *pel_net_find(size_t index)
{
    return index < sizeof table / sizeof table[0] ? &table[index].info : NULL;
}

static pel_status bad(const net_row *r, const char *what, pel_error *error)
{
    return pel_error_set(error, PEL_EINVAL, "%s: %s does not suit this architecture", r->info.name, what);
}

/* What only drunet has. */
static pel_status set_drunet(const net_row *r, const pel_net_params *given, pel_net_params *o, pel_error *error)
{
    if (strcmp(r->info.name, "drunet") != 0)
        return given->widths[0] != 0 || given->blocks != 0 || given->fold != 0 || given->inputs != NULL
                   ? bad(r, "a width for each level, a number of blocks, a fold or a list of inputs", error)
                   : PEL_OK;
    if (given->widths[0] != 0 && (given->width != 0 || given->depth != 0))
        return bad(r, "both --width or --depth and a width for each level", error);
    if (given->widths[0] != 0)
        for (o->depth = 0; o->depth < PEL_NET_MOST_LEVELS && o->widths[o->depth] != 0;)
            o->depth++;
    for (int64_t level = 0; given->widths[0] == 0 && level < o->depth; level++)
        o->widths[level] = o->width << level;
    for (int64_t level = 0; level < o->depth; level++)
        if (o->widths[level] < 2 || o->widths[level] > 4096 || o->widths[level] % 2 != 0)
            return bad(r, "the width of a level", error);
    o->width = o->widths[0];
    o->blocks = given->blocks != 0 ? given->blocks : 4;
    o->fold = given->fold != 0 ? given->fold : 1;
    o->inputs = given->inputs != NULL ? given->inputs : "image,sigma";
    if (o->fold != 1 && o->fold != 2 && o->fold != 4)
        return bad(r, "the fold", error);
    return PEL_OK;
}

static pel_status set_params(const net_row *r, const pel_net_params *given, pel_net_params *o, pel_error *error)
{
    /* FFDNet for colour is wider and has fewer layers. */
    bool colour = strcmp(r->info.name, "ffdnet") == 0 && given->channels == 3;
    *o = *given;
    o->width = given->width != 0 ? given->width : colour ? 96 : r->info.width;
    o->depth = given->depth != 0 ? given->depth : colour ? 12 : r->info.depth;
    o->channels = given->channels != 0 ? given->channels : r->info.channels;
    if (o->width < 2 || o->width > r->most_width || o->width % 2 != 0)
        return bad(r, "the width", error);
    if (o->depth < 1 || o->depth > r->most_depth)
        return bad(r, "the depth", error);
    if (o->channels != 1 && o->channels != 3)
        return bad(r, "the number of channels", error);
    if (o->batch_norm && strcmp(r->info.name, "dncnn") != 0)
        return bad(r, "batch normalisation", error);
    if (o->features && strcmp(r->info.name, "vgg") != 0)
        return bad(r, "outputs of features", error);
    return set_drunet(r, given, o, error);
}

/* What pel-net was asked, and that nothing was learned yet. */
static void describe(net *n, const net_row *r)
{
    char text[400];
    snprintf(text, sizeof text, "%s --width %lld --depth %lld --channels %lld --seed %llu%s%s", r->info.name,
             (long long)n->o.width, (long long)n->o.depth, (long long)n->o.channels, (unsigned long long)n->o.seed,
             n->o.batch_norm ? " --batch-norm" : "", n->o.features ? " --features" : "");
    if (n->o.inputs != NULL) {
        size_t at = (size_t)snprintf(text, sizeof text, "drunet --levels");
        for (int64_t i = 0; i < n->o.depth; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%c%lld", i > 0 ? ',' : ' ', (long long)n->o.widths[i]);
        snprintf(text + at, sizeof text - at, " --blocks %lld --fold %lld --inputs %.64s --channels %lld --seed %llu",
                 (long long)n->o.blocks, (long long)n->o.fold, n->o.inputs, (long long)n->o.channels,
                 (unsigned long long)n->o.seed);
    }
    pel_model_set_metadata(n->m, "pellucid.architecture", text);
    snprintf(text, sizeof text, "Untrained: %s.", r->info.summary);
    pel_model_set_metadata(n->m, "pellucid.card", text);
    /* Levels halve the picture: all but the first (unet, vgg, exemplar, drunet), or each (nafnet). */
    int64_t halvings = strcmp(r->info.name, "nafnet") == 0 ? n->o.depth : n->o.depth - 1;
    int64_t multiple = r->multiple != 0 ? r->multiple : (n->o.fold != 0 ? n->o.fold : 1) << halvings;
    snprintf(text, sizeof text, "%lld", (long long)multiple);
    pel_model_set_metadata(n->m, "pellucid.multiple", text);
    pel_model_set_metadata(n->m, "pellucid.range", "1");
}

pel_status pel_net_build(const char *name, const pel_net_params *params, pel_model **model, pel_error *error)
{
    const net_row *r = NULL;
    *model = NULL;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].info.name, name) == 0)
            r = &table[i];
    if (r == NULL)
        return pel_error_set(error, PEL_EINVAL, "'%.40s': no architecture of this name", name);
    net n = {.count = 0};
    pel_status status = set_params(r, params, &n.o, error);
    if (status != PEL_OK)
        return status;
    n.m = pel_model_new(name, 17);
    n.rng = pel_rng_new(n.o.seed, 0);
    if (n.m == NULL || n.rng == NULL) {
        status = pel_error_set(error, PEL_ENOMEM, "out of memory");
    } else {
        describe(&n, r);
        r->build(&n);
        status = n.failed ? bad(r, n.o.inputs != NULL ? "the list of inputs" : "the depth", error) : pel_model_finish(n.m, error);
    }
    pel_rng_free(n.rng);
    if (status == PEL_OK)
        *model = n.m;
    else
        pel_model_free(n.m);
    return status;
}

/* The next tensor of floats at or behind `i`. */
static size_t next_floats(const pel_model *m, size_t i)
{
    while (i < m->tensor_count && m->tensors[i].floats == NULL)
        i++;
    return i;
}

/* Whether the model's inputs are those of the other one, and more behind them. */
static bool has_more_inputs(const pel_model *model, const pel_model *from)
{
    bool same = model->input_count > from->input_count;
    for (size_t k = 0; k < from->input_count && same; k++) {
        const pel_model_value *a = &model->inputs[k], *b = &from->inputs[k];
        same = strcmp(a->name, b->name) == 0 && a->rank == b->rank && a->rank > 1 && a->dims[1] == b->dims[1];
    }
    return same;
}

/* A convolution's weights, for more channels behind the other's: those begin with 0.  False: the shapes are others. */
static bool take_channels(pel_model_tensor *to, const pel_model_tensor *from)
{
    if (to->rank != 4 || from->rank != 4 || to->dims[0] != from->dims[0] || to->dims[1] <= from->dims[1] ||
        to->dims[2] != from->dims[2] || to->dims[3] != from->dims[3])
        return false;
    size_t taps = (size_t)(to->dims[2] * to->dims[3]), row = (size_t)to->dims[1] * taps;
    size_t known = (size_t)from->dims[1] * taps;
    for (size_t o = 0; o < (size_t)to->dims[0]; o++) {
        memcpy(to->floats + o * row, from->floats + o * known, known * sizeof(float));
        memset(to->floats + o * row + known, 0, (row - known) * sizeof(float));
    }
    return true;
}

pel_status pel_net_take_weights(pel_model *model, const pel_model *from, size_t *taken, size_t *count, pel_error *error)
{
    size_t i = next_floats(model, 0), k = next_floats(from, 0);
    const bool more = has_more_inputs(model, from);
    *taken = *count = 0;
    for (; i < model->tensor_count && k < from->tensor_count; (*count)++) {
        pel_model_tensor *to = &model->tensors[i];
        const pel_model_tensor *source = &from->tensors[k];
        if (to->rank == source->rank && memcmp(to->dims, source->dims, to->rank * sizeof to->dims[0]) == 0) {
            memcpy(to->floats, source->floats, pel_model_tensor_count(to) * sizeof(float));
            (*taken)++;
        } else if (*count == 0 && more)
            *taken += take_channels(to, source);
        i = next_floats(model, i + 1);
        k = next_floats(from, k + 1);
    }
    if (i != model->tensor_count || k != from->tensor_count || *taken == 0)
        return pel_error_set(error, PEL_EINVAL, "the weights of the other model do not fit: its layers are others");
    return PEL_OK;
}
