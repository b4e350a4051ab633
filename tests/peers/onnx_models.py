"""Models of PyTorch's exporter run here as they are, and ours in ONNX Runtime: both agree within 1e-4.

Needs PyTorch; and node with the package onnxruntime-node (NODE_PATH) for the second half.
SPDX-License-Identifier: GPL-3.0-or-later
"""
import os
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    print("PyTorch is not installed: skipped")
    sys.exit(77)

warnings.filterwarnings("ignore")
torch.manual_seed(1)
LIMIT = 1e-4
failures = comparisons = 0


class Residual(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return x - self.body(x)


def dncnn():
    layers = [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU()]
    for _ in range(4):
        layers += [nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
    return Residual(nn.Sequential(*layers, nn.Conv2d(32, 1, 3, padding=1)))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 32, 3, padding=1)
        self.up = nn.ConvTranspose2d(32, 16, 2, 2)
        self.third = nn.Conv2d(32, 16, 3, padding=1)
        self.last = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, x):
        a = F.leaky_relu(self.first(x), 0.2)
        b = F.relu(self.second(F.max_pool2d(a, 2)))
        c = F.interpolate(b, scale_factor=2, mode="bilinear", align_corners=False)
        d = F.relu(self.third(torch.cat([self.up(b), a], 1))) + c[:, :16]
        return x + self.last(d)


class Norm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.randn(1, channels, 1, 1))

    def forward(self, x):
        d = x - x.mean(1, keepdim=True)
        return d / torch.sqrt(d.pow(2).mean(1, keepdim=True) + 1e-6) * self.weight + self.bias


class NAFNet(nn.Module):
    def __init__(self, c=16):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, c, 3, padding=1), nn.Conv2d(c, 3, 3, padding=1)
        self.norm, self.wide = Norm(c), nn.Conv2d(c, 2 * c, 1)
        self.deep = nn.Conv2d(2 * c, 2 * c, 3, padding=1, groups=2 * c)
        self.attention, self.narrow = nn.Conv2d(c, c, 1), nn.Conv2d(c, c, 1)
        self.down, self.up = nn.Conv2d(c, 2 * c, 2, 2), nn.Conv2d(2 * c, 4 * c, 1, bias=False)
        self.beta = nn.Parameter(torch.randn(1, c, 1, 1))
        self.layer = nn.LayerNorm(c)

    def forward(self, x):
        y = self.first(x)
        a, b = self.deep(self.wide(self.norm(y))).chunk(2, 1)
        g = a * b
        y = y + self.narrow(g * self.attention(F.adaptive_avg_pool2d(g, 1))) * self.beta
        y = y + F.pixel_shuffle(self.up(self.down(y)), 2)
        y = self.layer(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x + self.last(F.gelu(y))


class Mixed(nn.Module):
    def __init__(self, c=12):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, c, 3, padding=1), nn.Conv2d(c, 3, 3, padding=1)
        self.point, self.group = nn.Conv2d(c, c, 1), nn.GroupNorm(4, c)
        self.layer = nn.LayerNorm(c)

    def forward(self, x):
        y = self.first(x)
        y = y + F.silu(self.group(y))
        y = self.layer(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) * 2
        y = F.hardswish(self.point(F.gelu(y)) + F.elu(y))
        return torch.clamp(x + self.last(F.softplus(F.relu6(y))), -1, 2)


class ResNet(nn.Module):
    def __init__(self, c=16):
        super().__init__()
        norm, relu = nn.InstanceNorm2d, nn.ReLU
        self.body = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(3, c, 7), norm(c), relu(),
            nn.Conv2d(c, 2 * c, 3, 2, 1), norm(2 * c, affine=True), relu(),
            nn.ReflectionPad2d(1), nn.Conv2d(2 * c, 2 * c, 3), norm(2 * c), nn.PReLU(),
            nn.ConvTranspose2d(2 * c, c, 3, 2, 1, 1), norm(c), relu(),
            nn.ReflectionPad2d(3), nn.Conv2d(c, 3, 7), nn.Tanh())

    def forward(self, x):
        return torch.clamp(x + self.body(x), 0, 1)


def write_pfm(path, x):
    with open(path, "wb") as f:
        f.write(b"%s\n%d %d\n-1\n" % (b"PF" if x.shape[0] == 3 else b"Pf", x.shape[2], x.shape[1]))
        f.write(np.ascontiguousarray(x[:, ::-1].transpose(1, 2, 0)).astype("<f4").tobytes())


def read_pfm(path):
    with open(path, "rb") as f:
        kind, size, _ = f.readline(), f.readline().split(), f.readline()
        w, h = int(size[0]), int(size[1])
        v = np.frombuffer(f.read(), "<f4").reshape(h, w, -1)
    assert kind.strip() in (b"PF", b"Pf")
    return v[::-1].transpose(2, 0, 1)


def ours(model, x, folder):
    """The picture's greatest sample is 1, so that it is seen as it is."""
    write_pfm(folder + "/x.pfm", x)
    subprocess.run(f"pel-read {folder}/x.pfm | pel-cnn -q -m {model} | pel-write -q {folder}/y.pfm", shell=True, check=True)
    return read_pfm(folder + "/y.pfm")


def compare(name, a, b):
    global failures, comparisons
    off = np.abs(a - b).max() / np.abs(b).max()
    comparisons += 1
    if not off <= LIMIT:
        failures += 1
        print(f"{name}: off by {off:.2g} of the range")


def picture(channels, h, w):
    x = torch.rand(1, channels, h, w)
    return x / x.max()


NODE = """
const ort = require('onnxruntime-node'), fs = require('fs');
(async () => {
  const [file, raw, c, h, w, out] = process.argv.slice(1);
  const session = await ort.InferenceSession.create(file);
  const b = fs.readFileSync(raw);
  const x = new Float32Array(b.buffer.slice(b.byteOffset, b.byteOffset + b.length));
  const feeds = {[session.inputNames[0]]: new ort.Tensor('float32', x, [1, +c, +h, +w])};
  const y = (await session.run(feeds))[session.outputNames[0]];
  fs.writeFileSync(out, Buffer.from(y.data.buffer, y.data.byteOffset, y.data.byteLength));
})();
"""


def theirs(model, x, folder):
    x.astype("<f4").tofile(folder + "/x.raw")
    subprocess.run(["node", "-e", NODE, model, folder + "/x.raw", *map(str, x.shape), folder + "/y.raw"], check=True)
    return np.fromfile(folder + "/y.raw", "<f4").reshape(x.shape)


def has_runtime():
    try:
        return subprocess.run(["node", "-e", "require('onnxruntime-node')"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


with tempfile.TemporaryDirectory() as folder:
    runtime = has_runtime()
    for opset in (13, 14, 15, 16, 17):
        for build, channels in ((dncnn, 1), (UNet, 3), (NAFNet, 3), (Mixed, 3), (ResNet, 3)):
            net, x = build().eval(), picture(channels, 46, 70)
            path = folder + "/foreign.onnx"
            torch.onnx.export(net, x, path, opset_version=opset, input_names=["image"], output_names=["output"],
                              dynamic_axes={"image": {2: "h", 3: "w"}, "output": {2: "h", 3: "w"}})
            with torch.no_grad():
                expected = net(x)[0].numpy()
            got = ours(path, x[0].numpy(), folder)
            compare(f"{build.__name__} opset {opset}, PyTorch", got, expected)
            if runtime:
                compare(f"{build.__name__} opset {opset}, ONNX Runtime", got, theirs(path, x[0].numpy(), folder))
    single = "srcnn vdsr dncnn ircnn unet resnet vgg multiscale dbpn nafnet tnrd".split()
    for name in single if runtime else []:
        path = f"{folder}/{name}.onnx"
        subprocess.run(["pel-net", name, "--width", "16", "-o", path], check=True)
        x = picture(1 if name in ("srcnn", "vdsr", "dncnn", "ircnn", "tnrd") else 3, 48, 80)[0].numpy()
        compare(f"{name} of pel-net, ONNX Runtime", ours(path, x, folder), theirs(path, x, folder))
    if not runtime:
        print("node has no onnxruntime-node (NODE_PATH): compared with PyTorch only")
print(f"{comparisons} comparisons, {failures} failures")
sys.exit(failures > 0 or comparisons == 0)
