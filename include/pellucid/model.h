/* model.h - networks as graphs of operators: ONNX files in and out, and a builder.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The graph is ONNX's (https://onnx.ai/onnx/repo-docs/IR.html): nodes in an order in which each uses only
 * what came before, values known by name, constants with the graph ("initializers").  Everything in a model
 * belongs to the model and is freed with it.
 */
#ifndef PELLUCID_MODEL_H
#define PELLUCID_MODEL_H

#include <pellucid/base.h>

PEL_BEGIN_DECLS

#define PEL_MODEL_RANK 8 /* most dimensions of a tensor */

/* Other types of ONNX files become one of these when they are read: half, bfloat16 and double become float,
 * the other integers int64. */
typedef enum { PEL_MODEL_FLOAT, PEL_MODEL_INT64, PEL_MODEL_BOOL } pel_model_type;

/* A constant: row-major, the last dimension fastest (pictures: N, C, H, W).  Of `floats` and `integers` (for
 * PEL_MODEL_INT64 and PEL_MODEL_BOOL) one is not NULL, even for a tensor of no elements. */
typedef struct {
    char *name; /* may be empty for the tensor of an attribute */
    pel_model_type type;
    size_t rank;
    int64_t dims[PEL_MODEL_RANK]; /* 0 and more */
    float *floats;
    int64_t *integers;
} pel_model_tensor;

/* Elements of a tensor. */
size_t pel_model_tensor_count(const pel_model_tensor *tensor);

typedef enum {
    PEL_ATTRIBUTE_INT,
    PEL_ATTRIBUTE_FLOAT,
    PEL_ATTRIBUTE_STRING,
    PEL_ATTRIBUTE_INTS,
    PEL_ATTRIBUTE_FLOATS,
    PEL_ATTRIBUTE_STRINGS,
    PEL_ATTRIBUTE_TENSOR,
} pel_attribute_kind;

typedef struct {
    char *name;
    pel_attribute_kind kind;
    size_t count; /* of integers, floats or strings; 1 for a single one */
    int64_t *integers;
    float *floats;
    char **strings;
    pel_model_tensor tensor;
} pel_attribute;

typedef struct {
    char *name;     /* may be empty */
    char *operator; /* "Conv" */
    char *domain;   /* "" for ONNX's own */
    size_t input_count, output_count, attribute_count;
    char **inputs;  /* names of values; "" for one that is left out */
    char **outputs;
    pel_attribute *attributes;
} pel_node;

/* An input or output of the graph.  A dimension of -1 is decided when the model is run; `symbols` names it
 * (or is NULL), and equal names stand for equal sizes. */
typedef struct {
    char *name;
    pel_model_type type;
    bool has_shape;
    size_t rank;
    int64_t dims[PEL_MODEL_RANK];
    char *symbols[PEL_MODEL_RANK];
} pel_model_value;

typedef struct {
    char *key, *value;
} pel_model_pair;

typedef struct {
    int64_t opset; /* of ONNX's own operators */
    char *producer, *graph_name, *doc;
    size_t input_count, output_count, tensor_count, node_count, metadata_count;
    pel_model_value *inputs, *outputs; /* inputs: without those that are only names of tensors */
    pel_model_tensor *tensors;
    pel_node *nodes;
    pel_model_pair *metadata; /* metadata_props: what the model expects, its card */
} pel_model;

/* ---- Files.  A file is data from strangers: whatever breaks the format, or is over a limit, is an error
 * (PEL_EFORMAT, PEL_ELIMIT) that names node or tensor.  Refused are: values that are used before they are
 * made or made twice, tensors whose data lie in other files, graphs inside of nodes (If, Loop), sparse
 * tensors, opsets below 13 and above 18, and more than `memory` bytes (0: no cap) of decoded constants. */
pel_status pel_model_parse(const void *bytes, size_t count, size_t memory, pel_model **model,
                           pel_error *error);
pel_status pel_model_read(const char *path, size_t memory, pel_model **model, pel_error *error);
/* An ONNX file's bytes; free with pel_free. */
pel_status pel_model_serialize(const pel_model *model, void **bytes, size_t *count, pel_error *error);
/* Under a temporary name, then renamed; in place where `path` is a device or FIFO. */
pel_status pel_model_write(const pel_model *model, const char *path, pel_error *error);
void pel_model_free(pel_model *model);

/* ---- Building.  Names, values and arrays are copied.  A model under construction remembers its first
 * failure (out of memory, a name made twice): the calls after it do nothing, and pel_model_finish tells. */
pel_model *pel_model_new(const char *graph_name, int64_t opset); /* NULL: out of memory */
/* A picture: float, 1 x channels x H x W, the last two decided when the model is run. */
void pel_model_add_input(pel_model *model, const char *name, int64_t channels);
void pel_model_add_output(pel_model *model, const char *name, int64_t channels);
/* Returns where to put the values (all 0), or NULL after a failure. */
float *pel_model_add_floats(pel_model *model, const char *name, size_t rank, const int64_t *dims);
void pel_model_add_integers(pel_model *model, const char *name, size_t count, const int64_t *values);
/* `inputs` and `outputs` are names, separated by one space; "-" is one that is left out.  The node stays
 * valid until the next one is added; it may be NULL, and the functions below take that. */
pel_node *pel_model_add_node(pel_model *model, const char *operator, const char *inputs,
                             const char *outputs);
void pel_node_set_int(pel_model *model, pel_node *node, const char *name, int64_t value);
void pel_node_set_ints(pel_model *model, pel_node *node, const char *name, size_t count,
                       const int64_t *values);
void pel_node_set_float(pel_model *model, pel_node *node, const char *name, float value);
void pel_node_set_string(pel_model *model, pel_node *node, const char *name, const char *value);
/* Replaces the value of a key that is there. */
void pel_model_set_metadata(pel_model *model, const char *key, const char *value);
pel_status pel_model_finish(pel_model *model, pel_error *error);

/* ---- Changing.  Makes values of its nodes the model's outputs, in this order; nodes and constants that these do not need
 * are dropped.  PEL_EINVAL: no node makes a value of that name, or it is named twice; the model is as it was. */
pel_status pel_model_set_outputs(pel_model *model, size_t count, const char *const *names, pel_error *error);

/* ---- Looking things up: NULL where there is none of that name. */
const char *pel_model_metadata(const pel_model *model, const char *key);
const pel_model_tensor *pel_model_find_tensor(const pel_model *model, const char *name);
const pel_attribute *pel_node_attribute(const pel_node *node, const char *name);
/* The value of an attribute of that kind, or `fallback`. */
int64_t pel_node_int(const pel_node *node, const char *name, int64_t fallback);
double pel_node_float(const pel_node *node, const char *name, double fallback);
const char *pel_node_string(const pel_node *node, const char *name, const char *fallback);

PEL_END_DECLS
#endif
