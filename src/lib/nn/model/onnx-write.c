/* onnx-write.c - models to ONNX files.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model-internal.h"
#include "onnx.pb-c.h"

#define IR_VERSION 8 /* of the file format: goes with opsets up to 18 */

/* The file's structures point into the model; what they need of their own is in one list of blocks. */
typedef struct {
    void **blocks;
    size_t count;
    bool failed;
} arena;

static void *take(arena *a, size_t count, size_t size)
{
    void **grown = model_grow(a->blocks, a->count, sizeof *grown);
    void *room = grown != NULL ? pel_alloc((count + 1) * size) : NULL;
    if (grown != NULL)
        a->blocks = grown;
    if (room == NULL) {
        a->failed = true;
        return NULL;
    }
    memset(room, 0, (count + 1) * size);
    return a->blocks[a->count++] = room;
}

/* `count` messages of a type, and the pointers to them that protobuf-c wants. */
#define MESSAGES(a, type, init, n, list, pointers)                                                 \
    type *list = take(a, n, sizeof *list), **pointers = take(a, n, sizeof *pointers);              \
    for (size_t k_ = 0; list != NULL && pointers != NULL && k_ < (n); k_++) {                      \
        init(&list[k_]);                                                                           \
        pointers[k_] = &list[k_];                                                                  \
    }

static ProtobufCBinaryData bytes_of(const void *data, size_t length)
{
    /* The library does not write to what it packs. */
    union {
        const void *in;
        uint8_t *out;
    } p = {data};
    return (ProtobufCBinaryData){length, p.out};
}

static void put_tensor(arena *a, const pel_model_tensor *from, OnnxFile__Tensor *to)
{
    size_t count = pel_model_tensor_count(from);
    to->name = from->name;
    to->n_dims = from->rank;
    to->dims = take(a, from->rank, sizeof *to->dims);
    if (to->dims != NULL)
        memcpy(to->dims, from->dims, from->rank * sizeof *to->dims);
    to->has_data_type = to->has_raw_data = 1;
    if (from->type == PEL_MODEL_BOOL) {
        uint8_t *truth = take(a, count, 1);
        for (size_t i = 0; truth != NULL && i < count; i++)
            truth[i] = from->integers[i] != 0;
        to->data_type = 9;
        to->raw_data = bytes_of(truth, count);
    } else {
        bool floats = from->type == PEL_MODEL_FLOAT;
        to->data_type = floats ? 1 : 7;
        to->raw_data = floats ? bytes_of(from->floats, count * sizeof *from->floats)
                              : bytes_of(from->integers, count * sizeof *from->integers);
    }
}

static void put_attribute(arena *a, const pel_attribute *from, OnnxFile__Attribute *to)
{
    static const int types[] = {[PEL_ATTRIBUTE_FLOAT] = 1, [PEL_ATTRIBUTE_INT] = 2, [PEL_ATTRIBUTE_STRING] = 3,
                                [PEL_ATTRIBUTE_TENSOR] = 4, [PEL_ATTRIBUTE_FLOATS] = 6, [PEL_ATTRIBUTE_INTS] = 7,
                                [PEL_ATTRIBUTE_STRINGS] = 8};
    to->name = from->name;
    to->has_type = 1;
    to->type = types[from->kind];
    if (from->kind == PEL_ATTRIBUTE_FLOAT) {
        to->has_f = 1;
        to->f = from->floats[0];
    } else if (from->kind == PEL_ATTRIBUTE_INT) {
        to->has_i = 1;
        to->i = from->integers[0];
    } else if (from->kind == PEL_ATTRIBUTE_STRING) {
        to->has_s = 1;
        to->s = bytes_of(from->strings[0], strlen(from->strings[0]));
    } else if (from->kind == PEL_ATTRIBUTE_FLOATS) {
        to->n_floats = from->count;
        to->floats = from->floats;
    } else if (from->kind == PEL_ATTRIBUTE_INTS) {
        to->n_ints = from->count;
        to->ints = from->integers;
    } else if (from->kind == PEL_ATTRIBUTE_STRINGS) {
        to->n_strings = from->count;
        to->strings = take(a, from->count, sizeof *to->strings);
        for (size_t i = 0; to->strings != NULL && i < from->count; i++)
            to->strings[i] = bytes_of(from->strings[i], strlen(from->strings[i]));
    } else {
        OnnxFile__Tensor *t = take(a, 1, sizeof *t);
        if (t != NULL) {
            onnx_file__tensor__init(t);
            put_tensor(a, &from->tensor, t);
        }
        to->t = t;
    }
}

static void put_node(arena *a, const pel_node *from, OnnxFile__Node *to)
{
    MESSAGES(a, OnnxFile__Attribute, onnx_file__attribute__init, from->attribute_count, list, pointers)
    to->name = from->name[0] != '\0' ? from->name : NULL;
    to->op_type = from->operator;
    to->domain = from->domain[0] != '\0' ? from->domain : NULL;
    to->n_input = from->input_count;
    to->input = from->inputs;
    to->n_output = from->output_count;
    to->output = from->outputs;
    to->n_attribute = from->attribute_count;
    to->attribute = pointers;
    for (size_t i = 0; !a->failed && i < from->attribute_count; i++)
        put_attribute(a, &from->attributes[i], &list[i]);
}

static void put_value(arena *a, const pel_model_value *from, OnnxFile__Value *to)
{
    static const int types[] = {[PEL_MODEL_FLOAT] = 1, [PEL_MODEL_INT64] = 7, [PEL_MODEL_BOOL] = 9};
    OnnxFile__Type *type = take(a, 1, sizeof *type);
    OnnxFile__TensorType *tensor = take(a, 1, sizeof *tensor);
    OnnxFile__Shape *shape = take(a, 1, sizeof *shape);
    MESSAGES(a, OnnxFile__Dimension, onnx_file__dimension__init, from->rank, list, pointers)
    if (a->failed)
        return;
    onnx_file__type__init(type);
    onnx_file__tensor_type__init(tensor);
    onnx_file__shape__init(shape);
    to->name = from->name;
    to->type = type;
    type->tensor = tensor;
    tensor->has_elem_type = 1;
    tensor->elem_type = types[from->type];
    tensor->shape = from->has_shape ? shape : NULL;
    shape->n_dim = from->rank;
    shape->dim = pointers;
    for (size_t k = 0; k < from->rank; k++) {
        list[k].has_value = from->dims[k] >= 0;
        list[k].value = from->dims[k];
        list[k].symbol = from->dims[k] >= 0 ? NULL : from->symbols[k];
    }
}

static void put_graph(arena *a, const pel_model *m, OnnxFile__Graph *g)
{
    MESSAGES(a, OnnxFile__Node, onnx_file__node__init, m->node_count, nodes, node_pointers)
    MESSAGES(a, OnnxFile__Tensor, onnx_file__tensor__init, m->tensor_count, tensors, tensor_pointers)
    MESSAGES(a, OnnxFile__Value, onnx_file__value__init, m->input_count, inputs, input_pointers)
    MESSAGES(a, OnnxFile__Value, onnx_file__value__init, m->output_count, outputs, output_pointers)
    g->name = m->graph_name;
    g->n_node = m->node_count;
    g->node = node_pointers;
    g->n_initializer = m->tensor_count;
    g->initializer = tensor_pointers;
    g->n_input = m->input_count;
    g->input = input_pointers;
    g->n_output = m->output_count;
    g->output = output_pointers;
    for (size_t i = 0; !a->failed && i < m->node_count; i++)
        put_node(a, &m->nodes[i], &nodes[i]);
    for (size_t i = 0; !a->failed && i < m->tensor_count; i++)
        put_tensor(a, &m->tensors[i], &tensors[i]);
    for (size_t i = 0; !a->failed && i < m->input_count; i++)
        put_value(a, &m->inputs[i], &inputs[i]);
    for (size_t i = 0; !a->failed && i < m->output_count; i++)
        put_value(a, &m->outputs[i], &outputs[i]);
}

/* ONNX's own operators, then ours where they are used. */
static void put_opsets(arena *a, const pel_model *m, OnnxFile__Model *to)
{
    static char none[] = "", ours[] = "org.pellucid";
    MESSAGES(a, OnnxFile__Opset, onnx_file__opset__init, 2, list, pointers)
    to->n_opset = 1;
    to->opset = pointers;
    for (size_t i = 0; i < m->node_count; i++)
        if (strcmp(m->nodes[i].domain, ours) == 0)
            to->n_opset = 2;
    for (size_t i = 0; !a->failed && i < 2; i++) {
        list[i].domain = i == 0 ? none : ours;
        list[i].has_version = 1;
        list[i].version = i == 0 ? m->opset : 1;
    }
}

pel_status pel_model_serialize(const pel_model *model, void **bytes, size_t *count, pel_error *error)
{
    arena a = {NULL, 0, false};
    OnnxFile__Model file = ONNX_FILE__MODEL__INIT;
    OnnxFile__Graph graph = ONNX_FILE__GRAPH__INIT;
    MESSAGES(&a, OnnxFile__Pair, onnx_file__pair__init, model->metadata_count, pairs, pair_pointers)
    file.has_ir_version = 1;
    file.ir_version = IR_VERSION;
    file.producer_name = model->producer;
    file.doc = model->doc[0] != '\0' ? model->doc : NULL;
    file.graph = &graph;
    file.n_metadata = model->metadata_count;
    file.metadata = pair_pointers;
    for (size_t i = 0; !a.failed && i < model->metadata_count; i++) {
        pairs[i].key = model->metadata[i].key;
        pairs[i].value = model->metadata[i].value;
    }
    put_opsets(&a, model, &file);
    put_graph(&a, model, &graph);
    *count = a.failed ? 0 : onnx_file__model__get_packed_size(&file);
    *bytes = a.failed ? NULL : pel_alloc(*count + 1);
    if (*bytes != NULL)
        onnx_file__model__pack(&file, *bytes);
    for (size_t i = 0; i < a.count; i++)
        pel_free(a.blocks[i]);
    pel_free(a.blocks);
    return *bytes != NULL ? PEL_OK : pel_error_set(error, PEL_ENOMEM, "out of memory");
}

/* All of it, synced; leaves errno. */
static bool write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t n = write(fd, bytes, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        count -= (size_t)n;
    }
    return fsync(fd) == 0 || errno == EINVAL;
}

/* To a device or FIFO, which a file must not replace. */
static bool write_in_place(const char *path, const void *bytes, size_t count)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write_all(fd, bytes, count);
    int cause = errno;
    if (fd >= 0 && close(fd) != 0 && good)
        return false;
    errno = cause;
    return good;
}

/* Under the temporary name that `temporary` is the pattern of, then renamed; false leaves errno. */
static bool write_renamed(char *temporary, const char *path, mode_t mode, const void *bytes, size_t count)
{
    int fd = mkstemp(temporary);
    if (fd < 0)
        return false;
    bool good = write_all(fd, bytes, count) && fchmod(fd, mode) == 0;
    int cause = errno;
    if (close(fd) != 0 && good) {
        good = false;
        cause = errno;
    }
    if (good && rename(temporary, path) == 0)
        return true;
    cause = good ? errno : cause;
    unlink(temporary);
    errno = cause;
    return false;
}

/* A file that is there keeps its permissions, and a link stays one: what it points to is replaced. */
static bool write_file(const char *path, const void *bytes, size_t count)
{
    static const char pattern[] = ".XXXXXX";
    struct stat there;
    bool exists = stat(path, &there) == 0;
    if (exists && !S_ISREG(there.st_mode))
        return write_in_place(path, bytes, count);
    mode_t mask = umask(0);
    umask(mask);
    char *target = exists ? realpath(path, NULL) : strdup(path);
    size_t length = target != NULL ? strlen(target) : 0;
    char *temporary = pel_alloc(length + sizeof pattern);
    bool good = target != NULL && temporary != NULL;
    if (good) {
        memcpy(temporary, target, length);
        memcpy(temporary + length, pattern, sizeof pattern);
        good = write_renamed(temporary, target, exists ? there.st_mode & 0777 : 0666 & ~mask, bytes, count);
    }
    int cause = errno;
    pel_free(temporary);
    free(target);
    errno = cause;
    return good;
}

pel_status pel_model_write(const pel_model *model, const char *path, pel_error *error)
{
    void *bytes;
    size_t count;
    pel_status status = pel_model_serialize(model, &bytes, &count, error);
    if (status != PEL_OK)
        return status;
    if (!write_file(path, bytes, count))
        status = pel_error_set(error, errno == EPIPE ? PEL_ECLOSED : PEL_EIO, "cannot write %s: %s", path,
                               strerror(errno));
    pel_free(bytes);
    return status;
}
