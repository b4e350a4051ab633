"""The same net on the same pairs by pel-train and by PyTorch's Adam: PSNR of pictures not trained on within 0.05 dB.

Needs PyTorch and the package onnx, to read the initial weights.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import math
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import torch
    from onnx import numpy_helper
    from torch.nn import functional as F
except ImportError:
    print("PyTorch or onnx is not installed: skipped")
    sys.exit(77)

STEPS, BATCH, RATE, LIMIT_DB = 200, 4, 2e-3, 0.05
samples = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../data/samples")


def frames(path):
    """The reader of pel(5), without its checks."""
    with open(path, "rb") as f:
        while line := f.readline():
            word = line.decode().split()
            if word[1] == "end":
                continue
            raw = f.read(int(word[4][6:]))
            f.read(-len(raw) % 64)
            w, h, d, c = map(int, word[2].split("x"))
            yield word[1], np.frombuffer(raw, "<f4").reshape(c, d, h, w) if word[3] == "f32le" else raw


def pairs(path):
    """Pictures and truths; each channel is a sample of a grey net."""
    truth = None
    for role, a in frames(path):
        if role == "truth":
            truth = a
        elif role == "image":
            yield torch.tensor(a), torch.tensor(truth)


class Net(torch.nn.Module):
    """A chain of convolutions as the ONNX file has it."""

    def __init__(self, path):
        super().__init__()
        self.graph = onnx.load(path).graph
        self.w = torch.nn.ParameterDict(
            {t.name.replace(".", "_"): torch.nn.Parameter(torch.tensor(numpy_helper.to_array(t)))
             for t in self.graph.initializer})

    def forward(self, x):
        values = {self.graph.input[0].name: x}

        def get(name):
            return values[name] if name in values else self.w[name.replace(".", "_")]

        for n in self.graph.node:
            a = [get(i) for i in n.input]
            if n.op_type == "Conv":
                pads = next(p.ints[0] for p in n.attribute if p.name == "pads")
                y = F.conv2d(a[0], a[1], a[2] if len(a) > 2 else None, padding=pads)
            elif n.op_type == "Relu":
                y = F.relu(a[0])
            elif n.op_type == "Sub":
                y = a[0] - a[1]
            elif n.op_type == "Identity":
                y = a[0]
            else:
                sys.exit(f"operator {n.op_type} is not expected here")
            values[n.output[0]] = y
        return values[self.graph.output[0].name]


def train(net, path):
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    source = pairs(path)
    for step in range(STEPS):
        batch = [next(source) for _ in range(BATCH)]
        x, y = (torch.cat([p[k] for p in batch]) for k in (0, 1))
        for group in optimizer.param_groups:
            group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        optimizer.zero_grad()
        F.mse_loss(net(x), y).backward()
        optimizer.step()


def psnr(net, path):
    x, y = next(pairs(path))
    with torch.no_grad():
        return -10 * math.log10(((net(x) - y) ** 2).mean().item())


def run(command):
    subprocess.run(["bash", "-c", "set -o pipefail; " + command], check=True)


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    run("pel-net dncnn --depth 5 --width 16 --channels 1 --seed 2 -o net.onnx")
    run(f"pel-read {samples}/mountain.jpg {samples}/brook.jpg | pel-crop --random 32 --repeat 400 --seed 1 | "
        "pel-cat --shuffle 300 | pel-noise 25/255 >pairs.pel")
    run(f"pel-read {samples}/fig.jpg | pel-noise 25/255 --seed 9 >val.pel")
    run(f"pel-train -m net.onnx -o trained.onnx --loss mse --steps {STEPS} --batch {BATCH} --lr {RATE} --ema 0 "
        "<pairs.pel")
    theirs, ours = Net("net.onnx"), Net("trained.onnx")
    before = psnr(theirs, "val.pel")
    train(theirs, "pairs.pel")
    a, b = psnr(ours, "val.pel"), psnr(theirs, "val.pel")
    apart = max((p - q).abs().max().item() for p, q in zip(ours.parameters(), theirs.parameters()))
    print(f"before {before:.3f} dB, pel-train {a:.3f} dB, PyTorch {b:.3f} dB; weights differ by {apart:.2g} at most")
    sys.exit(0 if abs(a - b) <= LIMIT_DB and a > before + 3 else 1)
