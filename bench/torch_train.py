#!/usr/bin/python3
"""PyTorch's step of training on the same model: torch_train.py MODEL.onnx SIDE BATCH THREADS ROUNDS [bf16]

Squared error, forward and back, and Adam, on the graph of the file, pictures channels last; in bf16 by autocast.  Prints
the best time in ms and the process's peak memory in MB.  Needs python3-torch and python3-onnx.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import contextlib
import resource
import sys
import time

import torch

from torch_model import load


def run(nodes, values):
    for f, ins, outs, a in nodes:
        result = f([values[i] for i in ins if i], a)
        values.update(zip(outs, result if len(outs) > 1 else [result]))
    return values


def main():
    path, side, batch, threads, rounds = sys.argv[1], *map(int, sys.argv[2:6])
    half = sys.argv[6:] == ["bf16"]
    torch.set_num_threads(threads)
    constants, nodes, inputs, output = load(path, torch.float32)
    weights = [v.requires_grad_() for v in constants.values() if v.dtype == torch.float32 and v.dim() > 0]
    adam = torch.optim.Adam(weights, 1e-4)
    name, channels = inputs[0]
    x = torch.rand(batch, channels, side, side).contiguous(memory_format=torch.channels_last)
    truth = torch.rand(batch, channels, side, side)
    best = float("inf")
    for r in range(rounds + 1):
        start = time.perf_counter()
        adam.zero_grad()
        with torch.cpu.amp.autocast(dtype=torch.bfloat16) if half else contextlib.nullcontext():
            y = run(nodes, {**constants, name: x})[output]
        ((y.float() - truth) ** 2).mean().backward()
        adam.step()
        best = min(best, time.perf_counter() - start) if r > 0 else best
    print(f"{best * 1e3:.1f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}")


main()
