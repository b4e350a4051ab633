/* onnx-read.c - ONNX files to models.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model-internal.h"
#include "names.h"
#include "onnx.pb-c.h"

/* Numbers of ONNX's types of elements (TensorProto.DataType). */
enum {
    FLOAT = 1, UINT8, INT8, UINT16, INT16, INT32, INT64, STRING, BOOL, HALF, DOUBLE, UINT32, UINT64,
    BFLOAT16 = 16,
};

typedef struct {
    pel_model *model;
    size_t left; /* bytes that constants may still take */
    pel_error *error;
} reader;

static pel_status no_memory(const reader *r)
{
    return pel_error_set(r->error, PEL_ENOMEM, "out of memory");
}

/* A name as it may stand in a message: short, and without control characters. */
static const char *shown(const char *name, char to[80])
{
    size_t n = 0;
    for (; name != NULL && name[n] != '\0' && n < 79; n++)
        to[n] = (unsigned char)name[n] < 0x20 || name[n] == 0x7f ? '?' : name[n];
    to[n] = '\0';
    return to;
}

static char *copy(const char *text) { return model_copy(text != NULL ? text : "", text != NULL ? strlen(text) : 0); }

/* ---- Tensors */

static size_t element_bytes(int type)
{
    switch (type) {
    case UINT8: case INT8: case BOOL: return 1;
    case UINT16: case INT16: case HALF: case BFLOAT16: return 2;
    case FLOAT: case INT32: case UINT32: return 4;
    case INT64: case DOUBLE: case UINT64: return 8;
    default: return 0;
    }
}

static bool is_float(int type) { return type == FLOAT || type == HALF || type == DOUBLE || type == BFLOAT16; }

static float bits_to_float(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* IEEE 754's binary16; its denormal numbers are whole multiples of 2^-24. */
static float half_to_float(unsigned h)
{
    uint32_t sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
    if (exponent == 0) {
        float f = (float)mantissa / 16777216.0f;
        return sign != 0 ? -f : f;
    }
    return bits_to_float(sign | (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13);
}

static uint64_t little_endian(const unsigned char *p, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

/* One element, from its bits. */
static double element(int type, uint64_t v)
{
    double d;
    switch (type) {
    case FLOAT: return (double)bits_to_float((uint32_t)v);
    case HALF: return (double)half_to_float((unsigned)v);
    case BFLOAT16: return (double)bits_to_float((uint32_t)v << 16);
    default: memcpy(&d, &v, sizeof d); return d; /* DOUBLE */
    }
}

static int64_t integer(int type, uint64_t v)
{
    switch (type) {
    case INT8: return (int8_t)v;
    case INT16: return (int16_t)v;
    case INT32: return (int32_t)v;
    default: return (int64_t)v;
    }
}

/* Element i's bits, wherever the file keeps them; false: there are not `count` of them. */
static bool has_elements(const OnnxFile__Tensor *t, int type, size_t count)
{
    if (t->has_raw_data)
        return t->raw_data.len == count * element_bytes(type);
    if (type == FLOAT)
        return t->n_float_data == count;
    if (type == DOUBLE)
        return t->n_double_data == count;
    if (type == INT64)
        return t->n_int64_data == count;
    if (type == UINT32 || type == UINT64)
        return t->n_uint64_data == count;
    return t->n_int32_data == count;
}

static uint64_t element_bits(const OnnxFile__Tensor *t, int type, size_t i)
{
    uint64_t v = 0;
    size_t bytes = element_bytes(type);
    if (t->has_raw_data)
        return little_endian(t->raw_data.data + i * bytes, bytes);
    if (type == FLOAT)
        memcpy(&v, &t->float_data[i], 4);
    else if (type == DOUBLE)
        memcpy(&v, &t->double_data[i], 8);
    else if (type == INT64)
        v = (uint64_t)t->int64_data[i];
    else if (type == UINT32 || type == UINT64)
        v = t->uint64_data[i];
    else
        v = (uint64_t)(int64_t)t->int32_data[i];
    return v;
}

static pel_status fill(reader *r, const OnnxFile__Tensor *from, int type, size_t count, pel_model_tensor *to)
{
    size_t bytes = (count + 1) * (is_float(type) ? sizeof *to->floats : sizeof *to->integers);
    char name[80];
    if (count >= r->left / 8)
        return pel_error_set(r->error, PEL_ELIMIT, "tensor '%s' is over the memory cap", shown(from->name, name));
    r->left -= bytes;
    void *room = pel_alloc(bytes);
    if (room == NULL)
        return no_memory(r);
    to->type = is_float(type) ? PEL_MODEL_FLOAT : type == BOOL ? PEL_MODEL_BOOL : PEL_MODEL_INT64;
    if (is_float(type))
        to->floats = room;
    else
        to->integers = room;
    for (size_t i = 0; i < count; i++) {
        uint64_t v = element_bits(from, type, i);
        if (is_float(type))
            to->floats[i] = (float)element(type, v);
        else
            to->integers[i] = type == BOOL ? (v & 255) != 0 : integer(type, v);
    }
    return PEL_OK;
}

static pel_status read_tensor(reader *r, const OnnxFile__Tensor *from, pel_model_tensor *to)
{
    char name[80];
    int type = from->has_data_type ? from->data_type : 0;
    size_t count = 1;
    shown(from->name, name);
    to->name = copy(from->name);
    if (to->name == NULL)
        return no_memory(r);
    if (from->n_external_data > 0 || (from->has_data_location && from->data_location != 0))
        return pel_error_set(r->error, PEL_EFORMAT, "tensor '%s' keeps its data in another file", name);
    if (from->segment != NULL || element_bytes(type) == 0)
        return pel_error_set(r->error, PEL_EFORMAT, "tensor '%s' is of a type (%d) that is not supported", name, type);
    if (from->n_dims > PEL_MODEL_RANK)
        return pel_error_set(r->error, PEL_ELIMIT, "tensor '%s' has %zu dimensions", name, from->n_dims);
    to->rank = from->n_dims;
    for (size_t k = 0; k < to->rank; k++) {
        to->dims[k] = from->dims[k];
        if (to->dims[k] < 0 || __builtin_mul_overflow(count, (size_t)to->dims[k], &count) || count > SIZE_MAX / 16)
            return pel_error_set(r->error, PEL_EFORMAT, "tensor '%s' has an impossible shape", name);
    }
    if (!has_elements(from, type, count))
        return pel_error_set(r->error, PEL_EFORMAT, "tensor '%s' does not have the %zu elements of its shape", name,
                             count);
    return fill(r, from, type, count, to);
}

/* ---- Attributes and nodes */

/* AttributeProto.AttributeType. */
enum { A_FLOAT = 1, A_INT, A_STRING, A_TENSOR, A_GRAPH, A_FLOATS, A_INTS, A_STRINGS };

static char *bytes_text(const ProtobufCBinaryData *b)
{
    return memchr(b->data != NULL ? (const char *)b->data : "", '\0', b->len) == NULL
               ? model_copy(b->data != NULL ? (const char *)b->data : "", b->len)
               : NULL;
}

static bool read_strings(const ProtobufCBinaryData *list, size_t count, pel_attribute *to)
{
    to->strings = pel_alloc((count + 1) * sizeof *to->strings);
    if (to->strings == NULL)
        return false;
    for (to->count = 0; to->count < count; to->count++) {
        to->strings[to->count] = bytes_text(&list[to->count]);
        if (to->strings[to->count] == NULL)
            return false;
    }
    return true;
}

static bool read_numbers(const int64_t *integers, const float *floats, size_t count, pel_attribute *to)
{
    size_t size = integers != NULL ? sizeof *integers : sizeof *floats;
    void *room = pel_alloc((count + 1) * size);
    if (room == NULL)
        return false;
    memcpy(room, integers != NULL ? (const void *)integers : (const void *)floats, count * size);
    *(integers != NULL ? (void **)&to->integers : (void **)&to->floats) = room;
    to->count = count;
    return true;
}

static pel_status read_attribute(reader *r, const OnnxFile__Attribute *from, pel_attribute *to)
{
    static const int64_t no_integer;
    static const float no_float;
    bool good = true;
    to->name = copy(from->name);
    switch (from->has_type ? from->type : 0) {
    case A_FLOAT:
        to->kind = PEL_ATTRIBUTE_FLOAT;
        good = read_numbers(NULL, &from->f, 1, to);
        break;
    case A_INT:
        to->kind = PEL_ATTRIBUTE_INT;
        good = read_numbers(&from->i, NULL, 1, to);
        break;
    case A_FLOATS:
        to->kind = PEL_ATTRIBUTE_FLOATS;
        good = read_numbers(NULL, from->n_floats > 0 ? from->floats : &no_float, from->n_floats, to);
        break;
    case A_INTS:
        to->kind = PEL_ATTRIBUTE_INTS;
        good = read_numbers(from->n_ints > 0 ? from->ints : &no_integer, NULL, from->n_ints, to);
        break;
    case A_STRING:
        to->kind = PEL_ATTRIBUTE_STRING;
        good = read_strings(&from->s, 1, to);
        break;
    case A_STRINGS:
        to->kind = PEL_ATTRIBUTE_STRINGS;
        good = read_strings(from->strings, from->n_strings, to);
        break;
    case A_TENSOR:
        to->kind = PEL_ATTRIBUTE_TENSOR;
        to->count = 1;
        return from->t != NULL && to->name != NULL ? read_tensor(r, from->t, &to->tensor)
                                                   : pel_error_set(r->error, PEL_EFORMAT,
                                                                   "an attribute's tensor is missing");
    default:
        return pel_error_set(r->error, PEL_EFORMAT, "an attribute is of a kind (%d) that is not supported",
                             from->has_type ? from->type : 0);
    }
    return good && to->name != NULL ? PEL_OK : pel_error_set(r->error, PEL_EFORMAT, "an attribute's text is broken");
}

static char **read_names(char *const *from, size_t count, size_t *made)
{
    char **to = pel_alloc((count + 1) * sizeof *to);
    for (*made = 0; to != NULL && *made < count; ++*made) {
        to[*made] = copy(from[*made]);
        if (to[*made] == NULL) {
            while (*made > 0)
                pel_free(to[--*made]);
            pel_free(to);
            return NULL;
        }
    }
    return to;
}

static pel_status read_node(reader *r, const OnnxFile__Node *from, size_t number, pel_node *to)
{
    char name[80];
    to->name = copy(from->name);
    to->operator = copy(from->op_type);
    to->domain = copy(from->domain != NULL && strcmp(from->domain, "ai.onnx") == 0 ? "" : from->domain);
    to->inputs = read_names(from->input, from->n_input, &to->input_count);
    to->outputs = read_names(from->output, from->n_output, &to->output_count);
    to->attributes = pel_alloc((from->n_attribute + 1) * sizeof *to->attributes);
    if (to->name == NULL || to->operator == NULL || to->domain == NULL || to->inputs == NULL || to->outputs == NULL ||
        to->attributes == NULL)
        return no_memory(r);
    for (size_t i = 0; i < from->n_attribute; i++) {
        pel_attribute *a = &to->attributes[to->attribute_count++];
        memset(a, 0, sizeof *a);
        if (read_attribute(r, from->attribute[i], a) != PEL_OK)
            return pel_error_prefix(r->error, "node %zu (%s)", number, shown(from->op_type, name));
    }
    return PEL_OK;
}

/* ---- The graph */

static pel_status read_value(reader *r, const OnnxFile__Value *from, pel_model_value *to)
{
    char name[80];
    const OnnxFile__TensorType *t = from->type != NULL ? from->type->tensor : NULL;
    to->name = copy(from->name);
    if (to->name == NULL)
        return no_memory(r);
    if (t == NULL || !t->has_elem_type || element_bytes(t->elem_type) == 0)
        return pel_error_set(r->error, PEL_EFORMAT, "'%s' is not a tensor of numbers", shown(from->name, name));
    to->type = is_float(t->elem_type) ? PEL_MODEL_FLOAT : t->elem_type == BOOL ? PEL_MODEL_BOOL : PEL_MODEL_INT64;
    to->has_shape = t->shape != NULL;
    if (t->shape == NULL)
        return PEL_OK;
    if (t->shape->n_dim > PEL_MODEL_RANK)
        return pel_error_set(r->error, PEL_ELIMIT, "'%s' has %zu dimensions", shown(from->name, name),
                             t->shape->n_dim);
    to->rank = t->shape->n_dim;
    for (size_t k = 0; k < to->rank; k++) {
        const OnnxFile__Dimension *d = t->shape->dim[k];
        to->dims[k] = d->has_value && d->value > 0 ? d->value : -1;
        if (d->symbol != NULL && (to->symbols[k] = copy(d->symbol)) == NULL)
            return no_memory(r);
    }
    return PEL_OK;
}

/* The inputs but those that are only names of tensors. */
static pel_status read_inputs(reader *r, const OnnxFile__Graph *g)
{
    pel_model *m = r->model;
    nn_names *tensors = nn_names_new();
    size_t number;
    pel_status status = tensors == NULL ? no_memory(r) : PEL_OK;
    for (size_t i = 0; i < m->tensor_count && status == PEL_OK; i++)
        if (!nn_names_put(tensors, m->tensors[i].name, i))
            status = no_memory(r);
    for (size_t i = 0; i < g->n_input && status == PEL_OK; i++)
        if (g->input[i]->name == NULL || !nn_names_get(tensors, g->input[i]->name, &number))
            status = read_value(r, g->input[i], &m->inputs[m->input_count++]);
    nn_names_free(tensors);
    return status;
}

static void *zeroed(size_t count, size_t size)
{
    void *room = pel_alloc((count + 1) * size);
    if (room != NULL)
        memset(room, 0, (count + 1) * size);
    return room;
}

static pel_status read_graph(reader *r, const OnnxFile__Graph *g)
{
    pel_model *m = r->model;
    pel_status status = PEL_OK;
    if (g->n_sparse_initializer > 0)
        return pel_error_set(r->error, PEL_EFORMAT, "sparse tensors are not supported");
    m->tensors = zeroed(g->n_initializer, sizeof *m->tensors);
    m->inputs = zeroed(g->n_input, sizeof *m->inputs);
    m->outputs = zeroed(g->n_output, sizeof *m->outputs);
    m->nodes = zeroed(g->n_node, sizeof *m->nodes);
    if (m->tensors == NULL || m->inputs == NULL || m->outputs == NULL || m->nodes == NULL)
        return no_memory(r);
    for (size_t i = 0; i < g->n_initializer && status == PEL_OK; i++)
        status = read_tensor(r, g->initializer[i], &m->tensors[m->tensor_count++]);
    if (status == PEL_OK)
        status = read_inputs(r, g);
    for (size_t i = 0; i < g->n_output && status == PEL_OK; i++)
        status = read_value(r, g->output[i], &m->outputs[m->output_count++]);
    for (size_t i = 0; i < g->n_node && status == PEL_OK; i++)
        status = read_node(r, g->node[i], i, &m->nodes[m->node_count++]);
    return status;
}

#define MOST_METADATA 4096 /* each is compared with all */

static pel_status read_model(reader *r, const OnnxFile__Model *from)
{
    if (from->graph == NULL)
        return pel_error_set(r->error, PEL_EFORMAT, "no graph is in it: not an ONNX model");
    if (from->n_metadata > MOST_METADATA)
        return pel_error_set(r->error, PEL_ELIMIT, "the model has %zu metadata", from->n_metadata);
    for (size_t i = 0; i < from->n_opset; i++) {
        const OnnxFile__Opset *o = from->opset[i];
        if (o->domain == NULL || o->domain[0] == '\0' || strcmp(o->domain, "ai.onnx") == 0)
            r->model->opset = o->version;
    }
    pel_free(r->model->producer);
    pel_free(r->model->graph_name);
    r->model->producer = copy(from->producer_name);
    r->model->graph_name = copy(from->graph->name);
    pel_free(r->model->doc);
    r->model->doc = copy(from->doc);
    if (r->model->producer == NULL || r->model->graph_name == NULL || r->model->doc == NULL)
        return no_memory(r);
    pel_status status = read_graph(r, from->graph);
    for (size_t i = 0; i < from->n_metadata && status == PEL_OK; i++)
        if (from->metadata[i]->key != NULL)
            pel_model_set_metadata(r->model, from->metadata[i]->key,
                                   from->metadata[i]->value != NULL ? from->metadata[i]->value : "");
    return status == PEL_OK ? pel_model_finish(r->model, r->error) : status;
}

/* ---- Decoding.  The library's structures are many times larger than bytes that stand for empty messages:
 * its memory is counted. */

#define EXPANSION 64 /* times the file, and some */

typedef struct {
    size_t left;
} budget;

static void *budget_alloc(void *arg, size_t size)
{
    budget *b = arg;
    if (size > b->left)
        return NULL;
    b->left -= size;
    return pel_alloc(size);
}

static void budget_free(void *arg, void *memory)
{
    (void)arg;
    pel_free(memory);
}

pel_status pel_model_parse(const void *bytes, size_t count, size_t memory, pel_model **model, pel_error *error)
{
    budget b = {.left = memory != 0 ? memory : SIZE_MAX};
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &b};
    reader r = {.left = memory != 0 ? memory : SIZE_MAX, .error = error};
    *model = NULL;
    if (memory != 0 && count > memory)
        return pel_error_set(error, PEL_ELIMIT, "the model is over the memory cap");
    if (b.left / EXPANSION > count + 1024)
        b.left = (count + 1024) * EXPANSION;
    OnnxFile__Model *file = onnx_file__model__unpack(&allocator, count, bytes);
    if (file == NULL)
        return pel_error_set(error, PEL_EFORMAT, "not an ONNX model, or a damaged one");
    r.model = pel_model_new("", 0);
    pel_status status = r.model == NULL ? no_memory(&r) : read_model(&r, file);
    onnx_file__model__free_unpacked(file, &allocator);
    if (status == PEL_OK)
        *model = r.model;
    else
        pel_model_free(r.model);
    return status;
}

pel_status pel_model_read(const char *path, size_t memory, pel_model **model, pel_error *error)
{
    struct stat st;
    *model = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        pel_status status = pel_error_set(error, PEL_EIO, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return status;
    }
    size_t size = st.st_size > 0 ? (size_t)st.st_size : 0, done = 0;
    pel_status status = PEL_OK;
    if (!S_ISREG(st.st_mode))
        status = pel_error_set(error, PEL_EIO, "%s: not a file", path);
    else if (memory != 0 && size > memory)
        status = pel_error_set(error, PEL_ELIMIT, "%s: the model is over the memory cap", path);
    char *bytes = status == PEL_OK ? pel_alloc(size + 1) : NULL;
    if (status == PEL_OK && bytes == NULL)
        status = pel_error_set(error, PEL_ENOMEM, "out of memory");
    while (status == PEL_OK && done < size) {
        ssize_t n = read(fd, bytes + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            status = pel_error_set(error, PEL_EIO, "%s: %s", path, n < 0 ? strerror(errno) : "the file is shrinking");
        else
            done += (size_t)n;
    }
    close(fd);
    if (status == PEL_OK && pel_model_parse(bytes, size, memory, model, error) != PEL_OK)
        status = pel_error_prefix(error, "%s", path);
    pel_free(bytes);
    return status;
}
