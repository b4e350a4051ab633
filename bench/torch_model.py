#!/usr/bin/python3
"""PyTorch on the same model: torch_model.py MODEL.onnx WIDTH HEIGHT THREADS ROUNDS [bf16]

Runs the graph of the file node by node with torch's functions, pictures channels last (its fast layout on CPUs), and
prints the best time in ms and the process's peak memory in MB.  Needs python3-torch and python3-onnx.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import resource
import sys
import time

import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper


def conv(x, w, b, a, transposed):
    pads = a.get("pads", [0, 0, 0, 0])
    common = dict(stride=a.get("strides", [1, 1]), dilation=a.get("dilations", [1, 1]), groups=a.get("group", 1))
    assert pads[:2] == pads[2:]
    if transposed and w.dtype == torch.bfloat16:  # which torch 1.13 does not do on CPUs
        return conv(x.float(), w.float(), None if b is None else b.float(), a, True).bfloat16()
    if transposed:
        return F.conv_transpose2d(x, w, b, padding=pads[:2], output_padding=a.get("output_padding", [0, 0]), **common)
    return F.conv2d(x, w, b, padding=pads[:2], **common)


def pad(x, pads, a):
    p = [int(v) for v in pads]
    mode = {b"reflect": "reflect", b"edge": "replicate"}.get(a.get("mode", b"constant"), "constant")
    return F.pad(x, (p[3], p[7], p[2], p[6]), mode=mode)


def batch_norm(x, scale, bias, mean, var, a):
    return F.batch_norm(x, mean, var, scale, bias, eps=a.get("epsilon", 1e-5))


OPERATORS = {
    "Conv": lambda i, a: conv(i[0], i[1], i[2] if len(i) > 2 else None, a, False),
    "ConvTranspose": lambda i, a: conv(i[0], i[1], i[2] if len(i) > 2 else None, a, True),
    "BatchNormalization": lambda i, a: batch_norm(*i, a),
    "InstanceNormalization": lambda i, a: F.instance_norm(i[0], weight=i[1], bias=i[2], eps=a.get("epsilon", 1e-5)),
    "Relu": lambda i, a: F.relu(i[0]),
    "LeakyRelu": lambda i, a: F.leaky_relu(i[0], a.get("alpha", 0.01)),
    "PRelu": lambda i, a: F.prelu(i[0], i[1].flatten()),
    "Tanh": lambda i, a: torch.tanh(i[0]),
    "Sigmoid": lambda i, a: torch.sigmoid(i[0]),
    "Add": lambda i, a: i[0] + i[1],
    "Sub": lambda i, a: i[0] - i[1],
    "Mul": lambda i, a: i[0] * i[1],
    "Div": lambda i, a: i[0] / i[1],
    "Pow": lambda i, a: i[0] ** i[1],
    "Sqrt": lambda i, a: torch.sqrt(i[0]),
    "ReduceMean": lambda i, a: i[0].mean(a["axes"], keepdim=bool(a.get("keepdims", 1))),
    "GlobalAveragePool": lambda i, a: i[0].mean((2, 3), keepdim=True),
    "MaxPool": lambda i, a: F.max_pool2d(i[0], a["kernel_shape"], a.get("strides")),
    "AveragePool": lambda i, a: F.avg_pool2d(i[0], a["kernel_shape"], a.get("strides")),
    "Concat": lambda i, a: torch.cat(i, a["axis"]),
    "Split": lambda i, a: i[0].chunk(2, a["axis"]),
    "Pad": lambda i, a: pad(i[0], i[1], a),
    "DepthToSpace": lambda i, a: F.pixel_shuffle(i[0], a["blocksize"]),  # channels in another order: the time is the same
    "SpaceToDepth": lambda i, a: F.pixel_unshuffle(i[0], a["blocksize"]),
    "Clip": lambda i, a: torch.clamp(i[0], i[1], i[2]),
    "Identity": lambda i, a: i[0],
}


def load(path, dtype):
    graph = onnx.load(path).graph
    values = {}
    for t in graph.initializer:
        v = torch.from_numpy(numpy_helper.to_array(t).copy())
        v = v.to(dtype) if v.dtype == torch.float32 else v
        values[t.name] = v.contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v
    nodes = []
    for n in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute}
        if n.op_type == "Constant":
            values[n.output[0]] = torch.from_numpy(numpy_helper.to_array(attributes["value"]).copy())
        else:
            nodes.append((OPERATORS[n.op_type], list(n.input), list(n.output), attributes))
    inputs = [(i.name, i.type.tensor_type.shape.dim[1].dim_value) for i in graph.input if i.name not in values]
    return values, nodes, inputs, graph.output[0].name


def last_uses(nodes, output):
    """The names that are not needed after each node: as a program written by hand would drop them."""
    seen, drops = {output}, []
    for _, inputs, _, _ in reversed(nodes):
        drops.append([name for name in set(inputs) if name not in seen])
        seen.update(inputs)
    return drops[::-1]


def main():
    path, width, height, threads, rounds = sys.argv[1], *map(int, sys.argv[2:6])
    dtype = torch.bfloat16 if sys.argv[6:] == ["bf16"] else torch.float32
    torch.set_num_threads(threads)
    constants, nodes, inputs, output = load(path, dtype)
    drops = last_uses(nodes, output)
    feeds = {name: torch.rand(1, c, height, width).to(dtype).contiguous(memory_format=torch.channels_last)
             for name, c in inputs}
    best = float("inf")
    for r in range(rounds + 1):
        start = time.perf_counter()
        with torch.no_grad():
            values = dict(feeds)
            for (f, ins, outs, a), drop in zip(nodes, drops):
                result = f([constants[i] if i in constants else values[i] for i in ins if i], a)
                values.update(zip(outs, result if len(outs) > 1 else [result]))
                for name in drop:
                    values.pop(name, None)
        best = min(best, time.perf_counter() - start) if r > 0 else best
    print(f"{best * 1e3:.1f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}")


if __name__ == "__main__":
    main()
